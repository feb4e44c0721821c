"""A small OpenID provider that misbehaves on demand, and the targets of Routes.

The recordings were made against such a provider: tenants /t1 … /t10 with authorize (done by the
replay itself), token, jwks, userinfo, discovery; /echo/… and /up/… answer with what reached them.
`case` holds the misbehaviour of the next login, `calls` what was called.
"""
import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import secrets
import time

from aiohttp import web
from jwcrypto import jwk, jws

EMAIL = "oidc.user@example.org"
SUBJECT = "subject-123"
CLIENTS = {"t1": "dhis2-client", "t2": "dhis2-pkj", "t3": "dhis2-usr", "t4": "dhis2-noiss"}


def merge(base, changes):
    """changes over base; None removes."""
    merged = dict(base, **(changes or {}))
    return {k: v for k, v in merged.items() if v is not None}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class MiniOp:
    def __init__(self):
        self.keys = {"rsa1": jwk.JWK.generate(kty="RSA", size=2048, kid="rsa1"),
                     "rsa2": jwk.JWK.generate(kty="RSA", size=2048, kid="rsa2"),
                     "rsa9": jwk.JWK.generate(kty="RSA", size=2048, kid="rsa1"),
                     "ec1": jwk.JWK.generate(kty="EC", crv="P-256", kid="ec1"),
                     "ed1": jwk.JWK.generate(kty="OKP", crv="Ed25519", kid="ed1")}
        self.calls, self.requests, self.offset = [], [], 0
        self.reset()

    def reset(self):
        self.case, self.pending = {}, {}
        self.jwks = {"t%d" % n: [("rsa1", None)] for n in range(1, 11)}
        self.discovery = {}

    async def open(self):
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self.handle)
        self.runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self.runner.setup()
        for self.port in range(9602, 9700):       # four digits: recorded messages count characters
            try:
                await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
                break
            except OSError:
                continue
        else:
            raise OSError("no free port between 9602 and 9699")
        self.origin = "http://127.0.0.1:%d" % self.port
        self.raw = await asyncio.start_server(raw_target, "127.0.0.1", 0)
        self.raw_origin = "http://127.0.0.1:%d" % self.raw.sockets[0].getsockname()[1]

    async def close(self):
        self.raw.close()
        await self.runner.cleanup()

    def client_of(self, tenant):
        return CLIENTS.get(tenant, "c-" + tenant)

    def now(self):
        return int(time.time()) + self.offset

    # -- tokens ---------------------------------------------------------------------------------

    def sign(self, claims, alg="RS256", key="rsa1", kid=..., typ="JWT"):
        header = {"alg": alg}
        kid = self.keys[key].get("kid") if kid is ... else kid
        if kid:
            header["kid"] = kid
        if typ:
            header["typ"] = typ
        head, body = b64(json.dumps(header).encode()), b64(json.dumps(claims).encode())
        if alg == "none":
            return "%s.%s." % (head, body)
        if alg == "HS256":
            mac = hmac.new(b"dhis2-secret", ("%s.%s" % (head, body)).encode(), hashlib.sha256).digest()
            return "%s.%s.%s" % (head, body, b64(mac))
        token = jws.JWS(json.dumps(claims).encode())
        token.allowed_algs = [alg]
        token.add_signature(self.keys[key], None, json.dumps(header), None)
        return token.serialize(compact=True)

    def id_token(self, tenant, nonce):
        claims = {"iss": "%s/%s" % (self.origin, tenant), "sub": SUBJECT, "aud": self.client_of(tenant),
                  "iat": self.now(), "exp": self.now() + 300, "auth_time": self.now(), "nonce": nonce}
        claims = merge(claims, self.relative(self.case.get("id")))
        return self.sign(claims, **self.case.get("sign", {}))

    def relative(self, changes):
        """{"exp": ("now", -30)} -> a time."""
        return {k: self.now() + v[1] if isinstance(v, tuple) else v for k, v in (changes or {}).items()}

    def access_token(self, tenant, claims=None, **sign):
        base = {"iss": "%s/%s" % (self.origin, tenant), "sub": SUBJECT, "aud": self.client_of(tenant),
                "iat": self.now(), "exp": self.now() + 300, "email": EMAIL}
        return self.sign(merge(base, self.relative(claims)), **sign)

    # -- HTTP -----------------------------------------------------------------------------------

    async def handle(self, request):
        body = await request.read()
        path = request.raw_path
        self.calls.append("%s %s" % (request.method, path))
        self.requests.append({"method": request.method, "path": path, "body": body.decode("latin-1"),
                              "headers": [[k.decode(), v.decode("latin-1")] for k, v in request.raw_headers]})
        parts = path.partition("?")[0].strip("/").split("/")
        if parts[0] in ("echo", "up", "ok"):
            return await self.target(request, parts, body)
        tenant, what = parts[0], "/".join(parts[1:])
        answers = {"token": self.token, "jwks": self.jwks_answer, "userinfo": self.userinfo,
                   ".well-known/openid-configuration": self.discover}
        if what not in answers:
            return web.Response(status=404)
        return answers[what](tenant, request, body)

    def token(self, tenant, request, body):
        if b"grant_type=client_credentials" in body:
            return web.json_response({"access_token": "cc-" + secrets.token_hex(4), "token_type": "Bearer",
                                      "expires_in": 300})
        if self.case.get("token_status"):
            return web.json_response({"error": "invalid_grant"}, status=self.case["token_status"])
        answer = {"access_token": "at-" + secrets.token_hex(4), "token_type": "Bearer", "expires_in": 300,
                  "id_token": self.id_token(tenant, self.pending.get("nonce"))}
        return web.json_response(merge(answer, self.case.get("answer")))

    def jwks_answer(self, tenant, request, body):
        found = []
        for name, alg in self.jwks[tenant]:
            key = self.keys[name].export_public(as_dict=True)
            found.append(dict(key, alg=alg) if alg else key)
        return web.json_response({"keys": found})

    def userinfo(self, tenant, request, body):
        if self.case.get("info_status"):
            return web.Response(status=self.case["info_status"])
        info = merge({"sub": SUBJECT, "email": EMAIL}, self.case.get("info"))
        if self.case.get("info_jwt"):
            return web.Response(text=self.sign(info), content_type="application/jwt")
        return web.json_response(info)

    def discover(self, tenant, request, body):
        issuer = "%s/%s" % (self.origin, tenant)
        return web.json_response(merge({"issuer": issuer, "jwks_uri": issuer + "/jwks"},
                                       self.discovery.get(tenant)))

    async def target(self, request, parts, body):
        """What the recorded echo server did."""
        if "status" in parts:
            status = int(parts[parts.index("status") + 1])
            headers = {"Location": self.origin + "/ok/target"} if status // 100 == 3 else {}
            return web.Response(status=status, text='{"e":1}', content_type="application/json", headers=headers)
        if "slow" in parts:
            await asyncio.sleep(float(parts[parts.index("slow") + 1]))
            return web.Response(body=b"slept")
        if parts[-1] == "204":
            return web.Response(status=204)
        if parts[-1] == "gzip":
            return web.Response(body=gzip.compress(b"hello gzip"), headers={
                "Content-Type": "text/plain", "Content-Encoding": "gzip"})
        text = body.decode("latin-1")
        headers = [[k.decode(), v.decode("latin-1")] for k, v in request.raw_headers]
        raw = request.raw_path.encode("utf-8", "surrogateescape").decode("latin-1")
        answer = {"method": request.method, "path": raw, "headers": headers, "len": len(body),
                  "body": text[:2000]}
        return web.json_response(answer, headers={"X-Custom": "c", "Set-Cookie": "target=1", "ETag": '"x"',
                                                  "Cache-Control": "no-store"})


async def raw_target(reader, writer):
    """An echo that takes what a strict server refuses: two Content-Type headers."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = [line.split(": ", 1) for line in head[1:] if line]
    named = {k.lower(): v for k, v in headers}
    body = await reader.readexactly(int(named.get("content-length", 0)))
    while named.get("transfer-encoding") == "chunked":
        size = int((await reader.readline()).strip(), 16)
        body += await reader.readexactly(size)
        await reader.readline()
        if not size:
            break
    text = json.dumps({"method": method, "path": path, "headers": headers, "len": len(body),
                       "body": body.decode("latin-1")}).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
                 b"Content-Length: %d\r\n\r\n" % len(text) + text)
    await writer.drain()
    writer.close()
