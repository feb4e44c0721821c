"""Replay: userinfo (probes3, 4, 6, 8)."""
from replay_scene import ask, case, shown
from rig import USERINFO, segment

SENT = {
    "userinfo:none": {}, "userinfo:garbage": {"Authorization": "Bearer garbage"},
    "userinfo:no scheme": {"Authorization": "%s"}, "userinfo:lower bearer": {"Authorization": "bearer %s"},
    "userinfo:DPoP scheme": {"Authorization": "DPoP %s"}, "userinfo:tampered": {"Authorization": "Bearer %sx"},
    "userinfo:ok again": {"Authorization": "Bearer %s"},
    "userinfo:ok accept json": {"Authorization": "Bearer %s", "Accept": "application/json"},
    "userinfo:ok accept jwt": {"Authorization": "Bearer %s", "Accept": "application/jwt"},
}


def access(scene):
    if "access" not in scene.memory:
        scene.memory["access"] = scene.tokens()["access_token"]
    return scene.memory["access"]


@case("probes3", *SENT)
def headers(scene, entry, recorded):
    sent = {name: value.replace("%s", access(scene)) for name, value in SENT[entry].items()}
    return shown(scene.rig.http("GET", USERINFO, headers=sent), "status", "www", "hdr", "body")


@case("probes3", "userinfo POST")
def post(scene, entry, recorded):
    return shown(scene.app.userinfo(access(scene), method="POST"), "status", "www", "body")


ASKED = {
    "no claims_locales, scope profile": {}, "locale en": {"claimsLocales": "en"},
    "locale fr": {"claimsLocales": "fr"}, "locale ar": {"claimsLocales": "ar"},
    "locale eng (3 letter)": {"claimsLocales": "eng"}, "locale en-US": {"claimsLocales": "en-US"},
    "locale sw (no data)": {"claimsLocales": "sw"}, "scope openid only": {"scope": "openid"},
    "individual_id": {"claims": {"userinfo": {"individual_id": {"essential": True}}}},
    "no nonce": {"nonce": None},
    "id_token claims": {"scope": "openid", "claims": {"id_token": {"name": {"essential": True}}}},
}


@case("probes3", "userinfo claims:*")
def claims(scene, entry, recorded):
    session = scene.session()
    details = session.details(ask(scene.app, **ASKED[entry.split(":", 1)[1]]))
    session.authenticate()
    body = scene.app.token(session.auth_code(details["essentialClaims"] + details["voluntaryClaims"])["code"]).json()
    answer = scene.app.userinfo(body["access_token"])
    return {"idt": scene.rig.verify(body["id_token"], 0, "PS256"), "ui": scene.rig.verify(answer.text, 1, "RS256")}


@case("probes4", "legacy userinfo")
def legacy(scene, entry, recorded):
    answer = scene.app.userinfo(scene.memory["legacy"])
    return {"status": answer.status, "hdr": segment(answer.text, 0)}


@case("probes4", "jwe client token, no enc key", "jwe client token")
def jwe_token(scene, entry, recorded):
    app = scene.memory["jwe-client"]
    answer = app.token(scene.code(app))
    scene.memory["jwe access"] = answer.json()["access_token"]
    return shown(answer, "status", "body")


@case("probes4", "jwe userinfo no enc key")
def jwe_without_key(scene, entry, recorded):
    return shown(scene.app.userinfo(scene.memory["jwe access"]), "status", "www", "body")


@case("probes4", "jwe userinfo")
def jwe(scene, entry, recorded):
    answer = scene.app.userinfo(scene.memory["jwe access"])
    scene.memory["jwe"] = answer.text
    return dict(shown(answer, "status", "www", "ct"), parts=len(answer.text.split(".")), hdr=segment(answer.text, 0))


@case("probes4", "jwe inner")
def jwe_inner(scene, entry, recorded):
    inner = scene.app.decrypted(scene.memory["jwe"], scene.memory["enc"])
    return {"hdr": segment(inner, 0), "payload": scene.rig.verify(inner, 1, "RS256")}


@case("probes6", "ui")
def whole(scene, entry, recorded):
    text = scene.app.userinfo(scene.memory["access"]).text
    return {"ui": [segment(text, 0), scene.rig.verify(text, 1, "RS256")]}


@case("probes8", "userinfo 401 headers")
def refusal_headers(scene, entry, recorded):
    return {"h": dict(scene.rig.http("GET", USERINFO).headers)}


@case("probes8", "locale fr en")
def order(scene, entry, recorded):
    return {"keys": list(scene.userinfo(claimsLocales="fr en"))}
