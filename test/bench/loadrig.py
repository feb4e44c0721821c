#!/usr/bin/python3
"""What the benchmark and the tests under load share: a sample ministry with people linked, logins without a browser, and the
processor time of one process. Called by run.py, hang.py, growth.py and the flow tests.

A login here is what a browser and DHIS2 do, without pages: /authorize, the ID provider (the stand-in's /__standin/login, a
whole sign-in in one request), the callback, /token. CPU is the bridge's own, user and kernel, all threads (proc(5) stat)."""
import base64
import hashlib
import http.client
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "support")]
from ministry import ACR, DEMO_PASSWORD, PIN, PYTHON, Ministry, free_ports, rules  # noqa: E402, F401

RELEASE = ROOT / "build" / "idbridge"
TICK = os.sysconf("SC_CLK_TCK")
CADRES = {cadre for rule in rules() if "roles" in rule["give"] for cadre in rule["when"]["groups"]}
VERIFIER = "bench-" + "v" * 60
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
FORM = "application/x-www-form-urlencoded"


def basic_header(client_id, secret):
    """RFC 6749 section 2.3.1."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def cpu_s(pid):
    """Seconds of processor time so far; the two clocks together are exact, only printed in ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def own_mb(pid):
    """Memory that is no file's: heap, stacks, relocated data; not the text of libraries (proc(5), smaps_rollup)."""
    return int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("Anonymous:")[1].split()[0]) / 1024


class Kept:
    """Kept-alive connections of one thread, one per address."""

    def __init__(self, timeout=30):
        self.open, self.timeout = {}, timeout

    def ask(self, method, url, body=None, headers=None):
        """(status, headers, text); a connection the server closed meanwhile is opened again, once."""
        parts = urlsplit(url)
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        for last in (False, True):
            fresh = parts.netloc not in self.open
            if fresh:
                self.open[parts.netloc] = http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.timeout)
            connection = self.open[parts.netloc]
            try:
                connection.request(method, target, body, headers or {})
                answer = connection.getresponse()
                return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
            except (http.client.HTTPException, OSError):
                connection.close()
                del self.open[parts.netloc]
                if last or fresh:
                    raise

    def close(self):
        for connection in self.open.values():
            connection.close()
        self.open.clear()


class Rig(Ministry):
    """A ministry with that many people at the ID provider, linked and known to DHIS2 unless `link` is false."""

    def __init__(self, folder, linked=32, settings=None, link=True, **options):
        merged = {"listen": {"requests_per_second": 100000}}
        for section, keys in (settings or {}).items():
            merged.setdefault(section, {}).update(keys)
        options.setdefault("people", 150 + 2 * linked)
        super().__init__(folder, settings=merged, **{"binary": RELEASE, **options})
        self.linked, self.link = linked, link

    def start(self):
        fresh = self.fresh
        super().start()
        conf = dict(line.split(" = ", 1) for line in (self.folder / "dhis.conf").read_text().splitlines()
                    if " = " in line and not line.startswith("#"))
        self.use("dhis2-login", conf["oidc.provider.bridge.client_secret"], self.dhis2 + "/oauth2/code/bridge")
        self.persons = self.choose()
        for person in self.persons:
            self.control("esignet", "persons", at_esignet(person))
        if fresh and self.link:
            for person in self.persons:
                self.first_login(person)
        return self

    def use(self, client_id, secret, redirect_uri):
        """The application that logins are for from now on."""
        self.client_id, self.secret, self.redirect_uri = client_id, secret, redirect_uri

    def add_client(self, client_id, *options):
        """Registers one more application; its secret, or None."""
        printed = self.run("client", "add", client_id, "--dhis2", "hmis", *options).stdout
        found = re.search(r"client_secret = (\S+)", printed)
        return found.group(1) if found else None

    def choose(self):
        made = subprocess.run([PYTHON, "-B", str(ROOT / "deploy" / "sample-directory" / "generate.py"), "--people", "--ordinary",
                               str(self.people)],
                              capture_output=True, check=True, timeout=60)
        able = [person for person in json.loads(made.stdout) if person["state"] == "ok" and CADRES & set(person["groups"])]
        if len(able) < self.linked:
            raise RuntimeError(f"only {len(able)} of {self.people} people may work")
        return able[:self.linked]

    def first_login(self, person):
        page = self.login(individual_id(person), link=(person["uid"], DEMO_PASSWORD), follow=lambda url: not url.startswith(self.dhis2))
        if page.location is None:
            raise RuntimeError(f"{person['uid']} was not linked: {page.status} {page.text[:300]}")

    # ---- one login, station by station

    def authorize_url(self, **more):
        return self.issuer + "/authorize?" + urlencode({
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri, "scope": "openid email",
            "state": "bench", "nonce": "n" * 22, "code_challenge": CHALLENGE, "code_challenge_method": "S256", **more})

    def begin(self, kept, person):
        """(callback URL, cookie): as far as the ID provider and back out of it."""
        status, headers, text = kept.ask("GET", self.authorize_url(prompt="login"))
        if status != 303 or not headers["Location"].startswith(self.esignet):
            raise RuntimeError(f"/authorize answered {status}: {text[:300]}")
        body = json.dumps({"url": headers["Location"], "individualId": individual_id(person)})
        done, _, answer = kept.ask("POST", self.esignet + "/__standin/login", body, {"Content-Type": "application/json"})
        if done != 200 or "location" not in json.loads(answer):
            raise RuntimeError(f"the ID provider answered {done}: {answer[:300]}")
        return json.loads(answer)["location"], headers["Set-Cookie"].split(";")[0]

    def code_of(self, kept, callback, cookie):
        status, headers, text = kept.ask("GET", callback, None, {"Cookie": cookie})
        if status != 303 or "code=" not in headers["Location"]:
            raise RuntimeError(f"the callback answered {status}: {text[-600:]}")
        return parse_qs(urlsplit(headers["Location"]).query)["code"][0]

    def basic(self):
        return {**basic_header(self.client_id, self.secret), "Content-Type": FORM}

    def token(self, kept, **form):
        status, _, text = kept.ask("POST", self.issuer + "/token", urlencode(form), self.basic())
        return status, json.loads(text)

    def redeem(self, kept, code):
        return self.token(kept, grant_type="authorization_code", code=code, redirect_uri=self.redirect_uri, code_verifier=VERIFIER)

    def whole_login(self, kept, person):
        status, tokens = self.redeem(kept, self.code_of(kept, *self.begin(kept, person)))
        if status != 200 or "id_token" not in tokens:
            raise RuntimeError(f"/token answered {status}: {tokens}")
        return tokens

    # ---- many

    def bridge_pid(self):
        return self.processes["bridge"].pid

    def restart(self, sig=15):
        self.stop("bridge", sig)
        self.start_bridge()


def individual_id(person):
    return "9" + hashlib.sha256(person["uid"].encode()).hexdigest()[:9].translate(str.maketrans("abcdef", "012345"))


def at_esignet(person):
    gender = {"eng": "Female"}
    return {"individualId": individual_id(person), "pin": PIN, "name": {"eng": person["name"]}, "gender": gender,
            "birthdate": person["birthdate"].replace("-", "/"), "email": person["email"], "phone": person["phone_number"]}


def together(threads, work):
    """Runs work(i) in that many threads; raises the first fault of any."""
    faults = []

    def one(i):
        try:
            work(i)
        except Exception as fault:  # told to the caller below
            faults.append(fault)
    running = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if faults:
        raise faults[0]

