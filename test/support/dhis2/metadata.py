"""Roles, user groups, org units, membership, sharing, settings, dataStore, /api/me, system info.

The reads a provisioning service makes to know what it may grant, and the few writes that tests and
replays need. Any login may read roles, groups (those shared with it) and ALL org units.
"""
import json

import access
import views
from answer import (html_error, json_reply, object_reply, refuse, type_report, web_message)
from model import KLASS, ids_of, new_uid, stamp
from query import list_reply, object_reply_fields

SINGULAR = {"userRoles": "UserRole", "userGroups": "UserGroup", "routes": "Route",
            "organisationUnits": "OrganisationUnit"}
SHARED = {"userRole": "userRoles", "userGroup": "userGroups", "route": "routes"}
VIEW = {"userRoles": views.role, "userGroups": views.group, "organisationUnits": views.unit,
        "routes": views.route}
PROPERTIES = {"id", "name", "displayName", "code", "created", "lastUpdated", "authorities", "users",
              "managedGroups", "path", "level", "parent", "shortName", "url", "disabled", "openingDate",
              "leaf", "createdBy"}


def readable(call, store, thing):
    return store == "organisationUnits" or access.can_read(call.principal, thing)


def need(call, store, uid):
    """The object, or 404 E1005 (also when it is not shared with the caller)."""
    thing = call.world.store(store).get(uid)
    if not thing or not readable(call, store, thing):
        refuse(404, "%s with id %s could not be found." % (SINGULAR[store], uid), "E1005")
    return thing


async def listing(call, store):
    things = [t for t in call.world.store(store).values() if readable(call, store, t)]
    if store == "userRoles" and call.query.get("canIssue") == "true":
        things = [t for t in things if access.can_issue(call.world, call.principal, t)]
    if store == "organisationUnits" and call.query.get("level"):
        things = [t for t in things if str(t["level"]) == call.query["level"]]
    shown = sorted((VIEW[store](call.world, t) for t in things), key=lambda v: v["name"] or "")
    query = call.query.get("query", "").lower()
    if query:
        shown = [v for v in shown if query in v["name"].lower()]
    return list_reply(call, store, shown, PROPERTIES)


async def one(call, store, uid):
    return object_reply_fields(call, VIEW[store](call.world, need(call, store, uid)))


async def create(call, store):
    access.may_create(call.principal, store)
    body, world = call.json_body(), call.world
    uid = body.get("id") or new_uid()
    if uid in world.store(store):
        refuse(409, "Object %s exists" % uid, "E5000")
    body["id"] = uid
    if store == "organisationUnits":
        body.setdefault("name", body.get("shortName"))
        world.add_unit(body)
    else:
        body["managedGroups"] = ids_of(body.get("managedGroups"))
        world.add_shared(store, body, call.principal)
    world.save()
    return object_reply(201, KLASS[store], uid,
                        headers={"Location": "%s/api/%s/%s" % (call.origin, store, uid)})


async def replace(call, store, uid):
    thing = need(call, store, uid)
    if store != "organisationUnits":
        access.may_update(call.principal, store, thing)
    body = call.json_body()
    before = set(thing.get("authorities", ()))
    for key in ("name", "code", "authorities", "shortName", "description"):
        if key in body:
            thing[key] = body[key]
    if "users" in body:
        thing["users"] = [u for u in ids_of(body["users"]) if u in call.world.users]
    if store == "userGroups":
        thing["managedGroups"] = ids_of(body.get("managedGroups"))
    finish_role(call, store, thing, before)
    return object_reply(200, KLASS[store], uid)


def finish_role(call, store, thing, before):
    """After a change of a role's authorities the form sessions of its holders end."""
    world = call.world
    thing["lastUpdated"] = world.now()
    if store == "userRoles" and before - set(thing["authorities"]):
        for user in world.users.values():
            if thing["id"] in user["userRoles"]:
                call.sessions.end_of_user(user["id"])
    world.save()


async def patch(call, store, uid):
    thing = need(call, store, uid)
    if store != "organisationUnits":
        access.may_update(call.principal, store, thing)
    before = set(thing.get("authorities", ()))
    for operation in json.loads(call.body):
        parts = operation["path"].strip("/").split("/")
        if len(parts) > 1 and parts[1] == "-":
            value = operation["value"]
            thing.setdefault(parts[0], []).append(value["id"] if isinstance(value, dict) else value)
        elif parts[0] in ("users", "managedGroups"):
            thing[parts[0]] = ids_of(operation.get("value"))
        elif operation["op"] != "remove":
            thing[parts[0]] = operation.get("value")
    finish_role(call, store, thing, before)
    return object_reply(200, KLASS[store], uid)


async def delete(call, store, uid):
    thing = need(call, store, uid)
    if store != "organisationUnits":
        access.may_delete(call.principal, store, thing)
    del call.world.store(store)[uid]
    call.world.save()
    return object_reply(200, KLASS[store], uid)


# -- membership ------------------------------------------------------------------------------

async def group_member(call, gid, uid):
    """POST|DELETE /api/userGroups/{g}/users/{u}: update right on the GROUP; moves no lastUpdated."""
    group = need(call, "userGroups", gid)
    access.may_update(call.principal, "userGroups", group)
    if uid not in call.world.users:
        refuse(404, "User with id %s could not be found." % uid, "E1005")
    present = uid in group["users"]
    if call.request.method == "DELETE":
        if present:
            group["users"].remove(uid)
        call.world.save()
        return type_report(deleted=1) if present else type_report(ignored=1)
    if not present:
        group["users"].append(uid)
    call.world.save()
    return type_report(updated=1)


async def group_members(call, gid):
    group = need(call, "userGroups", gid)
    access.may_update(call.principal, "userGroups", group)
    body = call.json_body()
    if call.request.method == "PUT":
        group["users"] = ids_of(body.get("identifiableObjects"))
    else:
        gone = ids_of(body.get("deletions"))
        group["users"] = [u for u in group["users"] if u not in gone]
        group["users"] += [u for u in ids_of(body.get("additions")) if u not in group["users"]]
    return type_report(updated=1)


async def role_member(call, rid, uid):
    role = need(call, "userRoles", rid)
    deleting = call.request.method == "DELETE"
    if not call.principal.super:
        refuse(403, access.NO_RIGHT % ("delete" if deleting else "update"), "E1006")
    user = call.world.users.get(uid) or refuse(404, "User with id %s could not be found." % uid, "E1005")
    if deleting and rid in user["userRoles"]:
        user["userRoles"].remove(rid)
    elif not deleting and role["id"] not in user["userRoles"]:
        user["userRoles"].append(rid)
    user["lastUpdated"] = call.world.now()
    call.world.save()
    return call.empty(204)


async def share(call):
    kind, uid = call.query.get("type", ""), call.query.get("id", "")
    thing = call.world.store(SHARED[kind]).get(uid) if kind in SHARED else None
    if not thing:
        refuse(404, "Object of type %s with ID %s was not found." % (kind, uid))
    if not access.can_write(call.principal, thing):
        refuse(403, access.NO_RIGHT % "update", "E1006")
    given, sharing = call.json_body().get("object", {}), thing["sharing"]
    sharing["public"] = given.get("publicAccess") or sharing["public"]
    for key, target in (("userAccesses", "users"), ("userGroupAccesses", "userGroups")):
        if key in given:
            sharing[target] = {e["id"]: {"id": e["id"], "access": e["access"]} for e in given[key]}
    call.world.save()
    return web_message(200, "Access control set")


# -- me, settings, system --------------------------------------------------------------------

async def me(call):
    """Shows the present rights, even in a session that still acts with the old ones."""
    world = call.world
    user = world.users.get(call.principal.user_id)
    if not user:
        refuse(500, 'Cannot invoke "org.hisp.dhis.user.User.getUsername()" because "user" is null')
    view = views.user(world, user)
    for key, store in (("userRoles", world.userRoles), ("userGroups", world.userGroups)):
        view[key] = [r for r in view[key] if access.can_read(call.principal, store[r["id"]])]
    view.update(authorities=sorted(world.authorities(user)), twoFactorType="NOT_ENABLED",
                settings={"keyUiLocale": "en", "keyStyle": "light_blue/light_blue.css"})
    return object_reply_fields(call, view)


async def settings(call):
    return json_reply(call.world.settings)


async def setting(call, key):
    if call.request.method == "GET":
        return json_reply({key: call.world.settings.get(key)})
    access.need_all(call.principal)
    text = call.query.get("value") or call.body.decode()
    call.world.settings[key] = {"true": True, "false": False}.get(text, text)
    call.world.save()
    return web_message(200, "System setting '%s' set to value '%s'." % (key, text))


async def system_info(call):
    world = call.world
    version = "2.41.9.1" if world.old else "2.43.1"
    body = {"contextPath": call.origin, "calendar": "iso8601", "version": version, "revision": "-",
            "serverDate": stamp(world.now()), "serverTimeZoneId": "Etc/UTC",
            "systemName": "DHIS2 stand-in"}
    fields = call.query.get("fields")
    return json_reply({k: v for k, v in body.items() if not fields or k in fields.split(",")})


async def ping(call):
    return call.text("pong")


async def data_store(call, namespace, key):
    space = call.world.dataStore.setdefault(namespace, {})
    if call.request.method == "GET":
        if key not in space:
            refuse(404, "Key '%s' not found in namespace '%s'" % (key, namespace), "E1005")
        return json_reply(space[key])
    if call.request.method == "POST" and key in space:
        refuse(409, "Key '%s' already exists in namespace '%s'" % (key, namespace))
    if call.request.method == "DELETE":
        space.pop(key, None)
        return web_message(200, "Key '%s' deleted from namespace '%s'" % (key, namespace))
    space[key] = json.loads(call.body)
    call.world.save()
    created = call.request.method == "POST"
    return web_message(201 if created else 200, "Key %s: '%s'" % ("created" if created else "updated", key))


async def sessions(call, username=None):
    access.need_all(call.principal)
    if call.request.method == "GET":
        return json_reply([{"username": s.principal.username, "sessionId": s.id[:8]}
                           for s in call.sessions.registered()])
    user = call.world.user_by_name(username)
    if user:
        call.sessions.end_of_user(user["id"])
    return call.empty(200)


async def not_here(call, *_):
    return html_error(404)


def with_store(handler, store):
    async def bound(call, *args):
        return await handler(call, store, *args)
    return bound


ROUTES = [("GET", "me", me), ("GET", "systemSettings", settings), ("GET|POST", r"systemSettings/([^/]+)", setting),
          ("GET", "system/info", system_info), ("GET", "system/ping|ping", ping),
          ("GET|POST|PUT|DELETE", r"dataStore/([^/]+)/([^/]+)", data_store),
          ("GET", "sessions", sessions), ("DELETE", r"sessions/([^/]+)", sessions),
          ("PUT|POST", "sharing", share), ("POST", "auth/impersonate", not_here),
          ("POST|DELETE", r"userGroups/([^/]+)/users/([^/]+)", group_member),
          ("POST|PUT", r"userGroups/([^/]+)/users", group_members),
          ("POST|DELETE", r"userRoles/([^/]+)/users/([^/]+)", role_member)]
for _name in ("userRoles", "userGroups", "organisationUnits"):
    ROUTES += [("GET", _name, with_store(listing, _name)), ("POST", _name, with_store(create, _name)),
               ("GET", _name + "/([^/]+)", with_store(one, _name)),
               ("PUT", _name + "/([^/]+)", with_store(replace, _name)),
               ("PATCH", _name + "/([^/]+)", with_store(patch, _name)),
               ("DELETE", _name + "/([^/]+)", with_store(delete, _name))]
