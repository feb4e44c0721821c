"""Replay: authorize requests, authentication, consent, lifetimes before the code."""
import re

from replay_scene import ID, PIN, VERIFIED, ask, case, echo, shown
from ui_session import AUTHORIZATION, Refused, UiSession

ALL = ["mosip:idp:acr:" + name for name in (
    "static-code", "generated-code", "password", "linked-wallet", "biometrics", "knowledge")]
FACTORS = {
    "factor OTP": ("OTP", ALL[1], "111111", "alpha-numeric"),
    "factor PWD": ("PWD", ALL[2], "Mosip@123", "alpha-numeric"),
    "factor BIO": ("BIO", ALL[4], "e30" * 200, "encoded-json"),
    "factor KBI": ("KBI", ALL[5], "e30" * 30, "base64url-encoded-json"),
}


@case("probes3", *FACTORS)
def factor(scene, entry, recorded):
    kind, acr, challenge, form = FACTORS[entry]
    session = scene.session()
    details = session.details(ask(scene.app, acrValues=acr))
    otp = []
    if kind == "OTP":
        session.send_otp()
        otp.append(session.last)
    try:
        session.authenticate(challenge, kind, form)
    except Refused as refused:
        return {"error": "authenticate: " + str(refused.errors)}
    code = session.auth_code(details["voluntaryClaims"])["code"]
    answer = scene.app.token(code)
    claims = scene.rig.verify(answer.json()["id_token"], 0, "PS256")
    return {"status": answer.status, "acr": claims["acr"], "factors": details["authFactors"], "otp": otp}


@case("probes3", "auth:*")
def attempts(scene, entry, recorded):
    """Five wrong PINs in one login, then the same person elsewhere."""
    name = entry.split(":")[1].split(" #")[0]
    if name not in scene.memory:
        session = scene.memory[name] = UiSession(scene.rig, ID if "uin" not in name else "0000000000", PIN)
        session.details(ask(scene.app))
    session = scene.memory[name]
    wrong = {"wrong pin": ("999999", "PIN", "number"), "unknown uin": (PIN, "PIN", "number"),
             "wrong factor": ("111111", "OTP", "alpha-numeric")}[name]
    return {"status": 200, "errors": scene.errors_of(lambda: session.authenticate(*wrong))}


@case("probes5", "oauth-details without csrf")
def no_csrf(scene, entry, recorded):
    return shown(scene.rig.wrapped("POST", AUTHORIZATION + "v3/oauth-details", ask(scene.app)), "status", "body")


@case("probes5", "wild *")
def wild(scene, entry, recorded):
    app = scene.memory["client:wild ok"]
    uri = entry[len("wild "):]
    return {"errors": scene.errors_of(lambda: scene.session().details(ask(app, redirectUri=uri)))}


@case("probes5", "PAR-required via plain authorize")
def par_required(scene, entry, recorded):
    app = scene.memory["client:PAR-required client"]
    return {"errors": scene.errors_of(lambda: scene.session().details(ask(app)))}


@case("probes5", "INACTIVE client")
def inactive(scene, entry, recorded):
    request = scene.registration()
    scene.create(request)
    path = "/v1/esignet/client-mgmt/client/" + request["clientId"]
    answer = scene.rig.wrapped("PUT", path, dict(request, status="INACTIVE"))
    assert not answer.json()["errors"], answer.text
    wanted = ask(scene.app, clientId=request["clientId"])
    return {"errors": scene.errors_of(lambda: scene.session().details(wanted))}


@case("probes5", "link-code")
def link_code(scene, entry, recorded):
    session = scene.session()
    session.details(ask(scene.app))
    answer = scene.rig.wrapped(
        "POST", "/v1/esignet/linked-authorization/v2/link-code", {"transactionId": session.transaction},
        session.headers).json()
    good = re.match(r"[A-Za-z0-9]{15}\Z", answer["response"]["linkCode"])
    answer["response"]["linkCode"] = recorded["r"]["response"]["linkCode"] if good else "odd"
    return {"r": answer}


CONSENTS = {
    "consent drop essential": ["email"], "consent extra": ["name", "birthdate"], "consent none": [],
}
NAME_ESSENTIAL = {"userinfo": {"name": {"essential": True}, "email": None}}


@case("probes5", *CONSENTS)
def consent(scene, entry, recorded):
    session = scene.session()
    session.details(ask(scene.app, scope="openid", claims=NAME_ESSENTIAL, prompt="consent"))
    session.authenticate()
    errors = scene.errors_of(lambda: session.auth_code(CONSENTS[entry]))
    return {"err": "auth-code: " + str(errors)}


@case("probes5", "consent only essential")
def consent_essential(scene, entry, recorded):
    return {"ui": _userinfo(scene, ["name"], NAME_ESSENTIAL)}


def _userinfo(scene, accepted, claims, scope="openid", **changes):
    session = scene.session()
    session.details(ask(scene.app, scope=scope, claims=claims, **changes))
    session.authenticate()
    body = scene.app.token(session.auth_code(accepted)["code"]).json()
    return scene.rig.verify(scene.app.userinfo(body["access_token"]).text, 1, "RS256")


def _verified(framework, *names, essential=False):
    detail = {"essential": True} if essential else None
    return {"verification": {"trust_framework": {"value": framework}, "time": None}, "claims": {n: detail for n in names}}


LOCALES = {
    "verified_claims no locale": None, "verified_claims en": "en", "verified_claims en fr": "en fr",
    "verified_claims eng": "eng", "verified_claims eng fra": "eng fra", "verified_claims 2-letter en": "en",
    "verified_claims 2-letter fr": "fr", "verified_claims 2-letter en fr": "en fr",
}


@case("probes5", "verified_claims no locale", "verified_claims en", "verified_claims en fr")
def verified_unmatched(scene, entry, recorded):
    """Nothing verified is stored: the claims are just missing."""
    rows = _verified("ABC TF", "name", "phone_number", essential=True)
    claims = {"userinfo": {"birthdate": None, "verified_claims": [rows]}}
    session = scene.session()
    session.details(ask(scene.app, scope="openid", claims=claims, claimsLocales=LOCALES[entry]))
    session.authenticate()
    scene.rig.control("persons", dict(scene.person, verified=[]))
    details = session.claim_details() if recorded["claim_details"] else None
    body = scene.app.token(session.auth_code(["birthdate", "name", "phone_number"])["code"]).json()
    return {"ui": scene.rig.verify(scene.app.userinfo(body["access_token"]).text, 1, "RS256"), "claim_details": details}


@case("probes6", "verified_claims no locale", "verified_claims eng", "verified_claims eng fra")
def verified_matched(scene, entry, recorded):
    scene.rig.control("persons", dict(scene.person, verified=VERIFIED))
    rows = [_verified("ABC TF", "email", "phone_number"), _verified("XYZ TF", "name", "gender")]
    claims = {"userinfo": {"birthdate": None, "verified_claims": rows}}
    accepted = ["birthdate", "email", "phone_number", "name", "gender"]
    return {"tok": 200, "ui": _userinfo(scene, accepted, claims, claimsLocales=LOCALES[entry])}


@case("probes8", "verified_claims 2-letter*")
def verified_two_letters(scene, entry, recorded):
    scene.rig.control("persons", dict(scene.person, verified=VERIFIED))
    claims = {"userinfo": {"birthdate": None, "gender": None, "verified_claims": [_verified("XYZ TF", "name")]}}
    return {"ui": _userinfo(scene, ["birthdate", "gender", "name"], claims, claimsLocales=LOCALES[entry])}


@case("probes6", "nonce use 1 (non-local profile)", "nonce use 2 (non-local profile)")
def nonce(scene, entry, recorded):
    return {"errors": scene.errors_of(lambda: scene.session().details(ask(scene.app, nonce="once-only")))}


@case("probes7", "authenticate 310 s after oauth-details")
def late_login(scene, entry, recorded):
    session = scene.session()
    session.details(ask(scene.app))
    scene.rig.control("clock", {"offset_s": 310})
    errors = scene.errors_of(session.authenticate)
    scene.rig.control("clock", {"offset_s": 0})
    return {"errors": errors}


@case("probes7", "auth-code (consent) *")
def late_consent(scene, entry, recorded):
    session = scene.session()
    asked = session.details(ask(scene.app))["voluntaryClaims"]
    session.authenticate()
    scene.rig.control("clock", {"offset_s": int(re.search(r"\d+", entry).group())})
    errors = scene.errors_of(lambda: session.auth_code(asked))
    scene.rig.control("clock", {"offset_s": 0})
    return {"errors": errors}


@case("probes8", "prompt=none still interactive")
def prompt_none(scene, entry, recorded):
    return {"authfactors": scene.session().details(ask(scene.app, prompt="none", acrValues=None))["authFactors"]}


@case("probes8", "claims acr.values order")
def acr_order(scene, entry, recorded):
    claims = {"id_token": {"acr": {"values": [ALL[2], ALL[0]]}}}
    return {"f": scene.session().details(ask(scene.app, claims=claims))["authFactors"], "e": []}


@case("probes8", "claims purpose too short", "claims name:true")
def bad_claims(scene, entry, recorded):
    name = {"purpose": "ab"} if "purpose" in entry else True
    wanted = ask(scene.app, claims={"userinfo": {"name": name}})
    return {"e": scene.errors_of(lambda: scene.session().details(wanted))}


@case("probes8", "sub for another relyingPartyId")
def other_party(scene, entry, recorded):
    app = scene.rig.register(relyingPartyId="another-ministry")
    one, two = scene.userinfo()["sub"], scene.userinfo(app)["sub"]
    return echo(recorded, one != two and len(two) == 43, [one, two])
