"""Everything a replay needs: stand-in processes, browsers, the tally, the recorded files.

`Bench` starts and ends stand-ins (by their own process id); `Browser` is one HTTP client with a
cookie jar that looks like the recorded one; `Tally` counts and keeps the differences.
"""
import asyncio
import json
import os
import re
import sys
import tempfile
from http.cookies import SimpleCookie

import aiohttp
from yarl import URL

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
RECORDED_CLIENT = {"User-Agent": "python-requests/2.34.2", "Accept-Encoding": "gzip, deflate",
                   "Accept": "*/*", "Connection": "keep-alive"}
PROVIDER_KEYS = ("authorization_uri=%s/authorize", "token_uri=%s/token", "user_info_uri=%s/userinfo",
                 "jwk_uri=%s/jwks", "issuer_uri=%s")


def recordings():
    path = os.environ.get("IDBRIDGE_RECORDINGS") or os.path.join(PROJECT, "..", "shared", "recordings")
    return path if os.path.isdir(os.path.join(path, "dhis2-2.43.1")) else None


def recorded(name):
    with open(os.path.join(recordings(), name), encoding="utf-8") as source:
        return source.read().splitlines()


def replay_seed():
    """The recorded world's beginning: admin, one role, the OIDC users."""
    with open(os.path.join(HERE, "replaying", "seed.json"), encoding="utf-8") as source:
        return json.load(source)


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped, self.used = 0, [], {}, {}

    def mark(self, source, number):
        """This recorded line was replayed (or skipped with a reason)."""
        self.used.setdefault(source, set()).add(number)

    def check(self, source, label, expected, got):
        if expected == got:
            self.passed += 1
            return True
        self.failed.append("%s | %s\n    recorded: %s\n    stand-in: %s" % (source, label, expected, got))
        return False

    def skip(self, source, reason, count=1):
        key = (reason, source)
        self.skipped[key] = self.skipped.get(key, 0) + count


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode("utf-8", "replace")
        self.location = headers.get("Location")

    @property
    def json(self):
        try:
            return json.loads(self.text)
        except ValueError:
            return None


class Browser:
    """One client. `auth` is "user:password", a header dict, or None; cookies only when jar=True."""

    def __init__(self, bench, origin, auth=None, jar=False, headers=None):
        self.bench, self.origin, self.jar = bench, origin, {} if jar else None
        self.headers = dict(RECORDED_CLIENT, **(headers or {}))
        if isinstance(auth, str):
            self.headers["Authorization"] = aiohttp.BasicAuth(*auth.split(":", 1)).encode()
        elif auth:
            self.headers.update(auth)

    async def __call__(self, method, path, body=None, kind=None, headers=None, data=None):
        send = dict(self.headers, **(headers or {}))
        if self.jar:
            send["Cookie"] = "; ".join("%s=%s" % c for c in self.jar.items())
        if body is not None:
            data = json.dumps(body).encode()
            kind = kind or ("application/json-patch+json" if method == "PATCH" else "application/json")
        if kind:
            send["Content-Type"] = kind
        url = path if path.startswith("http") else self.origin + path
        async with self.bench.http.request(method, URL(url, encoded=True), headers=send, data=data,
                                           allow_redirects=False) as answer:
            reply = Reply(answer.status, answer.headers, await answer.read())
        if self.jar is not None:
            for line in reply.headers.getall("Set-Cookie", []):
                for name, morsel in SimpleCookie(line).items():
                    self.jar[name] = morsel.value
        return reply


class Bench:
    """The processes of one replay."""

    def __init__(self, op):
        self.op, self.running, self.folder = op, {}, tempfile.TemporaryDirectory(prefix="dhis2-replay-")

    async def __aenter__(self):
        self.http = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=30))
        return self

    async def __aexit__(self, *_):
        for process in self.running.values():
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(p.wait() for p in self.running.values()))
        await self.http.close()
        self.folder.cleanup()

    async def start(self, name, version="2.43", seed=None, **conf):
        """A stand-in with the recorded providers; returns its origin."""
        path = os.path.join(self.folder.name, name)
        with open(path + ".conf", "w", encoding="utf-8") as out:
            out.write(self.dhis_conf(version, conf))
        with open(path + ".json", "w", encoding="utf-8") as out:
            json.dump(seed or replay_seed(), out)
        log = open(path + ".log", "w")
        self.running[name] = await asyncio.create_subprocess_exec(
            "/usr/bin/python3", os.path.join(HERE, "standin.py"), "--port", "0", "--dhis-conf", path + ".conf",
            "--seed", path + ".json", "--version", version, "--ready-file", path + ".port",
            stdout=log, stderr=log)
        for _ in range(200):
            if os.path.exists(path + ".port"):
                with open(path + ".port") as source:
                    return "http://127.0.0.1:%s" % source.read().strip()
            if self.running[name].returncode is not None:
                break
            await asyncio.sleep(0.05)
        sys.exit("stand-in %s did not start:\n%s" % (name, open(path + ".log").read()))

    def log(self, name):
        with open(os.path.join(self.folder.name, name + ".log"), encoding="utf-8") as source:
            return source.read()

    def keystore(self):
        """A PKCS#12 with a fresh RSA key, alias "bridge"."""
        import datetime
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import pkcs12
        path = os.path.join(self.folder.name, "keystore.p12")
        if os.path.exists(path):
            return path
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bridge")])
        start = datetime.datetime(2024, 1, 1)
        certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
                       .public_key(key.public_key()).not_valid_before(start)
                       .not_valid_after(start + datetime.timedelta(days=9999)).sign(key, hashes.SHA256()))
        with open(path, "wb") as out:
            out.write(pkcs12.serialize_key_and_certificates(
                b"bridge", key, certificate, None, serialization.BestAvailableEncryption(b"changeit")))
        return path

    def dhis_conf(self, version, changes):
        prefix = changes.pop("prefix", "p")
        providers = {"bridge": ("t1", {"scopes": "openid email profile", "client_secret": "dhis2-secret",
                                       "ext_client.0.client_id": "android-app", "enable_logout": "on",
                                       "end_session_endpoint": self.op.origin + "/t1/logout",
                                       "extra_request_parameters": "acr_values level4, ui_locales no"}),
                     "bridgepkj": ("t2", {"mapping_claim": "sub", "enable_pkce": "on", "key_alias": "bridge",
                                          "client_authentication_method": "private_key_jwt",
                                          "keystore_path": self.keystore(), "keystore_password": "changeit",
                                          "key_password": "changeit", "jwk_set_url":
                                          "http://127.0.0.1:8080/api/publicKeys/bridgepkj/jwks.json"}),
                     "bridgeusr": ("t3", {"mapping_claim": "username", "client_secret": "usr-secret",
                                          "client_authentication_method": "client_secret_post"}),
                     "bridgenoiss": ("t4", {"issuer_uri": ""}),
                     prefix + "5": ("t5", {"client_authentication_method": "none", "enable_pkce": "on"}),
                     prefix + "6": ("t6", {"enable_pkce": "on"}),
                     prefix + "7": ("t7", {"redirect_url": "https://dhis.example.org/oauth2/code/p7"}),
                     prefix + "8": ("t8", {"scopes": "openid,email,profile"}), prefix + "9": ("t9", {}),
                     prefix + "10": ("t10", {"issuer_uri": self.op.origin + "/t10/"}),
                     "pbad": ("t1", {"no_such_key": "x"})}
        lines = []
        for name, (tenant, keys) in providers.items():
            base = self.op.origin + "/" + tenant
            full = {"client_id": self.op.client_of(tenant), "client_secret": "s-" + tenant}
            full.update(item.replace("%s", base).split("=", 1) for item in PROVIDER_KEYS)
            full.update(keys)
            lines += ["oidc.provider.%s.%s = %s" % (name, k, v) for k, v in full.items()]
        values = {"oidc.jwt.token.authentication.enabled": "on", "oidc.oauth2.login.enabled": "on",
                  "oidc.logout.redirect_url": "http://127.0.0.1:8080/",
                  "route.remote_servers_allowed": "http://127.0.0.1*,http://localhost*,https://*",
                  "oauth2.authorization.server.enabled": "off"}
        values.update({k.replace("__", "."): v for k, v in changes.items()})
        return "\n".join(lines + ["%s = %s" % item for item in values.items()]) + "\n"


def literal_tail(text):
    """'… OP calls=['a', 'b']' -> list."""
    import ast
    return ast.literal_eval(text)


def timeless(text):
    """Times differ from run to run."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?", "<time>", text or "")
