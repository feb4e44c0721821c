"""The stage of the replay: a stand-in with the recorder's invented person and application.

CASES maps (file, entry) to the function that asks again; an entry may end with "*". Each function
takes (scene, entry, recorded) and returns an answer in the recorder's own form.
"""
import json
import os

from jwcrypto import jwk

import rig as rigging
from ui_session import Refused, UiSession, log_in, request_of

CASES = {}
ID, PIN = "8267411571", "545411"
VERIFIED = [
    {"trust_framework": "ABC TF", "time": "2026-11-22T17:36:49.854212", "claims": ["email", "phone_number"]},
    {"trust_framework": "XYZ TF", "time": "2026-11-22T17:36:49.886881", "claims": ["name", "gender"]},
]


def case(stem, *entries):
    def keep(function):
        for entry in entries:
            CASES[stem, entry] = function
        return function
    return keep


def person_of(userinfo):
    """The person behind a recorded userinfo with tags eng and fra."""
    both = lambda source, name: {language: source["%s#%s" % (name, language)] for language in ("eng", "fra")}
    members = ("street_address", "locality", "region", "country")
    return {
        "individualId": ID, "pin": PIN, "password": "Mosip@123", "birthdate": userinfo["birthdate"],
        "name": both(userinfo, "name"), "gender": both(userinfo, "gender"), "email": userinfo["email"],
        "phone": userinfo["phone_number"], "picture": userinfo["picture"],
        "address": {member: both(userinfo["address"], member) for member in members},
    }


class Scene:
    """`app` is the recorded application dhis2-bridge, with a key of ours."""

    def __init__(self, folder):
        read = lambda name: json.load(open(os.path.join(folder, name), encoding="utf-8"))
        self.creation = read("client-create.json")["request"]["request"]
        self.person = person_of(read("flow-ok.json")["userinfo"][1])
        self.rig = rigging.Rig([self.person])
        self.key = jwk.JWK.generate(kty="RSA", size=2048)

    def __enter__(self):
        self.rig.__enter__()
        self.issuer = self.rig.issuer
        return self

    def __exit__(self, *_):
        self.rig.__exit__()

    def begin(self, stem):
        """A clean stand-in for each file; entries of one file may build on each other in `memory`."""
        self.rig.control("reset", {"all": True})
        self.memory = {}
        members = dict(self.key.export_public(as_dict=True), kid="dhis2-bridge-k1", alg="RS256", use="sig")
        if stem != "client-create":
            self.app = self.rig.register(self.key, members, **self.bridge_registration())

    def bridge_registration(self):
        config = dict(self.creation["additionalConfig"], require_pkce=False)
        return dict({k: v for k, v in self.creation.items() if k != "publicKey"}, additionalConfig=config)

    def registration(self, **changes):
        """As the recorder registered its many small clients; a fresh EC key."""
        key = jwk.JWK.generate(kty="EC", crv="P-256").export_public(as_dict=True)
        return rigging.registration("v-" + os.urandom(4).hex(), key, **changes)

    def create(self, request, path="client"):
        return self.rig.wrapped("POST", rigging.SERVICE + "/client-mgmt/" + path, request)

    def session(self, pin=PIN, person=ID):
        return UiSession(self.rig, person, pin)

    def code(self, app=None, claims=None, **changes):
        return log_in(self.rig, app or self.app, ID, PIN, claims, **changes)[0]

    def tokens(self, app=None, claims=None, **changes):
        app = app or self.app
        return app.token(self.code(app, claims, **changes)).json()

    def userinfo(self, app=None, claims=None, **changes):
        """The verified claims of a whole login."""
        app = app or self.app
        answer = app.userinfo(self.tokens(app, claims, **changes)["access_token"])
        return self.rig.verify(answer.text, 1, "RS256")

    def errors_of(self, step):
        """The errors of a step of the page's API, [] when it went well."""
        try:
            step()
            return []
        except Refused as refused:
            return refused.errors


def ask(app, **changes):
    return request_of(app, **changes)


def shown(answer, *names):
    """An answer in the recorder's form: status, body and what else was asked for."""
    table = {
        "status": answer.status, "body": answer.text, "www": answer.headers.get("WWW-Authenticate"),
        "ct": answer.headers.get("Content-Type"), "nonce": answer.headers.get("DPoP-Nonce"),
        "hdr": {n: v for n, v in answer.headers.items() if n == "Content-Type"},
    }
    return {name: table[name] for name in names}


def echo(recorded, holds, fresh):
    """recorded when a property holds that masking cannot express, else what was found."""
    return recorded if holds else {"not as recorded": fresh}
