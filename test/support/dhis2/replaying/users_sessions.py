"""Replay of users.txt sections 3, 3b and 3d: what a change does to sessions, bearer tokens and PATs."""
import json
import re

from .compare import as_json, covers, normal
from .login_cases import Logins
from .users_engine import bounds, group, person
from .world import Browser

ME = "/api/me?fields=username,userGroups[id],organisationUnits[id],authorities"
PASSWORD = "District1234!"
FORM_CHANGES = {
    "PATCH disabled": [{"op": "add", "path": "/disabled", "value": True}],
    "PATCH role": [{"op": "add", "path": "/userRoles", "value": group("RolePlainA1")}]}


class Account:
    """A user of its own with one session, a bearer token and a PAT."""

    def __init__(self, replay, uid, username, external):
        self.replay, self.uid, self.username, self.external = replay, uid, username, external
        self.openid = username + "@x"

    async def make(self, kind):
        more = {} if self.external else {"externalAuth": False, "password": PASSWORD}
        body = person(self.uid, self.username, self.openid, **more)
        for name in ("dataViewOrganisationUnits", "teiSearchOrganisationUnits"):
            body.pop(name)
        await self.replay.admin("POST", "/api/users", body)
        self.browser = Browser(self.replay.bench, self.replay.origin, jar=True)
        if kind == "oidc":
            await self.replay.logins.login(browser=self.browser, email=self.openid)
        elif kind == "basic":
            await self.replay.basic(self.username, self.browser)
        else:
            await self.browser("POST", "/api/auth/login", {"username": self.username, "password": PASSWORD})
        return self

    async def me(self):
        return await self.browser("GET", ME)

    async def bearer(self):
        token = self.replay.bench.op.access_token("t1", {"email": self.openid})
        return await Browser(self.replay.bench, self.replay.origin, {"Authorization": "Bearer " + token})("GET", ME)

    async def make_pat(self):
        made = await self.browser("POST", "/api/apiTokens", {})
        key = made.json["response"]["key"]
        self.pat_client = Browser(self.replay.bench, self.replay.origin, {"Authorization": "ApiToken " + key})
        return await self.pat()

    async def pat(self):
        return await self.pat_client("GET", ME)

    async def login_again(self):
        """Where a new OIDC login ends."""
        _, callback, _, _ = await self.replay.logins.login(email=self.openid)
        return callback.location


class SessionReplay:
    def __init__(self, tally, bench, origin, name, lines):
        self.tally, self.bench, self.origin, self.name, self.lines = tally, bench, origin, name, lines
        self.admin = Browser(bench, origin, "admin:district")
        self.logins = Logins(bench, origin)

    async def world(self):
        """The roles, groups and org units of section 0."""
        for uid, name in (("OuChildAA01", "Child A"), ("OuChildAA02", "Child B")):
            await self.admin("POST", "/api/organisationUnits", {
                "id": uid, "name": name, "shortName": name, "parent": {"id": "OuRootAAA01"}})
        for uid, name, held in (("RolePlainA1", "Plain worker", []),
                                ("RoleAuthsA1", "Clinic worker", ["F_METADATA_EXPORT", "F_DATAVALUE_ADD"])):
            await self.admin("POST", "/api/userRoles", {"id": uid, "name": name, "authorities": held})
        await self.admin("POST", "/api/userGroups", {"id": "GrpPublRWA1", "name": "Group rw"})
        await self.admin("POST", "/api/routes", {"id": "RouteAAAA01", "name": "echo", "code": "echo",
                                                 "url": self.bench.op.origin + "/echo/**",
                                                 "sharing": {"public": "rw------"}})

    async def basic(self, username, browser):
        headers = Browser(self.bench, self.origin, "%s:%s" % (username, PASSWORD)).headers
        return await browser("GET", ME, headers={"Authorization": headers["Authorization"]})

    def check(self, number, what, want, got):
        self.tally.mark(self.name, number)
        return self.tally.check(self.name, "line %d %s" % (number + 1, what), want, got)

    # -- section 3 ----------------------------------------------------------------------------------

    async def section_three(self):
        start, stop = bounds(self.lines, "3 sessions")
        for number in range(start, stop):
            match = re.match(r"\[(.*)\] before: session (\d+) \{\"username\":\"(\w+)\"\} \((oidc|basic)", self.lines[number])
            if match:
                await self.block(number, *match.groups())

    async def block(self, number, label, status, username, kind):
        account = Account(self, "UsrSess%sA1" % username[4:], username, kind == "oidc")
        await account.make(kind)
        before = await account.me()
        pat, bearer = await account.make_pat(), await account.bearer()
        self.check(number, label, [200, 200, 200], [before.status, pat.status, bearer.status])
        number += 1
        while number < len(self.lines) and self.lines[number].startswith("   "):
            await self.block_line(account, label, number, before.json)
            number += 1
        if "role itself" in label:
            await self.admin("PATCH", "/api/userRoles/RoleAuthsA1", [
                {"op": "replace", "path": "/authorities", "value": ["F_METADATA_EXPORT", "F_DATAVALUE_ADD"]}])

    async def block_line(self, account, label, number, before):
        line = self.lines[number].strip()
        change = re.match(r"change: (\w+) (\S+) (.*?) ?-> (\d+)", line)
        if change:
            method, path, body, status = change.groups()
            reply = await self.admin(method, path, json.loads(body) if body.strip() else None)
            return self.check(number, label + " change", int(status), reply.status)
        what, _, text = line.partition(": ")
        ask = {"session": account.me, "bearer JWT": account.bearer, "PAT": account.pat}.get(what)
        if ask:
            return self.compare_me(number, "%s: %s" % (label, what), text, await ask(), before)
        if what == "new OIDC login":
            return self.check(number, label + " new login", text.split(" ")[0], await account.login_again())
        if what == "new Basic login":
            reply = await self.basic(account.username, Browser(self.bench, self.origin))
            return self.check(number, label + " new Basic login", int(text), reply.status)
        if what == "after /enabled":
            return await self.after_enabled(account, number)
        if what == "user":
            await self.compare_user(account, label, number, text)

    def compare_me(self, number, label, text, reply, before):
        status, _, body = text.partition(" ")
        if not self.check(number, label, int(status), reply.status) or reply.status != 200:
            return
        want = before if "all as before" in body else as_json(body)
        self.check(number, label + " body", None, None if covers(normal(want), normal(reply.json)) else (want, reply.json))

    async def after_enabled(self, account, number):
        await self.admin("POST", "/api/users/%s/enabled" % account.uid)
        got = [(await account.me()).status, (await account.pat()).status, (await account.bearer()).status,
               await account.login_again()]
        self.check(number, "after /enabled", [200, 200, 200, "/"], got)

    async def compare_user(self, account, label, number, text):
        reply = await self.admin("GET", "/api/users/%s?fields=lastUpdated,lastLogin,disabled,accountExpiry" % account.uid)
        want = as_json(text)
        self.check(number, label + " user", None, None if covers(normal(want), normal(reply.json)) else reply.json)

    # -- sections 3b and 3d ---------------------------------------------------------------------------

    async def by_kind(self, heading, prefix):
        """Blocks "[form|basic|oidc: change] …", "session after", "2nd request"."""
        start, stop = bounds(self.lines, heading)
        for number in range(start, stop):
            match = re.match(r"\[%s(form|basic|oidc): (.*?)\]" % prefix, self.lines[number])
            if match:
                name = re.search(r'\"username\":\"(\w+)\"', self.lines[number]).group(1)
                await self.kind_block(number, match.group(1), match.group(2), name)

    async def kind_block(self, number, kind, label, username):
        account = Account(self, "UsrSes%sA1" % username[3:], username, kind == "oidc")
        await account.make(kind)
        self.check(number, "%s %s" % (kind, label), 200, (await account.me()).status)
        registered = re.search(r"registered (\[.*?\])$", self.lines[number])
        if registered:
            self.check(number, "registered before", registered.group(1) != "[]", await self.registered(username))
        method, path, body, status = re.match(r"   (\w+) (\S+) ?(.*?) ?-> (\d+)", self.lines[number + 1]).groups()
        body = as_json(body) or FORM_CHANGES.get(label)
        if label == "PUT disabled":
            body = person(account.uid, username, account.openid, externalAuth=account.external, disabled=True)
        if label == "PATCH OU":
            body = [{"op": "add", "path": "/organisationUnits", "value": group("OuChildAA02")}]
        reply = await self.admin(method, path, body)
        self.check(number + 1, label + " change", int(status), reply.status)
        await self.kind_after(number, kind, label, account)

    async def kind_after(self, number, kind, label, account):
        first = re.match(r"   session after: (\d+) +(\S*)", self.lines[number + 2])
        reply = await account.me()
        self.check(number + 2, "%s %s: after" % (kind, label), int(first.group(1)), reply.status)
        if first.group(1) == "302":
            self.check(number + 2, "ended by way of", first.group(2), reply.location)
        second = re.search(r"(?:2nd request|2nd): (\d+)", self.lines[number + 2] + "\n" + self.lines[number + 3])
        again = await account.me()
        self.check(number + 3, "%s %s: 2nd" % (kind, label), int(second.group(1)), again.status)
        if second.group(1) == "302":
            self.check(number + 3, "then", self.origin + "/login/", again.location)

    async def registered(self, username):
        listed = await self.admin("GET", "/api/sessions")
        return any(s["username"] == username for s in listed.json)

    # -- section 13 --------------------------------------------------------------------------------------

    async def section_thirteen(self):
        start, stop = bounds(self.lines, "13 late")
        for number in range(start, stop):
            line = self.lines[number]
            form = re.match(r"form session: (.*?): before 200, change (\d+), after (\d+)", line)
            if form:
                await self.form_line(number, *form.groups())
        await self.deleted_user(start, stop)
        await self.comma(start)
        await self.twins(start, stop)

    def number_of(self, start, text):
        return next(n for n in range(start, len(self.lines)) if text in self.lines[n])

    async def form_line(self, number, label, changed, after):
        username = "form%d" % (number % 100)
        account = await Account(self, "UsrForm%04d" % number, username, False).make("form")
        path = "/api/users/" + account.uid
        role = [{"op": "replace", "path": "/authorities", "value": ["F_METADATA_EXPORT"]}]
        patch = {"PATCH accountExpiry 2020": ("accountExpiry", "2020-01-01"), "PATCH password": ("password", "Another1234!"),
                 "PATCH openId": ("openId", "other-%d" % number), "PATCH email": ("email", "e@x.org"),
                 "groups": ("userGroups", group("GrpPublRWA1"))}.get(label)
        if patch:
            reply = await self.admin("PATCH", path, [{"op": "add", "path": "/" + patch[0], "value": patch[1]}])
        elif label == "role loses authority":
            reply = await self.admin("PATCH", "/api/userRoles/RoleAuthsA1", role)
        else:
            body = person(account.uid, username, account.openid, externalAuth=False, disabled=True)
            reply = await self.admin("POST", "/api/metadata", {"users": [body]})
        self.check(number, label, [int(changed), int(after)], [reply.status, (await account.me()).status])

    async def deleted_user(self, start, stop):
        account = await Account(self, "UsrDelsAA01", "dels1", True).make("oidc")
        await self.admin("DELETE", "/api/users/" + account.uid)
        for number in range(start, stop):
            match = re.match(r"deleted user, old OIDC session: (\w+) (\S+) (\d+)", self.lines[number])
            if match:
                body = {"a": 1} if match.group(1) == "POST" else None
                reply = await account.browser(match.group(1), match.group(2), body)
                self.check(number, "deleted user " + match.group(2), int(match.group(3)), reply.status)

    async def comma(self, start):
        account = Account(self, "UsrCommaA01", "comma1", True)
        account.openid = "p,q"
        await account.make("oidc")
        number = self.number_of(start, 'openId "p,q"')
        self.check(number, "comma", ["comma1", "comma1"], [(await account.me()).json["username"],
                                                         (await account.bearer()).json["username"]])

    async def twins(self, start, stop):
        """Two enabled users with one openId: who comes in?"""
        for number in range(start, stop):
            match = re.match(r"twins both enabled; (.*?) -> login is 200 \{\"username\":\"(twx(\d)(\d))\"", self.lines[number])
            if not match:
                continue
            case = match.group(3)
            for index in "01":
                body = person("UsrTwx%s%sAAA" % (case, index), "twx%s%s" % (case, index), "twx%s@x" % case,
                              disabled=True)
                made = await self.admin("POST", "/api/users", body)
                self.check(number, "twin made", 201, made.status)
            if "had logged in" in match.group(1):
                await self.one_logs_in(case)
            for index in "01":
                await self.admin("POST", "/api/users/UsrTwx%s%sAAA/enabled" % (case, index))
            browser, _, _, _ = await self.logins.login(email="twx%s@x" % case)
            self.check(number, "twins, " + match.group(1), match.group(2), (await browser("GET", ME)).json["username"])

    async def one_logs_in(self, case):
        """The second one logs in while the first is disabled."""
        second = "/api/users/UsrTwx%s1AAA" % case
        await self.admin("POST", second + "/enabled")
        await self.logins.login(email="twx%s@x" % case)
        await self.admin("POST", second + "/disabled")
