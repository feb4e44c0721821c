"""Every fact about DHIS2's Routes that the bridge depends on, shown on the stand-in."""
import base64

import pytest

fact = pytest.mark.fact
PROV = "prov1:District1234!"
NOEXT = "oidcnoext:District1234!"


def add(name, value):
    return [{"op": "add", "path": "/" + name, "value": value}]


def route(side, path="/echo/**", **more):
    return dict({"id": "RouteFactA1", "name": "r", "code": "r", "url": side.op.origin + path, "headers": {}}, **more)


def run(side, sub="", who="admin", method="GET", **more):
    return side.call(who, method, "/api/routes/r/run" + sub, **more)


def seen(reply):
    return [[k.lower(), v] for k, v in reply.json["headers"]]


@fact("dhis2.routes.headers")
@fact("dhis2.routes.forwarded-user")
def test_headers_at_the_target(dhis2):
    dhis2.admin("POST", "/api/routes", route(dhis2, headers={"X-Static": "1"}))
    reply = run(dhis2, "/x", headers={"Cookie": "a=b", "X-Other": "1", "X-Forwarded-User": "evil", "X-Forwarded-For": "6.6.6.6"})
    headers = seen(reply)
    assert {"authorization", "cookie", "x-other"} & {h[0] for h in headers} == set()
    assert [h[1] for h in headers if h[0] == "x-forwarded-user"] == ["admin"]
    assert ["x-static", "1"] in headers and ["x-forwarded-for", "6.6.6.6"] in headers
    dhis2.admin("PUT", "/api/routes/RouteFactA1", route(dhis2, headers={"X-Forwarded-User": "evil"}))
    assert [h[1] for h in seen(run(dhis2)) if h[0] == "x-forwarded-user"] == ["evil", "admin"]


@fact("dhis2.routes.body")
def test_body_at_the_target(dhis2, old):
    old.admin("POST", "/api/routes", route(old))
    sent = seen(run(old, method="POST", data=b"{}", kind="application/json"))
    assert ["content-length", "2"] in sent and ["content-type", "application/octet-stream"] in seen(run(old))
    dhis2.admin("POST", "/api/routes", route(dhis2))
    sent = seen(run(dhis2, method="POST", data=b"{}", kind="application/json"))
    assert ["transfer-encoding", "chunked"] in sent and "content-length" not in dict(sent)


@fact("dhis2.routes.form-lost")
def test_form_is_lost(dhis2):
    dhis2.admin("POST", "/api/routes", route(dhis2))
    form = "application/x-www-form-urlencoded"
    assert run(dhis2, method="POST", data=b"a=1", kind=form).json["body"] == ""
    assert run(dhis2, method="PUT", data=b"a=1", kind=form).json["body"] == "a=1"


def credentials(side, uri="/t1/token"):
    return {"type": "oauth2-client-credentials", "clientId": "r:1", "clientSecret": "s+2", "tokenUri": side.op.origin + uri}


@fact("dhis2.routes.client-credentials")
@fact("dhis2.routes.token-cache")
def test_client_credentials(dhis2):
    dhis2.admin("POST", "/api/routes", route(dhis2, auth=credentials(dhis2)))

    def token():
        return dict(seen(run(dhis2)))["authorization"]
    first = token()
    request = next(r for r in dhis2.op.requests if r["path"] == "/t1/token")
    headers = {k.lower(): v for k, v in request["headers"]}
    assert request["body"] == "grant_type=client_credentials"
    assert base64.b64decode(headers["authorization"][6:]) == b"r%3A1:s%2B2"
    assert token() == first
    dhis2.clock(250)
    second = token()
    assert second != first
    dhis2.admin("PUT", "/api/routes/RouteFactA1", route(dhis2, auth=credentials(dhis2)))
    assert token() != second
    dhis2.admin("PUT", "/api/routes/RouteFactA1", route(dhis2, auth=credentials(dhis2, "/t1/none")))
    assert run(dhis2).status == 502


@fact("dhis2.routes.query")
def test_query(dhis2, old):
    old.admin("POST", "/api/routes", route(old))
    assert run(old, "/q?x=a%20b").json["path"] == "/echo/q?x=a%20b"
    dhis2.admin("POST", "/api/routes", route(dhis2))
    assert run(dhis2, "/q?y=a%26b%3Dc").json["path"] == "/echo/q?y=a&b=c"
    assert [run(dhis2, "/q?x=" + v).status for v in ("a%20b", "a+b", "%7B", "%25")] == [400] * 4


@fact("dhis2.routes.path")
def test_path(dhis2):
    dhis2.admin("POST", "/api/routes", route(dhis2))
    assert [run(dhis2, p).status for p in ("/a/../b", "/%2e%2e/b", "/a%2Fb", "/a;x=1", "/a//b", "/a%25b")] == [400] * 6


@fact("dhis2.routes.answer")
@fact("dhis2.routes.redirect")
def test_answer_comes_back(dhis2, old):
    secret = {"type": "api-headers", "headers": {"X-API-Key": "k"}}
    old.admin("POST", "/api/routes", route(old, "/up/status/302", auth=secret))
    assert ["x-api-key", "k"] in seen(run(old))
    dhis2.admin("POST", "/api/routes", route(dhis2, "/up/**"))
    reply = run(dhis2, "/status/409")
    assert (reply.status, reply.text) == (409, '{"e":1}')
    reply = run(dhis2, "/status/302")
    assert reply.status == 302 and reply.location is None
    assert "X-Custom" not in run(dhis2, "/x").headers


@fact("dhis2.routes.timeout")
def test_slow_and_dead_targets(dhis2, old):
    for side, statuses in ((old, (503, 503)), (dhis2, (504, 500))):
        side.admin("POST", "/api/routes", route(side, "/up/slow/1.4", responseTimeoutSeconds=1))
        assert run(side).status == statuses[0]
        side.admin("PUT", "/api/routes/RouteFactA1", dict(route(side), url="http://127.0.0.1:9"))
        assert run(side).status == statuses[1]


@fact("dhis2.routes.sub-path")
def test_sub_path(dhis2, old):
    old.admin("POST", "/api/routes", route(old, "/echo/x"))
    assert run(old, "/y").status == 400
    dhis2.admin("POST", "/api/routes", route(dhis2, "/echo/x"))
    assert run(dhis2, "/y").status == 502


@fact("dhis2.routes.who")
@fact("dhis2.routes.private")
def test_who_may_run(dhis2):
    dhis2.admin("POST", "/api/routes", route(dhis2))
    refused = run(dhis2, who=NOEXT)
    assert (refused.status, refused.json["errorCode"]) == (403, "E1006")
    dhis2.admin("PUT", "/api/routes/RouteFactA1", route(dhis2, authorities=["F_METADATA_EXPORT"], sharing={"public": "--------"}))
    assert run(dhis2, who=NOEXT).status == 200 and run(dhis2, who=PROV).status == 403
    dhis2.admin("PUT", "/api/routes/RouteFactA1", route(dhis2))
    assert run(dhis2, who=PROV).status == 200
    dhis2.admin("PATCH", "/api/routes/RouteFactA1", add("disabled", True))
    assert run(dhis2).status == 404


@fact("dhis2.routes.patch-loses-secret")
def test_patch_loses_the_secret(dhis2):
    secret = {"type": "api-headers", "headers": {"X-API-Key": "k"}}
    dhis2.admin("POST", "/api/routes", route(dhis2, auth=secret))
    assert ["x-api-key", "k"] in seen(run(dhis2))
    assert dhis2.admin("GET", "/api/routes/RouteFactA1?fields=auth").json == {"auth": {"type": "api-headers"}}
    dhis2.admin("PATCH", "/api/routes/RouteFactA1", add("name", "other"))
    assert "x-api-key" not in dict(seen(run(dhis2)))


@fact("dhis2.routes.allow-list")
def test_allow_list(dhis2, old):
    far = "http://192.0.2.1/x"
    assert old.admin("POST", "/api/routes", dict(route(old), url=far)).status == 201
    assert old.admin("POST", "/api/routes", route(old, id="RouteFactA2", code="s", auth=credentials(old))).status == 500
    reply = dhis2.admin("POST", "/api/routes", dict(route(dhis2), url=far))
    assert (reply.status, reply.json["errorCode"]) == (409, "E1004")
