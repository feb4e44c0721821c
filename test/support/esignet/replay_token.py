"""Replay: the token endpoint (probes3, 4, 6, 7, 8, 9)."""
import base64
import hashlib
import time

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from jwcrypto import jwk

from replay_scene import case, shown
from rig import TOKEN, Application, CALLBACK, b64u, pkce, segment


@case("probes3", "token:no code", "token:bad code")
def no_code(scene, entry, recorded):
    return shown(scene.app.token("bad" if "bad" in entry else None), "status", "body")


@case("probes3", "token:v1 endpoint with pkce")
def legacy_with_pkce(scene, entry, recorded):
    verifier, challenge = pkce()
    code = scene.code(codeChallenge=challenge["code_challenge"], codeChallengeMethod="S256")
    answer = scene.app.token(
        code, path="/v1/esignet/oauth/token", code_verifier=verifier,
        client_assertion=scene.app.assertion(aud=scene.issuer + "/oauth/token"))
    return shown(answer, "status", "body", "ct")


@case("probes3", "token:extra param")
def extra(scene, entry, recorded):
    return shown(scene.app.token(scene.code(), extra="ignored"), "status", "body", "ct")


@case("probes3", "token GET")
def get(scene, entry, recorded):
    return shown(scene.rig.http("GET", TOKEN), "status", "body")


@case("probes3", "token JSON")
def posted_json(scene, entry, recorded):
    return shown(scene.rig.http("POST", TOKEN, {"grant_type": "authorization_code"}), "status", "body")


@case("probes3", "code usable after failed assertion")
def second_try(scene, entry, recorded):
    code = scene.code()
    first = scene.app.token(code, client_assertion=scene.app.assertion(aud="http://other"))
    second = scene.app.token(code)
    return {"first": first.status, "second": second.status, "body": second.text}


@case("probes4", "id_token verified with jwks key")
def verified(scene, entry, recorded):
    scene.memory["tokens"] = scene.tokens()
    scene.rig.verify(scene.memory["tokens"]["id_token"], 0, "PS256")
    return {"alg": segment(scene.memory["tokens"]["id_token"], 0)["alg"]}


@case("probes4", "at_hash")
def at_hash(scene, entry, recorded):
    digest = hashlib.sha256(scene.memory["tokens"]["access_token"].encode()).digest()
    got = segment(scene.memory["tokens"]["id_token"], 1)["at_hash"]
    return {"expected": b64u(digest[:16]), "got": got, "full": b64u(digest)} if got == b64u(digest[:16]) else {"got": got}


@case("probes4", "x5t#S256")
def x5t(scene, entry, recorded):
    row = scene.rig.jwks()[0]
    digest = b64u(hashlib.sha256(base64.b64decode(row["x5c"][0])).digest())
    return {"match": digest == row["x5t#S256"], "x5t": row["x5t#S256"]}


@case("probes4", "kid vs RFC7638 thumbprint")
def thumbprint(scene, entry, recorded):
    row = scene.rig.jwks()[0]
    thumb = jwk.JWK(kty="RSA", n=row["n"], e=row["e"]).thumbprint()
    return {"kid": row["kid"], "thumb": thumb} if thumb != row["kid"] else {"kid": "is the thumbprint"}


@case("probes4", "kid vs sha256(spki)")
def spki(scene, entry, recorded):
    row = scene.rig.jwks()[0]
    certificate = x509.load_der_x509_certificate(tame(base64.b64decode(row["x5c"][0])))
    encoded = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = b64u(hashlib.sha256(encoded).digest())
    return {
        "spki": digest if digest != row["kid"] else "is the kid", "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(), "chain": len(row["x5c"]),
    }


def tame(der):
    """The certificate with a positive serial, which libraries can read."""
    at = der.index(b"\x02\x08") + 2
    return der[:at] + bytes([der[at] & 0x7F]) + der[at + 1:]


@case("probes4", "userinfo kid in jwks")
def userinfo_kid(scene, entry, recorded):
    header = segment(scene.app.userinfo(scene.memory["tokens"]["access_token"]).text, 0)
    return {"kid": header["kid"], "present": header["kid"] in [row["kid"] for row in scene.rig.jwks()]}


@case("probes4", "expires_in vs exp")
def expiry(scene, entry, recorded):
    claims = segment(scene.memory["tokens"]["access_token"], 1)
    return {"expires_in": scene.memory["tokens"]["expires_in"], "exp_minus_iat": claims["exp"] - claims["iat"]}


@case("probes4", "bare jwk no pkce alg *", "EC client token")
def other_algs(scene, entry, recorded):
    app = scene.memory["ec-client" if "EC" in entry else "bare-09fc2f"]
    header = {} if "EC" in entry else {"alg": entry.split()[-1]}
    answer = app.token(scene.code(app), client_assertion=app.assertion(header))
    return shown(answer, "status", "body")


@case("probes4", "legacy client")
def legacy_client(scene, entry, recorded):
    app = scene.memory["plain-client"]
    answer = app.token(scene.code(app))
    scene.memory["legacy"] = answer.json()["access_token"]
    claims = segment(scene.memory["legacy"], 1)
    return {"status": answer.status, "exp": claims["exp"] - claims["iat"]}


@case("probes6", "token")
def whole(scene, entry, recorded):
    answer = scene.app.token(scene.code())
    scene.memory["access"] = answer.json()["access_token"]
    return {"status": answer.status, "idt": [segment(answer.json()["id_token"], index) for index in (0, 1)]}


@case("probes7", "token 200 s after code", "token 310 s after code")
def late(scene, entry, recorded):
    code = scene.code()
    seconds = int(entry.split()[1])
    scene.rig.control("clock", {"offset_s": seconds})
    now = int(time.time()) + seconds
    answer = scene.app.token(code, client_assertion=scene.app.assertion(iat=now, exp=now + 60))
    scene.rig.control("clock", {"offset_s": 0})
    return shown(answer, "status", "body")


@case("probes8", "token Accept jwt")
def accept_jwt(scene, entry, recorded):
    return shown(scene.app.token(scene.code(), {"Accept": "application/jwt"}), "status", "body")


@case("probes8", "endpoint *")
def missing(scene, entry, recorded):
    return shown(scene.rig.http("POST", "/v1/esignet" + entry.split()[1], form={}), "status", "body")


@case("probes8", "other client's code")
def foreign_code(scene, entry, recorded):
    """With PKCE and without client_id, so that only the verifier is missing to the other client."""
    _, challenge = pkce()
    code = scene.code(codeChallenge=challenge["code_challenge"], codeChallengeMethod="S256")
    return shown(scene.rig.register().token(code, client_id=None), "status", "body")


HEADERS = {
    "assertion kid equal": {"kid": "dhis2-bridge-k1"}, "assertion kid different": {"kid": "another"},
    "assertion no kid": {}, "assertion typ client-authentication+jwt": {"typ": "client-authentication+jwt"},
    "assertion typ absent": {}, "registered without kid, header kid": {"kid": "k1"},
}


@case("probes9", *HEADERS)
def assertion_headers(scene, entry, recorded):
    app = without_kid(scene) if "without kid" in entry else scene.app
    answer = app.token(scene.code(app), client_assertion=app.assertion(HEADERS[entry]))
    return [answer.status, answer.json().get("error")]


def without_kid(scene):
    if "nokid" not in scene.memory:
        key = jwk.JWK.generate(kty="RSA", size=2048)
        members = {name: key.export_public(as_dict=True)[name] for name in ("kty", "n", "e")}
        request = scene.registration(clientId="nokid-2f0653", publicKey=members)
        assert not scene.create(request).json()["errors"]
        scene.memory["nokid"] = Application(scene.rig, request["clientId"], key, CALLBACK)
    return scene.memory["nokid"]


@case("probes9", "Manage-VID access token")
def authorize_scope(scene, entry, recorded):
    app = without_kid(scene)
    return segment(scene.tokens(app, scope="openid Manage-VID")["access_token"], 1)


@case("probes9", "EC encPublicKey")
def ec_encryption_key(scene, entry, recorded):
    app = without_kid(scene)
    key = jwk.JWK.generate(kty="EC", crv="P-256").export_public(as_dict=True)
    path = "/v1/esignet/client-mgmt/client/" + app.client_id
    return scene.rig.wrapped("PATCH", path, {"encPublicKey": key}).json()


