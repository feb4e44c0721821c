"""What an application meets first: discovery, keys and the authorization endpoint.

OpenID Connect Discovery 1.0 §3, Core §3.1.2, RFC 7636, RFC 9207, RFC 9700 §2.1.
"""
import base64
import json
from urllib.parse import unquote

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, App, Browser, claims_of, jwt_parts, refusal
from jwcrypto import jwk


@pytest.fixture(scope="module")
def app(ministry):
    return App(ministry, "portal", options=("--require-pkce",))


@pytest.fixture(scope="module")
def loose(ministry):
    return App(ministry, "old-portal")


def test_discovery_says_what_is_there(ministry):
    m = ministry
    status, j = m.call("GET", m.issuer + "/.well-known/openid-configuration")
    assert status == 200 and j["issuer"] == m.issuer
    for name, path in {"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo",
                       "jwks_uri": "jwks", "end_session_endpoint": "logout"}.items():
        assert j[name] == f"{m.issuer}/{path}"
    assert j["response_types_supported"] == ["code"] and j["code_challenge_methods_supported"] == ["S256"]
    assert j["id_token_signing_alg_values_supported"] == ["RS256"] and j["subject_types_supported"] == ["public"]
    assert set(j["grant_types_supported"]) == {"authorization_code", "refresh_token", "client_credentials"}
    assert {"client_secret_basic", "client_secret_post", "private_key_jwt"} <= set(j["token_endpoint_auth_methods_supported"])
    assert j["authorization_response_iss_parameter_supported"] is True
    assert j["request_parameter_supported"] is False and j["request_uri_parameter_supported"] is False
    assert "openid" in j["scopes_supported"] and {"en", "fr", "ar"} <= set(j["ui_locales_supported"])
    assert m.call("GET", m.issuer + "/.well-known/oauth-authorization-server") == (200, j)
    page = Browser().get(m.issuer + "/.well-known/openid-configuration")
    assert page.headers["Content-Type"] == "application/json" and page.headers["Access-Control-Allow-Origin"] == "*"


def test_jwks_has_thumbprints_and_no_private_part(ministry):
    m = ministry
    status, j = m.call("GET", m.issuer + "/jwks")
    assert status == 200 and {key["alg"] for key in j["keys"]} == {"RS256", "ES256"}
    for key in j["keys"]:
        assert key["use"] == "sig" and not set(key) & {"d", "p", "q", "dp", "dq", "qi", "k"}
        assert key["kid"] == jwk.JWK(**key).thumbprint()  # RFC 7638


def test_id_token_and_access_token_of_a_portal(app):
    answer = app.tokens(AMINA, ("amina.diallo", DEMO_PASSWORD))
    head, claims = jwt_parts(answer["id_token"])
    assert (head["alg"], claims["iss"], claims["aud"], claims["nonce"]) == ("RS256", app.m.issuer, "portal", "app-nonce")
    assert claims["exp"] - claims["iat"] <= 300 and claims["acr"] and claims["auth_time"] and claims["sid"]
    assert (claims["name"], claims["given_name"], claims["email"]) == ("Amina Diallo", "Amina", "amina.diallo@health.example")
    head, claims = jwt_parts(answer["access_token"])
    assert head["typ"] == "at+jwt" and claims["client_id"] == "portal" and claims["jti"] and claims["scope"]
    assert answer["token_type"] == "Bearer" and answer["expires_in"] <= 300
    status, body = app.userinfo(answer["access_token"])
    assert status == 200 and json.loads(body)["sub"] == claims_of(answer["id_token"])["sub"]
    assert app.userinfo(answer["id_token"])[0] == 401  # an id_token is no access token


def test_the_answer_names_its_issuer(app):
    answer = app.answer(app.login(AMINA, ("amina.diallo", DEMO_PASSWORD), state="s +&=%é"))
    assert answer["state"] == "s +&=%é" and answer["iss"] == app.m.issuer and answer["code"]


@pytest.mark.parametrize("changes, reason", [
    ({"client_id": "nobody"}, "unknown_client"), ({"client_id": None}, "unknown_client"),
    ({"redirect_uri": "http://127.0.0.1:9/cb/"}, "bad_redirect_uri"), ({"redirect_uri": "http://127.0.0.1:9/cb?x=1"}, "bad_redirect_uri"),
    ({"redirect_uri": "http://127.0.0.1:9/CB"}, "bad_redirect_uri"), ({"redirect_uri": None}, "bad_redirect_uri"),
    ({"redirect_uri": "http://127.0.0.1:9/cb\n"}, "bad_redirect_uri"), ({"state": "s" * 2001}, "bad_request"),
])
def test_what_is_never_sent_to_the_application(app, changes, reason):
    page = Browser().get(app.url(**changes), follow=lambda url: False)
    assert page.location is None
    refusal(app.m, page, reason, 400)


@pytest.mark.parametrize("double", ["scope=openid", "client_id=portal", "redirect_uri=http://127.0.0.1:9/cb", "state=x", "nonce=x"])
def test_a_parameter_that_comes_twice(app, double):
    page = Browser().get(app.url() + "&" + double, follow=lambda url: False)
    assert page.location is None
    refusal(app.m, page, "bad_request", 400)


@pytest.mark.parametrize("changes, error", [
    ({"response_type": "token"}, "unsupported_response_type"), ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_type": None}, "invalid_request"), ({"response_mode": "fragment"}, "invalid_request"),
    ({"response_mode": "form_post"}, "invalid_request"), ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"), ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"), ({"scope": None}, "invalid_scope"), ({"scope": "profile"}, "invalid_scope"),
    ({"scope": "openid,email"}, "invalid_scope"), ({"prompt": "none"}, "login_required"), ({"prompt": "none login"}, "invalid_request"),
    ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"), ({"request_uri": "https://x.example/r"}, "request_uri_not_supported"),
    ({"max_age": "soon"}, "invalid_request"), ({"max_age": "-1"}, "invalid_request"),
], ids=lambda value: None if isinstance(value, str) else json.dumps(value)[:50])
def test_what_the_application_is_told(app, changes, error):
    page = Browser().get(app.url(**changes), follow=lambda url: False)
    answer = app.answer(page)
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "app-state", app.m.issuer)
    assert "code" not in answer


def test_pkce_may_be_left_out_where_the_client_does_not_require_it(loose):
    page = loose.login(AMINA, ("amina.diallo", DEMO_PASSWORD), code_challenge=None, code_challenge_method=None)
    code = loose.answer(page)["code"]
    assert loose.redeem(code)[1]["error"] == "invalid_grant"  # a verifier without a challenge: RFC 9700 §4.8.2
    page = loose.login(AMINA, None, code_challenge=None, code_challenge_method=None)
    assert loose.redeem(loose.answer(page)["code"], code_verifier=None)[0] == 200


def test_scope_with_a_blank_at_the_end_as_dhis2_sends_it(app):
    assert app.tokens(AMINA, ("amina.diallo", DEMO_PASSWORD), scope="openid ")["id_token"]


def test_the_request_may_come_by_post(app):
    url = app.url()
    fields = dict(pair.split("=", 1) for pair in url.split("?")[1].split("&"))
    page = Browser().once("POST", app.m.issuer + "/authorize", form={k: unquote(v) for k, v in fields.items()})
    assert page.status == 303 and page.location.startswith(app.m.esignet)


def test_ui_locales_and_prompt_reach_the_id_provider(app):
    _, url = app.m.to_esignet(start=app.url(ui_locales="fr ar", prompt="login", max_age="600"))
    assert "ui_locales=fr%20ar" in url and "prompt=login" in url and "max_age=600" in url
    assert "code_challenge_method=S256" in url and "nonce=" in url and "acr_values=mosip" in url


def test_state_and_nonce_of_a_login_are_never_used_twice(app):
    seen = set()
    for _ in range(3):
        _, url = app.m.to_esignet(start=app.url())
        values = [part.split("=", 1)[1] for part in url.split("?", 1)[1].split("&")
                  if part.split("=")[0] in ("state", "nonce", "code_challenge")]
        assert len(values) == 3 and not seen & set(values)
        seen |= set(values)


def test_methods_and_paths_that_are_not_there(app):
    m = app.m
    page = Browser().once("DELETE", m.issuer + "/authorize")
    assert page.status == 405 and page.headers["Allow"]
    refusal(m, Browser().get(m.issuer + "/"), "not_found", 404)
    assert Browser().once("POST", m.issuer + "/jwks", form={"a": "b"}).status in (404, 405, 413)


def test_dhis2_profile_gives_what_dhis2_takes_and_nothing_else(ministry):
    m = ministry
    app = App(m, "second-dhis2", redirect_uri="http://127.0.0.1:9/oauth2/code/x", dhis2="hmis", options=())
    app.secret = next(line.split("= ")[1] for line in app.printed.splitlines() if ".client_secret = " in line)
    answer = app.tokens(AMINA, ("amina.diallo", DEMO_PASSWORD))
    for token in (answer["id_token"], answer["access_token"]):
        head, claims = jwt_parts(token)
        assert (head["alg"], head["typ"]) == ("RS256", "JWT")
        assert claims["aud"] == "second-dhis2" and claims["email"] == claims["sub"] and len(claims["sub"]) == 22
        assert claims["exp"] - claims["iat"] <= 300
        assert not {"name", "given_name", "family_name", "preferred_username"} & set(claims)
    status, body = app.userinfo(answer["access_token"])
    assert status == 200 and json.loads(body) == {"sub": claims["sub"], "email": claims["sub"]}
    assert base64.urlsafe_b64decode(claims["sub"] + "==")
