"""Replay: discovery, authorization server metadata, JWKS, registration, one whole login."""
import base64
import datetime
import hashlib
import time

from esignet_standin.keys import kid_of
from replay_scene import ID, PIN, case, echo
from rig import CALLBACK, b64u, pkce, segment
from ui_session import UiSession


@case("discovery", "")
def discovery(scene, entry, recorded):
    both = [scene.rig.http("GET", path).json() for path in (
        "/.well-known/openid-configuration", "/v1/esignet/oidc/.well-known/openid-configuration")]
    return echo(None, False, both) if both[0] != both[1] or list(both[0]) != list(recorded) else both[0]


@case("as", "")
def authorization_server(scene, entry, recorded):
    fresh = scene.rig.http("GET", "/.well-known/oauth-authorization-server").json()
    return fresh if list(fresh) == list(recorded) else list(fresh)


def row_shape(row, application, day):
    """What must hold of a published key, whoever published it."""
    der = base64.b64decode(row["x5c"][0])
    return {
        "members": list(row), "types": [type(v).__name__ for v in row.values()], "x5c": len(row["x5c"]),
        "x5t": row["x5t#S256"] == b64u(hashlib.sha256(der).digest()),
        "kid from name and day": row["kid"] == kid_of(application, day), "kty": row["kty"], "use": row["use"],
    }


@case("jwks", "")
def jwks(scene, entry, recorded):
    fresh = {"keys": scene.rig.jwks()}
    today, day = datetime.datetime.utcfromtimestamp(time.time()).date(), datetime.date(2026, 11, 22)
    names = ("OIDC_SERVICE", "MOCK_AUTHENTICATION_SERVICE")
    one = [row_shape(row, name, day) for row, name in zip(recorded["keys"], names)]
    two = [row_shape(row, name, today) for row, name in zip(fresh["keys"], names)]
    same = one == two and len(fresh["keys"]) == len(recorded["keys"])
    return echo(recorded, same and all(row["x5t"] for row in two), [one, two])


@case("client-create", "")
def client_create(scene, entry, recorded):
    request = recorded["request"]["request"]
    answer = scene.create(request)
    return {"request": recorded["request"], "status": answer.status, "response": answer.json()}


@case("flow-ok", "")
def flow(scene, entry, recorded):
    """The recorded token request with fresh code, verifier and assertion; all answers."""
    verifier, challenge = pkce()
    code = scene.code(
        claimsLocales="en fr", codeChallenge=challenge["code_challenge"], codeChallengeMethod="S256")
    fields = dict(recorded["token_request"], code=code, code_verifier=verifier)
    head, claims = (segment(fields["client_assertion"], index) for index in (0, 1))
    now = int(time.time())
    fields["client_assertion"] = scene.app.assertion(
        header=head, iat=now, exp=now + claims["exp"] - claims["iat"])
    answer = scene.rig.http("POST", "/v1/esignet/oauth/v2/token", form=fields)
    body = answer.json()
    userinfo = scene.app.userinfo(body["access_token"])
    parts = lambda compact: [segment(compact, 0), segment(compact, 1)]
    order = [list(body), *(list(part) for part in parts(body["id_token"]) + parts(body["access_token"]))]
    wanted = [list(recorded["token_response"])]
    wanted += [list(part) for part in recorded["id_token"] + recorded["access_token"]]
    if order != wanted:
        return {"order of members": order}
    scene.rig.verify(body["id_token"], 0, "PS256")
    return {
        "token_request": recorded["token_request"], "token_status": answer.status,
        "token_headers": dict(answer.headers), "token_response": body, "id_token": parts(body["id_token"]),
        "access_token": parts(body["access_token"]), "userinfo_headers": dict(userinfo.headers),
        "userinfo_raw": userinfo.text, "userinfo": parts(userinfo.text),
    }


@case("ui-trace", "")
def ui_trace(scene, entry, recorded):
    """Every step of the login page with the recorded bodies, the transaction's id renewed."""
    session, fresh = UiSession(scene.rig, ID, PIN), []
    for what, sent, status, answer in recorded:
        step = what.split("/authorization/")[-1]
        if what == "GET /csrf/token":
            got = session.csrf_answer
            got["token"] = answer["token"] if len(got["token"]) > 20 else got["token"]
        elif what.startswith("GET"):
            session.claim_details()
            got = session.last
        else:
            request = dict(sent["request"])
            if "transactionId" in request:
                request["transactionId"] = session.transaction
                session.post(step, request)
            else:
                session.details(request)
            got = session.last
        fresh.append([what, sent, status, got])
    pushed = fresh[1][3]["response"]["configs"]["clientAdditionalConfig"]
    pushed["require_pkce"] = True  # the scene registers the client without, for the other probes
    assert fresh[1][3]["response"]["redirectUri"] == CALLBACK
    return fresh
