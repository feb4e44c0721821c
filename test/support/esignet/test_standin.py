"""Does the control interface do what it says: faults, tampering, rotation, clock, journal, state?

These are not facts about eSignet but promises to the tests of the bridge.
"""
import asyncio
import hashlib
import json
import os
import subprocess
import tempfile
import time
import types

import pytest
from jwcrypto import jwe, jwk, jws

from esignet_standin import control, tamper
from rig import Application, CALLBACK, Rig, b64u, query_of, registration, segment
from walk import Forms, walk

ME, PIN = "8267411571", "111111"
HERE = os.path.dirname(os.path.abspath(__file__))
DISCOVERY = "/.well-known/openid-configuration"


def code_of(app, **changes):
    return query_of(walk(app.url(**changes), ME, PIN))["code"]


def tampered(app, *whats):
    """The token answer of a login with these orders."""
    code = code_of(app)
    for what in whats:
        app.rig.control("tamper", {"what": what})
    return app.token(code)


def verifies(rig, compact, which, alg):
    try:
        return rig.verify(compact, which, alg)
    except jws.InvalidJWSSignature:
        return None


CLAIMS = {
    "id_token_aud": lambda c, a: c["aud"] == "another-client",
    "id_token_aud_list": lambda c, a: c["aud"] == [a.client_id, "another-client"],
    "id_token_iss": lambda c, a: c["iss"] == a.rig.issuer + "/other",
    "id_token_nonce": lambda c, a: c["nonce"] == "another-nonce",
    "id_token_no_nonce": lambda c, a: "nonce" not in c,
    "id_token_expired": lambda c, a: c["exp"] < time.time() - 3000,
    "id_token_iat_future": lambda c, a: c["iat"] > time.time() + 7000,
    "id_token_iat_old": lambda c, a: c["iat"] < time.time() - 800000,
    "id_token_nbf_future": lambda c, a: c.get("nbf", 0) > time.time() + 7000,
    "id_token_no_exp": lambda c, a: "exp" not in c,
    "id_token_no_iat": lambda c, a: "iat" not in c,
    "id_token_no_sub": lambda c, a: "sub" not in c,
    "id_token_no_aud": lambda c, a: "aud" not in c,
    "id_token_no_iss": lambda c, a: "iss" not in c,
    "id_token_empty_sub": lambda c, a: c["sub"] == "",
    "id_token_long_sub": lambda c, a: len(c["sub"]) == 300,
    "id_token_sub": lambda c, a: c["sub"] == "another-subject",
    "id_token_sub_number": lambda c, a: c["sub"] == 4711,
    "id_token_exp_string": lambda c, a: isinstance(c["exp"], str),
    "id_token_azp": lambda c, a: c.get("azp") == "another-client",
    "id_token_acr:urn:weak": lambda c, a: c["acr"] == "urn:weak",
    "id_token_no_acr": lambda c, a: "acr" not in c,
    "id_token_auth_time_old": lambda c, a: c["auth_time"] < time.time() - 800000,
}


@pytest.mark.parametrize("what", sorted(CLAIMS))
def test_tampered_claims(rig, app, what):
    """The claim is wrong and the signature right, once; the next token is good again."""
    claims = rig.verify(tampered(app, what).json()["id_token"], 0, "PS256")
    assert CLAIMS[what](claims, app)
    assert not CLAIMS[what](rig.verify(tampered(app).json()["id_token"], 0, "PS256"), app)


def test_tampered_at_hash(rig, app):
    body = tampered(app, "id_token_at_hash").json()
    digest = hashlib.sha256(body["access_token"].encode()).digest()
    assert segment(body["id_token"], 1)["at_hash"] != b64u(digest[:16])


@pytest.mark.parametrize("what", ["bad_signature", "foreign_key_same_kid", "jwk_header", "no_signature"])
def test_wrong_signatures(rig, app, what):
    token = tampered(app, "id_token_" + what).json()["id_token"]
    assert verifies(rig, token, 0, "PS256") is None
    assert segment(token, 0)["kid"] == rig.jwks()[0]["kid"]


def test_wrong_algorithms(rig, app):
    none = tampered(app, "id_token_alg_none").json()["id_token"]
    assert segment(none, 0)["alg"] == "none" and none.endswith(".")
    confused = tampered(app, "id_token_hs256").json()["id_token"]
    pem = rig.key(0).export_to_pem()
    token = jws.JWS()
    token.allowed_algs = ["HS256"]
    token.deserialize(confused, jwk.JWK(kty="oct", k=b64u(pem)))
    assert json.loads(token.payload)["aud"] == app.client_id
    assert rig.verify(tampered(app, "id_token_rs256").json()["id_token"], 0, "RS256")
    assert tampered(app, "id_token_garbage").json()["id_token"] == "not.a.token"
    other = tampered(app, "id_token_userinfo_key").json()["id_token"]
    assert segment(other, 0)["kid"] == rig.jwks()[1]["kid"] and verifies(rig, other, 1, "PS256")


def test_wrong_headers(rig, app):
    rows = {
        "id_token_crit": lambda h: h["crit"], "id_token_typ": lambda h: h["typ"] == "at+jwt",
        "id_token_unknown_kid": lambda h: h["kid"] not in [r["kid"] for r in rig.jwks()],
        "id_token_no_kid": lambda h: "kid" not in h, "id_token_jku": lambda h: "evil" in h["jku"],
    }
    for what, wrong in rows.items():
        token = tampered(app, what).json()["id_token"]
        assert wrong(segment(token, 0)), what
        if what != "id_token_crit":
            assert verifies(rig, token, 0, "PS256"), what


USERINFO = {
    "userinfo_sub": lambda c, a: c["sub"] == "another-subject", "userinfo_no_sub": lambda c, a: "sub" not in c,
    "userinfo_aud": lambda c, a: c["aud"] == "another-client", "userinfo_no_aud": lambda c, a: "aud" not in c,
    "userinfo_iss": lambda c, a: c["iss"] == a.rig.issuer, "userinfo_no_iss": lambda c, a: "iss" not in c,
    "userinfo_expired": lambda c, a: c["exp"] < time.time(), "userinfo_nbf_future": lambda c, a: c["nbf"] > time.time(),
    "userinfo_oversize:100000": lambda c, a: len(c["picture"]) > 100000,
}


def test_tampered_userinfo(rig, app):
    access = app.token(code_of(app)).json()["access_token"]
    for what, wrong in USERINFO.items():
        rig.control("tamper", {"what": what})
        assert wrong(rig.verify(app.userinfo(access).text, 1, "RS256"), app), what
    for what in ("bad_signature", "foreign_key_same_kid", "oidc_key"):
        rig.control("tamper", {"what": "userinfo_" + what})
        assert verifies(rig, app.userinfo(access).text, 1, "RS256") is None, what
    rows = {"alg_none": ("alg", "none"), "hs256": ("alg", "HS256")}
    for what, (name, value) in rows.items():
        rig.control("tamper", {"what": "userinfo_" + what})
        assert segment(app.userinfo(access).text, 0)[name] == value
    rig.control("tamper", {"what": "userinfo_unknown_kid"})
    assert segment(app.userinfo(access).text, 0)["kid"] not in [row["kid"] for row in rig.jwks()]
    for what, kind in (("plain_json", "application/json"), ("html", "text/html"), ("empty", "text/html")):
        rig.control("tamper", {"what": "userinfo_" + what})
        assert app.userinfo(access).headers["Content-Type"].startswith(kind)
    assert rig.verify(app.userinfo(access).text, 1, "RS256")["aud"] == app.client_id


def test_tampered_token_answers(app):
    assert tampered(app, "token_html").headers["Content-Type"].startswith("text/html")
    assert "id_token" not in tampered(app, "token_no_id_token").json()
    assert "access_token" not in tampered(app, "token_no_access_token").json()
    assert tampered(app, "token_type").json()["token_type"] == "mac"
    assert len(tampered(app, "token_oversize:100000").text) > 100000


def test_tampered_callbacks(rig, app):
    def query(what):
        rig.control("tamper", {"what": what})
        return walk(app.url(state="s1"), ME, PIN)
    assert query_of(query("callback_iss"))["iss"] == "http://attacker.invalid"
    assert "iss" not in query_of(query("callback_no_iss"))
    assert query_of(query("callback_state"))["state"] == "another-state"
    assert "state" not in query_of(query("callback_no_state"))
    assert query("callback_twice").count("code=") == 2
    error = query_of(query("callback_error:unknown_error"))
    assert (error["error"], error["state"], "iss" in error) == ("unknown_error", "s1", False)


def test_every_tampering_is_tested():
    text = open(os.path.abspath(__file__), encoding="utf-8").read()
    stems = [name for name in tamper.KNOWN if '"%s' % name not in text]
    stems = [name for name in stems if '"%s"' % name.split("_", 1)[1] not in text]
    assert [name for name in stems if '"%s"' % name.replace("id_token_", "") not in text] == []


def test_unknown_tampering_is_refused(rig):
    assert rig.http("POST", "/__standin/tamper", {"what": "id_token_typo"}).status == 400


def test_faults(rig):
    rig.control("fault", {"path_prefix": "/.well-known", "status": 503, "body": "<h1>down</h1>", "times": 2})
    answers = [rig.http("GET", DISCOVERY) for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert answers[0].text == "<h1>down</h1>" and answers[0].headers["Content-Type"] == "text/html"
    rig.control("fault", {"path_prefix": DISCOVERY, "delay_ms": 300})
    began = time.monotonic()
    assert rig.http("GET", DISCOVERY).json()["issuer"] == rig.issuer and time.monotonic() - began >= 0.3
    rig.control("fault", {"path_prefix": DISCOVERY, "body": {"issuer": "x"}, "content_type": "application/json", "times": 0})
    assert [rig.http("GET", DISCOVERY).json() for _ in range(3)] == [{"issuer": "x"}] * 3
    assert rig.http("DELETE", "/__standin/fault").status == 200
    assert rig.http("GET", DISCOVERY).json()["issuer"] == rig.issuer


def test_drop_and_hang(rig):
    rig.control("fault", {"path_prefix": DISCOVERY, "drop": True})
    with pytest.raises((ConnectionError, OSError)):
        rig.http("GET", DISCOVERY)
    rig.control("fault", {"path_prefix": DISCOVERY, "hang": True})
    with pytest.raises(TimeoutError):
        rig.http("GET", DISCOVERY, timeout=0.5)
    assert rig.http("GET", DISCOVERY).status == 200


def test_journal(rig, app):
    code_of(app)
    rows = rig.control("requests?path_prefix=/login", method="GET")
    assert [row["method"] for row in rows] == ["POST"] and rows[0]["status"] == 303
    assert rows[0]["form"]["individual_id"] == [ME] and PIN not in json.dumps(rows[0]["form"]["challenge"])
    app.token("none")
    row = rig.control("requests?path_prefix=/v1/esignet/oauth/v2/token", method="GET")[-1]
    assert row["form"]["client_assertion"][0].count(".") == 2 and row["status"] == 400


def test_config_jwe_by_order(rig):
    app = rig.register()
    key = jwk.JWK.generate(kty="RSA", size=2048)
    patch = {"encPublicKey": key.export_public(as_dict=True)}
    rig.wrapped("PATCH", "/v1/esignet/client-mgmt/client/" + app.client_id, patch)
    access = app.token(code_of(app)).json()["access_token"]
    rig.control("config", {"userinfo": "JWE", "client_id": app.client_id})
    assert rig.verify(app.decrypted(app.userinfo(access).text, key), 1, "RS256")["aud"] == app.client_id
    rig.control("config", {"userinfo": None, "client_id": app.client_id})
    assert app.userinfo(access).text.count(".") == 2


def jwe_answer(rig, app, what):
    access = app.token(code_of(app)).json()["access_token"]
    rig.control("tamper", {"what": what})
    return app.userinfo(access).text


def test_tampered_jwe(rig):
    app, key = rig.register(additionalConfig={"userinfo_response_type": "JWE"}), jwk.JWK.generate(kty="RSA", size=2048)
    patch = {"encPublicKey": key.export_public(as_dict=True)}
    rig.wrapped("PATCH", "/v1/esignet/client-mgmt/client/" + app.client_id, patch)
    rows = {"jwe_alg": ("alg", "RSA-OAEP"), "jwe_alg:RSA1_5": ("alg", "RSA1_5"), "jwe_enc": ("enc", "A128GCM"),
            "jwe_no_cty": ("cty", None), "jwe_zip:100000": ("zip", "DEF")}
    for what, (name, value) in rows.items():
        assert segment(jwe_answer(rig, app, what), 0).get(name) == value, what
    for what in ("jwe_foreign_key", "jwe_broken_tag"):
        with pytest.raises(jwe.InvalidJWEData):
            app.decrypted(jwe_answer(rig, app, what), key)
    assert json.loads(app.decrypted(jwe_answer(rig, app, "jwe_plain_json"), key))["aud"] == app.client_id
    assert app.decrypted(jwe_answer(rig, app, "jwe_nested"), key).count(".") == 4
    rig.control("tamper", {"what": "userinfo_bad_signature"})
    inner = app.decrypted(app.userinfo(app.token(code_of(app)).json()["access_token"]).text, key)
    assert verifies(rig, inner, 1, "RS256") is None


def test_login_in_one_request(rig, app):
    location = rig.control("login", {"url": app.url(state="s"), "individualId": ME})["location"]
    assert query_of(location)["state"] == "s" and app.token(query_of(location)["code"]).status == 200
    assert rig.http("POST", "/__standin/login", {"url": app.url(scope="x"), "individualId": ME}).json() == {"error": "invalid_scope"}


def test_control_is_for_loopback_only():
    handle = control.middleware(None)
    request = types.SimpleNamespace(path="/__standin/requests", remote="192.0.2.1")
    assert asyncio.run(handle(request, None)).status == 403


def test_state_survives_a_restart():
    with tempfile.TemporaryDirectory() as folder:
        with Rig(state=folder) as rig:
            app = rig.register()
            kids, modulus = [row["kid"] for row in rig.jwks()], rig.jwks()[0]["n"]
            code_of(app)
        assert os.stat(os.path.join(folder, "state.json")).st_mode & 0o077 == 0
        with Rig(state=folder) as rig:
            app = Application(rig, app.client_id, app.key, CALLBACK)
            assert (kids, modulus) == ([row["kid"] for row in rig.jwks()], rig.jwks()[0]["n"])
            assert app.token(query_of(walk(app.url(), ME, PIN, consent=None))["code"]).status == 200
            members = app.key.export_public(as_dict=True)
            answer = rig.wrapped("POST", "/v1/esignet/client-mgmt/client", registration("x", members))
            assert answer.errors == ["duplicate_public_key"]


def test_walk_command(app):
    command = ["/usr/bin/python3", "-B", os.path.join(HERE, "walk.py"), app.url(), "--id", ME, "--pin"]
    done = subprocess.run(command + [PIN], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stdout.startswith(CALLBACK + "?state=")
    command[3] = app.url()
    failed = subprocess.run(command + ["000000"], capture_output=True, text=True, timeout=30)
    assert failed.returncode != 0 and "auth_failed" in failed.stderr


def test_pages_say_what_they_are(rig, app):
    for path in (app.url()[len(rig.issuer):], app.url(scope="x")[len(rig.issuer):]):
        page = rig.http("GET", path).text
        assert "eSignet stand-in (demo)" in page and "<script" not in page
    assert "8267411571" in rig.http("GET", app.url()[len(rig.issuer):]).text


def test_forged_form_is_refused(rig, app):
    """The login form needs the cookie of its own browser."""
    page = rig.http("GET", app.url()[len(rig.issuer):])
    fields = Forms(page.text).find("login-pin")["fields"]
    answer = rig.http("POST", "/login", form=dict(fields, individual_id=ME, challenge=PIN))
    assert answer.status == 403
