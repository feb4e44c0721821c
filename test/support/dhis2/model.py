"""What does the stand-in know: users, roles, groups, org units, routes, tokens, settings, clock.

`World` is the whole memory of one stand-in. It is filled from a seed file (README.md has the
format), optionally kept in a state folder between runs, and read and written by every other
module. Sessions are not in it: DHIS2 loses them at restart too (sessions.py).
"""
import copy
import datetime
import json
import os
import random
import string
import time

KLASS = {
    "users": "org.hisp.dhis.user.User",
    "userRoles": "org.hisp.dhis.user.UserRole",
    "userGroups": "org.hisp.dhis.user.UserGroup",
    "organisationUnits": "org.hisp.dhis.organisationunit.OrganisationUnit",
    "routes": "org.hisp.dhis.route.Route",
    "apiToken": "org.hisp.dhis.security.apikey.ApiToken",
}
OU_SETS = ("organisationUnits", "dataViewOrganisationUnits", "teiSearchOrganisationUnits")
DEFAULT_SETTINGS = {
    "accountExpiryAlert": False, "accountExpiresInDays": 7, "credentialsExpires": 0,
    "credentialsExpiryAlert": False, "credentialsExpiresReminderInDays": 28,
    "keyLockMultipleFailedLogins": False, "keyCanGrantOwnUserAuthorityGroups": False,
    "enforceVerifiedEmail": False, "minPasswordLength": 8, "applicationTitle": "DHIS2 stand-in",
}
PRIVATE, PUBLIC_RW = "--------", "rw------"
STORES = ("users", "userRoles", "userGroups", "organisationUnits", "routes", "apiToken")


def new_uid():
    """11 characters, the first a letter (DHIS2's CodeGenerator)."""
    letters = string.ascii_letters
    return random.choice(letters) + "".join(random.choices(letters + string.digits, k=10))


def valid_uid(text):
    return (isinstance(text, str) and len(text) == 11 and text.isascii() and text.isalnum()
            and text[0].isalpha())


def stamp(seconds):
    """Server local time without a zone, as DHIS2 writes it (the stand-in's zone is UTC)."""
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(round(seconds, 3), datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + "%03d" % (moment.microsecond // 1000)


def parse_stamp(text):
    """ISO date, date-time, with Z or offset, or epoch milliseconds -> seconds; ValueError else."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return text / 1000.0
    moment = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()


def sharing_of(entry, owner, default):
    """The sharing object of a new role, group or route."""
    given = entry.get("sharing") or {}
    return {"owner": given.get("owner", owner), "users": given.get("users", {}),
            "userGroups": given.get("userGroups", {}), "public": given.get("public") or default}


class World:
    def __init__(self, conf, version, state_dir=None):
        self.conf, self.version, self.state_dir = conf, version, state_dir
        self.clock_offset, self.dirty = 0.0, True
        self.seed = {}
        self.clear()

    def clear(self):
        for store in STORES:
            setattr(self, store, {})
        self.settings = dict(DEFAULT_SETTINGS)
        self.dataStore = {}
        self.sequence = 0

    @property
    def old(self):
        """True for a DHIS2 2.41."""
        return self.version == "2.41"

    def now(self):
        return time.time() + self.clock_offset

    def store(self, name):
        return getattr(self, name)

    # -- filling ---------------------------------------------------------------------------

    def load_seed(self, seed):
        """Objects as in the seed file; see README.md. Unknown references are an error."""
        self.seed = copy.deepcopy(seed)
        for unit in seed.get("organisationUnits", []):
            self.add_unit(dict(unit))
        for name in ("userRoles", "userGroups", "routes"):
            for entry in seed.get(name, []):
                self.add_shared(name, dict(entry), None)
        for user in seed.get("users", []):
            self.add_user(dict(user), None)
        for token in seed.get("apiTokens", []):
            self.add_seed_token(token)
        self.settings.update(seed.get("systemSettings", {}))

    def add_unit(self, entry):
        parent = (entry.get("parent") or {}).get("id")
        above = self.organisationUnits.get(parent)
        if parent and not above:
            raise ValueError("organisation unit %s: no parent %s" % (entry.get("id"), parent))
        uid = entry.get("id") or new_uid()
        unit = {"id": uid, "name": entry["name"], "code": entry.get("code"),
                "shortName": entry.get("shortName", entry["name"]),
                "openingDate": entry.get("openingDate", "2000-01-01"), "parent": parent,
                "path": (above["path"] if above else "") + "/" + uid,
                "level": above["level"] + 1 if above else 1}
        self.stamped(unit, None)
        self.organisationUnits[uid] = unit
        return unit

    def add_shared(self, name, entry, principal):
        """A role, group or route (those have sharing)."""
        uid = entry.get("id") or new_uid()
        owner = principal.user_id if principal else None
        thing = dict(entry, id=uid)
        default = PRIVATE if name == "routes" else PUBLIC_RW
        thing["sharing"] = sharing_of(entry, owner, default)
        self.stamped(thing, owner)
        if name == "userRoles":
            thing.setdefault("authorities", [])
        elif name == "userGroups":
            thing["users"] = [ref["id"] if isinstance(ref, dict) else ref
                              for ref in entry.get("users", [])]
            thing["managedGroups"] = ids_of(entry.get("managedGroups"))
        else:
            for key, value in (("authorities", []), ("headers", {}), ("disabled", False),
                               ("responseTimeoutSeconds", 5)):
                thing.setdefault(key, value)
        self.store(name)[uid] = thing
        return thing

    def add_user(self, entry, owner):
        uid = entry.get("id") or new_uid()
        user = {"id": uid}
        for key in ("username", "firstName", "surname", "email", "phoneNumber", "code", "openId",
                    "ldapId", "password"):
            user[key] = entry.get(key) or None
        for key in ("externalAuth", "disabled"):
            user[key] = truth(entry.get(key, False))
        expiry = entry.get("accountExpiry")
        user["accountExpiry"] = parse_stamp(expiry) if expiry else None
        for key in ("userRoles",) + OU_SETS:
            user[key] = ids_of(entry.get(key))
        self.sequence += 1
        user.update(sequence=self.sequence, lastLogin=None, attributeValues=[])
        self.stamped(user, owner)
        self.users[uid] = user
        for gid in ids_of(entry.get("userGroups")):
            self.userGroups[gid]["users"].append(uid)
        return user

    def add_seed_token(self, token):
        owner = next(u for u in self.users.values() if u["username"] == token["username"])
        uid = token.get("id") or new_uid()
        self.apiToken[uid] = {"id": uid, "key": token["key"], "owner": owner["id"],
                              "expire": token.get("expire", int((self.now() + 3.2e8) * 1000)),
                              "attributes": token.get("attributes", []),
                              "created": self.now(), "lastUpdated": self.now()}

    def stamped(self, thing, owner):
        thing.update(created=self.now(), lastUpdated=self.now(), createdBy=owner,
                     lastUpdatedBy=owner)

    # -- questions asked everywhere ----------------------------------------------------------

    def user_by_name(self, username):
        return next((u for u in self.users.values() if u["username"] == username), None)

    def user_by_openid(self, value):
        """Enabled users only, exact; several: the last login first, then the first created."""
        found = [u for u in self.users.values() if u["openId"] == value and not u["disabled"]]
        found.sort(key=lambda u: (-(u["lastLogin"] or 0), u["sequence"]))
        return found[0] if found else None

    def authorities(self, user):
        held = [self.userRoles[r]["authorities"] for r in user["userRoles"] if r in self.userRoles]
        return frozenset(a for one in held for a in one)

    def groups_of(self, user_id):
        return [g["id"] for g in self.userGroups.values() if user_id in g["users"]]

    def membership(self):
        """{user id: [group ids]} of everybody at once."""
        found = {}
        for group in self.userGroups.values():
            for uid in group["users"]:
                found.setdefault(uid, []).append(group["id"])
        return found

    def expired(self, user):
        return user["accountExpiry"] is not None and user["accountExpiry"] <= self.now()

    def usable(self, user):
        return not user["disabled"] and not self.expired(user)

    def in_tree(self, unit_id, roots):
        path = self.organisationUnits[unit_id]["path"].split("/")
        return any(root in path for root in roots)

    # -- keeping -----------------------------------------------------------------------------

    def save(self):
        """Something changed: `flush` writes it within half a second, or at the end."""
        self.dirty = True

    def flush(self):
        if not self.state_dir or not self.dirty:
            return
        self.dirty = False
        data = {name: self.store(name) for name in STORES}
        data.update(settings=self.settings, dataStore=self.dataStore, sequence=self.sequence)
        path = os.path.join(self.state_dir, "state.json")
        handle = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(data, out)
        os.replace(path + ".new", path)

    def restore(self):
        """True when an earlier run left its state."""
        path = os.path.join(self.state_dir or "", "state.json")
        if not self.state_dir or not os.path.exists(path):
            return False
        with open(path, encoding="utf-8") as source:
            data = json.load(source)
        for name, value in data.items():
            setattr(self, name, value)
        return True


def truth(value):
    """Jackson reads the strings "true" and "false" as booleans."""
    return value if isinstance(value, bool) else str(value).lower() == "true"


def ids_of(references):
    """[{"id": x}, "y", {"name": z}] -> ids; a reference without id counts as None."""
    found = []
    for ref in references or []:
        uid = ref.get("id") if isinstance(ref, dict) else ref
        if uid not in found:
            found.append(uid)
    return found
