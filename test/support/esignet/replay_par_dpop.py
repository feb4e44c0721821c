"""Replay: pushed authorization requests and DPoP (probes5, probes7)."""
import hashlib
import secrets
import time
from urllib.parse import urlencode

from jwcrypto import jwk

from replay_scene import PIN, case, shown
from rig import TOKEN, USERINFO, make_jws, query_of, segment
from ui_session import b64u
from walk import walk

PERSON = "8267411571"


@case("probes5", "PAR ok")
def par(scene, entry, recorded):
    answer = scene.app.push(state="LPIzIelXL5EKsgRvFyLtiA", scope="openid")
    scene.memory["request_uri"] = answer.json()["request_uri"]
    return {"status": answer.status, "body": answer.text, "hdr": dict(answer.headers)}


def authorize_url(scene):
    query = urlencode({"client_id": scene.app.client_id, "request_uri": scene.memory["request_uri"]})
    return scene.issuer + "/authorize?" + query


@case("probes5", "PAR login redirect")
def par_login(scene, entry, recorded):
    """Walked on the pages; put into the order in which the recorder wrote the URL."""
    got = query_of(walk(authorize_url(scene), PERSON, PIN))
    scene.memory["code"] = got["code"]
    known = query_of(recorded["url"])
    return {
        "url": recorded["url"] if sorted(got) == sorted(known) and got["iss"] == scene.issuer else str(got),
        "state_ok": got["state"] == known["state"],
    }


@case("probes5", "PAR token")
def par_token(scene, entry, recorded):
    return shown(scene.app.token(scene.memory["code"]), "status")


@case("probes5", "PAR request_uri reuse")
def par_reuse(scene, entry, recorded):
    return {"errors": pushed_errors(scene, scene.memory["request_uri"])}


def pushed_errors(scene, request_uri):
    wanted = {"clientId": scene.app.client_id, "requestUri": request_uri}
    return scene.errors_of(lambda: scene.session().details(wanted, "par-oauth-details"))


@case("probes5", "PAR aud *")
def par_audience(scene, entry, recorded):
    audience = entry[len("PAR aud "):].replace("http://localhost:3000", scene.issuer)
    answer = scene.app.push(client_assertion=scene.app.assertion(aud=audience))
    return shown(answer, "status", "body")


PUSHED = {
    "PAR no auth": {"client_assertion": None, "client_assertion_type": None},
    "PAR bad redirect": {"redirect_uri": "http://localhost:9999/other"},
    "PAR bad scope": {"scope": "profile"},
    "PAR bad claims": {"claims": "{not json"},
}


@case("probes5", *PUSHED)
def par_refused(scene, entry, recorded):
    return shown(scene.app.push(**PUSHED[entry]), "status", "body")


@case("probes7", "PAR after 65s")
def par_late(scene, entry, recorded):
    request_uri = scene.app.push().json()["request_uri"]
    scene.rig.control("clock", {"offset_s": 65})
    errors = pushed_errors(scene, request_uri)
    scene.rig.control("clock", {"offset_s": 0})
    return {"errors": errors}


def proof(scene, method, path, key, alg="PS256", **changes):
    """A DPoP proof of RFC 9449 section 4.2."""
    claims = {"htm": method, "htu": scene.issuer + path, "iat": int(time.time()), "jti": secrets.token_hex(8)}
    header = {"typ": "dpop+jwt", "alg": alg, "jwk": key.export_public(as_dict=True)}
    return make_jws(key, header, dict(claims, **changes))


def token_with(scene, code, **headers):
    app = scene.memory["client:DPoP client"]
    return app.token(code, headers=headers)


def dpop_key(scene):
    return scene.memory.setdefault("dpop", jwk.JWK.generate(kty="RSA", size=2048))


@case("probes5", "DPoP client, no DPoP header")
def dpop_missing(scene, entry, recorded):
    scene.memory["dpop code"] = scene.code(scene.memory["client:DPoP client"], scope="openid")
    return shown(token_with(scene, scene.memory["dpop code"]), "status", "body")


@case("probes5", "DPoP no nonce")
def dpop_no_nonce(scene, entry, recorded):
    answer = token_with(scene, scene.memory["dpop code"], DPoP=proof(scene, "POST", TOKEN, dpop_key(scene)))
    scene.memory["nonce"] = answer.headers["DPoP-Nonce"]
    return shown(answer, "status", "body", "nonce", "www")


@case("probes5", "DPoP with nonce")
def dpop_nonce(scene, entry, recorded):
    signed = proof(scene, "POST", TOKEN, dpop_key(scene), nonce=scene.memory["nonce"])
    answer = token_with(scene, scene.memory["dpop code"], DPoP=signed)
    body = answer.json()
    scene.memory["access"] = body["access_token"]
    parts = [segment(body["access_token"], index) for index in (0, 1)]
    return {"status": answer.status, "type": body["token_type"], "at": parts}


@case("probes5", "DPoP token as Bearer")
def dpop_as_bearer(scene, entry, recorded):
    return shown(scene.app.userinfo(scene.memory["access"]), "status", "www")


def dpop_userinfo(scene, **changes):
    access = scene.memory["access"]
    ath = b64u(hashlib.sha256(access.encode()).digest())
    signed = proof(scene, "GET", USERINFO, dpop_key(scene), ath=ath, **changes)
    return scene.app.userinfo(access, {"Authorization": "DPoP " + access, "DPoP": signed})


@case("probes5", "DPoP userinfo no nonce")
def dpop_userinfo_no_nonce(scene, entry, recorded):
    answer = dpop_userinfo(scene)
    scene.memory["nonce"] = answer.headers["DPoP-Nonce"]
    return shown(answer, "status", "www", "nonce")


@case("probes5", "DPoP userinfo nonce")
def dpop_userinfo_nonce(scene, entry, recorded):
    answer = dpop_userinfo(scene, nonce=scene.memory["nonce"])
    scene.rig.verify(answer.text, 1, "RS256")
    return {"status": answer.status, "body": recorded["body"] if answer.text[:10] == recorded["body"][:10] else answer.text,
            "www": answer.headers.get("WWW-Authenticate")}


@case("probes5", "DPoP ES256")
def dpop_es256(scene, entry, recorded):
    key = jwk.JWK.generate(kty="EC", crv="P-256")
    code = scene.code(scene.memory["client:DPoP client"], scope="openid")
    answer = token_with(scene, code, DPoP=proof(scene, "POST", TOKEN, key, "ES256"))
    return shown(answer, "status", "body", "www")
