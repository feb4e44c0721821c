"""Facts about userinfo: form, refusals, languages, verified claims, encryption."""
import pytest
from jwcrypto import jwk

from rig import CLIENT, USERINFO, query_of, registration, segment
from walk import walk

ME, PIN = "8267411571", "111111"
fact = pytest.mark.fact


def access_of(app, person=ME, **changes):
    code = query_of(walk(app.url(**changes), person, PIN))["code"]
    return app.token(code).json()["access_token"]


def claims_of(app, person=ME, **changes):
    return app.rig.verify(app.userinfo(access_of(app, person, **changes)).text, 1, "RS256")


@fact("esignet.userinfo.get-only")
@fact("esignet.userinfo.accept")
def test_methods_and_media(app):
    access = access_of(app)
    refused = app.userinfo(access, method="POST")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (405, 'error="Method Not Allowed"')
    refused = app.userinfo(access, {"Accept": "application/json"})
    assert (refused.status, refused.text) == (406, "")
    for accept in ("application/jwt", "*/*", "application/json, application/jwt"):
        answer = app.userinfo(access, {"Accept": accept})
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/jwt;charset=UTF-8")


@fact("esignet.userinfo.other-issuer")
@fact("esignet.userinfo.no-times")
def test_issuer_and_times(rig, app):
    claims = claims_of(app, scope="openid")
    assert set(claims) == {"sub", "iss", "aud"}
    assert (claims["iss"], claims["aud"]) == (rig.issuer + "/v1/esignet", app.client_id)


@fact("esignet.userinfo.frozen")
def test_frozen(rig, app):
    access = access_of(app)
    before = app.userinfo(access).text
    person = next(p for p in rig.control("persons", method="GET") if p["individualId"] == ME)
    rig.control("persons", dict(person, email="changed@health.example"))
    assert app.userinfo(access).text == before
    assert claims_of(app)["email"] == "changed@health.example"


@fact("esignet.userinfo.refusals")
def test_refusals(rig, app):
    access = access_of(app)
    sent = [None, "Bearer garbage", access, "bearer " + access, "DPoP " + access, "Bearer %sx" % access, "Bearer  " + access]
    for value in sent:
        answer = rig.http("GET", USERINFO, headers={"Authorization": value} if value else {})
        assert (answer.status, answer.text) == (401, ""), value
        assert answer.headers["WWW-Authenticate"] == 'error="invalid_token"'


@fact("esignet.userinfo.expired")
def test_expired(rig, app):
    access = access_of(app)
    rig.control("clock", {"offset_s": 1201})
    answer = app.userinfo(access)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'error="invalid_token"')


@fact("esignet.userinfo.birthdate")
@fact("esignet.userinfo.one-locale")
def test_one_locale(app):
    for locale, name, gender in ((None, "Amina Diallo", "Female"), ("fr", "Amina Diallo", "Femme"), ("ara", "أمينة ديالو", "أنثى")):
        claims = claims_of(app, claims_locales=locale, prompt="consent")
        assert (claims["name"], claims["gender"], claims["birthdate"]) == (name, gender, "1985/02/15")


@fact("esignet.userinfo.tags")
def test_tags(app):
    claims = claims_of(app, claims_locales="fr en")
    tagged = [name for name in claims if "#" in name]
    assert tagged == ["gender#eng", "gender#fra", "name#eng", "name#fra"] and "name" not in claims
    assert claims["address"]["street_address#fra"] == "12 rue de la Clinique" and "email" in claims
    assert set(claims["address"]) == {n + t for n in ("street_address", "locality", "region", "country") for t in ("#eng", "#fra")}


@fact("esignet.userinfo.no-data")
def test_no_data(app):
    claims = claims_of(app, claims_locales="sw")
    assert (claims["name"], claims["gender"]) == ("", "") and "address" not in claims
    assert claims["birthdate"] == "1985/02/15"


@fact("esignet.userinfo.region-locale")
def test_region_locale(app):
    assert claims_of(app, claims_locales="en-US")["gender"] == "Female"
    assert claims_of(app, claims_locales="fr-CA")["gender"] == "Female"
    assert claims_of(app, claims_locales="fr-CA ar")["gender"] == "أنثى"


@fact("esignet.userinfo.never-sent")
def test_never_sent(rig):
    wanted = ["name", "address", "phone_number_verified", "individual_id", "registration_type", "updated_at"]
    app = rig.register(userClaims=wanted)
    asked = {"userinfo": {name: {"essential": True} for name in wanted}}
    claims = claims_of(app, claims=asked)
    assert set(claims) == {"name", "address", "sub", "iss", "aud"} and "postal_code" not in claims["address"]


def verified(framework, *names):
    return {"verification": {"trust_framework": {"value": framework}}, "claims": {name: None for name in names}}


@fact("esignet.userinfo.verified-array")
def test_verified_array(app):
    asked = {"userinfo": {"name": None, "verified_claims": verified("XYZ TF", "name", "birthdate")}}
    claims = claims_of(app, scope="openid", claims=asked)
    assert "name" not in claims and len(claims["verified_claims"]) == 1
    assert claims["verified_claims"][0]["claims"] == {"name": "Amina Diallo", "birthdate": "1985/02/15"}
    assert set(claims["verified_claims"][0]["verification"]) == {"trust_framework", "time"}
    unmatched = {"userinfo": {"verified_claims": verified("nobody", "name")}}
    assert set(claims_of(app, scope="openid", claims=unmatched)) == {"sub", "iss", "aud"}


@fact("esignet.userinfo.verified-two-letter")
def test_verified_two_letter(app):
    asked = {"userinfo": {"gender": None, "verified_claims": verified("XYZ TF", "name")}}
    claims = claims_of(app, scope="openid", claims=asked, claims_locales="en")
    assert claims["gender"] == "" and claims["verified_claims"][0]["claims"] == {"name": ""}
    claims = claims_of(app, scope="openid", claims=asked, claims_locales="eng")
    assert claims["verified_claims"][0]["claims"] == {"name": "Amina Diallo"}


def jwe_app(rig):
    app = rig.register(additionalConfig={"userinfo_response_type": "JWE"})
    key = jwk.JWK.generate(kty="RSA", size=2048)
    members = dict(key.export_public(as_dict=True), kid="bridge-enc-1", use="enc")
    assert rig.wrapped("PATCH", CLIENT + "/" + app.client_id, {"encPublicKey": members}).errors == []
    return app, key


@fact("esignet.userinfo.jwe")
@fact("esignet.userinfo.jwe-kid")
def test_jwe(rig):
    app, key = jwe_app(rig)
    text = app.userinfo(access_of(app)).text
    header = segment(text, 0)
    assert header.pop("kid") != "bridge-enc-1"
    assert header == {"cty": "JWT", "typ": "JWT", "alg": "RSA-OAEP-256", "enc": "A256GCM"}
    claims = rig.verify(app.decrypted(text, key), 1, "RS256")
    assert (claims["aud"], claims["name"]) == (app.client_id, "Amina Diallo")


@fact("esignet.userinfo.jwe-no-key")
@fact("esignet.client.enc-key")
def test_jwe_without_key(rig):
    key = jwk.JWK.generate(kty="RSA", size=2048).export_public(as_dict=True)
    app = rig.register(additionalConfig={"userinfo_response_type": "JWE"}, encPublicKey=key)
    body = dict(registration(app.client_id, {}), status="ACTIVE", encPublicKey=key)
    body["additionalConfig"] = {"userinfo_response_type": "JWE"}
    assert rig.wrapped("PUT", CLIENT + "/" + app.client_id, body).errors == []
    answer = app.userinfo(access_of(app))
    assert (answer.status, answer.headers["WWW-Authenticate"], answer.text) == (401, 'error="unknown_error"', "")
