#!/usr/bin/python3
"""A whole sample ministry on loopback: slapd with the sample directory, the eSignet stand-in, the DHIS2 stand-in, and the
real bridge between them, configured by its own commands as an administrator would. Used by the demo and the flow tests.

    with Ministry(folder) as m:            # folder: where everything is kept; a second run goes on where the first left off
        page = m.login("8267411571", link=("amina.diallo", DEMO_PASSWORD))

Everything listens on 127.0.0.1; ports are chosen once and kept in folder/ports.json.
"""
import base64
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent
ROOT = SUPPORT.parents[1]
sys.path[:0] = [str(SUPPORT), str(SUPPORT / "esignet")]
import slapd as slapd_module  # noqa: E402
import walk as esignet_walk  # noqa: E402
from browser import Browser  # noqa: E402

DEMO_PASSWORD = slapd_module.DEMO_PASSWORD
PIN = "111111"
PYTHON = "/usr/bin/python3"
START_LIMIT_S = 40
SERVERS = ("directory", "esignet", "dhis2", "bridge", "metrics")
ACR = "mosip:idp:acr:static-code"


class Taken(RuntimeError):
    """A port of an earlier run belongs to somebody else now."""


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def rules():
    """The mapping of the sample ministry: cadres give roles and the place of work, programmes give user groups."""
    cadres = {"nurses": "Clinic worker", "community-health-workers": "Clinic worker", "doctors": "Clinic worker",
              "laboratory": "Laboratory", "data-entry": "Data entry", "data-managers": "Data manager", "supervisors": "Supervisor"}
    place = ["code:{directory.departmentNumber}"]
    for group, role in cadres.items():
        yield {"name": group, "when": {"groups": [group]},
               "give": {"roles": [role], "org_units": place, "view_org_units": place, "search_org_units": place}}
    for programme in ("hiv", "malaria", "epi"):
        for region in range(1, 5):
            yield {"name": f"{programme}-r{region}", "when": {"groups": [f"{programme}-r{region}"]},
                   "give": {"groups": [f"code:{programme.upper()}-R{region}"]}}


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Ministry:
    def __init__(self, folder, binary=None, people=1000, settings=None, dhis2_version="2.43", keep_ports=True,
                 client_options=(), environment=None):
        """settings: {section: {key: value or None}} over the configuration below; client_options: more words for
        `client add` of the DHIS2 login."""
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # there are secrets in it
        self.binary = str(binary or os.environ.get("IDBRIDGE_BINARY") or ROOT / "build" / "idbridge")
        self.people, self.settings, self.dhis2_version = people, settings or {}, dhis2_version
        self.client_options = list(client_options)
        self.environment = {**os.environ, **(environment or {}), "IDBRIDGE_CONFIG": str(self.folder / "bridge.ini")}
        self.processes = {}
        self.ports = self._ports(keep_ports)
        self.issuer = f"http://127.0.0.1:{self.ports['bridge']}"
        self.esignet = f"http://127.0.0.1:{self.ports['esignet']}"
        self.dhis2 = f"http://127.0.0.1:{self.ports['dhis2']}"
        self.metrics = f"http://127.0.0.1:{self.ports['metrics']}"
        self.slapd = slapd_module.Slapd(self.folder / "directory", self.ports["directory"], people=people)
        self.fresh = not (self.folder / "ready").exists()

    # ---- ports and files

    def _ports(self, keep):
        kept = self.folder / "ports.json"
        if keep and kept.exists():
            ports = json.loads(kept.read_text())
            for name, port in ports.items():
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        probe.bind(("127.0.0.1", port))
                    except OSError:
                        raise Taken(f"port {port} ({name}) is taken by something else now; end that, or forget this state") from None
            return ports
        ports = dict(zip(SERVERS, free_ports(len(SERVERS))))
        kept.write_text(json.dumps(ports))
        return ports

    def _sections(self):
        base = {
            "bridge": {"issuer": self.issuer, "master_key": "master.key"},
            "listen": {"address": f"127.0.0.1:{self.ports['bridge']}", "metrics": f"127.0.0.1:{self.ports['metrics']}"},
            "store": {"folder": "state"},
            "pages": {"ministry": "Ministry of Health (demo)", "contact": "IT desk of your district"},
            "link": {"method": "password"},
            "upstream national-id": {
                "issuer": self.esignet, "client_id": "ministry-bridge", "label": "National ID", "scope": "openid profile email",
                "acr_values": ACR, "id_token_algs": "PS256", "userinfo": "jws", "userinfo_issuer": self.esignet + "/v1/esignet",
                "claims": json.dumps({"userinfo": {"name": {"essential": True}, "birthdate": None, "gender": None}}),
                "claims_locales": "eng", "link_claims": "gender"},
            "directory staff": {
                "type": "openldap", "urls": self.slapd.url, "bind_dn": slapd_module.READER, "bind_password_file": "reader.password",
                "people_base": f"ou=people,{slapd_module.SUFFIX}", "groups_base": f"ou=groups,{slapd_module.SUFFIX}",
                "attributes": "departmentNumber title employeeType", "display_name_attribute": "cn",
                "birth_date_attribute": "schacDateOfBirth"},
            "dhis2 hmis": {"url": self.dhis2, "auth": "token", "token_file": "dhis2.token"},
        }
        for section, keys in self.settings.items():
            base.setdefault(section, {}).update(keys)
        return base

    def write_config(self):
        lines = []
        for section, keys in self._sections().items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {value}" for key, value in keys.items() if value is not None]
            lines.append("")
        (self.folder / "bridge.ini").write_text("\n".join(lines))

    # ---- processes

    def spawn(self, name, command, **options):
        log = open(self.folder / f"{name}.log", "ab")
        options.setdefault("stderr", log)
        # a session of its own, so that Ctrl-C reaches us alone; and it dies with us, however we die
        options.setdefault("start_new_session", True)
        options.setdefault("preexec_fn", die_with_parent)
        self.processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, cwd=ROOT, **options)
        log.close()
        return self.processes[name]

    def wait_for(self, name, ready):
        deadline = time.monotonic() + START_LIMIT_S
        while not ready():
            process = self.processes.get(name)
            if process is not None and process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start:\n{self.log(name)[-3000:]}")
            time.sleep(0.02)

    def log(self, name):
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def run(self, *words, check=True, text=None):
        """One idbridge command."""
        done = subprocess.run([self.binary, *map(str, words)], capture_output=True, text=True, input=text, timeout=60,
                              env=self.environment, cwd=self.folder)
        if check and done.returncode != 0:
            raise RuntimeError(f"idbridge {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def stop(self, name, sig=signal.SIGTERM, timeout=40):
        process = self.processes.pop(name, None)
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(sig)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"{name} did not end on {sig!r} within {timeout} s") from None

    # ---- HTTP to the stand-ins

    def call(self, method, url, body=None, headers=None, timeout=30):
        """(status, parsed JSON or text)"""
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(url, data=data, method=method, headers={
            **({"Content-Type": "application/json"} if data is not None else {}), **(headers or {})})
        try:
            with urllib.request.urlopen(asked, timeout=timeout) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as problem:
            status, text = problem.code, problem.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def admin(self, method, path, body=None):
        """A call to DHIS2 as its administrator."""
        basic = base64.b64encode(b"admin:district").decode()
        return self.call(method, self.dhis2 + path, body, {"Authorization": "Basic " + basic})

    def control(self, which, name, body=None, method="POST"):
        """The control interface of a stand-in: control("esignet", "tamper", {...})."""
        status, answer = self.call(method, getattr(self, which) + "/__standin/" + name, body)
        if status != 200:
            raise RuntimeError(f"{which} /__standin/{name}: {status} {answer}")
        return answer

    # ---- starting

    def start_directory(self):
        self.slapd.start()

    def start_esignet(self):
        ready = self.folder / "esignet.ready"
        ready.unlink(missing_ok=True)
        self.spawn("esignet", [PYTHON, "-B", str(SUPPORT / "esignet" / "standin.py"), "--port", str(self.ports["esignet"]),
                               "--state", str(self.folder / "esignet"), "--ready-file", str(ready)])
        self.wait_for("esignet", ready.exists)

    def start_dhis2(self):
        ready, seed = self.folder / "dhis2.ready", self.folder / "dhis2-seed.json"
        ready.unlink(missing_ok=True)
        (self.folder / "dhis2").mkdir(exist_ok=True)
        if not seed.exists():
            made = subprocess.run([PYTHON, "-B", str(ROOT / "deploy" / "sample-directory" / "generate.py"), "--dhis2-seed"],
                                  capture_output=True, check=True, timeout=60)
            seed.write_bytes(made.stdout)
        self.spawn("dhis2", [PYTHON, "-B", str(SUPPORT / "dhis2" / "standin.py"), "--port", str(self.ports["dhis2"]),
                             "--dhis-conf", str(self.folder / "dhis.conf"), "--seed", str(seed), "--version", self.dhis2_version,
                             "--state", str(self.folder / "dhis2"), "--ready-file", str(ready)])
        self.wait_for("dhis2", ready.exists)

    def start_bridge(self):
        options = {"env": self.environment}
        self.spawn("bridge", [self.binary, "serve"], **options)

        def ready():
            try:
                return self.call("GET", self.issuer + "/readyz", timeout=2)[0] == 200
            except OSError:
                return False
        self.wait_for("bridge", ready)

    def register_at_esignet(self, client_id="ministry-bridge", upstream="national-id", extra=None, key=None):
        """What an administrator does at eSignet: the client with the JWK that `upstream key` prints."""
        jwk = key or json.loads(self.run("upstream", "key", upstream).stdout)
        request = {
            "clientId": client_id, "clientName": "Ministry of Health", "publicKey": {k: jwk[k] for k in jwk if k in ("kty", "n", "e", "alg", "use", "kid", "crv", "x", "y")},
            "relyingPartyId": "health-ministry", "userClaims": ["name", "email", "gender", "phone_number", "birthdate", "address"],
            "authContextRefs": [ACR, "mosip:idp:acr:password"], "logoUri": "https://example.org/logo.png",
            "redirectUris": [f"{self.issuer}/callback/{upstream}"], "grantTypes": ["authorization_code"],
            "clientAuthMethods": ["private_key_jwt"], "clientNameLangMap": {"eng": "Ministry of Health"},
            "additionalConfig": {"userinfo_response_type": "JWS", "purpose": {"type": "verify"}, "signup_banner_required": False,
                                 "forgot_pwd_link_required": False, "consent_expire_in_mins": 20, "require_pkce": True,
                                 "require_pushed_authorization_requests": False, "dpop_bound_access_tokens": False, **(extra or {})}}
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        status, answer = self.call("POST", self.esignet + "/v1/esignet/client-mgmt/client", {"requestTime": stamp, "request": request})
        if status != 200 or answer.get("errors"):
            raise RuntimeError(f"eSignet refused the client: {status} {answer}")

    def add_clients(self):
        """The DHIS2 login and its Route; the lines the command prints are DHIS2's configuration as they are."""
        printed = self.run("client", "add", "dhis2-login", "--name", "DHIS2", "--dhis2", "hmis", "--redirect-uri",
                           self.dhis2 + "/oauth2/code/bridge", "--post-logout-redirect-uri", self.dhis2 + "/",
                           *self.client_options).stdout
        (self.folder / "dhis.conf").write_text(
            printed + f"server.base.url = {self.dhis2}\nroute.remote_servers_allowed = http://127.0.0.1*\n"
                      "oauth2.authorization.server.enabled = off\n")
        kind = ["--auth-method", "route_key"] if self.dhis2_version == "2.41" else []
        printed = self.run("client", "add", "route-verify", "--profile", "route", "--dhis2", "hmis", *kind).stdout
        (self.folder / "route-auth.json").write_text(next(line for line in printed.splitlines() if line.startswith("{")))

    def add_route(self):
        auth = json.loads((self.folder / "route-auth.json").read_text())
        status, answer = self.admin("POST", "/api/routes", {
            "name": "National ID bridge", "code": "national-id", "url": self.issuer + "/verification/ready", "auth": auth,
            "authorities": ["BRIDGE_VERIFY"], "responseTimeoutSeconds": 10})
        if status != 201:
            raise RuntimeError(f"DHIS2 refused the Route: {status} {answer}")

    def provisioning_token(self):
        basic = base64.b64encode(b"prov1:Provision1!").decode()
        status, answer = self.call("POST", self.dhis2 + "/api/apiTokens", {}, {"Authorization": "Basic " + basic})
        if status != 201:
            raise RuntimeError(f"DHIS2 gave no token: {status} {answer}")
        path = self.folder / "dhis2.token"
        path.write_text(answer["response"]["key"] + "\n")
        path.chmod(0o600)

    def start(self):
        self.start_directory()
        self.start_esignet()
        if self.fresh:
            (self.folder / "reader.password").write_text(slapd_module.READER_PASSWORD + "\n")
            (self.folder / "dhis2.token").touch()
            self.write_config()
            (self.folder / "state").mkdir(mode=0o700, exist_ok=True)  # ours: init gives a new one to a user idbridge
            self.run("init")
            self.register_at_esignet()
            self.add_clients()
            self.start_dhis2()
            self.provisioning_token()
            self.run("map", "apply", "-", text="\n".join(map(json.dumps, rules())))
            self.add_route()
        else:
            self.start_dhis2()
        self.start_bridge()
        (self.folder / "ready").touch()
        return self

    def end(self):
        problems = []
        for name in ("bridge", "dhis2", "esignet"):
            try:
                self.stop(name)
            except RuntimeError as problem:
                problems.append(str(problem))
        self.slapd.stop()
        if problems:
            raise RuntimeError("; ".join(problems))

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.end()
            raise

    def __exit__(self, *_):
        self.end()

    # ---- signing in

    def to_esignet(self, browser=None, start=None):
        """(browser, eSignet's authorize URL): DHIS2's login button, as far as the ID provider."""
        browser = browser or Browser()
        page = browser.get(start or self.dhis2 + "/oauth2/authorization/bridge", follow=lambda url: not url.startswith(self.esignet))
        if page.location is None:
            raise RuntimeError(f"no way to eSignet: {page.status} {page.url}: {page.text[:500]}")
        return browser, page.location

    def at_esignet(self, url, individual_id, pin=PIN, **options):
        return esignet_walk.walk(url, individual_id, pin, **options)

    def login(self, individual_id, link=None, browser=None, start=None, follow=lambda url: True):
        """The whole way; returns the last page. `link`: (user, password) typed when the bridge asks for them."""
        browser, url = self.to_esignet(browser, start)
        page = browser.get(self.at_esignet(url, individual_id), follow=follow)
        if link is not None and page.html is not None and "/link" in [form["action"] for form in page.html.forms]:
            page = browser.submit(page.form("/link"), username=link[0], password=link[1], follow=follow)
        page.browser = browser
        return page
