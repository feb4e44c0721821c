"""Replay of the files made by one script on both versions: users, look-ups and tokens
(users-sessions-pat.txt on 2.41, on-2.43.1-users.txt), openid-twins.txt and flags.txt."""
import json
import re

from .login_cases import Logins
from .world import Browser

ROLE, GROUP, UNIT = [{"id": "RoleAAAAA01"}], [{"id": "GrpAAAAAA01"}], [{"id": "OuRootAAA01"}]
USER = "/api/users/UsrBBBBBB%02d"


def add(name, value, op="add"):
    return [{"op": op, "path": "/" + name, "value": value}]


class VersionReplay:
    def __init__(self, script, bench, origin, old):
        self.script, self.bench, self.origin, self.old = script, bench, origin, old
        self.admin = Browser(bench, origin, "admin:district")
        self.logins = Logins(bench, origin)

    def body(self, number, username, openid, **more):
        base = {"id": "UsrBBBBBB%02d" % number, "username": username, "firstName": "A", "surname": "B",
                "openId": openid, "externalAuth": True, "userRoles": ROLE, "organisationUnits": UNIT}
        return {k: v for k, v in dict(base, **more).items() if v is not None}

    async def post(self, label, number, username, openid, path="/api/users", **more):
        reply = await self.admin("POST", path, self.body(number, username, openid, **more))
        self.script.expect(" %s:" % label, reply, loose=True)

    async def creates(self):
        post, admin, expect = self.post, self.admin, self.script.expect
        await post("create", 1, "ubone", "b1", userGroups=GROUP)
        nested = {"id": "UsrBBBBBB02", "firstName": "A", "surname": "B", "userCredentials": {
            "username": "ubtwo", "openId": "b2", "externalAuth": True, "userRoles": ROLE}}
        expect(" create with userCredentials (old form):", await admin("POST", "/api/users", nested), loose=True)
        expect(" read 02:", await admin("GET", USER % 2 + "?fields=username,externalAuth,openId"), body=not self.old)
        for text in (" default fields:", " /api/users/x?fields=:owner:"):
            expect(text, await admin("GET", USER % 1), body=False)
        await post("both forms, contradicting openId", 3, "ubthree", "flat", userCredentials={"openId": "nested"})
        expect(" read 03:", await admin("GET", USER % 3 + "?fields=externalAuth,openId"))
        await post("POST /api/38/users", 4, "ubfour", "b4", path="/api/38/users")
        await post("POST /api/41/users", 5, "ubfive", "b5", path="/api/41/users")
        for name in ("ab", "a+b@x", "ubø", "-abc", "a__b"):
            await post("username " + name, 6, name, "u-" + name)
        made = await admin("POST", "/api/users", self.body(6, "user.name@example.org", "u6"))
        expect(" username user.name@example.org:", made, body=False)
        await post("same username", 7, "ubone", "b7")
        await post("same id", 1, "ubother", "b8")
        await post("bad id", 8, "ubbadid", "b9", id="short")
        await post("unknown role", 8, "ubnorole", "b10", userRoles=[{"id": "NoSuchRole1"}])
        await post("unknown group", 9, "ubnogroup", "b11", userGroups=[{"id": "NoSuchGrp01"}])
        await post("unknown ou", 10, "ubnoou", "b12", organisationUnits=[{"id": "NoSuchOu001"}])
        made = await admin("POST", "/api/users", self.body(10, "ubnofirst", "b13", firstName=None))
        expect(" no firstName:", made, loose=True, body=not self.old)
        await post("bad email", 11, "ubemail", "b14", email="nope")

    async def uniqueness(self):
        post, admin, expect = self.post, self.admin, self.script.expect
        await post("dup", 11, "ubdup", "b1")
        nested = {"id": "UsrBBBBBB12", "firstName": "A", "surname": "B", "userCredentials": {
            "username": "ubdupold", "openId": "b1", "externalAuth": True, "userRoles": ROLE}}
        expect(" dup by old form:", await admin("POST", "/api/users", nested), loose=True, body=self.old)
        await post("case differs", 13, "ubcase", "B1")
        await post("dup of disabled", 14, "ubfourteen", "disabled@example.org")
        expect(" enable twin:", await admin("POST", "/api/users/UsrAAAAAA03/enabled"))
        found = "/api/users?filter=openId:eq:disabled@example.org&fields=id,username,disabled&paging=false"
        expect(" both:", await admin("GET", found))
        expect(" disable again:", await admin("POST", "/api/users/UsrAAAAAA03/disabled"))
        expect(" PATCH enable twin:", await admin("PATCH", "/api/users/UsrAAAAAA03", add("disabled", False)), loose=True)
        await post("empty openId twice", 15, "ubfifteen", "")
        await post("empty openId twice b", 16, "ubsixteen", "")

    async def patches(self):
        admin, expect, one = self.admin, self.script.expect, USER % 1
        expect(" openId:", await admin("PATCH", one, add("openId", "b1x")))
        expect(" openId dup:", await admin("PATCH", one, add("openId", "b2")), loose=True)
        expect(" remove openId:", await admin("PATCH", USER % 2, [{"op": "remove", "path": "/openId"}]))
        expect(" old path userCredentials/openId:", await admin("PATCH", USER % 2, add("userCredentials/openId", "b2y")))
        expect(" read 02:", await admin("GET", USER % 2 + "?fields=externalAuth,openId,userCredentials[openId]"))
        expect(" username:", await admin("PATCH", one, add("username", "newname", "replace")), loose=True)
        expect(" unknown property:", await admin("PATCH", one, add("nosuch", 1)))
        expect(" externalAuth off:", await admin("PATCH", one, add("externalAuth", False)))
        expect(" on:", await admin("PATCH", one, add("externalAuth", True)))
        expect(" PATCH as application/json:", await admin("PATCH", one, add("surname", "C"), kind="application/json"))
        expect(" PATCH object (old partial):", await admin("PATCH", one, {"surname": "C"}, kind="application/json"))
        expect(" userGroups []:", await admin("PATCH", one, add("userGroups", [], "replace")))
        expect(" read:", await admin("GET", one + "?fields=organisationUnits,userRoles,userGroups"))
        expect(" userGroups add -:", await admin("PATCH", one, add("userGroups/-", GROUP[0])))
        expect(" read:", await admin("GET", one + "?fields=lastUpdated,userGroups"))
        expect(" userGroups unknown:", await admin("PATCH", one, add("userGroups", [{"id": "NoSuchGrp01"}], "replace")))
        expect(" read:", await admin("GET", one + "?fields=userGroups"))
        expect(" userRoles []:", await admin("PATCH", one, add("userRoles", [])), loose=True)
        expect(" group add:", await admin("POST", "/api/userGroups/GrpAAAAAA01/users/UsrBBBBBB03"))
        expect(" group del:", await admin("DELETE", "/api/userGroups/GrpAAAAAA01/users/UsrBBBBBB03"))
        expect(" PUT minimal:", await admin("PUT", USER % 4, {
            "username": "ubfour", "firstName": "A", "surname": "B", "openId": "b4z", "externalAuth": True,
            "userRoles": ROLE}))
        nested = {"firstName": "A", "surname": "B", "userCredentials": {"username": "ubfour", "userRoles": ROLE}}
        expect(" PUT old form:", await admin("PUT", USER % 4, nested), loose=True)
        expect(" read:", await admin("GET", USER % 4 + "?fields=username,externalAuth,openId,userRoles"))

    async def lookups(self):
        admin, expect, users = self.admin, self.script.expect, "/api/users?paging=false&fields=id,openId&filter="
        expect(" filter openId:", await admin("GET", users + "openId:eq:b4"))
        expect(" filter in:", await admin("GET", users + "openId:in:[b4,b5]"))
        expect(" filter colon:", await admin("GET", users + "openId:eq:a:b"))
        expect(" old filter:", await admin("GET", users + "userCredentials.openId:eq:b4"))
        expect(" query:", await admin("GET", "/api/users?query=ubfour&fields=id,username"))
        expect(" userLookup:", await admin("GET", "/api/userLookup?query=ubfour"))
        expect(" 404:", await admin("GET", "/api/users/NoSuchUsr01"))

    async def sessions(self):
        """An OIDC session and a bearer token after each kind of change."""
        user, find = "/api/users/UsrAAAAAA01", self.script.find
        await self.admin("POST", "/api/userRoles", {"id": "RoleAAAAA02", "name": "Empty", "authorities": []})
        changes = {"nothing": ("GET", user, None), "PATCH group": ("PATCH", user, add("userGroups", [], "replace")),
                   "PATCH role": ("PATCH", user, add("userRoles", [{"id": "RoleAAAAA02"}])),
                   "PATCH disabled": ("PATCH", user, add("disabled", True)),
                   "POST disabled": ("POST", user + "/disabled", None),
                   "POST expired": ("POST", user + "/expired?date=2020-01-01", None)}
        for label, change in changes.items():
            find("login before %s:" % label)
            browser = (await self.logins.login())[0]
            await self.admin(*change)
            want = int(find("session after %s:" % label).rsplit(" ", 1)[1])
            self.script.tally.check(self.script.name, "session after " + label, want, (await browser("GET", "/api/me")).status)
            token = {"Authorization": "Bearer " + self.bench.op.access_token("t1")}
            reply = await Browser(self.bench, self.origin, token)("GET", "/api/me?fields=username")
            self.script.expect("bearer after %s:" % label, reply)
            if label == "POST expired":
                callback = (await self.logins.login())[1]
                where = re.search(r"callback 302 -> (\S+);", find("login of an expired account:")).group(1)
                self.script.tally.check(self.script.name, "login of an expired account", where, callback.location)
            await self.admin("POST", user + "/unexpired")
            await self.admin("POST", user + "/enabled")

    async def token(self, label, body, who=None):
        """Creates one, returns a client that uses it, and its uid."""
        made = await (who or self.admin)("POST", "/api/apiTokens", body)
        line = self.script.peek(" %s:" % label)
        self.script.expect(" %s:" % label, made, loose=True)
        more = "ApiTokenCreationResponse" if self.old else "ObjectReport"
        self.script.tally.check(self.script.name, label + " responseType", more in line, more in made.text)
        report = made.json["response"]
        return Browser(self.bench, self.origin, {"Authorization": "ApiToken " + report["key"]}), report["uid"]

    async def tokens(self):
        expect, me = self.script.expect, "/api/me?fields=username"
        self.script.section("## PAT")
        client, uid = await self.token("create", {})
        expect(" read:", await self.admin("GET", "/api/apiTokens/" + uid), body=False)
        expect(" use:", await client("GET", me))
        for label, key in ((" wrong:", "d2p_" + "A" * 50), (" malformed:", "nonsense")):
            wrong = Browser(self.bench, self.origin, {"Authorization": "ApiToken " + key})
            expect(label, await wrong("GET", me))
        limits = [{"type": "MethodAllowedList", "allowedMethods": ["POST"]}]
        limited, _ = await self.token("method+ip", {"attributes": limits})
        expect(" GET with POST-only:", await limited("GET", me))
        limited, _ = await self.token("ip", {"attributes": [{"type": "IpAllowedList", "allowedIps": ["10.1.2.3"]}]})
        expect(" wrong ip:", await limited("GET", me))
        expect(" forged X-Forwarded-For:", await limited("GET", me, headers={"X-Forwarded-For": "10.1.2.3"}))
        expired, _ = await self.token("expire past", {"expire": 1})
        await self.token("expire ms", {"expire": 4102444800000})
        expect(" expired:", await expired("GET", me))
        noext = Browser(self.bench, self.origin, "oidcnoext:District1234!")
        owned, _ = await self.token("own PAT of user", {}, noext)
        expect(" user PAT:", await owned("GET", me))
        expect(" disable owner:", await self.admin("POST", "/api/users/UsrAAAAAA02/disabled"))
        expect(" PAT of disabled owner (cached?):", await owned("GET", me))
        expect(" enable:", await self.admin("POST", "/api/users/UsrAAAAAA02/enabled"))
        expect(" delete:", await self.admin("DELETE", "/api/apiTokens/" + uid), loose=True)
        expect(" deleted:", await client("GET", me))

    async def last_lines(self):
        """At the end of the 2.41 file: a PATCH that fails after saving, and API numbers."""
        one, expect, admin = USER % 1, self.script.expect, self.admin
        expect(" set g:", await admin("PATCH", one, add("userGroups", GROUP)))
        mixed = add("surname", "Stored") + add("userGroups", [], "replace")
        expect(" surname + replace userGroups [] in one PATCH:", await admin("PATCH", one, mixed))
        expect(" read:", await admin("GET", one + "?fields=surname,userGroups"))
        expect(" remove /userGroups:", await admin("PATCH", one, [{"op": "remove", "path": "/userGroups"}]))
        expect(" read:", await admin("GET", one + "?fields=surname,userGroups"))
        for version in ("36", "37", "38", "42"):
            expect(" /api/%s:" % version, await admin("GET", "/api/%s/me?fields=username" % version))

    async def run(self):
        await self.creates()
        await self.uniqueness()
        await self.patches()
        await self.lookups()
        await self.sessions()
        await self.tokens()
        if self.old:
            await self.last_lines()


async def replay_twins(script, bench, origin):
    """openid-twins.txt: the enabled twin that logged in last comes in."""
    admin, logins = Browser(bench, origin, "admin:district"), Logins(bench, origin)
    first, second, openid = "/api/users/UsrAAAAAA03", "/api/users/UsrTwinTwo1", "disabled@example.org"
    await admin("POST", "/api/users", {"id": "UsrTwinTwo1", "username": "ubfourteen", "firstName": "A", "surname": "B",
                                       "openId": openid, "externalAuth": True, "userRoles": ROLE})

    async def login(label):
        line = script.find(label)
        browser, callback, _, calls = await logins.login(email=openid)
        who = (await browser("GET", "/api/me?fields=username")).json["username"]
        want = re.search(r"/api/me=(\w+);", line).group(1)
        script.tally.check(script.name, label, want, who)
    # the recorder's ubfourteen had logged in before, oidcdisabled never
    await logins.login(email=openid)
    script.expect("POST /enabled of the twin:", await admin("POST", first + "/enabled"))
    await login("login with two enabled users:")
    token = bench.op.access_token("t1", {"email": openid})
    script.expect("bearer:", await Browser(bench, origin, {"Authorization": "Bearer " + token})("GET", "/api/me?fields=username"))
    script.expect("disable the one that logged in last?:", await admin("POST", second + "/disabled"))
    await login("login:")
    script.expect("enable again:", await admin("POST", second + "/enabled"))
    await login("login with two:")
    script.expect("end:", await admin("POST", first + "/disabled"))


async def replay_flags(script, bench, origin):
    """flags.txt: 2.41 with its old OAuth2 server left on and OIDC login off."""
    client = Browser(bench, origin)
    for label, token in (("JWT bearer:", bench.op.access_token("t1")), ("garbage bearer:", "garbage")):
        reply = await client("GET", "/api/me", headers={"Authorization": "Bearer " + token})
        line = script.peek(label)
        script.expect(label, reply, body=False)
        challenge = re.search(r"WWW-Authenticate='(.*?)' OPcalls", line).group(1)
        script.tally.check(script.name, label + " challenge", challenge, reply.headers["WWW-Authenticate"])
        script.tally.check(script.name, label + " body", True, reply.text in line)
    listed = await client("GET", "/api/loginConfig")
    line = script.find("loginConfig ")
    script.tally.check(script.name, "providers still listed", sorted(json.loads(line[12:].replace("'", '"'))),
                       sorted(p["id"] for p in listed.json["oidcProviders"]))
    script.expect("/oauth2/authorization/bridge", await client("GET", "/oauth2/authorization/bridge"))
    script.skip("/uaa/oauth/token", "2.41's own OAuth2 server: never used with bearer JWT")
    script.skip("/api/oAuth2Clients", "2.41's own OAuth2 server: never used with bearer JWT")
    script.skip("password grant", "2.41's own OAuth2 server: never used with bearer JWT")
    script.skip("opaque bearer", "2.41's own OAuth2 server: never used with bearer JWT")
