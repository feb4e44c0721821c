"""Every fact about DHIS2 that the bridge depends on, shown on the stand-in: login and bearer.

facts.json holds the facts; each test names the one it shows. Sessions, tokens and users are in
test_facts_web_api.py, Routes in test_facts_routes.py. A fact without a test fails `test_every_fact_has_a_test`.
"""
import base64
import json
import os
import re
from urllib.parse import parse_qs, urlsplit

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
fact = pytest.mark.fact
FAILURE, OLD_FAILURE = "/login/?oidcFailure=true", "/dhis-web-login?oidcFailure=true"


def facts():
    with open(os.path.join(HERE, "facts.json"), encoding="utf-8") as source:
        return json.load(source)


def test_every_fact_has_a_test(request):
    ids = [f["id"] for f in facts()]
    assert len(ids) == len(set(ids))
    if not {"test_facts", "test_facts_web_api", "test_facts_routes"} <= request.config.fact_modules:
        pytest.skip("only a part of the tests was asked for")
    assert sorted(set(ids) - request.config.facts_tested) == []
    assert sorted(request.config.facts_tested - set(ids)) == []


def test_every_fact_says_what_and_whence():
    for entry in facts():
        assert len(entry["fact"]) > 15 and re.match(r"dhis2(-users|-2\.41)?\.md §", entry["source"]), entry


# (fact, case of the login, accepted?): the cases are login_cases.CASES
LOGINS = [
    ("dhis2.login.rs256-only", "id_token RS512 / jwks has RS256+no alg", False),
    ("dhis2.login.rs256-only", "id_token PS256", False), ("dhis2.login.rs256-only", "id_token ES256", False),
    ("dhis2.login.rs256-only", "id_token EdDSA", False), ("dhis2.login.rs256-only", "id_token alg none", False),
    ("dhis2.login.rs256-only", "id_token HS256(client secret-like)", False),
    ("dhis2.login.typ", "id_token typ at+jwt", False), ("dhis2.login.typ", "id_token typ foo", False),
    ("dhis2.login.iss-exact", "iss trailing slash", False), ("dhis2.login.iss-exact", "iss wrong", False),
    ("dhis2.login.no-issuer-uri", "no issuer_uri, token iss wrong", True),
    ("dhis2.login.aud-azp", "aud wrong", False), ("dhis2.login.aud-azp", "aud list incl client, no azp", False),
    ("dhis2.login.aud-azp", "aud list incl client, azp=client", True),
    ("dhis2.login.ext-client-not-at-login", "aud ext_client android-app", False),
    ("dhis2.login.nonce", "no nonce", False), ("dhis2.login.nonce", "wrong nonce", False),
    ("dhis2.login.skew-60", "exp 30s ago (skew)", True), ("dhis2.login.skew-60", "exp 90s ago", False),
    ("dhis2.login.skew-60", "iat 90s in future", False),
    ("dhis2.login.required-claims", "no sub", False), ("dhis2.login.required-claims", "no iat", False),
    ("dhis2.login.required-claims", "no exp", False), ("dhis2.login.required-claims", "no aud", False),
    ("dhis2.login.no-kid", "id_token no kid header", True),
    ("dhis2.login.userinfo-json-only", "userinfo as signed JWT application/jwt", False),
    ("dhis2.login.userinfo-sub", "userinfo sub differs", False), ("dhis2.login.userinfo-sub", "userinfo 500", False),
    ("dhis2.login.id-token-wins", "id_token email differs from userinfo (which wins?) idtoken=oidc.user userinfo=nobody", True),
    ("dhis2.login.id-token-wins", "  reverse: idtoken=nobody userinfo=oidc.user", False),
    ("dhis2.login.openid-exact", "openId case differs", False),
    ("dhis2.login.openid-only", "email equals user email attr not openId", False),
    ("dhis2.login.openid-only", "username claim = DHIS2 username", False),
    ("dhis2.login.openid-only", "username claim = openId value", True),
    ("dhis2.login.external-auth", "user externalAuth=false", False),
    ("dhis2.login.disabled-refused", "user disabled", False),
    ("dhis2.login.token-type", "no token_type", False), ("dhis2.login.token-type", "token_type bearer lower", True),
    ("dhis2.login.rfc9207-ignored", "callback with iss param wrong (RFC9207)", True),
    ("dhis2.login.expires-in-optional", "no expires_in", True),
]


@pytest.mark.parametrize("case,accepted", [pytest.param(c, a, marks=fact(f), id="%s-%s" % (f[12:], c)) for f, c, a in LOGINS])
def test_login(dhis2, case, accepted):
    browser, callback, _, _ = dhis2.login(case)
    assert (callback.status, callback.location) == (302, "/" if accepted else FAILURE)
    assert dhis2.call(browser, "GET", "/api/me").status == (200 if accepted else 302)


@fact("dhis2.login.failure-redirect")
def test_failure_redirect(dhis2, old):
    assert old.login("iss wrong")[1].location == OLD_FAILURE
    dhis2.reset()
    assert dhis2.login("iss wrong")[1].location == FAILURE


@fact("dhis2.login.http-500")
def test_odd_shapes_are_500(dhis2):
    assert dhis2.login("userinfo without sub")[1].status == 500
    assert dhis2.login("username claim numeric")[1].status == 500
    assert dhis2.call(None, "GET", "/oauth2/authorization/nosuch").status == 500


@fact("dhis2.login.scope-blank")
def test_scope_with_trailing_blank(dhis2):
    asked = dhis2.login({"provider": "p6"})[2].location
    assert "&scope=openid%20&" in asked


@fact("dhis2.login.scopes-split-on-blank")
def test_scopes_are_split_on_blanks_only(dhis2):
    assert "scope=openid%20openid,email,profile&" in dhis2.call(None, "GET", "/oauth2/authorization/p8").location
    assert "scope=openid%20email%20profile&" in dhis2.call(None, "GET", "/oauth2/authorization/bridge").location


@fact("dhis2.login.query-not-passed-on")
def test_query_is_not_passed_on(dhis2):
    asked = dhis2.call(None, "GET", "/oauth2/authorization/bridge?login_hint=x&prompt=login").location
    assert "login_hint" not in asked and "prompt" not in asked and "acr_values=level4" in asked


@fact("dhis2.login.redirect-uri")
def test_redirect_uri_follows_host_unless_configured(dhis2):
    headers = {"Host": "dhis.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil"}
    asked = dhis2.call(None, "GET", "/oauth2/authorization/bridge", headers=headers).location
    assert "redirect_uri=http://dhis.example.org/oauth2/code/bridge&" in asked
    asked = dhis2.call(None, "GET", "/oauth2/authorization/p7").location
    assert "redirect_uri=https://dhis.example.org/oauth2/code/p7&" in asked


@fact("dhis2.login.pkce")
def test_pkce_only_when_enabled(dhis2):
    assert "code_challenge_method=S256" in dhis2.call(None, "GET", "/oauth2/authorization/p6").location
    assert "code_challenge" not in dhis2.call(None, "GET", "/oauth2/authorization/bridge").location


def token_request(dhis2, case):
    dhis2.op.requests.clear()
    assert dhis2.login(case)[1].location == "/"
    sent = next(r for r in dhis2.op.requests if r["path"].endswith("/token"))
    return {k.lower(): v for k, v in sent["headers"]}, {k: v[0] for k, v in parse_qs(sent["body"]).items()}


@fact("dhis2.login.client-authentication")
def test_client_authentication(dhis2):
    headers, form = token_request(dhis2, {})
    assert headers["authorization"].startswith("Basic ") and "client_id" not in form
    headers, form = token_request(dhis2, "username claim = openId value")
    assert "authorization" not in headers and form["client_secret"] == "usr-secret"
    headers, form = token_request(dhis2, {"provider": "p5"})
    assert "client_secret" not in form and len(form["code_verifier"]) == 128


@fact("dhis2.login.basic-form-urlencoded")
def test_basic_credentials_are_form_urlencoded():
    from login import form_encode
    assert form_encode("a:b+c%d é~*") == "a%3Ab%2Bc%25d+%C3%A9%7E*"


@fact("dhis2.login.private-key-jwt")
def test_private_key_jwt(dhis2):
    _, form = token_request(dhis2, "private_key_jwt")
    header, claims = (json.loads(base64.urlsafe_b64decode(p + "==")) for p in form["client_assertion"].split(".")[:2])
    assert header["alg"] == "RS256" and header["kid"] == "bridge" and "typ" not in header
    assert claims["iss"] == claims["sub"] == "dhis2-pkj" and claims["exp"] - claims["iat"] == 60
    assert claims["aud"].endswith("/t2/token") and claims["jti"]
    keys = dhis2.call(None, "GET", "/api/publicKeys/bridgepkj/jwks.json").json["keys"]
    assert keys[0]["kid"] == "bridge" and "d" not in keys[0]


@fact("dhis2.login.userinfo-when")
def test_userinfo_is_called_unless_scope_says_no(dhis2):
    assert "GET /t1/userinfo" in dhis2.login({})[3]
    assert "GET /t1/userinfo" not in dhis2.login("token response scope=openid only (no userinfo scope granted)")[3]


@fact("dhis2.login.no-discovery")
def test_login_needs_no_discovery(dhis2):
    assert not [c for c in dhis2.login({})[3] if "well-known" in c]


@fact("dhis2.login.jwks-cache")
def test_jwks_is_cached_for_five_minutes(dhis2):
    assert "GET /t1/jwks" in dhis2.login({})[3]
    dhis2.clock(290)
    assert "GET /t1/jwks" not in dhis2.login({})[3]
    dhis2.clock(310)
    assert "GET /t1/jwks" in dhis2.login({})[3]


@fact("dhis2.login.unknown-kid")
def test_unknown_kid_makes_one_refetch(dhis2):
    dhis2.login({})
    assert dhis2.login("id_token unknown kid rsa2 not in jwks")[3].count("GET /t1/jwks") == 1
    assert dhis2.login("id_token key rotation: rsa2 now in jwks")[1].location == "/"


@fact("dhis2.login.kid-reuse")
def test_new_key_under_an_old_kid(dhis2):
    dhis2.login({})
    dhis2.op.jwks["t1"] = [("rsa9", None)]
    assert dhis2.login({"sign": {"key": "rsa9"}})[1].location == FAILURE
    dhis2.clock(310)
    assert dhis2.login({"sign": {"key": "rsa9"}})[1].location == "/"


@fact("dhis2.login.expired-refused")
def test_expired_account(dhis2):
    dhis2.admin("POST", "/api/users/UsrAAAAAA01/expired?date=2020-01-01")
    assert dhis2.login({})[1].location == FAILURE


@fact("dhis2.login.one-use")
def test_callback_counts_once_and_with_its_cookie(dhis2):
    browser = dhis2.login({})[0]
    again = "/oauth2/code/bridge?code=c&state=" + dhis2.op.pending["state"]
    assert dhis2.call(browser, "GET", again).location == FAILURE
    assert dhis2.call(None, "GET", again).location == FAILURE


@fact("dhis2.login.form-post")
def test_form_post(dhis2):
    browser = dhis2.client(jar=True)
    _, asked = dhis2.go(dhis2.logins.start(browser))
    reply = dhis2.call(browser, "POST", "/oauth2/code/bridge", data=("code=c&state=" + asked["state"]).encode(),
                       kind="application/x-www-form-urlencoded")
    assert reply.location == "/"


@fact("dhis2.login.logout")
def test_logout_goes_to_end_session_endpoint(dhis2):
    browser = dhis2.login({})[0]
    target = urlsplit(dhis2.call(browser, "GET", "/dhis-web-commons-security/logout.action").location)
    query = parse_qs(target.query)
    assert target.path == "/t1/logout" and query["post_logout_redirect_uri"] == ["http://127.0.0.1:8080/"]
    assert query["id_token_hint"][0].count(".") == 2
    assert dhis2.call(browser, "GET", "/api/me").status == 302


@fact("dhis2.conf.provider-dropped")
def test_unknown_or_missing_key_drops_the_provider(dhis2, lab):
    listed = [p["id"] for p in dhis2.call(None, "GET", "/api/loginConfig").json["oidcProviders"]]
    assert "pbad" not in listed and "bridge" in listed
    assert "unknown key 'no_such_key'" in lab.bench.log("new")


@fact("dhis2.login.flag-2.41")
def test_login_flag_counts_on_241_only(lab):
    off = {"oidc__oauth2__login__enabled": "off"}
    assert lab.side("flag-old", "2.41", **off).call(None, "GET", "/oauth2/authorization/bridge").status == 404
    assert lab.side("flag-new", **off).login({})[1].location == "/"


# -- bearer ------------------------------------------------------------------------------------------

# (fact, claims, signing, status, devMessage or None)
BEARERS = [
    ("dhis2.bearer.at-jwt-refused", {}, {"typ": "at+jwt"}, 401, "JOSE header typ (type) at+jwt not allowed"),
    ("dhis2.bearer.typ", {}, {"typ": None}, 200, None), ("dhis2.bearer.typ", {}, {"typ": "jwt"}, 200, None),
    ("dhis2.bearer.aud", {"aud": "other"}, {}, 401, "Invalid audience"),
    ("dhis2.bearer.aud", {"aud": "android-app"}, {}, 200, None),
    ("dhis2.bearer.aud", {"aud": ["x", "dhis2-client"]}, {}, 200, None),
    ("dhis2.bearer.http-500", {"aud": None}, {}, 500, None), ("dhis2.bearer.http-500", {"sub": None}, {}, 500, None),
    ("dhis2.bearer.http-500", {"email": 7}, {}, 500, None),
    ("dhis2.bearer.exp", {"exp": None}, {}, 200, None),
    ("dhis2.bearer.exp", {"exp": ("now", -30), "iat": ("now", -300)}, {}, 200, None),
    ("dhis2.bearer.exp", {"exp": ("now", -100), "iat": ("now", -300)}, {}, 401, "Jwt expired at"),
    ("dhis2.bearer.exp", {"iat": ("now", 1000)}, {}, 401, "expiresAt must be after issuedAt"),
    ("dhis2.bearer.nbf", {"nbf": ("now", 120)}, {}, 401, "Jwt used before"),
    ("dhis2.bearer.issuer", {"iss": None}, {}, 401, "Missing issuer"),
    ("dhis2.bearer.issuer", {"iss": "http://127.0.0.1:1/none"}, {}, 401, "Invalid issuer"),
    ("dhis2.bearer.mapping-email", {"email": "zz"}, {}, 401, "Found no matching DHIS2 user"),
    ("dhis2.bearer.mapping-email", {"email": "disabled@example.org"}, {}, 401, "Found no matching DHIS2 user"),
    ("dhis2.bearer.external-auth-free", {"email": "noext@example.org"}, {}, 200, None),
    ("dhis2.bearer.signature", {}, {"alg": "none"}, 401, "Unsupported algorithm of none"),
    ("dhis2.bearer.signature", {}, {"alg": "HS256"}, 401, "Another algorithm expected"),
    ("dhis2.bearer.signature", {}, {"key": "rsa2"}, 401, "no matching key"),
]


@pytest.mark.parametrize("claims,sign,status,text", [pytest.param(*b[1:], marks=fact(b[0])) for b in BEARERS])
def test_bearer(dhis2, claims, sign, status, text):
    reply = dhis2.bearer(claims, **sign)
    assert reply.status == status
    if text:
        assert reply.json["message"] == "invalid_token" and text in reply.json["devMessage"]


@fact("dhis2.bearer.error-shape")
def test_bearer_challenge(dhis2):
    reply = dhis2.bearer({"aud": "other"})
    assert reply.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token", error_description="Invalid audience"')


@fact("dhis2.bearer.discovery-once")
def test_discovery_of_the_issuer_once(dhis2):
    dhis2.bearer()
    assert dhis2.bearers.calls == ["GET /t1/.well-known/openid-configuration", "GET /t1/jwks"]
    dhis2.bearer()
    assert dhis2.bearers.calls == []


@fact("dhis2.bearer.discovery-issuer")
def test_discovery_issuer_must_be_equal_and_failure_is_not_kept(dhis2):
    dhis2.op.discovery["t9"] = {"issuer": "http://127.0.0.1:1"}
    assert dhis2.bearer(tenant="t9").status == 500
    dhis2.op.discovery["t9"] = None
    assert dhis2.bearer(tenant="t9").status == 200


@fact("dhis2.bearer.issuer-slash")
def test_trailing_slash_of_the_issuer(dhis2, old):
    assert old.bearer(tenant="t10").json["devMessage"] == "Invalid issuer"
    dhis2.reset()
    assert dhis2.bearer(tenant="t10").status == 200
    assert dhis2.bearer({"iss": "{issuer}/"}).status == 500


@fact("dhis2.bearer.algorithms-pinned")
def test_algorithms_are_pinned_at_first_contact(dhis2):
    assert dhis2.bearer(alg="PS256").status == 200
    dhis2.op.jwks["t1"].append(("ec1", None))
    assert dhis2.bearer(alg="ES256", key="ec1").status == 401
    dhis2.op.jwks["t5"] = [("rsa1", "RS256")]
    assert dhis2.bearer(tenant="t5").status == 200
    assert dhis2.bearer(tenant="t5", alg="RS512").status == 401


@fact("dhis2.bearer.mapping-username")
def test_claim_username(dhis2, old):
    assert old.bearer({"username": "oidc.user@example.org"}, "t3").status == 200
    dhis2.reset()
    assert dhis2.bearer({"username": "oidcuser"}, "t3").status == 200
    assert dhis2.bearer({"username": "oidcdisabled"}, "t3").status == 200


@fact("dhis2.bearer.mapping-other")
def test_other_mapping_claims(dhis2, old):
    assert old.bearer(tenant="t2").status == 200
    dhis2.reset()
    assert dhis2.bearer(tenant="t2").json["devMessage"] == "Invalid mapping claim"


@fact("dhis2.bearer.expired-account")
def test_expired_account_is_let_in(dhis2):
    dhis2.admin("POST", "/api/users/UsrAAAAAA01/expired?date=2020-01-01")
    assert dhis2.bearer().status == 200


@fact("dhis2.bearer.cookie-useless")
def test_cookie_of_a_bearer_call(dhis2):
    jar = dhis2.client(jar=True)
    dhis2.call(jar, "GET", "/api/me", headers={"Authorization": "Bearer " + dhis2.op.access_token("t1")})
    assert jar.jar["JSESSIONID"] and dhis2.call(jar, "GET", "/api/me").status == 302


@fact("dhis2.bearer.beats-session")
def test_bad_bearer_beats_a_session(dhis2):
    browser = dhis2.login({})[0]
    assert dhis2.call(browser, "GET", "/api/me", headers={"Authorization": "Bearer x"}).status == 401


@fact("dhis2.bearer.off")
def test_switched_off_the_header_is_ignored(lab):
    assert lab.side("off", **{"oidc__jwt__token__authentication__enabled": "off"}).bearer().status == 302


@fact("dhis2.bearer.old-server-2.41")
def test_old_oauth2_server_takes_bearer_tokens(lab):
    reply = lab.side("uaa", "2.41", **{"oauth2__authorization__server__enabled": "on"}).bearer()
    assert reply.status == 401 and reply.text.startswith("<InvalidTokenException>")
