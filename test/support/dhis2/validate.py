"""Would DHIS2 accept this user?

One list of checks for POST, PUT, PATCH and import, each giving DHIS2's error code. References
come first: with a bad one the other checks are not reached (as recorded). `candidate` is a whole
user dict (model.py), `saved` the stored one or None at create.
"""
import re

from access import can_issue, can_read
from answer import error_report, refuse
from model import KLASS, OU_SETS, valid_uid

USER = KLASS["users"]
USERNAME = re.compile(r"^(?=.{4,255}$)(?![-_.@])(?!.*[-_.@]{2})[-_.@a-zA-Z0-9]+(?<![-_.@])$")
EMAIL = re.compile(r"^[^\s@]{1,64}@([^\s@.]{1,63}\.)+[^\W\d_]{2,}$")
LENGTHS = {"username": 255, "firstName": 160, "surname": 160, "email": 160, "phoneNumber": 80,
           "code": 50}
ASSOCIATION = {"organisationUnits": "organisationUnit",
               "dataViewOrganisationUnits": "dataViewOrganisationUnit",
               "teiSearchOrganisationUnits": "teiSearchOrganisationUnit"}


def label(user):
    return "%s %s [%s] (User)" % (user["firstName"] or "", user["surname"] or "", user["id"])


def reference_error(user, code, text, uid, klass, association):
    message = "%s [%s] (%s) on object %s for association `%s`" % (
        text, uid, KLASS[klass].rsplit(".", 1)[1], label(user), association)
    return error_report(code, message, USER, prop=association, mainId=user["id"],
                        errorKlass=KLASS[klass])


def references(world, principal, user):
    errors = []
    for uid in user["userRoles"]:
        role = world.userRoles.get(uid)
        if not role:
            errors.append(reference_error(user, "E5002", "Invalid reference", uid, "userRoles", "userRole"))
        elif not can_read(principal, role):
            errors.append(reference_error(user, "E5008", "READ access is required for reference", uid,
                                          "userRoles", "userRole"))
    for name in OU_SETS:
        for uid in user[name]:
            if uid not in world.organisationUnits:
                errors.append(reference_error(user, "E5002", "Invalid reference", uid,
                                              "organisationUnits", ASSOCIATION[name]))
    for entry in user["attributeValues"]:
        uid = (entry.get("attribute") or {}).get("id")
        errors.append(error_report("E5002", "Invalid reference [%s] on object %s for association "
                                   "`attributeValues`" % (uid, label(user)), USER))
        errors.append(error_report("E6012", "Attribute `%s` is not supported for type `User`" % uid, USER))
    return errors


def unknown_unit(world, principal, user):
    """A non-super caller meets a NullPointerException instead of E5002."""
    for name in OU_SETS:
        if user[name] is None:
            refuse(500, 'Cannot invoke "java.util.Set.iterator()" because "%s" is null' % name)
        if not principal.super and any(u not in world.organisationUnits for u in user[name]):
            refuse(500, 'Cannot invoke "org.hisp.dhis.organisationunit.OrganisationUnit.isDescendant'
                        '(java.util.Set)" because "fetchedOrgUnit" is null')


def schema(world, user):
    """Lengths and forms of the single fields."""
    errors = []
    if not valid_uid(user["id"]):
        errors.append(error_report("E4002", "Allowed length range for property `id` is [11 to 11], but "
                                   "given length was %d" % len(user["id"]), USER,
                                   ["id", "11.0", "11.0", str(len(user["id"]))], "id"))
    for name in ("firstName", "surname"):
        if not user[name]:
            errors.append(error_report("E4000", "Missing required property `%s`" % name, USER, [name], name))
    for name, limit in LENGTHS.items():
        value = user[name]
        if value and len(value) > limit:
            errors.append(error_report("E4001", "Maximum length of property `%s`is %d, but given length "
                                       "was %d" % (name, limit, len(value)), USER, [name], name))
        elif name == "email" and value and not EMAIL.match(value):
            errors.append(error_report("E4003", "Property `email` requires a valid email address, was "
                                       "given `%s`" % value, USER, ["email", value], "email"))
    password = user.get("password")
    if password and not 8 <= len(password) <= 72:
        errors.append(error_report("E4005", "Property `password` requires a valid password, `Password must "
                                   "have at least 8, and at most 72 characters`", USER, ["password"], "password"))
    return errors


def shown(value):
    return "null" if value is None else value


def identity(world, user, saved):
    """username and openId: form, change, uniqueness."""
    errors = []

    def add(code, text, name, value):
        errors.append(error_report(code, "Property `%s` %s `%s`" % (name, text, shown(value))
                                   + ("" if code == "E4049" else "."), USER, [name, value], "username"))
    name = user["username"]
    if saved and name != saved["username"]:
        add("E4056", "can not be changed, was given", "username", name)
        return errors
    if not name or not USERNAME.match(name):
        add("E4049", "requires a valid username, was given", "username", name)
    elif any(u["username"] == name and u["id"] != user["id"] for u in world.users.values()):
        add("E4054", "already exists, was given", "username", name)
    if user["openId"]:
        holder = world.user_by_openid(user["openId"])
        if holder and holder["id"] != user["id"]:
            add("E4054", "already exists, was given", "OIDC mapping value", user["openId"])
    return errors


def rights(world, principal, user, saved):
    """What the caller may hand out."""
    errors = []
    if not user["userRoles"]:
        errors.append(error_report("E4055", "User needs to have at least one user role associated with it",
                                   USER, ["username", user["username"]], "username"))
    for uid in user["userRoles"]:
        role = world.userRoles.get(uid)
        if role and not can_issue(world, principal, role):
            errors.append(error_report("E3003", "User `%s` is not allowed to grant users access to user role "
                                       "`%s`" % (principal.username, role["name"]), KLASS["userRoles"],
                                       [principal.username, role["name"]]))
    if saved and not principal.super and "ALL" in world.authorities(saved):
        errors.append(error_report("E3041", "User `%s` is not allowed to change a user having the ALL "
                                   "authority" % principal.username, USER, [principal.username]))
    if principal.super:
        return errors
    for name in OU_SETS:
        for uid in user[name]:
            if not world.in_tree(uid, principal.units):
                errors.append(error_report(
                    "E7617", "Organisation unit: `%s` not in hierarchy of current user: `%s`"
                    % (uid, principal.username), USER, [uid, principal.username]))
    return errors


def user_errors(world, principal, user, saved=None):
    unknown_unit(world, principal, user)
    errors = references(world, principal, user)
    if errors:
        return errors
    return (schema(world, user) + identity(world, user, saved)
            + rights(world, principal, user, saved))


def old_missing_name(world, user):
    """2.41 prints the whole row of the database when firstName or surname is missing."""
    for column in ("firstname", "surname"):
        key = "firstName" if column == "firstname" else column
        if world.old and user[key] is None:
            refuse(409, 'ERROR: null value in column "%s" of relation "userinfo" violates not-null '
                        "constraint\n  Detail: Failing row contains (%s, %s, …)." % (
                            column, user["id"], user["username"]))
