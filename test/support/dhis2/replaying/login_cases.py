"""Replay of OIDC logins: login.txt, kid-reuse.txt, the flag, and the 2.41 files of the same form.

A recorded line is "OK|FAIL <case>: callback <status> -> <where>; /api/me=<who>; OP calls=[…]". CASES
says what the provider did in that case; the stand-in must give the same line.
"""
import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from .mini_op import EMAIL
from .world import Browser, recorded

LINE = re.compile(r"(?:OK  |FAIL) (.*): callback (\d+) -> (.*); /api/me=(.*); OP calls=(\[.*\])$")
INFO_ONLY_ID = {"id": {"email": EMAIL}, "info": {"email": None}}
CASES = {
    "baseline (email in userinfo only)": {}, "reset": {}, "login": {}, "login again": {}, "oidc login": {},
    "login with flag off": {}, "login n": {}, "login before nothing": {},
    "email only in id_token, userinfo has sub only": INFO_ONLY_ID,
    "email in neither": {"info": {"email": None}},
    "userinfo sub differs": {"info": {"sub": "other"}},
    "userinfo without sub": {"info": {"sub": None}},
    "userinfo 500": {"info_status": 500},
    "userinfo as signed JWT application/jwt": {"info_jwt": True},
    "id_token email differs from userinfo (which wins?) idtoken=oidc.user userinfo=nobody":
        {"id": {"email": EMAIL}, "info": {"email": "nobody@example.org"}},
    "  reverse: idtoken=nobody userinfo=oidc.user": {"id": {"email": "nobody@example.org"}},
    "token response scope=openid only (no userinfo scope granted)":
        {"id": {"email": EMAIL}, "answer": {"scope": "openid"}},
    "  same, email only in userinfo": {"answer": {"scope": "openid"}},
    "id_token RS512 / jwks has RS256+no alg": {"sign": {"alg": "RS512"}},
    "id_token PS256": {"sign": {"alg": "PS256"}},
    "id_token ES256": {"sign": {"alg": "ES256", "key": "ec1"}},
    "id_token EdDSA": {"sign": {"alg": "EdDSA", "key": "ed1"}},
    "id_token HS256(client secret-like)": {"sign": {"alg": "HS256"}},
    "id_token alg none": {"sign": {"alg": "none"}},
    "id_token no kid header": {"sign": {"kid": None}},
    "id_token unknown kid rsa2 not in jwks": {"sign": {"key": "rsa2"}},
    "id_token key rotation: rsa2 now in jwks":
        {"sign": {"key": "rsa2"}, "jwks": [("rsa1", None), ("rsa2", None)]},
    "id_token typ at+jwt": {"sign": {"typ": "at+jwt"}}, "id_token typ foo": {"sign": {"typ": "foo"}},
    "iss wrong": {"id": {"iss": "http://127.0.0.1:1/other"}},
    "iss trailing slash": {"id": {"iss": "{issuer}/"}},
    "aud wrong": {"id": {"aud": "other"}},
    "aud list incl client, no azp": {"id": {"aud": ["dhis2-client", "other"]}},
    "aud list incl client, azp=client": {"id": {"aud": ["dhis2-client", "other"], "azp": "dhis2-client"}},
    "aud ext_client android-app": {"id": {"aud": "android-app"}},
    "exp 30s ago (skew)": {"id": {"exp": ("now", -30), "iat": ("now", -300)}},
    "exp 90s ago": {"id": {"exp": ("now", -90), "iat": ("now", -300)}},
    "iat 90s in future": {"id": {"iat": ("now", 90)}},
    "iat 1 day old": {"id": {"iat": ("now", -86400)}},
    "no nonce": {"id": {"nonce": None}}, "wrong nonce": {"id": {"nonce": "x"}},
    "no sub": {"id": {"sub": None}}, "no iat": {"id": {"iat": None}}, "no exp": {"id": {"exp": None}},
    "no aud": {"id": {"aud": None}}, "no iss": {"id": {"iss": None}},
    "no id_token": {"answer": {"id_token": None}}, "no token_type": {"answer": {"token_type": None}},
    "token_type bearer lower": {"answer": {"token_type": "bearer"}},
    "token_type DPoP": {"answer": {"token_type": "DPoP"}},
    "no expires_in": {"answer": {"expires_in": None}},
    "token 400 invalid_grant": {"token_status": 400},
    "authz error access_denied": {"callback": {"error": "access_denied", "code": None}},
    "bad state": {"callback": {"state": "wrong"}},
    "callback with iss param right (RFC9207)": {"callback": {"iss": "{issuer}"}},
    "callback with iss param wrong (RFC9207)": {"callback": {"iss": "http://127.0.0.1:1"}},
    "user externalAuth=false": {"info": {"email": "noext@example.org"}},
    "user disabled": {"info": {"email": "disabled@example.org"}},
    "openId case differs": {"info": {"email": EMAIL.upper()}},
    "email equals user email attr not openId": {"info": {"email": "other@example.org"}},
    "email_verified=false": {"info": {"email_verified": False}},
    "private_key_jwt": {"provider": "bridgepkj"},
    "sub pairwise unknown": {"provider": "bridgepkj", "id": {"sub": "unknown"}, "info": {"sub": "unknown"}},
    "username claim = openId value": {"provider": "bridgeusr", "info": {"username": EMAIL}},
    "username claim = DHIS2 username": {"provider": "bridgeusr", "info": {"username": "oidcuser"}},
    "username claim numeric": {"provider": "bridgeusr", "info": {"username": 7}},
    "no issuer_uri, token iss wrong": {"provider": "bridgenoiss", "id": {"iss": "http://127.0.0.1:1/x"}},
    "no issuer_uri, token iss ok": {"provider": "bridgenoiss"},
}


def filled(value, op, tenant="t1"):
    """{issuer} in texts of a case."""
    if isinstance(value, str):
        return value.replace("{issuer}", "%s/%s" % (op.origin, tenant))
    if isinstance(value, dict):
        return {k: filled(v, op, tenant) for k, v in value.items()}
    return value


class Logins:
    """Does one login as a browser would, the provider's own page included."""

    def __init__(self, bench, origin):
        self.bench, self.origin, self.op = bench, origin, bench.op

    async def start(self, browser, provider="bridge", headers=None):
        reply = await browser("GET", "/oauth2/authorization/" + provider, headers=headers)
        asked = dict(parse_qsl(urlsplit(reply.location or "").query, keep_blank_values=True))
        self.op.pending = asked
        return reply, asked

    async def login(self, case=None, browser=None, email=None):
        """(browser, callback reply, authorize reply, provider calls)"""
        case = filled(dict(case or {}), self.op)
        if email is not None:
            case["info"] = dict(case.get("info") or {}, email=email)
        browser = browser or Browser(self.bench, self.origin, jar=True)
        name = case.get("provider", "bridge")
        if case.get("jwks"):
            self.op.jwks["t1"] = case["jwks"]
        authorize, asked = await self.start(browser, name)
        self.op.case, self.op.calls[:] = case, []
        query = {"code": "c0de", "state": asked["state"], **case.get("callback", {})}
        query = {k: v for k, v in query.items() if v is not None}
        callback = await browser("GET", "/oauth2/code/%s?%s" % (name, urlencode(query)))
        calls = list(self.op.calls)
        self.op.case = {}
        return browser, callback, authorize, calls

    async def line(self, case, label):
        """The recorded form of what happened."""
        browser, callback, _, calls = await self.login(case)
        me = await browser("GET", "/api/me?fields=username")
        who = me.json["username"] if me.status == 200 and me.json else "HTTP %d" % me.status
        word = "OK  " if callback.status == 302 and callback.location == "/" else "FAIL"
        return "%s %s: callback %d -> %s; /api/me=%s; OP calls=%s" % (
            word, label, callback.status, callback.location, who, calls)


async def replay_file(tally, logins, name, lines=None):
    """Every "callback" line of a file, in order."""
    for number, line in enumerate(lines if lines is not None else recorded(name)):
        match = LINE.match(line)
        if not match:
            continue
        tally.mark(name, number)
        label = match.group(1)
        if label not in CASES:
            tally.check(name, label, line, "no case of the replay has this name")
            continue
        case = CASES[label]
        if label == "reset" and line.startswith("FAIL"):
            case = {"sign": {"key": "rsa9"}}       # a new key under the old kid, as in kid-reuse.txt
        tally.check(name, label, line, await logins.line(case, label))


def sent(request):
    """Headers that a provider may depend on, and the form with its one-time values masked."""
    pairs = request["headers"].items() if isinstance(request["headers"], dict) else request["headers"]
    headers = {k.lower(): v for k, v in pairs}
    form = []
    for key, value in parse_qsl(request["body"], keep_blank_values=True):
        masked = {"code": "<code>", "code_verifier": "<%d>" % len(value)}.get(key, value)
        if key == "redirect_uri":
            masked = urlsplit(value).path
        if key == "client_assertion":
            masked = "<jwt>"
        form.append((key, masked))
    basic = re.sub(r"Bearer .*", "Bearer", headers.get("authorization", ""))
    return (headers.get("accept"), headers.get("content-type"), basic, headers.get("user-agent"), form)


async def replay_requests(tally, logins, name):
    """The provider's side of the first login of each provider: the lines after "authz:"."""
    import json
    lines = recorded(name)
    wanted = {"t1": "bridge", "t2": "bridgepkj", "t3": "bridgeusr"}
    for number, line in enumerate(lines):
        match = re.match(r"   authz: http://[^/]+/(t\d)/authorize\?(.*)$", line)
        if not match or match.group(1) not in wanted:
            continue
        tenant = match.group(1)
        tally.mark(name, number)
        case = dict(CASES["username claim = openId value"] if tenant == "t3" else {}, provider=wanted[tenant])
        logins.op.requests.clear()
        _, _, authorize, _ = await logins.login(case)
        tally.check(name, "authorize request of " + tenant, query_shape(match.group(2)),
                    query_shape(urlsplit(authorize.location).query))
        requests = {r["path"].split("/")[2]: r for r in logins.op.requests}
        for offset, text in enumerate(lines[number + 2:number + 5], number + 2):
            tally.mark(name, offset)
            old = json.loads(text) if text.startswith("    {") and text.endswith("}") else None
            what = old and old["path"].split("/")[2]
            if what and what in requests:
                tally.check(name, "%s request of %s" % (what, tenant), sent(old), sent(requests[what]))


def query_shape(query):
    """Order free: names, and the values that are not one-time."""
    shape = []
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key in ("state", "nonce", "code_challenge"):
            value = "<%d>" % len(value)
        elif key == "redirect_uri":
            value = re.sub(r"^http://127.0.0.1:\d+", "", value)
        shape.append((key, value))
    return sorted(shape)


async def replay_kid_reuse(tally, logins, bearer, bearer_line):
    """A new key under an old kid: refused until the five minutes are over, login and bearer alike."""
    name, op = "dhis2-2.43.1/kid-reuse.txt", logins.op
    control = Browser(logins.bench, logins.origin)
    await logins.login()
    await bearer.call(op.access_token("t1"))
    op.jwks["t1"] = [("rsa9", None)]
    seconds = lambda text: sum(int(p) * f for p, f in zip(text.split(":"), (3600, 60, 1)))
    first = None
    for number, line in enumerate(recorded(name)):
        tally.mark(name, number)
        if re.match(r"\d\d:\d\d:\d\d$", line):
            first = first or seconds(line)
            op.offset = 125 + seconds(line) - first
            await control("POST", "/__standin/clock", {"offset_s": op.offset})
        elif "callback" in line:
            got = await logins.line({"sign": {"key": "rsa9"}}, "same kid, new key")
            tally.check(name, "login at +%d s" % op.offset, line, got)
        else:
            reply = await bearer.call(op.access_token("t1", key="rsa9"))
            match = bearer_line.match(line)
            tally.check(name, "bearer at +%d s" % op.offset, int(match.group(2)), reply.status)
    op.offset = 0
    op.reset()
