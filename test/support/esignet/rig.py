"""What a test needs to talk to the stand-in: start it, register an application, log somebody in.

Used by replay.py and test_facts.py. HTTP by the standard library with one connection per request,
JOSE by python3-jwcrypto. Nothing here knows how the stand-in works inside.
"""
import base64
import hashlib
import http.client
import json
import os
import secrets
import subprocess
import tempfile
import time
from urllib.parse import parse_qs, urlencode, urlsplit

from jwcrypto import jwe, jwk, jws

HERE = os.path.dirname(os.path.abspath(__file__))
SERVICE = "/v1/esignet"
TOKEN = SERVICE + "/oauth/v2/token"
PAR = SERVICE + "/oauth/par"
USERINFO = SERVICE + "/oidc/userinfo"
CLIENT = SERVICE + "/client-mgmt/client"
CALLBACK = "http://localhost:9999/cb"
PIN_ACR = "mosip:idp:acr:static-code"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
START_LIMIT_S = 30


def b64u(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def segment(compact, index):
    """The JSON of one part of a JWT, unverified."""
    part = compact.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def make_jws(key, header, claims):
    token = jws.JWS(json.dumps(claims).encode())
    token.allowed_algs = [header["alg"]]
    token.add_signature(key, alg=header["alg"], protected=json.dumps(header))
    return token.serialize(compact=True)


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    def json(self):
        return json.loads(self.text)

    @property
    def error(self):
        """(status, error, error_description) of an OAuth error."""
        body = self.json()
        return self.status, body.get("error"), body.get("error_description")

    @property
    def errors(self):
        """The error codes of a wrapped answer."""
        return [row["errorCode"] for row in self.json()["errors"]]


class Rig:
    """One running stand-in; use as a context manager."""

    def __init__(self, persons=None, state=None, extra=()):
        self._folder = tempfile.TemporaryDirectory(prefix="esignet-rig-")
        self._persons, self._state, self._extra = persons, state, list(extra)

    def __enter__(self):
        ready = os.path.join(self._folder.name, "ready")
        command = ["/usr/bin/python3", "-B", os.path.join(HERE, "standin.py"), "--port", "0", "--ready-file", ready]
        if self._persons is not None:
            seed = os.path.join(self._folder.name, "seed.json")
            with open(seed, "w", encoding="utf-8") as file:
                json.dump({"persons": self._persons}, file)
            command += ["--seed", seed]
        command += ["--state", self._state] if self._state else []
        self._process = subprocess.Popen(command + self._extra, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_LIMIT_S
        while not os.path.exists(ready):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError("the stand-in did not start")
            time.sleep(0.02)
        with open(ready, encoding="utf-8") as file:
            self.issuer = json.load(file)["issuer"]
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def http(self, method, path, body=None, headers=None, form=None, timeout=20):
        parts = urlsplit(self.issuer)
        headers = dict(headers or {})
        if form is not None:
            body, headers["Content-Type"] = urlencode(form, doseq=True), "application/x-www-form-urlencoded"
        elif isinstance(body, (dict, list)):
            body = json.dumps(body, ensure_ascii=False)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        try:
            body = body.encode() if isinstance(body, str) else body
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def control(self, name, body=None, method="POST"):
        answer = self.http(method, "/__standin/" + name, body if method == "POST" else None)
        assert answer.status == 200, answer.text
        return answer.json()

    def now(self, offset_s=0):
        stamp = self.control("clock", method="GET")["now"] + offset_s
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(stamp))

    def wrapped(self, method, path, request, headers=None):
        return self.http(method, path, {"requestTime": self.now(), "request": request}, headers)

    def jwks(self):
        return self.http("GET", "/.well-known/jwks.json").json()["keys"]

    def key(self, which):
        """The published verification key: 0 signs id_tokens, 1 userinfo."""
        row = self.jwks()[which]
        return jwk.JWK(kty="RSA", n=row["n"], e=row["e"], kid=row["kid"])

    def verify(self, compact, which, alg):
        token = jws.JWS()
        token.allowed_algs = [alg]
        token.deserialize(compact, self.key(which))
        return json.loads(token.payload)

    def register(self, key=None, members=None, **changes):
        """A new application; changes replace members of the registration. Raises when refused."""
        key = key or jwk.JWK.generate(kty="EC", crv="P-256")
        public = members or key.export_public(as_dict=True)
        client_id = changes.pop("clientId", "c-" + secrets.token_hex(6))
        answer = self.wrapped("POST", CLIENT, registration(client_id, public, **changes))
        assert not answer.json()["errors"], answer.text
        return Application(self, client_id, key, changes.get("redirectUris", [CALLBACK])[0])


def registration(client_id, public, **changes):
    request = {
        "clientId": client_id, "clientName": "Test " + client_id, "publicKey": public,
        "relyingPartyId": "health-ministry",
        "userClaims": ["name", "email", "gender", "phone_number", "birthdate", "picture", "address"],
        "authContextRefs": [PIN_ACR, "mosip:idp:acr:generated-code", "mosip:idp:acr:password"],
        "logoUri": "https://example.org/logo.png", "redirectUris": [CALLBACK],
        "grantTypes": ["authorization_code"], "clientAuthMethods": ["private_key_jwt"],
        "clientNameLangMap": {"eng": "Test"},
        "additionalConfig": {"userinfo_response_type": "JWS", "consent_expire_in_mins": 20, "require_pkce": False},
    }
    return dict(request, **changes)


class Application:
    """A registered client: it sends authorize requests and redeems codes."""

    def __init__(self, rig, client_id, key, redirect_uri):
        self.rig, self.client_id, self.key, self.redirect_uri = rig, client_id, key, redirect_uri
        self.alg = "ES256" if json.loads(key.export_public())["kty"] == "EC" else "RS256"

    def parameters(self, **changes):
        """Of an authorize request; None removes one."""
        wanted = {
            "client_id": self.client_id, "scope": "openid profile", "response_type": "code",
            "redirect_uri": self.redirect_uri, "state": "st-" + secrets.token_hex(4),
            "nonce": secrets.token_urlsafe(16),
        }
        wanted.update(changes)
        return {name: value if isinstance(value, str) else json.dumps(value)
                for name, value in wanted.items() if value is not None}

    def url(self, **changes):
        return "%s/authorize?%s" % (self.rig.issuer, urlencode(self.parameters(**changes)))

    def assertion(self, header=None, key=None, **changes):
        now = int(time.time())
        claims = {
            "iss": self.client_id, "sub": self.client_id, "aud": self.rig.issuer + TOKEN,
            "iat": now, "exp": now + 120, "jti": secrets.token_hex(12),
        }
        claims.update(changes)
        claims = {name: value for name, value in claims.items() if value is not None}
        return make_jws(key or self.key, dict({"alg": self.alg}, **(header or {})), claims)

    def form(self, code, **changes):
        fields = {
            "grant_type": "authorization_code", "code": code, "client_id": self.client_id,
            "redirect_uri": self.redirect_uri, "client_assertion_type": ASSERTION_TYPE,
        }
        if "client_assertion" not in changes:
            fields["client_assertion"] = self.assertion()
        fields.update(changes)
        return {name: value for name, value in fields.items() if value is not None}

    def token(self, code, headers=None, path=TOKEN, **changes):
        return self.rig.http("POST", path, form=self.form(code, **changes), headers=headers)

    def userinfo(self, access_token, headers=None, method="GET"):
        headers = dict({"Authorization": "Bearer " + access_token}, **(headers or {}))
        return self.rig.http(method, USERINFO, headers=headers)

    def push(self, **changes):
        fields = dict(self.parameters(), client_assertion_type=ASSERTION_TYPE)
        if "client_assertion" not in changes:
            fields["client_assertion"] = self.assertion()
        fields.update(changes)
        return self.rig.http("POST", PAR, form={k: v for k, v in fields.items() if v is not None})

    def decrypted(self, compact, key):
        token = jwe.JWE()
        token.allowed_algs = ["RSA-OAEP-256", "A256GCM"]
        token.deserialize(compact, key)
        return token.payload.decode()


def pkce():
    """(verifier, parameters of the authorize request)."""
    verifier = secrets.token_urlsafe(48)
    challenge = b64u(hashlib.sha256(verifier.encode()).digest())
    return verifier, {"code_challenge": challenge, "code_challenge_method": "S256"}


def query_of(url):
    """The query of a redirect, each value once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}


