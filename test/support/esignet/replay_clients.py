"""Replay: registration probes of probes4 and probes5."""
from jwcrypto import jwk

from replay_scene import case, shown
from rig import CALLBACK, Application

CREATE = {
    "client:redirect http": {"redirectUris": ["http://bridge.example/cb"]},
    "client:redirect wildcard": {"redirectUris": ["https://bridge.example/cb/*"]},
    "client:redirect custom": {"redirectUris": ["io.mosip.bridge://oauth"]},
    "client:redirect fragment": {"redirectUris": ["https://bridge.gov.sl/cb#x"]},
    "client:acr bad": {"authContextRefs": ["mosip:idp:acr:nothing"]},
    "client:acr empty": {"authContextRefs": []},
    "client:claims empty": {"userClaims": []},
    "client:claims given_name": {"userClaims": ["given_name"]},
    "client:refresh grant": {"grantTypes": ["refresh_token"]},
    "client:auth method secret": {"clientAuthMethods": ["client_secret_basic"]},
    "client:addl unknown": {"additionalConfig": {"userinfo_response_type": "JWS", "unknown": 1}},
    "client:addl null": {"additionalConfig": None},
    "client:key short": {"publicKey": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
}
NAMED = {
    "create legacy /oidc-client": ("oidc-client", "plain-client"), "create": ("client", "noalg"),
    "create bare jwk (kty,n,e only)": ("client", "bare-09fc2f"), "create EC": ("client", "ec-client"),
    "create jwe client": ("client", "jwe-client"),
}


def answered(scene, request, path="client"):
    answer = scene.create(request, path)
    return {"status": answer.status, "body": answer.json()}


@case("probes4", *CREATE)
def create(scene, entry, recorded):
    return answered(scene, scene.registration(**CREATE[entry]))


@case("probes4", "client:ok")
def create_ok(scene, entry, recorded):
    scene.memory["ok"] = scene.registration()
    return answered(scene, scene.memory["ok"])


@case("probes4", "client:dup id")
def duplicate_id(scene, entry, recorded):
    return answered(scene, scene.registration(clientId=scene.memory["ok"]["clientId"]))


@case("probes4", "client:dup key")
def duplicate_key(scene, entry, recorded):
    """The same key under another kid and alg."""
    key = dict(scene.memory["ok"]["publicKey"], kid="another", alg="ES256")
    return answered(scene, scene.registration(publicKey=key))


@case("probes4", *NAMED)
def create_named(scene, entry, recorded):
    """The clients that the token probes use; remembered by their recorded names."""
    path, name = NAMED[entry]
    key = jwk.JWK.generate(kty="EC", crv="P-256") if name == "ec-client" else jwk.JWK.generate(kty="RSA", size=2048)
    members = key.export_public(as_dict=True)
    request = scene.registration(clientId=name, publicKey={k: members[k] for k in members if k not in ("kid", "alg", "use")})
    if name == "jwe-client":
        request["additionalConfig"] = dict(request["additionalConfig"], userinfo_response_type="JWE")
    answer = scene.create(request, path)
    scene.memory[name] = Application(scene.rig, name, key, CALLBACK)
    return {"res": answer.json()}


@case("probes4", "PATCH encPublicKey")
def patch(scene, entry, recorded):
    scene.memory["enc"] = jwk.JWK.generate(kty="RSA", size=2048)
    body = {"encPublicKey": scene.memory["enc"].export_public(as_dict=True)}
    answer = scene.rig.wrapped("PATCH", "/v1/esignet/client-mgmt/client/jwe-client", body)
    return {"status": answer.status, "body": answer.json()}


def ok_or_errors(answer):
    body = answer.json()
    return {"status": answer.status, "body": body["errors"] or "OK"}


@case("probes5", "client:redirect *")
def redirect(scene, entry, recorded):
    uri = entry[len("client:redirect "):]
    return ok_or_errors(scene.create(scene.registration(redirectUris=[uri])))


@case("probes5", "client:requestTime bad no csrf", "client:requestTime no ms no csrf")
def request_time(scene, entry, recorded):
    moment = scene.rig.now(-600) if "bad" in entry else scene.rig.now().replace(".000Z", "Z")
    answer = scene.rig.http("POST", "/v1/esignet/client-mgmt/client", {
        "requestTime": moment, "request": scene.registration()})
    return shown(answer, "status", "body")


@case("probes5", "client:wild ok", "client:PAR-required client", "client:DPoP client")
def create_special(scene, entry, recorded):
    changes = {
        "client:wild ok": {"redirectUris": ["https://bridge.gov.sl/cb/*"]},
        "client:PAR-required client": {"additionalConfig": {"require_pushed_authorization_requests": True}},
        "client:DPoP client": {"additionalConfig": {"dpop_bound_access_tokens": True}},
    }[entry]
    key = jwk.JWK.generate(kty="EC", crv="P-256")
    request = scene.registration(publicKey=key.export_public(as_dict=True), **changes)
    answer = scene.create(request)
    scene.memory[entry] = Application(scene.rig, request["clientId"], key, request["redirectUris"][0])
    return ok_or_errors(answer)
