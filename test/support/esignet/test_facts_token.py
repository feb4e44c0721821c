"""Facts about the token endpoint and what it issues."""
import base64
import hashlib
import json
import time

import pytest
from jwcrypto import jwk

from rig import PIN_ACR, TOKEN, b64u, pkce, query_of, segment
from walk import walk

ME, PIN = "8267411571", "111111"
fact = pytest.mark.fact


def code_of(app, **changes):
    return query_of(walk(app.url(**changes), ME, PIN))["code"]


def raw_payload(compact):
    part = compact.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()


@fact("esignet.token.private-key-jwt")
def test_private_key_jwt_only(app):
    basic = {"Authorization": "Basic " + base64.b64encode(b"id:secret").decode()}
    code = code_of(app)
    refused = app.token(code, basic, client_assertion=None, client_assertion_type=None, client_secret="secret")
    assert refused.error == (400, "invalid_request", "invalid_assertion_type")
    assert app.token(code, basic, client_assertion=None).error == (400, "invalid_client", "invalid_client")


@fact("esignet.token.audience")
def test_audience(rig, app):
    code = code_of(app)
    for wrong in (rig.issuer + TOKEN + "/", rig.issuer + "/v1/esignet", "http://other", rig.issuer + "/v1/esignet/oauth/token"):
        assert app.token(code, client_assertion=app.assertion(aud=wrong)).error[1] == "invalid_client", wrong
    assert app.token(code, client_assertion=app.assertion(aud=["http://other", rig.issuer + TOKEN])).status == 200
    assert app.token(code_of(app), client_assertion=app.assertion(aud=rig.issuer)).status == 200


@fact("esignet.token.assertion-times")
def test_assertion_times(app):
    now, code = int(time.time()), code_of(app)
    for wrong in ({"exp": None}, {"exp": now - 10, "iat": now - 60}, {"nbf": now + 30}):
        assert app.token(code, client_assertion=app.assertion(**wrong)).error[1] == "invalid_client", wrong
    fine = [{"exp": now - 2, "iat": now - 60}, {"iat": None}, {"iat": now + 60}, {"exp": now + 10 * 365 * 86400}]
    for times in fine:
        assert app.token(code_of(app), client_assertion=app.assertion(**times)).status == 200, times


@fact("esignet.token.jti")
def test_jti(app):
    code = code_of(app)
    assert app.token(code, client_assertion=app.assertion(jti=None)).error[1] == "invalid_client"
    used = app.assertion()
    assert app.token(code, client_assertion=used).status == 200
    again = code_of(app)
    assert app.token(again, client_assertion=used).error == (400, "invalid_client", "invalid_client")
    assert app.token(again).status == 200


@fact("esignet.token.algs")
def test_algs(rig, app):
    rsa = rig.register(jwk.JWK.generate(kty="RSA", size=2048))
    for alg in ("RS256", "PS256"):
        assert rsa.token(code_of(rsa), client_assertion=rsa.assertion({"alg": alg})).status == 200
    assert app.token(code_of(app)).status == 200 and app.alg == "ES256"
    refused = rsa.token(code_of(rsa), client_assertion=rsa.assertion({"alg": "RS512"}))
    assert refused.error[1] == "invalid_client"


@fact("esignet.token.registered-alg")
def test_registered_alg(rig):
    key = jwk.JWK.generate(kty="RSA", size=2048)
    app = rig.register(key, dict(key.export_public(as_dict=True), alg="RS256"))
    code = code_of(app)
    assert app.token(code, client_assertion=app.assertion({"alg": "PS256"})).error[1] == "invalid_client"
    assert app.token(code, client_assertion=app.assertion({"alg": "RS256"})).status == 200


@fact("esignet.token.kid")
def test_kid(rig):
    key = jwk.JWK.generate(kty="EC", crv="P-256")
    app = rig.register(key, dict(key.export_public(as_dict=True), kid="k1"))
    code = code_of(app)
    assert app.token(code, client_assertion=app.assertion({"kid": "k2"})).error[1] == "invalid_client"
    assert app.token(code, client_assertion=app.assertion({"kid": "k1"})).status == 200
    assert app.token(code_of(app)).status == 200


@fact("esignet.token.typ")
def test_typ(app):
    code = code_of(app)
    refused = app.token(code, client_assertion=app.assertion({"typ": "client-authentication+jwt"}))
    assert refused.error[1] == "invalid_client"
    assert app.token(code, client_assertion=app.assertion({"typ": "JWT"})).status == 200


@fact("esignet.token.code-kept")
@fact("esignet.token.pkce")
def test_code_kept(app):
    verifier, challenge = pkce()
    code = code_of(app, **challenge)
    for wrong in (None, "x" * 43):
        assert app.token(code, code_verifier=wrong).error == (400, "invalid_grant", "invalid_grant")
    bad = app.assertion(aud="http://other")
    assert app.token(code, code_verifier=verifier, client_assertion=bad).error[1] == "invalid_client"
    assert app.token(code, code_verifier=verifier).status == 200


@fact("esignet.token.code-once")
def test_code_once(app):
    code = code_of(app)
    tokens = app.token(code).json()
    assert app.token(code).error == (400, "invalid_grant", "invalid_grant")
    assert app.userinfo(tokens["access_token"]).status == 200


@fact("esignet.lifetime.code")
def test_code_lifetime(rig, app):
    for seconds, status in ((290, 200), (301, 400)):
        rig.control("clock", {"offset_s": 0})
        code = code_of(app)
        rig.control("clock", {"offset_s": seconds})
        later = int(time.time()) + seconds
        assert app.token(code, client_assertion=app.assertion(iat=later, exp=later + 60)).status == status


@fact("esignet.token.answer")
def test_answer(app):
    answer = app.token(code_of(app))
    assert set(answer.json()) == {"id_token", "token_type", "access_token", "expires_in"}
    assert answer.json()["token_type"] == "Bearer" and answer.headers["Content-Type"] == "application/json"


@fact("esignet.token.expires-in")
def test_expires_in(rig, app):
    for application, seconds in ((app, 1200), (rig.register(additionalConfig=None), 3600)):
        body = application.token(code_of(application)).json()
        for token in (body["id_token"], body["access_token"]):
            claims = segment(token, 1)
            assert (body["expires_in"], claims["exp"] - claims["iat"]) == (3600, seconds)


@fact("esignet.token.errors-400")
def test_errors(app):
    code = code_of(app)
    rows = [
        ({"grant_type": "refresh_token"}, "unsupported_grant_type", "unsupported_grant_type"),
        ({"redirect_uri": "http://localhost:9999/x"}, "invalid_request", "invalid_redirect_uri"),
        ({"client_assertion": "a.b.c"}, "invalid_client", "invalid_client"),
        ({"code": "unknown"}, "invalid_grant", "invalid_grant"),
    ]
    for changes, error, description in rows:
        fields = dict({"code": code}, **changes)
        assert app.token(**fields).error == (400, error, description)


@fact("esignet.token.media")
def test_media(rig, app):
    assert rig.http("GET", TOKEN).status == 405
    answer = rig.http("POST", TOKEN, {"grant_type": "authorization_code"})
    assert (answer.status, answer.headers["Content-Type"]) == (415, "application/problem+json")
    refused = app.token(code_of(app), {"Accept": "application/jwt"})
    assert (refused.status, refused.text) == (406, "")


@fact("esignet.token.legacy")
def test_legacy(rig, app):
    path, verifier_and_challenge = "/v1/esignet/oauth/token", pkce()
    code = code_of(app, **verifier_and_challenge[1])
    aud = rig.issuer + "/oauth/token"
    refused = app.token(code, path=path, code_verifier=verifier_and_challenge[0], client_assertion=app.assertion(aud=aud))
    assert refused.error[1] == "invalid_grant"
    for audience, status in ((rig.issuer + TOKEN, 400), (rig.issuer, 200), (aud, 200)):
        answer = app.token(code_of(app), path=path, client_assertion=app.assertion(aud=audience))
        assert answer.status == status, audience


@fact("esignet.token.client-id")
def test_client_id(app):
    code = code_of(app)
    assert app.token(code, client_id="other").error == (400, "invalid_request", "invalid_client_id")
    assert app.token(code, client_id=None, ignored="extra").status == 200


@fact("esignet.idtoken.ps256")
@fact("esignet.idtoken.escaped")
@fact("esignet.idtoken.claims")
@fact("esignet.idtoken.at-hash")
def test_id_token(rig, app):
    body = app.token(code_of(app, nonce="n-once-here-22-chars-x")).json()
    token = body["id_token"]
    assert segment(token, 0) == {"kid": rig.jwks()[0]["kid"], "alg": "PS256"}
    assert '"iss":"http:\\/\\/' in raw_payload(token)
    claims = rig.verify(token, 0, "PS256")
    assert set(claims) == {"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "at_hash", "nonce"}
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (rig.issuer, app.client_id, "n-once-here-22-chars-x")
    digest = hashlib.sha256(body["access_token"].encode()).digest()
    assert claims["at_hash"] == b64u(digest[:16]) and claims["acr"] == PIN_ACR
    assert abs(claims["auth_time"] - time.time()) < 30


@fact("esignet.accesstoken.scope")
def test_access_token_scope(app):
    plain = segment(app.token(code_of(app)).json()["access_token"], 1)
    assert set(plain) == {"iss", "sub", "aud", "azp", "client_id", "iat", "exp"}
    scoped = segment(app.token(code_of(app, scope="openid Manage-VID")).json()["access_token"], 1)
    assert scoped["scope"] == "Manage-VID"


@fact("esignet.sub.pairwise")
def test_sub(rig, app):
    def subs(application, person=ME):
        code = query_of(walk(application.url(), person, PIN))["code"]
        body = application.token(code).json()
        claims = json.loads(raw_payload(body["id_token"]))
        assert rig.verify(application.userinfo(body["access_token"]).text, 1, "RS256")["sub"] == claims["sub"]
        return claims["sub"]
    mine = subs(app)
    assert mine == subs(rig.register()) == b64u(hashlib.sha3_256((ME + "health-ministry").encode()).digest())
    assert len({mine, subs(rig.register(relyingPartyId="another")), subs(app, "8267411572")}) == 3
