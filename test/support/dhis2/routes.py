"""Routes: create, read, change, delete /api/routes.

Running one is in routerun.py. Kept oddities: created private, but a PUT (or import) without
`sharing` makes it public rw------; a JSON Patch loses the secrets of `auth`; secrets are never shown.
"""
import copy
import fnmatch
import json
import re
from urllib.parse import urlsplit

import access
import metadata
import views
from answer import error_report, object_reply, refuse
from model import KLASS, PRIVATE, PUBLIC_RW, new_uid

ROUTE = KLASS["routes"]
SECRETS = {"http-basic": ("password",), "api-token": ("token",), "api-headers": ("headers",),
           "api-query-params": ("queryParams",), "oauth2-client-credentials": ("clientSecret",)}
UNKNOWN_AUTH = ("Could not resolve type id '%s' as a subtype of `org.hisp.dhis.common.auth.AuthScheme`: "
                "known type ids = [%s] (for POJO property 'auth')")
KEPT = ("name", "code", "url", "headers", "auth", "authorities", "disabled", "responseTimeoutSeconds",
        "description")


def permitted(world, url):
    """route.remote_servers_allowed; a 2.41 has no such list."""
    if world.old:
        return True
    parts = urlsplit(url)
    server = "%s://%s" % (parts.scheme, parts.netloc)
    return any(fnmatch.fnmatchcase(server, glob) for glob in world.conf.route_servers)


def check_url(world, url):
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s]+", url or "") or re.search(r"[\s\"<>^`|\\]", url):
        refuse(409, "Malformed route URL", "E1004")
    if urlsplit(url).scheme not in ("http", "https"):
        refuse(409, "Route URL scheme must be either http or https", "E1004")
    if not permitted(world, url):
        refuse(409, "Route URL is not permitted", "E1004")


def check_auth(world, auth):
    known = [t for t in sorted(SECRETS) if not (world.old and t == "oauth2-client-credentials")]
    if auth is not None and auth.get("type") not in known:
        refuse(500 if world.old else 409, UNKNOWN_AUTH % (auth.get("type"), ", ".join(known)))


def check(call, body, saved=None):
    world = call.world
    check_auth(world, body.get("auth"))
    timeout = body.get("responseTimeoutSeconds", 5)
    check_url(world, body.get("url"))
    if not 0 < timeout <= 60:
        refuse(409, "Route response timeout must be greater than 0 seconds and less than or equal to 60 "
                    "seconds", "E1004")
    errors, uid = [], body["id"]
    twin = next((r for r in world.routes.values() if r["id"] != uid and body.get("code")
                 and r.get("code") == body["code"]), None)
    if twin:
        label = "%s [%s] (Route)" % (body.get("name"), uid)
        errors.append(error_report(
            "E5003", "Property `code` with value `%s` on object %s already exists on object %s"
            % (body["code"], label, twin["id"]), ROUTE, ["code", body["code"], label, twin["id"]], "code"))
    public = (body.get("sharing") or {}).get("public") or PRIVATE
    kept = saved and public == saved["sharing"]["public"]
    if public != PRIVATE and not kept and not call.principal.has("F_ROUTE_PUBLIC_ADD"):
        errors.append(error_report("E3008", "User `%s` is not allowed to make public objects of type "
                                   "`class %s`" % (call.principal.username, ROUTE), ROUTE))
    return errors


async def create(call):
    access.may_create(call.principal, "routes")
    body = call.json_body()
    body["id"] = body.get("id") or new_uid()
    errors = check(call, body)
    if errors:
        return object_reply(409, ROUTE, body["id"], errors)
    thing = call.world.add_shared("routes", {k: v for k, v in body.items()
                                             if k in KEPT + ("id", "sharing")}, call.principal)
    call.world.save()
    return object_reply(201, ROUTE, thing["id"],
                        headers={"Location": "%s/api/routes/%s" % (call.origin, thing["id"])})


async def replace(call, uid):
    saved = metadata.need(call, "routes", uid)
    access.may_update(call.principal, "routes", saved)
    body = dict(call.json_body(), id=uid)
    errors = check(call, body, saved)
    if errors:
        return object_reply(409, ROUTE, uid, errors)
    replaced = put_over(call.world, saved, body)
    call.world.routes[uid] = replaced
    call.route_runner.forget(saved)
    call.world.save()
    return object_reply(200, ROUTE, uid)


def put_over(world, saved, body):
    """What is omitted is cleared, and sharing becomes public rw."""
    thing = {"id": saved["id"], "headers": {}, "authorities": [], "disabled": False,
             "responseTimeoutSeconds": 5}
    thing.update({k: body[k] for k in KEPT if k in body})
    for key in ("created", "createdBy", "lastUpdatedBy"):
        thing[key] = saved[key]
    thing["lastUpdated"] = world.now()
    given = body.get("sharing") or {}
    thing["sharing"] = {"owner": saved["sharing"]["owner"], "users": given.get("users", {}),
                        "userGroups": given.get("userGroups", {}),
                        "public": given.get("public") or PUBLIC_RW}
    return thing


async def patch(call, uid):
    saved = metadata.need(call, "routes", uid)
    access.may_update(call.principal, "routes", saved)
    thing = copy.deepcopy(saved)
    if thing.get("auth"):
        for secret in SECRETS[thing["auth"]["type"]]:
            thing["auth"].pop(secret, None)
    for operation in json.loads(call.body):
        name = operation["path"].strip("/").split("/")[0]
        if name not in KEPT + ("sharing",):
            refuse(400, "Property %s does not exist on Schema" % name)
        if operation["op"] == "remove":
            thing.pop(name, None)
        elif operation["path"].endswith("/-"):
            thing.setdefault(name, []).append(operation["value"])
        else:
            thing[name] = operation.get("value")
    errors = check(call, thing, saved)
    if errors:
        return object_reply(409, ROUTE, uid, errors)
    thing["lastUpdated"] = call.world.now()
    call.world.routes[uid] = thing
    call.world.save()
    return object_reply(200, ROUTE, uid)


async def delete(call, uid):
    saved = metadata.need(call, "routes", uid)
    access.may_delete(call.principal, "routes", saved)
    call.route_runner.forget(saved)
    del call.world.routes[uid]
    call.world.save()
    return object_reply(200, ROUTE, uid)


async def one(call, uid):
    found = metadata.need(call, "routes", by_code(call, uid))
    return metadata.object_reply_fields(call, views.route(call.world, found))


def by_code(call, name):
    return next((r["id"] for r in call.world.routes.values() if r.get("code") == name), name)


async def run(call, name, sub=None):
    return await call.route_runner.run(call, name, sub)


METHODS = "GET|HEAD|POST|PUT|PATCH|DELETE"
ROUTES = [("GET", "routes", metadata.with_store(metadata.listing, "routes")), ("POST", "routes", create),
          (METHODS, r"routes/([^/]+)/run(?:/(.*))?", run),
          ("GET", r"routes/([^/]+)", one), ("PUT", r"routes/([^/]+)", replace),
          ("PATCH", r"routes/([^/]+)", patch), ("DELETE", r"routes/([^/]+)", delete)]
