"""Replay of JWT bearer calls: bearer.txt, id-token-algorithms.txt, and the 2.41 files of that form.

A recorded line is "OK|FAIL <case>: <status> '<body>' WWW-Authenticate=… OPcalls=[…]". CASES says
which token was sent: (tenant, claims, signing).
"""
import json
import re

from .compare import as_json, same_body
from .mini_op import EMAIL
from .world import Browser, literal_tail, recorded, timeless

LINE = re.compile(r"(?:OK  |FAIL) (.*?): (\d\d\d) '(.*)$")
TAIL = re.compile(r"' WWW-Authenticate=(.*?)(?: OPcalls=(\[.*\]))?$")
SERVER = "http://127.0.0.1:8080"
CASES = {
    "baseline t1 (email)": {}, "second call (cached)": {}, "JWT bearer": {}, "bearer": {},
    "aud list incl client": {"claims": {"aud": ["x", "dhis2-client"]}},
    "aud ext client android-app": {"claims": {"aud": "android-app"}},
    "aud wrong": {"claims": {"aud": "other"}}, "aud = server url": {"claims": {"aud": SERVER}},
    "no aud": {"claims": {"aud": None}},
    "no aud but client_id/azp": {"claims": {"aud": None, "client_id": "dhis2-client", "azp": "dhis2-client"}},
    "iss unknown": {"claims": {"iss": "http://127.0.0.1:1/none"}},
    "iss trailing slash": {"claims": {"iss": "{issuer}/"}}, "no iss": {"claims": {"iss": None}},
    "iss empty string": {"claims": {"iss": ""}},
    "exp 30s ago": {"claims": {"exp": ("now", -30)}}, "exp 120s ago": {"claims": {"exp": ("now", -120)}},
    "exp 30s ago, iat 300s ago": {"claims": {"exp": ("now", -30), "iat": ("now", -300)}},
    "exp 100s ago": {"claims": {"exp": ("now", -100), "iat": ("now", -300)}},
    "iat +1000 with exp +2000": {"claims": {"iat": ("now", 1000), "exp": ("now", 2000)}},
    "exp in 10 years": {"claims": {"exp": ("now", 315360000)}},
    "no exp": {"claims": {"exp": None}}, "no iat": {"claims": {"iat": None}},
    "nbf +120": {"claims": {"nbf": ("now", 120)}}, "nbf +30": {"claims": {"nbf": ("now", 30)}},
    "iat +1000": {"claims": {"iat": ("now", 1000)}}, "no sub": {"claims": {"sub": None}},
    "email missing": {"claims": {"email": None}}, "email unknown": {"claims": {"email": "zz"}},
    "email numeric": {"claims": {"email": 7}},
    "typ at+jwt": {"sign": {"typ": "at+jwt"}}, "typ application/at+jwt": {"sign": {"typ": "application/at+jwt"}},
    "typ jwt lower": {"sign": {"typ": "jwt"}}, "typ foo": {"sign": {"typ": "foo"}},
    "typ absent": {"sign": {"typ": None}}, "RS512": {"sign": {"alg": "RS512"}},
    "PS256": {"sign": {"alg": "PS256"}}, "none": {"sign": {"alg": "none"}}, "HS256": {"sign": {"alg": "HS256"}},
    "unknown kid": {"sign": {"key": "rsa2"}}, "no kid": {"sign": {"kid": None}},
    "kid rsa2 after rotation": {"sign": {"key": "rsa2"}, "jwks": [("rsa1", None), ("rsa2", None)]},
    "ES256, jwks now has ec1 (decoder cached from RSA-only jwks)":
        {"sign": {"key": "ec1", "alg": "ES256"}, "jwks": [("rsa1", None), ("rsa2", None), ("ec1", None)]},
    "externalAuth=false user": {"claims": {"email": "noext@example.org"}},
    "disabled user": {"claims": {"email": "disabled@example.org"}},
    "no openId user": {"claims": {"email": "noopenid"}},
    "token as id_token with nonce": {"claims": {"nonce": "n", "auth_time": ("now", 0)}},
    "lowercase bearer": {"scheme": "bearer "}, "query access_token": {"query": True, "scheme": None},
    "opaque token": {"raw": "opaque"}, "Bearer empty": {"raw": ""},
    "garbage bearer": {"raw": "garbage"},
    "no auth": {"scheme": None}, "no auth XHR": {"scheme": None, "headers": {"X-Requested-With": "XMLHttpRequest"}},
    "bearer + basic cookie none; DPoP scheme": {"scheme": "DPoP "},
    "t2 sub mapping": {"tenant": "t2"},
    "t3 username": {"tenant": "t3", "claims": {"username": "oidcuser"}},
    "t3 username=openId": {"tenant": "t3", "claims": {"username": EMAIL}},
    "t3 disabled user by username": {"tenant": "t3", "claims": {"username": "oidcdisabled"}},
    "t3 admin (externalAuth false)": {"tenant": "t3", "claims": {"username": "admin"}},
    "t3 route run as disabled": {"tenant": "t3", "claims": {"username": "oidcdisabled"}, "path": "/api/routes/echo/run/x"},
    "t3 no username": {"tenant": "t3"}, "t4": {"tenant": "t4"},
    "route run": {"path": "/api/routes/echo/run/x"},
}
EC_ONLY, PINNED = [("ec1", None)], [("rsa1", "RS256")]
BY_TENANT = {
    "ES256": {"sign": {"alg": "ES256", "key": "ec1"}}, "RS256": {}, "RS256 (not in jwks)": {},
    "RS512": {"sign": {"alg": "RS512"}}, "PS256": {"sign": {"alg": "PS256"}},
    "EdDSA": {"sign": {"alg": "EdDSA", "key": "ed1"}}, "mismatch": {}, "repaired": {}, "minimal": {},
    "iss no slash": {}, "iss with slash (discovery issuer has none)": {"claims": {"iss": "{issuer}/"}},
}


class Bearers:
    def __init__(self, bench, origin):
        self.bench, self.origin, self.op = bench, origin, bench.op

    async def call(self, token, scheme="Bearer ", path="/api/me?fields=username", headers=None):
        self.op.calls.clear()
        headers = dict(headers or {})
        if scheme is not None:
            headers["Authorization"] = scheme + token
        reply = await Browser(self.bench, self.origin)("GET", path, headers=headers)
        self.calls = list(self.op.calls)
        return reply

    async def case(self, case, tenant=None):
        tenant = tenant or case.get("tenant", "t1")
        claims = {k: v.replace("{issuer}", "%s/%s" % (self.op.origin, tenant)) if isinstance(v, str) else v
                  for k, v in case.get("claims", {}).items()}
        if case.get("jwks"):
            self.op.jwks[tenant] = case["jwks"]
        token = case.get("raw")
        if token is None:
            token = self.op.access_token(tenant, claims, **case.get("sign", {}))
        path = case.get("path", "/api/me?fields=username")
        if case.get("query"):
            path += "&access_token=" + token
        return await self.call(token, case.get("scheme", "Bearer "), path, case.get("headers"))

    def line(self, label, reply):
        word = "OK  " if reply.status == 200 else "FAIL"
        return "%s %s: %d '%s' WWW-Authenticate=%r OPcalls=%s" % (
            word, label, reply.status, reply.text, reply.headers.get("WWW-Authenticate"), self.calls)

    def check(self, tally, name, match, reply):
        """Status, body, challenge and provider calls, each as far as the recorder kept it."""
        label, status, rest = match.groups()
        tail = TAIL.search(rest)
        body = rest[:tail.start()] if tail else rest.rstrip("'")
        tally.check(name, label + " status", int(status), reply.status)
        tally.check(name, label + " body", None, same_body(timeless(target(body)), timeless(target(reply.text))))
        if not tail:
            return
        challenge = tail.group(1).replace("\\'", "'")
        if challenge != "None" and int(status) == 401:
            got = timeless(repr(reply.headers.get("WWW-Authenticate")).replace("\\'", "'"))[1:]
            want = re.sub(r"' O?P?c?a?l?l?s?$", "", timeless(challenge)[1:])
            tally.check(name, label + " challenge", want.rstrip("'"), got[:len(want)].rstrip("'"))
        if tail.group(2):
            tally.check(name, label + " calls", literal_tail(tail.group(2)), self.calls)


def target(text):
    """An answer of a route's target is compared by what reached the target."""
    from .route_cases import target_shape
    value = as_json(text.replace('\\\\"', '\\"'))
    if isinstance(value, dict) and "headers" in value and "path" in value:
        return json.dumps(target_shape(value))
    return text


async def replay_file(tally, bearers, name):
    """Lines in order; stops at the parts that are no plain bearer call (done elsewhere)."""
    for number, line in enumerate(recorded(name)):
        match = LINE.match(line)
        if match and match.group(1) in CASES and "callback" not in line:
            tally.mark(name, number)
            bearers.check(tally, name, match, await bearers.case(CASES[match.group(1)]))


async def replay_algorithms(tally, bearers, name):
    """"## tN: …" sets up that tenant's JWKS or discovery."""
    tenant, op = None, bearers.op
    for number, line in enumerate(recorded(name)):
        heading = re.match(r"## (t\d+): (.*)", line)
        if heading:
            tenant = heading.group(1)
            op.jwks[tenant] = {"t5": EC_ONLY, "t6": PINNED,
                               "t7": [("rsa1", None), ("ec1", None), ("ed1", None)]}.get(tenant, [("rsa1", None)])
            op.discovery[tenant] = {"issuer": "http://127.0.0.1:1"} if tenant == "t8" else None
            continue
        match = LINE.match(line)
        if not match or "callback" in line or not tenant:
            continue
        tally.mark(name, number)
        if match.group(1) == "repaired":
            op.discovery[tenant] = None
        bearers.check(tally, name, match, await bearers.case(BY_TENANT[match.group(1)], tenant))
