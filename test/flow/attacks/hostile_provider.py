"""A second ID provider that the bridge is configured for and that means harm: it says in its metadata, key set and tokens
whatever a test puts into it, and notes every request. Standard library and jwcrypto."""
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from jwcrypto import jwk, jws


class Hostile:
    """with Hostile() as evil: evil.issuer; evil.keys, evil.metadata, evil.claims (functions of the honest value)."""

    def __init__(self):
        self.key = jwk.JWK.generate(kty="RSA", size=2048)
        self.kid, self.alg = "evil-1", "RS256"
        self.change_metadata = self.change_claims = self.change_keys = self.change_header = lambda honest: honest
        self.asked, self.paths = {}, []
        self.userinfo_type = "application/json"

    def __enter__(self):
        handler = type("Handler", (_Handler,), {"evil": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)

    def metadata(self):
        return self.change_metadata({
            "issuer": self.issuer, "authorization_endpoint": self.issuer + "/authorize", "token_endpoint": self.issuer + "/token",
            "jwks_uri": self.issuer + "/jwks", "userinfo_endpoint": self.issuer + "/userinfo"})

    def keys(self):
        public = {**self.key.export_public(as_dict=True), "kid": self.kid}
        return self.change_keys({"keys": [public]})

    def sign(self, claims, header=None):
        token = jws.JWS(json.dumps(claims).encode())
        token.add_signature(self.key, None, json.dumps(header or self.change_header({"alg": self.alg, "kid": self.kid})))
        return token.serialize(compact=True)

    def tokens(self, form):
        asked, now = self.asked[form["code"]], int(time.time())
        claims = self.change_claims({"iss": self.issuer, "aud": asked["client_id"], "sub": "evil-sub", "iat": now, "exp": now + 300,
                                     "nonce": asked["nonce"]})
        return {"access_token": json.dumps(claims["sub"]).strip('"'), "token_type": "Bearer", "expires_in": 300, "id_token": self.sign(claims)}

    def settings(self, **changes):
        return {"issuer": self.issuer, "client_id": "bridge-at-evil", "auth_method": "none", "userinfo": "json", "label": "Other",
                "scope": "openid", **changes}

    def answer(self, url, **changes):
        """The redirect back, as if somebody had signed in there."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe(8)
        self.asked[code] = asked
        query = {"code": code, "state": asked["state"], **changes}
        return asked["redirect_uri"] + "?" + urlencode({k: v for k, v in query.items() if v is not None})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, value, status=200, content_type="application/json"):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.evil.paths.append(self.path)
        table = {"/.well-known/openid-configuration": self.evil.metadata, "/jwks": self.evil.keys}
        if self.path == "/userinfo":  # the access token is the sub
            self.reply({"sub": self.headers["Authorization"].removeprefix("Bearer ")}, content_type=self.evil.userinfo_type)
        else:
            self.reply(table[self.path]()) if self.path in table else self.reply({}, 404)

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.evil.paths.append(self.path)
        self.reply(self.evil.tokens({key: values[0] for key, values in form.items()}))

    def log_message(self, *_):
        pass


