"""What does a JSON Patch of a user do in DHIS2?

Called by users.py for PATCH /api/users/{uid}. The table of dhis2-users.md §2: `add` of a whole
array on /userGroups sets the membership (skipping silently), `replace` there and `/-` answer 500
AFTER the rest of the patch is saved, `remove` there does nothing.
"""
import asyncio
import copy
import json

import access
import users
import validate
from answer import object_reply, refuse
from model import KLASS, OU_SETS, ids_of, truth

OPERATIONS = ("add", "remove", "remove-by-id", "replace")
BAD_OPERATION = ("JSON parse error: Could not resolve type id '%s' as a subtype of `org.hisp.dhis.commons."
                 "jackson.jsonpatch.JsonPatchOperation`: known type ids = [add, remove, remove-by-id, "
                 "replace] (for POJO property '#temporary-name')")
REPLACE_GROUPS = ("class org.hisp.dhis.commons.jackson.jsonpatch.operations.ReplaceOperation cannot be cast "
                  "to class org.hisp.dhis.commons.jackson.jsonpatch.operations.AddOperation (org.hisp.dhis."
                  "commons.jackson.jsonpatch.operations.ReplaceOperation and org.hisp.dhis.commons.jackson."
                  "jsonpatch.operations.AddOperation are in unnamed module of loader 'app')")
APPEND_GROUP = ('Cannot invoke "com.fasterxml.jackson.databind.JsonNode.asText()" because the return value '
                'of "com.fasterxml.jackson.databind.JsonNode.get(String)" is null')
TEXT = ("username", "firstName", "surname", "email", "phoneNumber", "code", "openId", "ldapId", "password")
FLAGS = ("externalAuth", "disabled")
COLLECTIONS = ("userRoles",) + OU_SETS
IGNORED = ("id", "created", "lastUpdated", "lastLogin", "name", "displayName", "settings", "sharing",
           "attributeValues", "translations", "favorites", "selfRegistered", "invitation")
SCHEMA = TEXT + FLAGS + COLLECTIONS + IGNORED + ("userGroups", "accountExpiry")


def parse(call, properties):
    """The operations, or the recorded refusals."""
    if call.request.content_type != "application/json-patch+json":
        form = "Content type '%s' not supported" if call.world.old else "Content-Type '%s' is not supported"
        refuse(415, form % call.request.content_type)
    try:
        operations = json.loads(call.body or b"[]")
    except ValueError:
        refuse(400, "JSON parse error")
    if not isinstance(operations, list):
        refuse(400, "JSON parse error: a JSON Patch is an array")
    for operation in operations:
        if operation.get("op") not in OPERATIONS:
            refuse(400, BAD_OPERATION % operation.get("op"))
        operation["steps"] = steps(call.world, operation.get("path", ""))
        if operation["steps"][0] not in properties:
            refuse(400, "Property %s does not exist on Schema" % operation["steps"][0])
    return operations


def steps(world, path):
    parts = path.strip("/").split("/")
    if world.old and parts[0] == "userCredentials" and len(parts) > 1:
        parts = parts[1:]
    return parts


def one_value(user, name, operation):
    value = None if operation["op"] == "remove" else operation.get("value")
    if name in IGNORED:
        return
    if name in FLAGS:
        user[name] = truth(value) if value is not None else False
    elif name == "accountExpiry":
        user[name] = users.read_date(value) if value else None
    elif name == "password":
        user[name] = value or user[name]
    else:
        user[name] = value or None


def element(items, operation):
    """Change of one element of a list of ids: /name/-, /name/0, remove-by-id."""
    op, where = operation["op"], operation["steps"][-1]
    if op == "remove-by-id":
        return [i for i in items if i != operation.get("id")]
    if op == "remove":
        index = int(where) if where.isdigit() else -1
        return items[:index] + items[index + 1:] if 0 <= index < len(items) else items
    added = ids_of([operation.get("value")])[0]
    return items if added in items else items + [added]


def collection(user, name, operation):
    if len(operation["steps"]) > 1 or operation["op"] == "remove-by-id":
        user[name] = element(user[name], operation)
    elif operation["op"] == "remove":
        user[name] = []
    elif operation.get("value") is None:
        user[name] = None if name in OU_SETS else []
    else:
        user[name] = ids_of(operation["value"])


def apply_all(user, operations):
    """Everything but userGroups."""
    for operation in operations:
        name = operation["steps"][0]
        if name == "userGroups":
            continue
        if name in COLLECTIONS:
            collection(user, name, operation)
        else:
            one_value(user, name, operation)


def apply_groups(world, principal, uid, operations):
    for operation in operations:
        if operation["steps"][0] != "userGroups" or operation["op"].startswith("remove"):
            continue
        if operation["op"] == "replace":
            refuse(500, REPLACE_GROUPS)
        if len(operation["steps"]) > 1:
            refuse(500, APPEND_GROUP)
        access.set_groups(world, principal, uid, ids_of(operation.get("value")))


async def apply_to_user(call, uid):
    world, principal = call.world, call.principal
    saved = users.need_user(world, uid)
    operations = parse(call, SCHEMA)
    access.may_touch_users(principal, "update")
    user = copy.deepcopy(saved)
    apply_all(user, operations)
    errors = validate.user_errors(world, principal, user, saved)
    if errors:
        return object_reply(409, KLASS["users"], uid, errors)
    await asyncio.sleep(users.WRITE_WINDOW)
    users.store(world, principal, user)
    if set(user["userRoles"]) != set(saved["userRoles"]) or (user["disabled"] and not saved["disabled"]):
        call.sessions.end_of_user(uid)
    try:
        apply_groups(world, principal, uid, operations)
    finally:
        world.save()
    return object_reply(200, KLASS["users"], uid)
