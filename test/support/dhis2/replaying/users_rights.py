"""Replay of users.txt sections 3c/4, the free lines of 6 and 10: rights in live sessions, tokens
after a change, expiry by the clock, what a group change does, what "changed since" shows."""
import asyncio
import re

from .bearer_cases import Bearers
from .users_engine import bounds, group, person
from .users_sessions import ME, Account, SessionReplay
from .world import Browser


class RightsReplay(SessionReplay):
    def at(self, section, text):
        return self.number_of(bounds(self.lines, section)[0], text)

    def status(self, section, text, label, reply):
        """The first HTTP status after the text in its line."""
        number = self.at(section, text)
        rest = self.lines[number].split(text, 1)[1]
        return self.check(number, label, int(re.search(r"\b([2-5]\d\d)\b", rest).group(1)), reply.status)

    async def patch(self, uid, name, value):
        return await self.admin("PATCH", "/api/users/" + uid, [{"op": "add", "path": "/" + name, "value": value}])

    async def live_session(self):
        """Disabled and without roles, an OIDC session writes, runs routes and makes tokens."""
        account = await Account(self, "UsrEffeA001", "effe1", True).make("oidc")
        session, export = account.browser, "/api/metadata?userRoles=true&fields=id"
        self.status("3c/4", "before: GET /api/metadata?userRoles=true&fields=id", "before", await session("GET", export))
        self.status("3c/4", "PATCH roles -> RolePlainA1", "role taken", await self.patch(account.uid, "userRoles", group("RolePlainA1")))
        me = await session("GET", "/api/me?fields=authorities")
        self.check(self.at("3c/4", "same session, F_METADATA"), "its own /api/me", {"authorities": []}, me.json)
        self.status("3c/4", "new session: GET /api/metadata", "new session",
                    await (await self.logins.login(email="effe1@x"))[0]("GET", export))
        self.status("3c/4", "PATCH disabled", "disabled", await self.patch(account.uid, "disabled", True))
        got = [(await session("POST", "/api/dataStore/eff1/k2", {"a": 1})).status, (await session("GET", ME)).status,
               (await session("GET", "/api/routes/echo/run/x")).status]
        self.check(self.at("3c/4", "disabled, old session writes"), "write, me, route", [201, 200, 200], got)
        self.status("3c/4", "disabled, session makes a PAT: POST /api/apiTokens", "a new PAT", await session("POST", "/api/apiTokens", {}))
        gone = await session("GET", "/dhis-web-commons-security/logout.action")
        self.status("3c/4", "GET logout with that cookie: GET /dhis-web-commons-security/logout.action", "logout", gone)
        self.check(self.at("3c/4", "GET logout with"), "then", self.origin + "/login/", (await session("GET", ME)).location)

    async def tokens(self):
        """A PAT used before goes on after /disabled; one never used does not."""
        account = await Account(self, "UsrEffeA002", "effe2", True).make("oidc")
        self.status("3c/4", "used before:", "used before", await account.make_pat())
        made = await account.browser("POST", "/api/apiTokens", {})
        unused = Browser(self.bench, self.origin, {"Authorization": "ApiToken " + made.json["response"]["key"]})
        await self.admin("POST", "/api/users/UsrEffeA002/disabled")
        self.status("3c/4", "after /disabled: used PAT:", "used PAT", await account.pat())
        self.status("3c/4", "   unused PAT:", "unused PAT", await unused("GET", ME))
        token = {"tenant": "t3", "claims": {"username": "effe2"}}
        self.status("3c/4", "disabled, username mapping:", "bearer by username", await Bearers(self.bench, self.origin).case(token))
        await self.admin("POST", "/api/users/UsrEffeA002/enabled")
        await self.admin("POST", "/api/users/UsrEffeA002/expired?date=2020-01-01")
        self.status("3c/4", "after /expired 2020: unused PAT:", "unused PAT, expired", await unused("GET", ME))
        self.status("3c/4", "expired, email mapping:", "bearer of an expired account", await account.bearer())
        self.check(self.at("3c/4", "expired, email mapping"), "login of it", "/login/?oidcFailure=true", await account.login_again())
        await self.patch(account.uid, "accountExpiry", "2099-01-01")
        self.check(self.at("3c/4", "expiry 2099 OIDC"), "expiry 2099", "/", await account.login_again())
        await self.patch(account.uid, "userRoles", group("RolePlainA1"))
        self.status("3c/4", "role change:  200 used PAT /api/me:", "used PAT after a role change", await account.pat())
        listed = await self.admin("GET", "/api/apiTokens?filter=createdBy.username:eq:effe2&fields=id,createdBy[username]")
        self.check(self.at("3c/4", "admin lists other users PAT"), "owner in the list", True,
                   [t["createdBy"]["username"] for t in listed.json["apiToken"]] == ["effe2", "effe2"])
        for token_id in [t["id"] for t in listed.json["apiToken"]]:
            deleted = await self.admin("DELETE", "/api/apiTokens/" + token_id)
        self.status("3c/4", "admin DELETEs the PAT of another user:", "admin deletes it", deleted)
        self.check(self.at("3c/4", "ids ["), "then", 401, (await account.pat()).status)

    async def expiry_by_the_clock(self):
        account = await Account(self, "UsrEffeA003", "effe3", True).make("oidc")
        info = (await self.admin("GET", "/api/system/info?fields=serverDate")).json["serverDate"]
        control = Browser(self.bench, self.origin)
        later = info[:17] + "59.999"
        await self.patch(account.uid, "accountExpiry", later)
        self.check(self.at("3c/4", "expiry in 4 s"), "before it", "/", await account.login_again())
        await control("POST", "/__standin/clock", {"offset_s": 65})
        self.bench.op.offset = 65
        self.check(self.at("3c/4", "5 s later"), "after it", "/login/?oidcFailure=true", await account.login_again())
        await control("POST", "/__standin/clock", {"offset_s": 0})
        self.bench.op.offset = 0

    async def groups(self):
        """A Route shared with a group: an old session keeps the groups of its login."""
        await self.admin("POST", "/api/routes", {
            "id": "RouteGrpA01", "name": "grp", "code": "grp", "url": self.bench.op.origin + "/echo/grp",
            "sharing": {"public": "--------", "userGroups": {"GrpPublRWA1": {"id": "GrpPublRWA1", "access": "r-------"}}}})
        account = await Account(self, "UsrEffeA004", "effe4", True).make("oidc")

        async def run(browser):
            return (await browser("GET", "/api/routes/grp/run")).status

        async def fresh():
            return (await self.logins.login(email="effe4@x"))[0]
        start = self.number_of(0, "=== group change effective")
        self.check(start + 1, "before", 403, await run(account.browser))
        await self.patch(account.uid, "userGroups", group("GrpPublRWA1"))
        member = await fresh()
        self.check(start + 2, "in the group", [403, 200], [await run(account.browser), await run(member)])
        await self.patch(account.uid, "userGroups", [])
        self.check(start + 3, "out of the group", [200, 403], [await run(member), await run(await fresh())])
        alive = [await fresh() for _ in range(12)]
        count = sum([(await b("GET", ME)).status == 200 for b in alive])
        self.check(self.number_of(start, "12 OIDC sessions alive"), "12 sessions", 12, count)

    async def upserts(self):
        start = self.number_of(0, "metadata upsert twice")
        path, body = "/api/metadata?importStrategy=CREATE_AND_UPDATE", {"users": [person("UsrRetrAA01", "retry1", "retry1@x")]}
        await self.admin("POST", path, body)
        again = await self.admin("POST", path, body)
        self.check(start, "again", (200, 0, 1), (again.status, again.json["response"]["stats"]["created"],
                                                again.json["response"]["stats"]["updated"]))
        body = {"users": [person("UsrRetrAA02", "retry2", "retry2@x")]}
        made = await asyncio.gather(*(self.admin("POST", path, body) for _ in range(4)))
        self.check(start + 1, "4 at once", [200, 409, 409, 409], sorted(r.status for r in made))

    async def changed_since(self):
        """Role and org unit edits show, membership by endpoint does not."""
        stamp = (await self.admin("GET", "/api/system/info?fields=serverDate")).json["serverDate"]
        await asyncio.sleep(0.01)

        async def totals():
            found = []
            for name in ("userRoles", "userGroups", "organisationUnits"):
                reply = await self.admin("GET", "/api/%s?filter=lastUpdated:gt:%s&fields=id&pageSize=1" % (name, stamp))
                found.append(reply.json["pager"]["total"])
            return found
        number = self.at("6 comma", "T= ")
        self.check(number, "nothing yet", [0, 0, 0], await totals())
        await self.admin("PATCH", "/api/userRoles/RolePlainA1", [{"op": "replace", "path": "/name", "value": "Plain worker"}])
        await self.admin("PATCH", "/api/organisationUnits/OuChildAA02", [{"op": "replace", "path": "/name", "value": "Child B"}])
        await self.admin("POST", "/api/userGroups/GrpPublRWA1/users/UsrAAAAAA04")
        self.check(number + 1, "role, org unit, member", [1, 0, 1], await totals())
        self.check(number + 2, "the group", 0, (await totals())[1])
        before = (await self.admin("GET", "/api/userRoles/RolePlainA1?fields=lastUpdated")).json
        await self.admin("POST", "/api/userRoles/RolePlainA1/users/UsrAAAAAA04")
        user = (await self.admin("GET", "/api/users/UsrAAAAAA04?fields=lastUpdated")).json
        after = (await self.admin("GET", "/api/userRoles/RolePlainA1?fields=lastUpdated")).json
        self.check(number + 3, "role endpoint moves the user only", (True, before), (user["lastUpdated"] > stamp, after))

    async def odd_patches(self):
        number, path = self.at("2 PATCH", "PATCH with application/json"), "/api/users/UsrAAAAAA04"
        body = [{"op": "add", "path": "/surname", "value": "User"}]
        plain = await self.admin("PATCH", path, body, kind="application/json")
        charset = await self.admin("PATCH", path, body, kind="application/json-patch+json;charset=UTF-8")
        self.check(number, "as application/json", 415, plain.status)
        self.check(number + 1, "with charset", 200, charset.status)
        wrong = await self.admin("PATCH", path, body, headers={"If-Match": '"wrong"'})
        self.check(self.at("6 comma", 'PATCH with If-Match'), "If-Match is ignored", 200, wrong.status)

    async def run(self):
        await self.live_session()
        await self.tokens()
        await self.expiry_by_the_clock()
        await self.groups()
        await self.upserts()
        await self.changed_since()
        await self.odd_patches()
