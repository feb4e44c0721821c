"""A small OpenID provider whose tokens are made by a library of our choice, and that keeps what the bridge sent it.

It judges nothing: it is the ground on which another JOSE library's tokens reach the bridge, and from which the bridge's own
client assertions are taken to be verified elsewhere. One server, one provider per name: http://127.0.0.1:PORT/NAME.
"""
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit


class SmallProvider:
    """names: {NAME: {"library", "alg", "key", "jwk", "client_id", "userinfo": json|jws|jwe, "enc", "encrypt_to"}}"""

    def __init__(self, port, names):
        self.origin, self.names, self.nonces, self.forms = f"http://127.0.0.1:{port}", names, {}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.get(self)

            def do_POST(self):
                outer.token(self)

            def log_message(self, *_):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def issuer(self, name):
        return f"{self.origin}/{name}"

    @staticmethod
    def answer(call, body, kind="application/json", status=200, **headers):
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        call.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            call.send_header(name, value)
        call.end_headers()
        call.wfile.write(data)

    def get(self, call):
        parts = urlsplit(call.path)
        _, name, rest = parts.path.split("/", 2)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        issuer, p = self.issuer(name), self.names[name]
        if rest == ".well-known/openid-configuration":
            self.answer(call, {"issuer": issuer, "jwks_uri": issuer + "/jwks", **{
                key + "_endpoint": f"{issuer}/{key}" for key in ("authorization", "token", "userinfo")}})
        elif rest == "jwks":
            self.answer(call, {"keys": [p["jwk"]]})
        elif rest == "authorization":
            code = uuid.uuid4().hex
            self.nonces[code] = asked["nonce"]
            self.answer(call, "", status=302, Location=asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]}))
        else:
            self.userinfo(call, name, p)

    def token(self, call):
        name = call.path.split("/")[1]
        form = {key: values[0] for key, values in parse_qs(call.rfile.read(int(call.headers["Content-Length"])).decode()).items()}
        self.forms.append((name, form))
        p, now = self.names[name], int(time.time())
        claims = {"iss": self.issuer(name), "sub": "s-1", "aud": p["client_id"], "iat": now, "exp": now + 60,
                  "nonce": self.nonces.pop(form["code"])}
        token = p["library"].sign(claims, {"alg": p["alg"], "kid": p["key"]["kid"]}, p["key"])
        self.answer(call, {"access_token": "any", "token_type": "Bearer", "expires_in": 60, "id_token": token})

    def userinfo(self, call, name, p):
        claims = {"sub": "s-1", "name": "Amina Diallo", "email": "a@example.org"}
        if p["userinfo"] == "json":
            self.answer(call, claims)
            return
        claims |= {"iss": self.issuer(name), "aud": p["client_id"]}
        token = p["library"].sign(claims, {"alg": p["alg"], "kid": p["key"]["kid"]}, p["key"])
        if p["userinfo"] == "jwe":
            token = p["library"].encrypt(token, {"alg": "RSA-OAEP-256", "enc": p["enc"], "cty": "JWT"}, p["encrypt_to"])
        self.answer(call, token, "application/jwt")
