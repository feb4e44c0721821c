"""Replay of users.txt sections 2c (races), 5 (names, openId, twins), 6, 10 and 11 (the free lines)."""
import asyncio
import ast
import re
from urllib.parse import quote

from .compare import as_json, codes_of
from .users_engine import bounds, group
from .users_sessions import ME, Account, SessionReplay
from .world import Browser

NAMES = {
    "firstName Åse 用户": {"firstName": "Åse 用户"}, "firstName 160": {"firstName": "x" * 160},
    "firstName 161": {"firstName": "x" * 161}, "firstName 1": {"firstName": "x"}, "no firstName": {"firstName": None},
    "email é": {"email": "é@example.org"}, "email 160": {"email": "a" * 148 + "@example.org"},
    "email 161+": {"email": "a" * 150 + "@example.org"}, "email localhost": {"email": "a@localhost"},
    "phone 81": {"phoneNumber": "1" * 81}, "code 51": {"code": "c" * 51}, "password weak": {"password": "abc"},
    "password ok+external": {"password": "District1234!"}, "unknown key": {"nonsense": 1},
    "attributeValues unknown": {"attributeValues": [{"attribute": {"id": "AttNopeAA01"}, "value": "x"}]},
    "userCredentials (old)": {"userCredentials": {"username": "old", "openId": "old"}}}


class ValueReplay(SessionReplay):
    async def post(self, **values):
        body = dict({"firstName": "F", "surname": "S", "externalAuth": True, "userRoles": group("RoleAuthsA1"),
                     "organisationUnits": group("OuChildAA01")}, **values)
        return await self.admin("POST", "/api/users", {k: v for k, v in body.items() if v is not None})

    def refused(self, number, label, text, reply):
        """'409 409 message | CODE …' or '201 '"""
        self.check(number, label, int(text[:3]), reply.status)
        want = sorted(re.findall(r"(?:\| |; )(E\d{4}) ", text))
        if want and not text.endswith("req"):
            self.check(number, label + " codes", want, sorted(c for c, _ in codes_of(reply.json)))

    # -- section 5 ------------------------------------------------------------------------------------

    async def section_five(self):
        start, stop = bounds(self.lines, "5 usernames")
        for number in range(start, stop):
            line = self.lines[number]
            for pattern, handler in ((r"  username ('.*?'|\".*?\") \(len (\d+)\): (.*)$", self.username),
                                     (r"  ('.*?'|\".*?\") len (\d+): create (\d+)  stored same=True; eq (\[.*?\])", self.openid),
                                     (r"  filter (openId:\S+) (\d+) (\d+) (\[.*\])", self.filter),
                                     (r"  OIDC login with openId '(.*?)': (\S+) \d+ (.*)$", self.openid_login)):
                match = re.match(pattern, line)
                if match:
                    await handler(number, match)
            label = next((n for n in NAMES if line.startswith("  %s: " % n)), None)
            if label:
                reply = await self.post(username="nm%d" % (1000 + number), **NAMES[label])
                self.refused(number, label, line.split(label + ": ", 1)[1], reply)
        await self.twins_of_five(start)

    async def username(self, number, match):
        name = ast.literal_eval(match.group(1))
        if name.endswith("…"):
            name = "a" * int(match.group(2))
        self.refused(number, "username " + name[:20], match.group(3), await self.post(username=name))

    async def openid(self, number, match):
        value, length = ast.literal_eval(match.group(1)), int(match.group(2))
        if value.endswith("…"):
            value = "x" * length
        username = "oidv%03d" % self.count
        self.count += 1
        reply = await self.post(username=username, openId=value)
        found = await self.admin("GET", "/api/users?filter=openId:eq:%s&fields=username,openId&paging=false" % quote(value, safe=""))
        self.check(number, "openId %r" % value[:20], [int(match.group(3)), ast.literal_eval(match.group(4))],
                   [reply.status, [u["username"] for u in found.json["users"]]])

    async def filter(self, number, match):
        expression, status, total, names = match.groups()
        if "null" in expression or "$" in expression:
            self.tally.mark(self.name, number)
            return self.tally.skip(self.name, "count over everything the recorder had made", 1)
        found = await self.admin("GET", "/api/users?filter=%s&fields=username&paging=false" % quote(expression, safe=":"))
        self.check(number, "filter " + expression, [int(status), sorted(ast.literal_eval(names))],
                   [found.status, sorted(u["username"] for u in found.json["users"])])

    async def openid_login(self, number, match):
        shown, where, body = match.groups()
        value = "x" * 200 if shown.endswith("…") else shown
        browser, callback, _, _ = await self.logins.login(email=value)
        me = await browser("GET", "/api/me?fields=username")
        token = self.bench.op.access_token("t1", {"email": value})
        bearer = await Browser(self.bench, self.origin, {"Authorization": "Bearer " + token})("GET", "/api/me?fields=username")
        self.check(number, "login with openId " + shown, [where, as_json(body), as_json(body)],
                   [callback.location, me.json, bearer.json])

    async def twins_of_five(self, start):
        for number in range(self.number_of(start, "=== disabled twins"), bounds(self.lines, "6 comma")[0]):
            match = re.match(r"  create (twin\d) openId (\S+) disabled=(\w+): (\d+)", self.lines[number])
            if match:
                reply = await self.post(id="Usr%sA01" % match.group(1).capitalize(), username=match.group(1),
                                        openId=match.group(2), disabled=match.group(3) == "True")
                self.check(number, self.lines[number].strip()[:40], int(match.group(4)), reply.status)
        path, patch = "/api/users/UsrTwin%dA01", [{"op": "add", "path": "/email", "value": "t@x.org"}]

        def at(text):
            return self.number_of(start, text)
        reply = await self.admin("PATCH", path % 1, [{"op": "add", "path": "/disabled", "value": False}])
        self.refused(at("PATCH disabled=false on twin1"), "PATCH enable", "409 409 | E4054 ", reply)
        reply = await self.admin("POST", path % 2 + "/enabled")
        self.check(at("POST /enabled on twin2"), "POST /enabled of a twin", 204, reply.status)
        browser, callback, _, _ = await self.logins.login(email="twin@x")
        self.check(at("OIDC login with two enabled"), "somebody comes in", "/", callback.location)
        who = (await browser("GET", "/api/me?fields=username")).json["username"]
        other = {"twin2": 3, "twin3": 2}[who]
        self.check(at("PATCH email of twin3 while"), "PATCH of the twin that lost", 409,
                   (await self.admin("PATCH", path % other, patch)).status)
        self.check(at("PATCH email of twin2"), "PATCH of the twin that came in", 200,
                   (await self.admin("PATCH", path % int(who[4]), patch)).status)

    # -- section 2c -----------------------------------------------------------------------------------

    async def at_once(self, *requests):
        return [r.status for r in await asyncio.gather(*requests)]

    async def races(self):
        def at(text):
            return self.number_of(bounds(self.lines, "2c conc")[0], text)
        made = await self.at_once(*(self.post(username="race1oid%d" % n, openId="race1@x") for n in range(4)))
        self.check(at("race1oid0"), "4 creates with one openId", [201] * 4, made)
        made = await self.at_once(*(self.post(username="raceuname", openId="raceuname%d@x" % n) for n in range(4)))
        self.check(at("[same username] 4"), "4 creates with one username", [201, 409, 409, 409], sorted(made))
        body = {"id": "UsrRaceAA01", "username": "raceuid", "openId": "raceuid@x"}
        made = await self.at_once(*(self.post(**body) for _ in range(4)))
        self.check(at("[same uid+username"), "4 times the same create", [201, 409, 409, 409], sorted(made))
        for text, values in (("sequential retry", body), ("same uid, other username", dict(body, username="raceoth", openId="ro@x")),
                             ("same username, other uid", dict(body, id="UsrRaceAA02", openId="rp@x")),
                             ("same username upper case", dict(body, id="UsrRaceAA03", username="RACEUID", openId="rq@x")),
                             ("same openId other case", dict(body, id="UsrRaceAA04", username="raceuid4", openId="RACEUID@x"))):
            number = at(text)
            status = re.search(r": (\d{3})", self.lines[number]).group(1)
            codes = re.findall(r"\| (E\d{4})", self.lines[number])
            reply = await self.post(**values)
            self.check(number, text, [int(status), codes], [reply.status, [c for c, _ in codes_of(reply.json)]])
        await self.lost_updates(at)

    async def lost_updates(self, at):
        path = "/api/users/UsrRaceAA01"

        def patch(name, value):
            return self.admin("PATCH", path, [{"op": "add", "path": "/" + name, "value": value}])
        both = await self.at_once(patch("email", "b@x.org"), patch("phoneNumber", "+4791111111"))
        user = (await self.admin("GET", path + "?fields=email,phoneNumber")).json
        self.check(at("[two PATCHes, other fields]"), "both 200 and one lost", ([200, 200], 1), (both, len(user)))
        await self.at_once(patch("disabled", True), patch("email", "c@x.org"))
        user = (await self.admin("GET", path + "?fields=disabled,email")).json
        self.check(at("[PATCH disabled true vs email]"), "one of the two is lost", True,
                   user["disabled"] is False or user.get("email") != "c@x.org")
        both = await self.at_once(self.admin("POST", path + "/disabled"), patch("email", "q@x.org"))
        self.check(self.number_of(0, "/disabled and PATCH email together"), "204 and 200", [204, 200], both)

    # -- sections 6, 10, 11 -----------------------------------------------------------------------------

    async def commas(self):
        start = bounds(self.lines, "6 comma")[0]
        for number in range(start, start + 8):
            match = re.match(r"   (filter=\S*) (\d+) (\{.*)$", self.lines[number])
            if match:
                reply = await self.admin("GET", "/api/users?" + match.group(1))
                found = bool(reply.json["users"])
                self.check(number, match.group(1), [int(match.group(2)), '"users":[]' not in match.group(3)],
                           [reply.status, found])
        number = self.number_of(start, "/api/users?filter=openId:like:%2Cb")
        reply = await self.admin("GET", "/api/users?filter=openId:like:%2Cb&fields=username")
        self.check(number, "like of a leading comma", 500, reply.status)

    async def effective_rights(self):
        """A Route that needs an authority, before and after the role is taken."""
        def at(text):
            return self.number_of(bounds(self.lines, "6 comma")[0], text)
        await self.admin("POST", "/api/routes", {"id": "RouteEffA01", "name": "eff", "code": "eff",
                                                 "url": self.bench.op.origin + "/echo/eff",
                                                 "authorities": ["F_DATAVALUE_ADD"]})
        account = await Account(self, "UsrEffeAA01", "effe1", True).make("oidc")
        await account.make_pat()

        async def run(client):
            return (await client("GET", "/api/routes/eff/run")).status

        async def fresh():
            return (await self.logins.login(email=account.openid))[0]

        async def bearer():
            token = self.bench.op.access_token("t1", {"email": account.openid})
            return Browser(self.bench, self.origin, {"Authorization": "Bearer " + token})

        def role(uid):
            return self.admin("PATCH", "/api/users/UsrEffeAA01", [{"op": "add", "path": "/userRoles", "value": group(uid)}])
        self.check(at("before: session 200 PAT"), "before", [200] * 3,
                   [await run(account.browser), await run(account.pat_client), await run(await bearer())])
        await role("RolePlainA1")
        self.check(at("after role removed"), "after the role is taken", [200, 403, 200, 403], [
            await run(account.browser), await run(await fresh()), await run(account.pat_client), await run(await bearer())])
        await role("RoleAuthsA1")
        self.check(at("role back, new session"), "role back", 200, await run(await fresh()))
        await self.admin("PATCH", "/api/userRoles/RoleAuthsA1", [{"op": "replace", "path": "/authorities", "value": ["F_METADATA_EXPORT"]}])
        self.check(at("authority taken out of the ROLE"), "out of the role", [200, 403],
                   [await run(account.browser), await run(await fresh())])
        await self.admin("PATCH", "/api/userRoles/RoleAuthsA1", [
            {"op": "replace", "path": "/authorities", "value": ["F_METADATA_EXPORT", "F_DATAVALUE_ADD"]}])

    async def conditional(self):
        start = self.number_of(bounds(self.lines, "6 comma")[0], "=== conditional requests")
        for number in range(start, start + 9):
            match = re.match(r"   (/api/(?:user|org)\S+) (\d+) ETag None Cache-Control (.*?) Last-Modified None", self.lines[number])
            if match:
                path = match.group(1).replace("UsrTargAA01", "UsrAAAAAA01")
                reply = await self.admin("GET", path)
                self.check(number, path, [int(match.group(2)), None, match.group(3), None],
                           [reply.status, reply.headers.get("ETag"), reply.headers.get("Cache-Control"),
                            reply.headers.get("Last-Modified")])

    async def cookies(self):
        start = self.number_of(0, "=== cookies set")
        account = await Account(self, "UsrCookAA01", "cook1", True).make("oidc")
        await account.make_pat()
        token = {"Authorization": "Bearer " + self.bench.op.access_token("t1", {"email": account.openid})}
        admin = {"Authorization": self.admin.headers["Authorization"]}
        for offset, (name, headers) in enumerate((("Basic", admin), ("PAT", account.pat_client.headers), ("bearer", token)), 1):
            jar = Browser(self.bench, self.origin, jar=True)
            await jar("GET", ME, headers=headers)
            line = self.lines[start + offset]
            self.check(start + offset, name + " cookie alone", int(line.rsplit(" ", 1)[1]), (await jar("GET", ME)).status)

    async def pat_session(self):
        """The session a PAT call leaves works alone and outlives the PAT."""
        def at(text):
            return self.number_of(bounds(self.lines, "11 the")[0], text)
        account = await Account(self, "UsrPatsAA01", "patses", True).make("oidc")
        made = await account.browser("POST", "/api/apiTokens", {
            "attributes": [{"type": "MethodAllowedList", "allowedMethods": ["GET"]}]})
        headers = {"Authorization": "ApiToken " + made.json["response"]["key"]}
        jar = Browser(self.bench, self.origin, jar=True)
        got = [(await jar("GET", ME, headers=headers)).status, (await self.pat_post(headers)).status,
               (await jar("GET", ME)).status, (await jar("POST", "/api/dataStore/pats/k1", {"a": 1})).status]
        self.check(at("PAT GET 200"), "PAT, its method list, its cookie", [200, 401, 200, 201], got)
        uid = made.json["response"]["uid"]
        got = [(await self.admin("DELETE", "/api/apiTokens/" + uid)).status,
               (await Browser(self.bench, self.origin, headers)("GET", ME)).status, (await jar("GET", ME)).status]
        self.check(at("DELETE the PAT 200"), "after deletion of the PAT", [200, 401, 200], got)
        got = [(await self.admin("POST", "/api/users/UsrPatsAA01/disabled")).status, (await jar("GET", ME)).status,
               (await account.me()).status]
        self.check(at("POST /disabled owner 204"), "after /disabled", [204, 302, 200], got)

    async def pat_post(self, headers):
        return await Browser(self.bench, self.origin, headers)("POST", "/api/dataStore/pats/k0", {"a": 1})

    async def stamps(self):
        """lastLogin and lastUpdated: what moves them."""
        path = "/api/users/UsrStmpAA01?fields=lastUpdated,lastLogin"

        async def read():
            return (await self.admin("GET", path)).json
        account = await Account(self, "UsrStmpAA01", "stmp1", True).make("oidc")
        start, seen = self.number_of(0, "=== lastLogin / lastUpdated"), [await read()]
        self.check(start + 2, "OIDC login sets both", True, seen[0]["lastLogin"] == seen[0]["lastUpdated"])
        await account.me()
        await account.bearer()
        self.check(start + 4, "session use and bearer set none", seen[0], await read())
        await asyncio.sleep(0.01)
        await account.make_pat()
        after = await read()
        self.check(start + 6, "the first PAT call sets both", True,
                   after["lastLogin"] == after["lastUpdated"] > seen[0]["lastLogin"])
        await self.admin("POST", "/api/userGroups/GrpPublRWA1/users/UsrStmpAA01")
        self.check(start + 7, "membership by endpoint moves nothing", after, await read())
        await asyncio.sleep(0.01)
        await self.admin("PATCH", "/api/users/UsrStmpAA01", [])
        moved = await read()
        self.check(start + 10, "an empty PATCH moves lastUpdated", (True, after["lastLogin"]),
                   (moved["lastUpdated"] > after["lastUpdated"], moved["lastLogin"]))

    async def run(self):
        self.count = 0
        await self.section_five()
        await self.races()
        await self.commas()
        await self.effective_rights()
        await self.conditional()
        await self.cookies()
        await self.pat_session()
        await self.stamps()
