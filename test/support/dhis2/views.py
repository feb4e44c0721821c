"""How does a stored object look in an answer of the Web API?

Builds the full dict of a user, role, group, org unit or route, from which query.py picks the
requested fields. `_person` marks a user seen from another object (always the same five fields),
`_more` holds what nested selection may ask of a reference.
"""
from model import OU_SETS, stamp

USER_FIELDS = ("username", "firstName", "surname", "email", "phoneNumber", "code", "openId", "ldapId")


def person(world, uid):
    user = world.users.get(uid)
    if not user:
        return None
    name = "%s %s" % (user["firstName"], user["surname"])
    return {"_person": True, "id": uid, "code": user["code"], "name": name, "displayName": name,
            "username": user["username"]}


def reference(thing):
    more = {"name": thing.get("name"), "displayName": thing.get("name"), "code": thing.get("code"),
            "path": thing.get("path"), "level": thing.get("level"),
            "authorities": thing.get("authorities")}
    return {"id": thing["id"], "_more": more}


def references(store, ids):
    return [reference(store[i]) for i in ids if i in store]


def common(world, thing):
    return {"id": thing["id"], "name": thing.get("name"), "displayName": thing.get("name"),
            "code": thing.get("code"), "created": stamp(thing["created"]),
            "lastUpdated": stamp(thing["lastUpdated"]),
            "createdBy": person(world, thing["createdBy"]),
            "lastUpdatedBy": person(world, thing["lastUpdatedBy"]), "translations": []}


def user(world, stored, groups=None):
    """groups: the ids of the user's groups, when the caller has them at hand."""
    name = "%s %s" % (stored["firstName"], stored["surname"])
    view = common(world, dict(stored, name=name))
    view.update({key: stored[key] for key in USER_FIELDS})
    view.update(externalAuth=stored["externalAuth"], disabled=stored["disabled"],
                accountExpiry=stamp(stored["accountExpiry"]), lastLogin=stamp(stored["lastLogin"]),
                passwordLastUpdated=stamp(stored["created"]), selfRegistered=False,
                invitation=False, emailVerified=False, favorites=[], attributeValues=[],
                sharing={"users": {}, "userGroups": {}})
    view["userRoles"] = references(world.userRoles, stored["userRoles"])
    view["userGroups"] = references(
        world.userGroups, world.groups_of(stored["id"]) if groups is None else groups)
    for key in OU_SETS:
        view[key] = references(world.organisationUnits, stored[key])
    if world.old:
        inner = {k: view[k] for k in ("id", "username", "openId", "externalAuth", "disabled",
                                      "userRoles", "lastLogin") if view[k] is not None}
        view["userCredentials"] = inner
    return view


def user_properties(world):
    """Names a filter may start with; twoFactorType and its like are not among them."""
    names = {"id", "name", "displayName", "created", "lastUpdated", "externalAuth", "disabled",
             "accountExpiry", "lastLogin", "userRoles", "userGroups", "createdBy", "selfRegistered",
             "invitation"} | set(USER_FIELDS) | set(OU_SETS)
    return names | {"userCredentials"} if world.old else names


def lookup(stored):
    name = "%s %s" % (stored["firstName"], stored["surname"])
    return {"id": stored["id"], "username": stored["username"], "firstName": stored["firstName"],
            "surname": stored["surname"], "displayName": name}


def role(world, stored):
    view = common(world, stored)
    members = [u["id"] for u in world.users.values() if stored["id"] in u["userRoles"]]
    view.update(authorities=stored["authorities"], sharing=stored["sharing"],
                description=stored.get("description"),
                users=[person(world, m) for m in members])
    return view


def group(world, stored):
    view = common(world, stored)
    view.update(sharing=stored["sharing"],
                managedGroups=references(world.userGroups, stored["managedGroups"]),
                users=[p for p in (person(world, m) for m in stored["users"]) if p])
    return view


def unit(world, stored):
    view = common(world, stored)
    view.update({k: stored[k] for k in ("shortName", "openingDate", "path", "level")})
    view["leaf"] = not any(u["parent"] == stored["id"] for u in world.organisationUnits.values())
    if stored["parent"]:
        view["parent"] = reference(world.organisationUnits[stored["parent"]])
    return view


READABLE_AUTH = ("type", "username", "clientId", "tokenUri")


def route(world, stored):
    """Secrets are write-only: of `auth` the type and the names come back."""
    view = common(world, stored)
    view.update({k: stored.get(k) for k in ("url", "headers", "authorities", "disabled",
                                            "responseTimeoutSeconds", "sharing")})
    if stored.get("auth"):
        view["auth"] = {k: v for k, v in stored["auth"].items() if k in READABLE_AUTH}
    return view
