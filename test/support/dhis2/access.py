"""May this principal do that?

A `Principal` is who a request acts for, with authorities, groups and org units as they were when
it was made: an OIDC or Basic session keeps the ones of its login for ever, a bearer call takes the
present ones, a personal access token those of its first use for an hour. The questions below are
DHIS2's AclService and UserService questions; the answers follow dhis2-users.md §1.
"""
from answer import refuse

NO_READ = "You don't have the proper permissions to read objects of this type."
NO_RIGHT = "You don't have the proper permissions to %s this object."
NOT_MANAGER = ("You must have permissions to create user, or ability to manage at least one user "
               "group for the user.")
NOT_TO_GROUP = "You don't have permissions to add user to user group: %s"
ADD_READ_ONLY = "F_USER_GROUPS_READ_ONLY_ADD_MEMBERS"
SUPER = "ALL"


class Principal:
    def __init__(self, world, user, kind):
        self.user_id, self.username, self.kind = user["id"], user["username"], kind
        self.name = "%s %s" % (user["firstName"], user["surname"])
        self.authorities = world.authorities(user)
        self.groups = frozenset(world.groups_of(user["id"]))
        self.roles = frozenset(user["userRoles"])
        self.units = tuple(user["organisationUnits"])
        self.provider = None
        self.id_token = None

    @property
    def super(self):
        return SUPER in self.authorities

    def has(self, *names):
        return self.super or any(n in self.authorities for n in names)


def sharing_allows(principal, thing, letter, position):
    if principal.super:
        return True
    sharing = thing["sharing"]
    accesses = [sharing["public"]]
    if sharing["owner"] and sharing["owner"] == principal.user_id:
        return True
    if principal.user_id in sharing["users"]:
        accesses.append(sharing["users"][principal.user_id].get("access", ""))
    accesses += [entry.get("access", "") for gid, entry in sharing["userGroups"].items()
                 if gid in principal.groups]
    return any(a[position:position + 1] == letter for a in accesses)


def can_read(principal, thing):
    return sharing_allows(principal, thing, "r", 0)


def can_write(principal, thing):
    return sharing_allows(principal, thing, "w", 1)


ADD_AUTHORITIES = {
    "userGroups": ("F_USERGROUP_PUBLIC_ADD", "F_USERGROUP_PRIVATE_ADD"),
    "userRoles": ("F_USERROLE_PUBLIC_ADD", "F_USERROLE_PRIVATE_ADD"),
    "routes": ("F_ROUTE_PUBLIC_ADD", "F_ROUTE_PRIVATE_ADD"),
    "organisationUnits": ("F_ORGANISATIONUNIT_ADD",),
}
DELETE_AUTHORITIES = {"userGroups": "F_USERGROUP_DELETE", "userRoles": "F_USERROLE_DELETE",
                      "routes": "F_ROUTE_DELETE", "organisationUnits": "F_ORGANISATIONUNIT_DELETE"}


def may_create(principal, store):
    if not principal.has(*ADD_AUTHORITIES[store]):
        refuse(403, NO_RIGHT % "create", "E1006")


def may_update(principal, store, thing):
    if not principal.has(*ADD_AUTHORITIES[store]) or not can_write(principal, thing):
        refuse(403, NO_RIGHT % "update", "E1006")


def may_delete(principal, store, thing):
    if not principal.has(DELETE_AUTHORITIES[store]) or not can_write(principal, thing):
        refuse(403, NO_RIGHT % "delete", "E1006")


def need_all(principal):
    if not principal.super:
        refuse(403, "Access is denied, requires one Authority from [ALL]")


# -- users -----------------------------------------------------------------------------------

def may_view_users(principal):
    if not principal.has("F_USER_VIEW"):
        refuse(403, NO_READ, "E1006")


def may_touch_users(principal, word):
    if not principal.has("F_USER_ADD", "F_USER_ADD_WITHIN_MANAGED_GROUP"):
        refuse(403, NO_RIGHT % word, "E1006")


def manages(world, principal, groups):
    """F_USER_ADD, or a managed group among the given ones."""
    if principal.has("F_USER_ADD"):
        return True
    managed = {g for own in principal.groups if own in world.userGroups
               for g in world.userGroups[own].get("managedGroups", [])}
    return bool(managed & set(groups))


def may_modify(world, principal, user, code=None):
    """/disabled, /enabled, /expired, PUT: needs at least every authority the target holds."""
    holds = principal.super or principal.authorities >= world.authorities(user)
    if not holds or not manages(world, principal, world.groups_of(user["id"])):
        refuse(409, NOT_MANAGER, code)


def may_join(world, principal, group_id):
    """May the principal put a user into this group?"""
    group = world.userGroups.get(group_id)
    if not group:
        return False
    if principal.has(ADD_READ_ONLY) and can_read(principal, group):
        return True
    return principal.has(*ADD_AUTHORITIES["userGroups"]) and can_write(principal, group)


def may_leave(world, principal, group_id):
    """Odd but measured: with F_USER_GROUPS_READ_ONLY_ADD_MEMBERS even from unreadable groups."""
    if principal.has(ADD_READ_ONLY):
        return True
    return may_join(world, principal, group_id)


def check_new_groups(world, principal, groups):
    """The create of a user is refused for the first group it may not join."""
    for gid in sorted((g for g in groups if g), reverse=True):
        if not may_join(world, principal, gid):
            refuse(409, NOT_TO_GROUP % gid, "E1004")


def set_groups(world, principal, user_id, wanted):
    """Make the membership this list; what the principal may not change is skipped silently."""
    for gid, group in world.userGroups.items():
        member, want = user_id in group["users"], gid in wanted
        if member and not want and may_leave(world, principal, gid):
            group["users"].remove(user_id)
            group["lastUpdated"] = world.now()
        if want and not member and may_join(world, principal, gid):
            group["users"].append(user_id)
            group["lastUpdated"] = world.now()


def can_issue(world, principal, role):
    if principal.super:
        return True
    own_allowed = world.settings.get("keyCanGrantOwnUserAuthorityGroups")
    live = world.users.get(principal.user_id)
    held = set(live["userRoles"]) if live else principal.roles
    if role["id"] in held and not own_allowed:
        return False
    return principal.authorities >= set(role["authorities"])
