"""The Users Web API: /api/users and what hangs below it.

Reads (filters, fields, paging), POST, PUT, DELETE and the state endpoints /disabled, /enabled,
/expired, /unexpired. PATCH is in patch.py, the checks in validate.py, the rights in access.py.
A write is a read, a short wait and a write of the WHOLE user, as in DHIS2: of two writes at the
same moment one is lost, and uniqueness is not checked again at the write (dhis2-users.md §0).
"""
import asyncio
import copy
import re

import access
import patch
import validate
from answer import (IMPORT_FAILED, object_reply, refuse, refuse_html, stats,
                    type_report, web_message, json_reply)
from model import KLASS, OU_SETS, ids_of, new_uid, parse_stamp, stamp, truth, valid_uid
from query import list_reply, object_reply_fields
import views

USER = KLASS["users"]
WRITE_WINDOW = 0.02   # seconds between the read and the write of a user
PLAIN = ("username", "firstName", "surname", "email", "phoneNumber", "code", "openId", "ldapId",
         "password")


def need_uid(uid):
    if not valid_uid(uid):
        refuse(400, "Value '%s' is not valid for path parameter uid. UID must be an alphanumeric string "
                    "of 11 characters starting with a letter, but was: %s" % (uid, uid))


def need_user(world, uid):
    need_uid(uid)
    if uid not in world.users:
        refuse(404, "User with id %s could not be found." % uid, "E1005")
    return world.users[uid]


def flat(world, body):
    """2.41 still takes userCredentials{…}, and where both speak the nested form wins."""
    nested = body.get("userCredentials")
    if not world.old or not isinstance(nested, dict):
        return body
    return dict(body, **{k: v for k, v in nested.items() if k != "id"})


def candidate_from(world, body, uid):
    """A whole user from a POST or PUT body: what is omitted is cleared."""
    user = {"id": uid, "accountExpiry": None, "lastLogin": None,
            "attributeValues": body.get("attributeValues") or []}
    for key in PLAIN:
        user[key] = body.get(key) or None
    for key in ("externalAuth", "disabled"):
        user[key] = truth(body.get(key) or False)
    for key in ("userRoles",) + OU_SETS:
        user[key] = ids_of(body.get(key))
    if body.get("accountExpiry"):
        user["accountExpiry"] = read_date(body["accountExpiry"])
    return user


def read_date(text):
    try:
        return parse_stamp(text)
    except ValueError:
        refuse(400, "Invalid date format '%s', only ISO format or UNIX Epoch timestamp is supported." % text)


def unique_violation(world, user):
    """The database's own unique columns, found out at the write."""
    for other in world.users.values():
        if other["username"] == user["username"] and other is not user:
            refuse(409, 'ERROR: duplicate key value violates unique constraint "uk_userinfo_username"\n'
                        "  Detail: Key (username)=(%s) already exists." % user["username"])


def insert(world, principal, user):
    """The write of a create, after the window: only database constraints count now."""
    unique_violation(world, user)
    world.sequence += 1
    user["sequence"] = world.sequence
    world.stamped(user, principal.user_id)
    world.users[user["id"]] = user


def store(world, principal, user):
    """The write of an update: the whole object replaces whatever is there."""
    user["lastUpdated"] = world.now()
    user["lastUpdatedBy"] = principal.user_id
    if user["id"] in world.users:
        world.users[user["id"]] = user


# -- reads -----------------------------------------------------------------------------------

async def listing(call):
    access.may_view_users(call.principal)
    world = call.world
    membership = world.membership()
    shown = [views.user(world, u, membership.get(u["id"], ())) for u in likely(call)]
    query = call.query.get("query", "").lower()
    if query:
        shown = [v for v in shown if any(query in (v.get(k) or "").lower()
                                         for k in ("username", "firstName", "surname", "email", "name"))]
    months = call.query.get("inactiveMonths")
    if months:
        before = stamp(world.now() - int(months) * 30.44 * 86400)
        shown = [v for v in shown if v["lastLogin"] and v["lastLogin"] < before]
    shown.sort(key=lambda v: (v["firstName"] or "", v["surname"] or ""))
    return list_reply(call, "users", shown, views.user_properties(world),
                      default="id,displayName,username")


def likely(call):
    """Spares building a view of every user for the usual look-up by one exact value."""
    found = list(call.world.users.values())
    if call.query.get("rootJunction", "AND").upper() != "OR":
        for expression in call.query.getall("filter", []):
            match = re.match(r"(openId|username|id):eq:([^,]*)", expression)
            if match:
                found = [u for u in found if (u[match.group(1)] or "") == match.group(2)]
    return found


async def one(call, uid):
    access.may_view_users(call.principal)
    user = need_user(call.world, uid)
    return object_reply_fields(call, views.user(call.world, user))


async def lookup(call):
    query = call.query.get("query", "").lower()
    found = [views.lookup(u) for u in call.world.users.values()
             if query in u["username"].lower() or query in (u["openId"] or "").lower()
             or query in ("%s %s" % (u["firstName"], u["surname"])).lower()]
    return json_reply({"users": found})


async def lookup_one(call, uid):
    return json_reply(views.lookup(need_user(call.world, uid)))


# -- create, replace, delete -----------------------------------------------------------------

async def create(call):
    world, principal, body = call.world, call.principal, flat(call.world, call.json_body())
    access.may_touch_users(principal, "create")
    groups = ids_of(body.get("userGroups"))
    if not access.manages(world, principal, groups):
        refuse(409, access.NOT_MANAGER, "E1004")
    access.check_new_groups(world, principal, groups)
    user = candidate_from(world, body, body.get("id") or new_uid())
    if user["id"] in world.users:
        return object_reply(409, USER, user["id"], [existing(world, user)])
    validate.old_missing_name(world, user)
    errors = validate.user_errors(world, principal, user)
    if errors:
        return object_reply(409, USER, user["id"], errors)
    await asyncio.sleep(WRITE_WINDOW)
    insert(world, principal, user)
    for gid in groups:
        if user["id"] not in world.userGroups[gid]["users"]:
            world.userGroups[gid]["users"].append(user["id"])
            world.userGroups[gid]["lastUpdated"] = world.now()
    world.save()
    return object_reply(201, USER, user["id"],
                        headers={"Location": "%s/api/users/%s" % (call.origin, user["id"])})


def existing(world, user):
    found = validate.label(world.users[user["id"]])
    word = "import mode" if world.old else "import strategy"
    return validate.error_report(
        "E5000", "Found matching object for reference, but %s is CREATE. Identifier was UID, and "
        "object was %s." % (word, found), USER, ["UID", found], mainId=user["id"])


def import_report(uid, errors=()):
    """PUT of a user answers as an import of one object."""
    count = stats(ignored=1) if errors else stats(updated=1)
    return {"status": "ERROR" if errors else "OK",
            "typeReports": [{"klass": USER, "stats": count, "objectReports": [
                {"klass": USER, "index": 0, "uid": uid, "errorReports": list(errors)}]}],
            "stats": count, "responseType": "ImportReport"}


async def replace(call, uid):
    world, principal = call.world, call.principal
    saved = need_user(world, uid)
    access.may_touch_users(principal, "update")
    access.may_modify(world, principal, saved, "E1004")
    body = call.json_body()
    user = merged_for_put(world, saved, body)
    errors = put_errors(world, principal, user, saved, body)
    if errors:
        return web_message(409, IMPORT_FAILED, level="WARNING", response=import_report(uid, errors))
    await asyncio.sleep(WRITE_WINDOW)
    roles_changed = set(user["userRoles"]) != set(saved["userRoles"])
    store(world, principal, user)
    access.set_groups(world, principal, uid, ids_of(body.get("userGroups")))
    if roles_changed:
        call.sessions.end_of_user(uid)
    world.save()
    return web_message(200, response=import_report(uid))


def merged_for_put(world, saved, body):
    user = candidate_from(world, body, saved["id"])
    for key in ("created", "createdBy", "lastLogin", "sequence"):
        user[key] = saved[key]
    user["password"] = user["password"] or saved["password"]
    return user


def put_errors(world, principal, user, saved, body):
    if world.old and not user["username"] or not body.get("username") and user["userRoles"]:
        refuse(409, "org.hibernate.PropertyValueException: not-null property references a null or "
                    "transient value : org.hisp.dhis.user.User.username")
    if not body.get("username"):
        user["username"] = saved["username"]
    return validate.user_errors(world, principal, user, saved)


async def delete(call, uid):
    world = call.world
    user = need_user(world, uid)
    if not call.principal.has("F_USER_DELETE"):
        refuse(403, access.NO_RIGHT % "delete", "E1006")
    if not call.principal.super:
        access.may_modify(world, call.principal, user)
    del world.users[uid]
    for group in world.userGroups.values():
        if uid in group["users"]:
            group["users"].remove(uid)
    for token_id in [t["id"] for t in world.apiToken.values() if t["owner"] == uid]:
        del world.apiToken[token_id]
    world.save()
    return object_reply(200, USER, uid)


# -- state endpoints -------------------------------------------------------------------------

def changeable(call, uid):
    """The user for /disabled and its like; an unknown one is a NullPointerException."""
    access.may_touch_users(call.principal, "update")
    need_uid(uid)
    user = call.world.users.get(uid)
    if not user:
        refuse(500, 'Cannot invoke "org.hisp.dhis.user.User.getGroups()" because "userToModify" is null')
    access.may_modify(call.world, call.principal, user)
    return user


async def change(call, uid, ends_sessions, **values):
    copied = copy.deepcopy(changeable(call, uid))
    await asyncio.sleep(WRITE_WINDOW)
    copied.update(values)
    store(call.world, call.principal, copied)
    if ends_sessions:
        call.sessions.end_of_user(uid)
    call.world.save()
    return call.empty(204)


async def disable(call, uid):
    return await change(call, uid, True, disabled=True)


async def enable(call, uid):
    """Does NOT look at openId: two enabled twins can result."""
    return await change(call, uid, False, disabled=False)


async def expire(call, uid):
    if not call.query.get("date"):
        refuse_html(400)
    moment = read_date(call.query["date"])
    return await change(call, uid, moment <= call.world.now(), accountExpiry=moment)


async def unexpire(call, uid):
    return await change(call, uid, False, accountExpiry=None)


async def replica(call, uid):
    if not call.principal.has("F_REPLICATE_USER"):
        refuse(403, "Access is denied, requires one Authority from [F_REPLICATE_USER]")
    refuse(409, "User %s cannot be replicated by the stand-in" % uid)


async def two_factor_off(call, uid):
    user = need_user(call.world, uid)
    if not call.principal.super and "ALL" in call.world.authorities(user):
        refuse(403, "Not allowed to disable 2FA for current user", "E3021")
    return call.empty(200)


async def reset(call, uid):
    user = need_user(call.world, uid)
    access.may_touch_users(call.principal, "update")
    if not user["email"]:
        refuse(409, "User account does not have a valid email address", "E6202")
    return call.empty(204)


async def change_group(call, uid, group_id=None):
    """/api/users/{u}/userGroups[/{g}]: fails for everybody but ALL."""
    need_user(call.world, uid)
    if call.principal.super:
        return type_report(updated=1)
    if call.request.method == "DELETE":
        return type_report(ignored=1)
    refuse(500, "Transaction silently rolled back because it has been marked as rollback-only")


async def patch_user(call, uid):
    return await patch.apply_to_user(call, uid)


ROUTES = [
    ("GET", r"users", listing), ("POST", r"users", create),
    ("GET", r"userLookup", lookup), ("GET", r"userLookup/([^/]+)", lookup_one),
    ("GET", r"users/([^/]+)", one), ("PUT", r"users/([^/]+)", replace),
    ("PATCH", r"users/([^/]+)", patch_user), ("DELETE", r"users/([^/]+)", delete),
    ("POST", r"users/([^/]+)/disabled", disable), ("POST", r"users/([^/]+)/enabled", enable),
    ("POST", r"users/([^/]+)/expired", expire), ("POST", r"users/([^/]+)/unexpired", unexpire),
    ("POST", r"users/([^/]+)/replica", replica), ("POST", r"users/([^/]+)/reset", reset),
    ("POST", r"users/([^/]+)/twoFA/disabled", two_factor_off),
    ("POST|DELETE", r"users/([^/]+)/userGroups", change_group),
    ("POST|DELETE", r"users/([^/]+)/userGroups/([^/]+)", change_group),
]
