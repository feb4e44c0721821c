"""Does the stand-in show every fact of facts.json, and has every fact a test?

Facts about metadata, keys, registration, PAR and DPoP are here; the authorize page, the token
endpoint and userinfo have files of their own.
"""
import base64
import datetime
import hashlib
import importlib
import json
import os
import secrets
import time

import pytest
from cryptography import x509
from jwcrypto import jwk

from esignet_standin.keys import kid_of
from replay_token import tame
from rig import CLIENT, SERVICE, TOKEN, USERINFO, b64u, make_jws, pkce, query_of, registration, segment
from walk import walk

ME, PIN = "8267411571", "111111"
MODULES = ["test_facts", "test_facts_authorize", "test_facts_token", "test_facts_userinfo"]
fact = pytest.mark.fact


def facts():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "facts.json"), encoding="utf-8") as file:
        return [row["id"] for row in json.load(file)]


def marked():
    """Every id that a test function is marked with."""
    found = []
    for name in MODULES:
        for member in vars(importlib.import_module(name)).values():
            marks = getattr(member, "pytestmark", []) if callable(member) else []
            found += [mark.args[0] for mark in marks if mark.name == "fact"]
    return set(found)


def test_every_fact_has_a_test():
    ids = facts()
    assert len(ids) == len(set(ids)) and ids
    without = [name for name in ids if name not in marked()]
    unknown = sorted(marked() - set(ids))
    assert (without, unknown) == ([], [])


def log_in(app, **changes):
    """(tokens, redirect query) of a login walked on the pages."""
    verifier, challenge = pkce()
    query = query_of(walk(app.url(**dict(challenge, **changes)), ME, PIN))
    answer = app.token(query["code"], code_verifier=verifier)
    assert answer.status == 200, answer.text
    return answer.json(), query


@fact("esignet.discovery.two-paths")
def test_discovery_paths(rig):
    one = rig.http("GET", "/.well-known/openid-configuration")
    two = rig.http("GET", SERVICE + "/oidc/.well-known/openid-configuration")
    assert one.status == 200 and one.json() == two.json()
    assert one.json()["issuer"] == rig.issuer and one.json()["authorization_endpoint"] == rig.issuer + "/authorize"


@fact("esignet.discovery.absent")
def test_absent_endpoints(rig):
    known = rig.http("GET", "/.well-known/openid-configuration").json()
    for name in ("end_session", "revocation", "introspection", "registration"):
        assert name + "_endpoint" not in known
    assert "grant_types_supported" not in known
    for path in ("/oidc/logout", "/oauth/revoke", "/oauth/introspect"):
        answer = rig.http("POST", SERVICE + path, form={})
        assert answer.status == 404 and answer.headers["Content-Type"] == "application/problem+json"


@fact("esignet.discovery.false-encryption")
def test_false_announcements(rig):
    known = rig.http("GET", "/.well-known/openid-configuration").json()
    assert known["userinfo_encryption_alg_values_supported"] == ["RSAXXXXX"]
    assert known["userinfo_encryption_enc_values_supported"] == ["A128GCM"]
    assert known["userinfo_signed_response_alg"] == "PS256"


@fact("esignet.jwks.members")
def test_jwk_members(rig):
    for row in rig.jwks():
        assert set(row) == {"kty", "use", "kid", "n", "e", "x5c", "x5t#S256", "exp"}
        assert isinstance(row["exp"], int) and row["use"] == "sig"


@fact("esignet.jwks.two-keys")
@fact("esignet.userinfo.other-key")
def test_two_keys(rig, app):
    tokens, _ = log_in(app)
    userinfo = app.userinfo(tokens["access_token"]).text
    heads = [segment(text, 0) for text in (tokens["id_token"], tokens["access_token"], userinfo)]
    kids = [row["kid"] for row in rig.jwks()]
    assert [head["kid"] for head in heads] == [kids[0], kids[0], kids[1]]
    assert [head["alg"] for head in heads] == ["PS256", "PS256", "RS256"] and kids[0] != kids[1]


@fact("esignet.jwks.kid-from-date")
def test_kid_from_date(rig):
    day = datetime.date(2026, 11, 22)
    assert kid_of("OIDC_SERVICE", day) == "u1wLBhrSiB4nqr1kBrR8ugNmxKaNdjCg64fMKC6YsFA"
    assert kid_of("MOCK_AUTHENTICATION_SERVICE", day) == "VzAf8hW2pjJgilenaNS_Rul8TEh8CRMsokzzu9E1g-U"
    row = rig.jwks()[0]
    assert row["kid"] != jwk.JWK(kty="RSA", n=row["n"], e=row["e"]).thumbprint()


@fact("esignet.jwks.same-kid-new-key")
@fact("esignet.jwks.old-keys-stay")
def test_rotation(rig, app):
    before = rig.jwks()
    rig.control("rotate", {"key": "oidc", "same_kid": True, "keep_old": False})
    again = rig.jwks()
    assert again[0]["kid"] == before[0]["kid"] and again[0]["n"] != before[0]["n"]
    rig.control("rotate", {"key": "oidc"})
    kept = rig.jwks()
    assert again[0] in kept and len(kept) == len(again) + 1
    assert segment(log_in(app)[0]["id_token"], 0)["kid"] == kept[1]["kid"] != again[0]["kid"]
    rig.control("rotate", {"key": "oidc", "keep_old": False})


@fact("esignet.jwks.certificate-unusable")
def test_certificate(rig):
    row = rig.jwks()[0]
    der = base64.b64decode(row["x5c"][0])
    assert len(row["x5c"]) == 1 and der[der.index(b"\x02\x08") + 2] & 0x80
    certificate = x509.load_der_x509_certificate(tame(der))
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.issuer != certificate.subject
    assert row["x5t#S256"] == b64u(hashlib.sha256(der).digest())


@fact("esignet.jwks.userinfo-key-may-be-missing")
def test_unpublished_userinfo_key(rig, app):
    rig.control("config", {"publish_userinfo_key": False})
    tokens, _ = log_in(app)
    kid = segment(app.userinfo(tokens["access_token"]).text, 0)["kid"]
    assert kid not in [row["kid"] for row in rig.jwks()]


@fact("esignet.client.key-unique")
def test_key_unique(rig, app):
    members = dict(app.key.export_public(as_dict=True), kid="another", use="sig")
    assert rig.wrapped("POST", CLIENT, registration("other", members)).errors == ["duplicate_public_key"]


@fact("esignet.client.key-immutable")
def test_key_immutable(rig):
    app, other = rig.register(), jwk.JWK.generate(kty="EC", crv="P-256")
    change = {"publicKey": other.export_public(as_dict=True)}
    body = dict(registration(app.client_id, {}), status="ACTIVE", **change)
    for method, request in (("PUT", body), ("PATCH", change)):
        assert rig.wrapped(method, CLIENT + "/" + app.client_id, request).errors == []
    code = query_of(walk(app.url(), ME, PIN))["code"]
    assert app.token(code, client_assertion=app.assertion(key=other)).error[1] == "invalid_client"
    assert app.token(code).status == 200


@fact("esignet.client.redirects")
def test_redirect_hosts(rig):
    key = jwk.JWK.generate(kty="EC", crv="P-256").export_public(as_dict=True)
    for host in ("bridge.test", "bridge.example", "bridge.internal", "bridge.local", "*.gov.sl"):
        answer = rig.wrapped("POST", CLIENT, registration("r", key, redirectUris=["https://%s/cb" % host]))
        assert answer.errors == ["invalid_redirect_uri"], host
    for uris in (["https://a.org/cb#x"], ["https://a.org/%d" % n for n in range(6)], []):
        assert rig.wrapped("POST", CLIENT, registration("r", key, redirectUris=uris)).errors == ["invalid_redirect_uri"]
    fine = ["http://localhost:1/cb", "http://10.1.2.3/cb", "http://bridge:8080/cb", "https://id.gov.sl/cb", "app.x://cb"]
    assert rig.wrapped("POST", CLIENT, registration("r-" + secrets.token_hex(4), key, redirectUris=fine)).errors == []


@fact("esignet.client.claims")
def test_client_claims(rig):
    key = jwk.JWK.generate(kty="EC", crv="P-256").export_public(as_dict=True)
    answer = rig.wrapped("POST", CLIENT, registration("c", key, userClaims=["name", "given_name"]))
    assert answer.json()["errors"] == [
        {"errorCode": "invalid_claim", "errorMessage": "request.userClaims[1]: invalid_claim"}]


@fact("esignet.par.accepted")
def test_par(rig, app):
    for audience in (rig.issuer + "/v1/esignet/oauth/par", rig.issuer + TOKEN, rig.issuer):
        answer = app.push(client_assertion=app.assertion(aud=audience))
        assert answer.status == 201 and answer.json()["expires_in"] == 60
    url = pushed_url(app, answer.json()["request_uri"])
    assert app.token(query_of(walk(url, ME, PIN))["code"]).status == 200


def pushed_url(app, request_uri):
    return "%s/authorize?client_id=%s&request_uri=%s" % (app.rig.issuer, app.client_id, request_uri)


@fact("esignet.par.once")
def test_par_once(rig, app):
    def page(url):
        return rig.http("GET", url[len(rig.issuer):]).text
    url = pushed_url(app, app.push().json()["request_uri"])
    assert "login-pin" in page(url) and 'data-error-code="invalid_request"' in page(url)
    late = pushed_url(app, app.push().json()["request_uri"])
    rig.control("clock", {"offset_s": 61})
    assert 'data-error-code="invalid_request"' in page(late)
    rig.control("clock", {"offset_s": 0})
    foreign = pushed_url(rig.register(), app.push().json()["request_uri"])
    assert 'data-error-code="invalid_request"' in page(foreign)


@fact("esignet.par.required")
def test_par_required(rig):
    app = rig.register(additionalConfig={"require_pushed_authorization_requests": True})
    page = rig.http("GET", app.url()[len(rig.issuer):])
    assert page.status == 200 and 'data-error-code="invalid_request"' in page.text
    assert "code" in query_of(walk(pushed_url(app, app.push().json()["request_uri"]), ME, PIN))


@fact("esignet.par.errors")
def test_par_errors(app):
    rows = [
        ({"client_assertion": None}, "invalid_client", "invalid_client"),
        ({"client_assertion": app.assertion(aud="http://other")}, "invalid_client", "invalid_client"),
        ({"scope": "profile"}, "invalid_scope", "invalid_scope"),
        ({"redirect_uri": "http://localhost:9999/x"}, "invalid_request", "invalid_redirect_uri"),
        ({"response_type": "token"}, "invalid_request", "invalid_response_type"),
    ]
    for changes, error, description in rows:
        assert app.push(**changes).error == (400, error, description)


def proof(rig, key, alg, method, path, **claims):
    header = {"typ": "dpop+jwt", "alg": alg, "jwk": key.export_public(as_dict=True)}
    base = {"htm": method, "htu": rig.issuer + path, "iat": int(time.time()), "jti": secrets.token_hex(8)}
    return make_jws(key, header, dict(base, **claims))


@fact("esignet.dpop.nonce")
@fact("esignet.dpop.bound")
def test_dpop(rig, app):
    key = jwk.JWK.generate(kty="RSA", size=2048)
    code = query_of(walk(app.url(), ME, PIN))["code"]
    first = app.token(code, {"DPoP": proof(rig, key, "RS256", "POST", TOKEN)})
    assert first.error[:2] == (400, "use_dpop_nonce")
    second = app.token(code, {"DPoP": proof(rig, key, "RS256", "POST", TOKEN, nonce=first.headers["DPoP-Nonce"])})
    assert second.status == 200 and second.json()["token_type"] == "DPoP"
    access = second.json()["access_token"]
    assert segment(access, 1)["cnf"] == {"jkt": key.thumbprint()}
    assert app.userinfo(access).status == 401
    ath = b64u(hashlib.sha256(access.encode()).digest())
    sent = {"Authorization": "DPoP " + access, "DPoP": proof(rig, key, "PS256", "GET", USERINFO, ath=ath)}
    refused = rig.http("GET", USERINFO, headers=sent)
    assert refused.status == 401 and refused.headers["WWW-Authenticate"] == 'DPoP error="use_dpop_nonce"'
    sent["DPoP"] = proof(rig, key, "PS256", "GET", USERINFO, ath=ath, nonce=refused.headers["DPoP-Nonce"])
    assert rig.http("GET", USERINFO, headers=sent).status == 200


@fact("esignet.dpop.algs")
def test_dpop_algs(rig, app):
    key = jwk.JWK.generate(kty="EC", crv="P-256")
    answer = app.token("any", {"DPoP": proof(rig, key, "ES256", "POST", TOKEN)})
    assert answer.error[:2] == (400, "invalid_dpop_proof")
    assert 'algs="ES256 PS256"' in answer.headers["WWW-Authenticate"]


@fact("esignet.dpop.proof")
def test_dpop_proof(rig, app):
    """Every claim of the proof counts, and the proof itself only once."""
    key, now = jwk.JWK.generate(kty="RSA", size=2048), int(time.time())
    wrong = [
        proof(rig, key, "RS256", "GET", TOKEN), proof(rig, key, "RS256", "POST", USERINFO),
        proof(rig, key, "RS256", "POST", TOKEN, iat=now - 30), proof(rig, key, "RS256", "POST", TOKEN, jti=""),
    ]
    code = query_of(walk(app.url(), ME, PIN))["code"]
    used = proof(rig, key, "RS256", "POST", TOKEN)
    assert app.token(code, {"DPoP": used}).error[1] == "use_dpop_nonce"
    for compact in wrong + [used]:
        assert app.token(code, {"DPoP": compact}).error[1] == "invalid_dpop_proof"
