"""What may an application, or somebody who stole something from one, do at /authorize and /token? RFC 9700 and the CVE
classes of authorization servers; test names say what is prevented."""
import base64
import json
import time
from urllib.parse import quote, urlencode

import pytest
from attack_kit import (FORM, Browser, ask, assertion_form, code_of, follow, from_provider, link, nothing_happened, portal, rows, sign_in,
                        tokens_of)
from flow_kit import AMINA, App, claims_of, jwt_parts, refusal, users
from jwcrypto import jwk, jws

SETTINGS = {"listen": {"requests_per_second": 10000}, "tokens": {"refresh_grace": "1s"}}
REDIRECT = "http://127.0.0.1:9/cb"


@pytest.fixture(scope="module")
def app(ministry):
    link(ministry, "amina.diallo", AMINA)
    return portal(ministry)


@pytest.fixture(scope="module")
def other(ministry):
    return portal(ministry, "other-portal", redirect_uri="http://127.0.0.1:9/other")


@pytest.fixture(scope="module")
def no_pkce(ministry):
    """A confidential application that may do without PKCE."""
    return App(ministry, "plain", options=("--sso", "never"))


@pytest.fixture(scope="module")
def asserted(ministry):
    """An application that proves itself by private_key_jwt."""
    key = jwk.JWK.generate(kty="EC", crv="P-256", kid="app-key")
    path = ministry.folder / "app.jwks"
    path.write_text(json.dumps({"keys": [key.export_public(as_dict=True)]}))
    made = App(ministry, "asserted", auth="private_key_jwt", grants="authorization_code client_credentials", jwks=str(path))
    made.key = key
    return made


def refused(got, error, status=400):
    assert (got[0], got[1]["error"]) == (status, error), got[:2]
    assert "access_token" not in got[1]


def back(app, page):
    """The error that came back to the application, by the right way."""
    return app.answer(page)["error"]


# ---- /authorize

SUFFIXES = ["/", "?x=1", "#f", "/../cb", "%2f", "/*", "/..;/x", "%00", ";x", "&x=1", "\\@evil.example", " ", "/x", "@evil.example"]
LIKE = ["HTTP://127.0.0.1:9/cb", "http://127.0.0.1:9/CB", "http://127.0.0.1/cb", "http://127x0.0.1:9/cb", "https://127.0.0.1:9/cb",
        "http://127.0.0.1:9//cb", "http://127.0.0.1:9/./cb", "http://127.0.0.1:9/%63b", "http://localhost:9/cb", "//127.0.0.1:9/cb",
        "http://user@127.0.0.1:9/cb", "http://127.0.0.1:99/cb", "http://evil.example/?http://127.0.0.1:9/cb", "", "/cb", "*"]


@pytest.mark.parametrize("uri", [REDIRECT + s for s in SUFFIXES] + LIKE)
def test_redirect_uri_that_only_resembles_is_refused(app, uri):
    """CVE-2023-6291, CVE-2023-6927, CVE-2024-8883 (wildcards), CVE-2020-15234 (case), CVE-2024-52289 (dot)."""
    with nothing_happened(app.m):
        refusal(app.m, Browser().get(app.url(redirect_uri=uri), follow=lambda u: False), "bad_redirect_uri", 400)


def test_registered_redirect_uri_is_taken(app):
    assert Browser().get(app.url(), follow=lambda u: False).location.startswith(app.m.esignet)


def test_redirect_uri_of_another_client_is_refused(app, other):
    refusal(app.m, Browser().get(app.url(redirect_uri=other.redirect_uri), follow=lambda u: False), "bad_redirect_uri")
    assert Browser().get(other.url(), follow=lambda u: False).location.startswith(app.m.esignet)


def test_unknown_client_gets_a_page(app):
    for client_id in ("nobody", "", "PORTAL", "portal ", "portal\u0301", "x" * 1000):
        refusal(app.m, Browser().get(app.url(client_id=client_id), follow=lambda u: False), "unknown_client", 400)
    assert Browser().get(app.url(), follow=lambda u: False).location


@pytest.mark.parametrize("changes, error", [
    ({"response_type": "token"}, "unsupported_response_type"), ({"response_type": "id_token"}, "unsupported_response_type"),
    ({"response_type": "code token"}, "unsupported_response_type"), ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_type": None}, "invalid_request"), ({"response_mode": "fragment"}, "invalid_request"),
    ({"response_mode": "form_post"}, "invalid_request"), ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    ({"request_uri": "https://127.0.0.1/x"}, "request_uri_not_supported"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"), ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"), ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"), ({"scope": "profile"}, "invalid_scope"),
])
def test_only_code_with_pkce_s256_is_offered(app, changes, error):
    """RFC 9700 §2.1.1, §2.1.2: no implicit grant, S256 alone, a challenge that was dropped on the way is missed."""
    with nothing_happened(app.m):
        page = Browser().get(app.url(**changes), follow=lambda u: False)
        assert back(app, page) == error and "#" not in page.location
    assert Browser().get(app.url(), follow=lambda u: False).location.startswith(app.m.esignet)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "response_type", "code_challenge", "nonce"])
def test_parameter_that_comes_twice_is_refused(app, name):
    """RFC 6749 §3.1; two parsers may take different ones (CVE-2020-26290's class)."""
    with nothing_happened(app.m):
        refusal(app.m, Browser().get(app.url() + f"&{name}=second", follow=lambda u: False), "bad_request", 400)
    assert Browser().get(app.url() + "&unknown=1", follow=lambda u: False).location.startswith(app.m.esignet)


def test_oversized_parameter_is_refused(app):
    for name in ("state", "nonce", "ui_locales", "unknown"):
        refusal(app.m, Browser().get(app.url(**{name: "x" * 2001}), follow=lambda u: False), "bad_request", 400)
    assert Browser().get(app.url(state="x" * 1000), follow=lambda u: False).location.startswith(app.m.esignet)


def test_answer_names_its_issuer(app):
    """RFC 9207; no token and no code anywhere but in the query."""
    page = sign_in(app)
    assert app.answer(page)["iss"] == app.m.issuer and page.status == 303 and set(app.answer(page)) == {"code", "state", "iss"}
    assert page.body == "" and page.headers["Referrer-Policy"] == "no-referrer"


# ---- codes

def test_code_works_once_and_its_second_use_ends_what_came_of_it(app):
    """RFC 6749 §4.1.2, RFC 9700 §2.1."""
    code = code_of(app)
    status, first, _ = app.redeem(code)
    assert status == 200 and app.userinfo(first["access_token"])[0] == 200
    refused(app.redeem(code), "invalid_grant")
    assert app.userinfo(first["access_token"])[0] == 401
    refused(app.refresh(first["refresh_token"]), "invalid_grant")
    assert app.userinfo(tokens_of(app)["access_token"])[0] == 200


def test_code_of_another_client_is_refused(app, other):
    code = code_of(app)
    stolen = lambda: refused(other.redeem(code, redirect_uri=app.redirect_uri, code_verifier=app.verifier), "invalid_grant")
    stolen()
    status, tokens, _ = app.redeem(code)  # whoever shows it to us neither burns it
    assert status == 200, tokens
    stolen()
    assert app.userinfo(tokens["access_token"])[0] == 200  # nor ends what its owner got
    refused(app.redeem(code), "invalid_grant")  # the owner's second use still does
    assert app.userinfo(tokens["access_token"])[0] == 401
    assert tokens_of(other)["access_token"]


def test_code_is_bound_to_its_redirect_uri(app):
    for uri in (None, "http://127.0.0.1:9/other", app.redirect_uri + "/"):
        refused(app.redeem(code_of(app), redirect_uri=uri), "invalid_grant")
    assert tokens_of(app)["access_token"]


@pytest.mark.parametrize("verifier", [None, "", "short", "x" * 43, "x" * 129])
def test_code_without_its_verifier_is_refused(app, verifier):
    refused(app.redeem(code_of(app), code_verifier=verifier), "invalid_grant")
    assert tokens_of(app)["access_token"]


@pytest.mark.parametrize("length", [42, 129])
def test_verifier_that_is_too_short_or_too_long_is_refused_though_it_fits(app, length):
    """RFC 7636 §4.1: 43 characters at least, so that it cannot be guessed."""
    kept, app.verifier = app.verifier, "v" * length
    try:
        refused(app.redeem(code_of(app)), "invalid_grant")
    finally:
        app.verifier = kept
    assert tokens_of(app)["access_token"]


def test_verifier_without_challenge_is_a_downgrade(no_pkce):
    """CVE-2023-48228, CVE-2024-23647: somebody took the challenge out of the request; the application still sends its verifier."""
    dropped = {"code_challenge": None, "code_challenge_method": None}
    refused(no_pkce.redeem(code_of(no_pkce, **dropped)), "invalid_grant")
    assert no_pkce.redeem(code_of(no_pkce, **dropped), code_verifier=None)[0] == 200


def test_verifier_may_not_be_left_out_where_a_challenge_was(no_pkce):
    refused(no_pkce.redeem(code_of(no_pkce), code_verifier=None), "invalid_grant")
    assert no_pkce.redeem(code_of(no_pkce))[0] == 200


def test_code_lives_a_minute_at_most(app):
    """RFC 9700 §2.1 by way of the configuration: no longer life can be set; a person's tokens live five minutes."""
    m = app.m
    config = (m.folder / "bridge.ini").read_text()
    for line, fine in (("code = 61s", False), ("code = 60s", True), ("access = 6m", False), ("access = 5m", True)):
        path = m.folder / "try.ini"
        path.write_text(config.replace("[tokens]", "[tokens]\n" + line))
        assert (m.run("config", "check", path, check=False).returncode == 0) is fine, line
    claims = claims_of(tokens_of(app)["access_token"])
    assert claims["exp"] - claims["iat"] <= 300


def test_metadata_names_what_is_offered_and_no_more(app):
    told = app.m.call("GET", app.m.issuer + "/.well-known/oauth-authorization-server")[1]
    assert told["response_types_supported"] == ["code"] and told["response_modes_supported"] == ["query"]
    assert told["code_challenge_methods_supported"] == ["S256"] and told["authorization_response_iss_parameter_supported"] is True
    assert set(told["grant_types_supported"]) == {"authorization_code", "refresh_token", "client_credentials"}
    assert "none" not in told["id_token_signing_alg_values_supported"] and "private_key_jwt" in told["token_endpoint_auth_methods_supported"]


def test_guessed_code_is_refused(app):
    for code in ("", "x", "A" * 43, "' OR 1=1 --", "\u0000"):
        assert app.redeem(code)[0] == 400
    assert tokens_of(app)["access_token"]


# ---- refresh tokens

def test_refresh_token_used_again_ends_its_family(app):
    """RFC 9700 §4.14.2. Within the grace the same successor comes again, for answers get lost; after it, or once the
    successor was used, it is a theft."""
    first = tokens_of(app)
    second = app.refresh(first["refresh_token"])
    assert second[0] == 200 and second[1]["refresh_token"] != first["refresh_token"]
    third = app.refresh(second[1]["refresh_token"])
    assert third[0] == 200
    refused(app.refresh(first["refresh_token"]), "invalid_grant")
    refused(app.refresh(third[1]["refresh_token"]), "invalid_grant")
    assert app.userinfo(third[1]["access_token"])[0] == 401


def test_refresh_token_after_its_grace_is_a_replay(app):
    first = tokens_of(app)
    assert app.refresh(first["refresh_token"])[0] == 200
    time.sleep(2.1)  # the grace is 1 s here, time counts in whole seconds
    refused(app.refresh(first["refresh_token"]), "invalid_grant")
    assert app.refresh(tokens_of(app)["refresh_token"])[0] == 200


def test_refresh_token_of_another_client_is_refused(app, other):
    mine = tokens_of(app)
    refused(other.refresh(mine["refresh_token"]), "invalid_grant")
    assert app.refresh(mine["refresh_token"])[0] == 200


# ---- who calls the token endpoint

def test_wrong_client_secret_is_refused(app):
    for secret in ("", "wrong", app.secret + "x", app.secret[:-1], app.secret.upper()):
        pair = base64.b64encode(f"{app.client_id}:{quote(secret, safe='')}".encode()).decode()
        refused(app.redeem(code_of(app), headers={"Authorization": "Basic " + pair}), "invalid_client", 401)
    assert tokens_of(app)["access_token"]


def test_client_may_not_choose_another_method(app, asserted):
    form = {"client_id": app.client_id, "client_secret": app.secret}
    refused(app.redeem(code_of(app), headers={}, **form), "invalid_client", 401)  # post, though registered for basic
    refused(app.redeem(code_of(app), headers={}, client_id=app.client_id), "invalid_client", 401)  # none
    refused(asserted.redeem("x", headers={}, client_id="asserted"), "invalid_client", 401)
    assert tokens_of(app)["access_token"]


def test_two_ways_of_authentication_at_once_are_refused(app):
    """RFC 6749 §2.3."""
    refused(app.redeem(code_of(app), headers=app.authorization(), client_secret=app.secret), "invalid_request")
    assert tokens_of(app)["access_token"]


def test_two_authorization_headers_count_as_none(app):
    good = ("Authorization", app.authorization()["Authorization"])
    evil = ("Authorization", "Basic " + base64.b64encode(b"other-portal:x").decode())
    body = lambda: urlencode({"grant_type": "authorization_code", "code": code_of(app), "redirect_uri": app.redirect_uri,
                              "code_verifier": app.verifier})
    for pair in ([good, evil], [evil, good], [good, good]):
        assert ask(app.m, "POST", "/token", [*pair, FORM], body()).status == 401
    assert ask(app.m, "POST", "/token", [good, FORM], body()).status == 200


def test_grant_that_the_client_does_not_have_is_refused(app, asserted):
    """No password grant, no client credentials for an application of people, no token exchange (CVE-2022-1245)."""
    for grant, error in (("password", "unsupported_grant_type"), ("client_credentials", "unauthorized_client"), ("implicit",
                         "unsupported_grant_type"), ("urn:ietf:params:oauth:grant-type:token-exchange", "unsupported_grant_type")):
        refused(app.post({"grant_type": grant, "username": "amina.diallo", "password": "x"}), error)
    assert asserted.post(assertion_form(asserted))[0] == 200


def test_token_parameter_that_comes_twice_is_refused(app):
    body = lambda: urlencode({"grant_type": "authorization_code", "code": code_of(app), "redirect_uri": app.redirect_uri,
                              "code_verifier": app.verifier})
    head = [("Authorization", app.authorization()["Authorization"]), FORM]
    for extra in ("&code=other", "&grant_type=refresh_token", "&code_verifier=" + "x" * 43):
        assert b'"invalid_request"' in ask(app.m, "POST", "/token", head, body() + extra).body
    assert ask(app.m, "POST", "/token", head, body()).status == 200


def test_client_assertion_works_once(asserted):
    """CVE-2020-15222: the jti is stored before anything is handed out."""
    form = assertion_form(asserted)
    assert asserted.post(form)[0] == 200
    refused(asserted.post(form), "invalid_client", 401)


@pytest.mark.parametrize("changes", [
    {"aud": "https://elsewhere.example/token"}, {"aud": None}, {"iss": "portal"}, {"sub": "portal"}, {"exp": 1000}, {"exp": None},
    {"jti": None}, {"exp": int(time.time()) + 7200}, {"nbf": int(time.time()) + 7200},
])
def test_client_assertion_with_wrong_claims_is_refused(asserted, changes):
    refused(asserted.post(assertion_form(asserted, **changes)), "invalid_client", 401)
    assert asserted.post(assertion_form(asserted))[0] == 200


def test_client_assertion_of_another_key_is_refused(asserted):
    refused(asserted.post(assertion_form(asserted, key=jwk.JWK.generate(kty="EC", crv="P-256"))), "invalid_client", 401)
    refused(asserted.post(assertion_form(asserted, key=jwk.JWK(kty="oct", k="AAAA" * 11), header={"alg": "HS256"})), "invalid_client", 401)
    assert asserted.post(assertion_form(asserted))[0] == 200


# ---- tokens of ours at our own endpoints

def test_id_token_is_no_access_token(app):
    """RFC 9700 §4.10: a token is good for what it was made for. And a bearer token in the URL is not looked at."""
    got = tokens_of(app)
    assert app.userinfo(got["id_token"])[0] == 401
    assert Browser().get(app.m.issuer + "/userinfo?access_token=" + got["access_token"]).status == 401
    assert app.userinfo(got["access_token"])[0] == 200


def test_forged_and_altered_tokens_are_refused(app):
    token = tokens_of(app)["access_token"]
    head, claims, signature = token.split(".")
    b64 = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    header, payload = jwt_parts(token)
    own = jwk.JWK.generate(kty="EC", crv="P-256")
    mine = jws.JWS(json.dumps(payload).encode())
    mine.add_signature(own, None, json.dumps({**header, "jwk": own.export_public(as_dict=True)}))
    forged = [f"{head}.{b64({**payload, 'sub': 'somebody'})}.{signature}", f"{head}.{claims}.{signature[:-4]}AAAA",
              f"{b64({**header, 'alg': 'none'})}.{claims}.", f"{b64({**header, 'crit': ['x']})}.{claims}.{signature}",
              mine.serialize(compact=True), token + ".", token + "x", "Bearer", "a.b.c"]
    for one in forged:
        assert app.userinfo(one)[0] == 401, one
    assert app.userinfo(token)[0] == 200


def test_token_for_another_audience_opens_no_route(ministry, app):
    """A person's token, or DHIS2's, is no Route's credential (RFC 9700 §2.3), and a Route's reads no userinfo."""
    m = ministry
    route = json.loads((m.folder / "route-auth.json").read_text())
    pair = base64.b64encode(f"{route['clientId']}:{route['clientSecret']}".encode()).decode()
    status, answer, _ = app.post({"grant_type": "client_credentials"}, headers={"Authorization": "Basic " + pair})
    assert status == 200
    ready = lambda token, *users: ask(m, "GET", "/verification/ready", [("Authorization", "Bearer " + token),
                                                                       *[("X-Forwarded-User", u) for u in users]]).status
    assert ready(tokens_of(app)["access_token"], "admin") == 403
    assert app.userinfo(answer["access_token"])[0] == 401
    assert claims_of(answer["access_token"])["sub"] == route["clientId"]
    for users in ([], ["admin", "admin"], ["admin", "nurse"], ["nobody-here"]):
        assert ready(answer["access_token"], *users) == 403, users
    assert ask(m, "GET", "/verification/ready", [("X-Forwarded-User", "admin")]).status == 403  # forged without the credential
    assert ready(answer["access_token"], "admin") == 200


def test_route_token_for_another_audience_opens_nothing(ministry):
    """RFC 9700 §2.3: also a Route's own token is good for the audience that it names and for no other."""
    m = ministry
    ready = lambda app: ask(m, "GET", "/verification/ready", [("X-Forwarded-User", "admin"), ("Authorization", "Bearer " + app.post(
        {"grant_type": "client_credentials"})[1]["access_token"])]).status
    add = {"grants": "client_credentials", "options": (), "profile": "route", "dhis2": "hmis"}
    assert ready(App(m, "route-elsewhere", audience="https://elsewhere.example/verification", **add)) == 403
    assert ready(App(m, "route-here", **add)) == 200


def test_disabled_user_passes_no_route(ministry, app):
    """Who was disabled in DHIS2 has a live session there perhaps; the bridge asks DHIS2 itself."""
    m = ministry
    m.login(AMINA)
    uid = users(m)["amina.diallo"]["id"]
    route = json.loads((m.folder / "route-auth.json").read_text())
    pair = base64.b64encode(f"{route['clientId']}:{route['clientSecret']}".encode()).decode()
    token = app.post({"grant_type": "client_credentials"}, headers={"Authorization": "Basic " + pair})[1]["access_token"]
    ready = lambda user: ask(m, "GET", "/verification/ready", [("Authorization", "Bearer " + token), ("X-Forwarded-User", user)]).status
    assert m.admin("POST", f"/api/users/{uid}/disabled")[0] in (200, 204)
    assert ready("amina.diallo") == 403
    assert m.admin("POST", f"/api/users/{uid}/enabled")[0] in (200, 204)
    assert ready("admin") == 200


def test_other_clients_credentials_open_no_route(asserted):
    """A client with client_credentials whose token names the Route's audience is still no Route."""
    m = asserted.m
    sly = App(m, "sly", grants="client_credentials", audience=m.issuer + "/verification", profile="rfc9068", dhis2="hmis")
    status, answer, _ = sly.post({"grant_type": "client_credentials"})
    assert status == 200 and claims_of(answer["access_token"])["aud"] == m.issuer + "/verification"
    got = ask(m, "GET", "/verification/ready", [("Authorization", "Bearer " + answer["access_token"]), ("X-Forwarded-User", "admin")])
    assert got.status == 403
    assert claims_of(answer["access_token"])["sub"] == "sly" != AMINA


def test_nothing_is_stored_for_strangers(app):
    before = rows(app.m)
    for _ in range(20):
        app.post({"grant_type": "authorization_code", "code": "x", "client_assertion": "a.b.c", "client_assertion_type": "y"}, headers={})
        app.refresh("guess")
        Browser().get(app.url(redirect_uri="http://evil.example/"), follow=lambda u: False)
        Browser().get(app.url(), follow=lambda u: False)
    assert rows(app.m) == before
    assert follow(app, *from_provider(app)).location and rows(app.m) != before
