"""Replay of sessions-groups-oidc-variants.txt (both versions) and of routes-and-more.txt / extra.txt."""
import re
from urllib.parse import urlencode

from .bearer_cases import CASES, LINE, Bearers
from .login_cases import Logins, query_shape
from .version_cases import GROUP, ROLE, UNIT, add
from .world import Browser

ME = "/api/me?fields=username,authorities"
CHANGES = {"PATCH disabled": ("PATCH", "", add("disabled", True)), "POST disabled": ("POST", "/disabled", None),
           "PATCH role": ("PATCH", "", add("userRoles", [{"id": "RoleAAAAA02"}])),
           "POST expired": ("POST", "/expired?date=2020-01-01", None)}
PRIVATE_API_HEADERS = {"type": "api-headers", "headers": {"X-API-Key": "k-123"}}


class MoreReplay:
    def __init__(self, script, bench, origin, old):
        self.script, self.bench, self.origin, self.old = script, bench, origin, old
        self.admin = Browser(bench, origin, "admin:district")
        self.logins, self.bearers = Logins(bench, origin), Bearers(bench, origin)
        self.check = lambda label, want, got: script.tally.check(script.name, label, want, got)

    # -- sessions-groups-oidc-variants ------------------------------------------------------------------

    async def variants(self):
        await self.admin("POST", "/api/userRoles", {"id": "RoleAAAAA02", "name": "Empty", "authorities": []})
        await self.ended_sessions()
        alive = [(await self.logins.login())[0] for _ in range(12)]
        count = sum([(await b("GET", ME)).status == 200 for b in alive])
        self.check("alive of 12", int(self.script.find("alive of 12: ").split(": ")[1]), count)
        await self.groups()
        await self.provisioner()
        await self.forms_to_routes()
        await self.starts()
        await self.callbacks()
        await self.the_rest()

    async def ended_sessions(self):
        """What /api/me and a page answer after a change of the user."""
        for label, (method, path, body) in CHANGES.items():
            for uid, kind in (("UsrAAAAAA01", "oidc"), ("UsrAAAAAA02", "form")):
                line = self.script.find("%s %s: /api/me" % (label, uid))
                first, page, second = re.search(r"/api/me (\d+), page (\d+).*again (\d+)", line).groups()
                if kind == "oidc":
                    browser = (await self.logins.login())[0]
                else:
                    browser = Browser(self.bench, self.origin, jar=True)
                    await browser("POST", "/api/auth/login", {"username": "oidcnoext", "password": "District1234!"})
                await self.admin(method, "/api/users/" + uid + path, body)
                got = [(await browser("GET", ME)).status, (await browser("GET", "/")).status, (await browser("GET", ME)).status]
                want = [int(first), 200 if page in ("200", "404") else int(page), int(second)]
                self.check("%s of a %s session" % (label, kind), want, got)
                await self.admin("PATCH", "/api/users/" + uid, add("userRoles", ROLE) + add("disabled", False)
                                 + add("accountExpiry", None))

    async def groups(self):
        one, expect, admin = "/api/users/UsrBBBBBB01", self.script.expect, self.admin
        self.script.section("## userGroups by PATCH")
        for uid, username, openid in (("UsrBBBBBB01", "ubone", "b1"), ("UsrBBBBBB05", "ubfive", "b5")):
            await admin("POST", "/api/users", {"id": uid, "username": username, "firstName": "A", "surname": "B",
                                               "openId": openid, "externalAuth": True, "userRoles": ROLE})

        async def read():
            expect("read:", await admin("GET", one + "?fields=userGroups"))
        for label, groups in (("add whole array []:", []), ("add whole array [g]:", GROUP),
                              ("add whole array [unknown]:", [{"id": "NoSuchGrp01"}])):
            expect(label, await admin("PATCH", one, add("userGroups", groups)))
            await read()
        expect("remove:", await admin("PATCH", one, [{"op": "remove", "path": "/userGroups"}]))
        await read()
        expect("group by group API:", await admin("POST", "/api/userGroups/GrpAAAAAA01/users/UsrBBBBBB01"))
        await read()
        expect("add orgunits:", await admin("PATCH", one, add("organisationUnits", UNIT)))
        expect("replace orgunits:", await admin("PATCH", one, add("organisationUnits", UNIT, "replace")))
        users = "/api/users?paging=false&fields="
        expect("old filter:", await admin("GET", users + "id&filter=userCredentials.openId:eq:b5"))
        expect("filter disabled:", await admin("GET", users + "username&filter=disabled:eq:true"))
        expect("filter with space+@:", await admin("GET", users + "username&filter=openId:eq:oidc.user%40example.org"))
        imported = {"id": "UsrBBBBBB20", "username": "ubtwenty", "firstName": "A", "surname": "B", "openId": "b20",
                    "externalAuth": True, "userRoles": ROLE, "userGroups": GROUP}
        expect("metadata import:", await admin("POST", "/api/metadata", {"users": [imported]}))
        expect("read:", await admin("GET", "/api/users/UsrBBBBBB20?fields=openId,userGroups"))

    async def provisioner(self):
        expect, admin = self.script.expect, self.admin
        held = ["F_USER_ADD", "F_USER_VIEW", "F_USER_GROUPS_READ_ONLY_ADD_MEMBERS"]
        expect("role:", await admin("POST", "/api/userRoles", {"id": "RoleProv001", "name": "prov", "authorities": held}))
        expect("prov:", await admin("POST", "/api/users", {
            "id": "UsrProv0001", "username": "provuser", "firstName": "P", "surname": "V", "password": "District1234!",
            "userRoles": [{"id": "RoleProv001"}], "organisationUnits": UNIT}))
        prov = Browser(self.bench, self.origin, "provuser:District1234!")

        def body(number, roles, **more):
            return dict({"id": "UsrPppppp%02d" % number, "username": "prov%02d" % number, "firstName": "P", "surname": "Q",
                         "openId": "pp%d" % number, "externalAuth": True, "userRoles": roles}, **more)
        empty = [{"id": "RoleAAAAA02"}]
        expect("prov grants a role beyond its own:", await prov("POST", "/api/users", body(1, ROLE)), loose=True)
        expect("prov grants empty role:", await prov("POST", "/api/users", body(2, empty)))
        expect("with group:", await prov("POST", "/api/users", body(3, empty, userGroups=GROUP)))
        expect("read:", await admin("GET", "/api/users/UsrPppppp03?fields=userGroups"))
        expect("own role:", await prov("POST", "/api/users", body(4, [{"id": "RoleProv001"}])), loose=True)
        patch = add("email", "x@x.org", "replace")
        expect("prov patches admin:", await prov("PATCH", "/api/users/M5zQapPyTZI", patch), loose=True)
        expect("prov disables:", await prov("POST", "/api/users/UsrPppppp02/disabled"))

    async def forms_to_routes(self):
        """A form body is lost on POST, kept on PUT; a redirect to another host."""
        op, admin, run = self.bench.op, self.admin, "/api/routes/f/run"
        await admin("POST", "/api/routes", {"name": "f", "code": "f", "url": op.origin + "/up/f"})
        await admin("POST", "/api/routes", {"name": "x", "code": "x", "url": op.origin + "/up/status/302",
                                            "auth": PRIVATE_API_HEADERS})
        line = self.script.find("cross-host redirect")
        crossed = await admin("GET", "/api/routes/x/run")
        self.check("cross-host redirect", int(line.split(" ")[2]), crossed.status)
        self.check("the key travels along", "X-API-Key" in line, "X-API-Key" in crossed.text)
        for kind in ("application/x-www-form-urlencoded", "application/json", "text/plain"):
            reply = await admin("POST", run, data=b"a=1&b=2", kind=kind)
            want = re.search(r"POST %s (\d+) (\d+)" % kind, self.script.find("POST " + kind))
            self.check("POST " + kind, [int(want.group(1)), int(want.group(2))], [reply.status, reply.json["len"]])
        reply = await admin("PUT", run, data=b"a=1", kind="application/x-www-form-urlencoded")
        self.check("PUT form", int(self.script.find("PUT form").split(" ")[2]), reply.json["len"])

    async def starts(self):
        self.script.section("## OIDC start variants")
        origins = re.compile(r"^http://[^/]+(/t\d+/authorize)\?(.*)$")
        for name, headers in (("p5", None), ("p6", None), ("p7", None), ("p8", None), ("pbad", None), ("nosuch", None),
                              ("bridge?login_hint=x&prompt=login", None),
                              ("bridge", {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}),
                              ("bridge", {"Host": "dhis.example.org"})):
            line = self.script.find(name + " ")
            status, where = line[len(name) + 1:].split(" ", 1)
            reply = await Browser(self.bench, self.origin)("GET", "/oauth2/authorization/" + name, headers=headers)
            self.check("start " + name, int(status), reply.status)
            if status == "302":
                want, got = origins.match(where), origins.match(reply.location)
                self.check("authorize of " + name, (want.group(1), query_shape(want.group(2))),
                           (got.group(1), query_shape(got.group(2))))

    async def callbacks(self):
        find = self.script.find
        browser, callback, _, _ = await self.logins.login()
        self.check("GET callback", "302 /", "%d %s" % (callback.status, callback.location))
        line = find("GET 302 / 200")
        names = re.findall(r"\('(\w+)', \{", line)
        self.check("cookies", sorted(names), sorted(browser.jar))
        same_site = ["SameSite" in c for c in callback.headers.getall("Set-Cookie")]
        self.check("SameSite", ["'SameSite': 'Lax'" in line] * len(same_site), same_site)
        failed = re.search(r"302 (\S+)", find("replay same session")).group(1)
        again = await browser("GET", "/oauth2/code/bridge?code=c0de&state=" + self.bench.op.pending["state"])
        self.check("replay of the callback", failed, again.location)
        browser = Browser(self.bench, self.origin, jar=True)
        _, asked = await self.logins.start(browser)
        posted = await browser("POST", "/oauth2/code/bridge", data=urlencode({"code": "c", "state": asked["state"]}).encode(),
                               kind="application/x-www-form-urlencoded")
        self.check("POST form_post", "/", posted.location)
        _, asked = await self.logins.start(Browser(self.bench, self.origin))
        lost = await Browser(self.bench, self.origin)("GET", "/oauth2/code/bridge?code=c&state=" + asked["state"])
        self.check("no cookie", re.search(r"302 (\S+)", find("no cookie")).group(1), lost.location)
        for name in ("p5", "p6", "p7", "bridgepkj", "bridgeusr"):
            case = {"provider": name, "info": {"username": "oidc.user@example.org"}}
            self.check(name, "/", (await self.logins.login(case))[1].location)
        keys = await self.admin("GET", "/api/publicKeys/bridgepkj/jwks.json")
        self.check("published key", ("bridge", "RS256", "sig"), tuple(keys.json["keys"][0][k] for k in ("kid", "alg", "use")))

    async def the_rest(self):
        """A deep link before the login, and what is open to everybody."""
        browser, page = Browser(self.bench, self.origin, jar=True), "/dhis-web-dataentry/index.action"
        first = await browser("GET", page)
        self.check("deep link", re.sub(r"\S+(/\S+)$", r"\1", self.script.find("302 http").split(" ")[1]),
                   first.location.replace(self.origin, ""))
        _, callback, _, _ = await self.logins.login(browser=browser)
        want = re.search(r"http://[^/]+(/\S+)", self.script.find("after login ->")).group(1)
        self.check("the saved page", want, callback.location.replace(self.origin, ""))
        gone = await browser("POST", "/dhis-web-commons-security/logout.action")
        self.check("logout", (302, True), (gone.status, gone.location.startswith(self.bench.op.origin + "/t1/logout?id_token_hint=")))
        unauth = await Browser(self.bench, self.origin)("GET", "/api/me")
        want = re.search(r"302 http://[^/]+(/\S+)", self.script.find("api/me unauth 302")).group(1)
        self.check("api/me unauth", want, unauth.location.replace(self.origin, ""))
        self.check("ping", 200, (await Browser(self.bench, self.origin)("GET", "/api/ping")).status)

    # -- routes-and-more.txt and extra.txt ----------------------------------------------------------------

    async def more(self):
        await self.make_routes()
        for line in self.script.lines[:self.script.lines.index("## session after bearer")]:
            match = LINE.match(line)
            if match and match.group(1) in CASES:
                self.script.tally.mark(self.script.name, self.script.lines.index(line))
                self.bearers.check(self.script.tally, self.script.name, match, await self.bearers.case(CASES[match.group(1)]))
        await self.bearer_and_sessions()
        await self.route_rights()
        await self.logout()
        await self.passwords()
        await self.lost_secrets()

    def route(self, number, auth, **more):
        code = "echo" if number == 1 else "echocc"
        url = self.bench.op.origin + ("/echo/**" if number == 1 else "/echo/cc")
        return dict({"id": "RouteAAAA0%d" % number, "name": code, "code": code, "url": url, "auth": auth,
                     "headers": {"X-Static": "static-1"} if number == 1 else {}}, **more)

    def second_auth(self):
        if self.old:
            return {"type": "http-basic", "username": "u", "password": "p"}
        return {"type": "oauth2-client-credentials", "clientId": "route-client", "clientSecret": "route-secret",
                "tokenUri": self.bench.op.origin + "/t1/token"}

    async def make_routes(self):
        await self.admin("POST", "/api/routes", self.route(1, PRIVATE_API_HEADERS))
        await self.admin("POST", "/api/routes", self.route(2, self.second_auth()))

    async def bearer_and_sessions(self):
        jar = Browser(self.bench, self.origin, jar=True)
        token = {"Authorization": "Bearer " + self.bench.op.access_token("t1")}
        self.check("bearer sets cookies", 200, (await jar("GET", ME, headers=token)).status)
        names = re.findall(r"'(\w+)'", self.script.find("dict_keys"))
        self.check("their names", sorted(names), sorted(jar.jar))
        self.script.expect("cookie only ->", await jar("GET", ME))
        browser = (await self.logins.login())[0]
        other = {"Authorization": "Bearer " + self.bench.op.access_token("t1", {"email": "noext@example.org"})}
        self.check("a good bearer beats the session", "oidcnoext", (await browser("GET", ME, headers=other)).json["username"])
        bad = await browser("GET", ME, headers={"Authorization": "Bearer garbage"})
        self.script.expect("valid session + bad bearer", bad)

    async def route_rights(self):
        expect, echo = self.script.expect, "/api/routes/echo/run/"
        expect("[PATCH /api/routes/RouteAAAA01]", await self.admin(
            "PATCH", "/api/routes/RouteAAAA01", add("authorities", ["F_METADATA_EXPORT"])))
        reply = await self.bearers.case({"path": echo + "x"})
        expect("route by bearer with authority:", reply)
        browser = (await self.logins.login())[0]
        expect("route by session", await browser("GET", echo + "sess"))
        expect("route 2 (no authorities, no sharing):", await self.bearers.case({"path": "/api/routes/echocc/run"}))
        expect("[PUT /api/sharing?type=route&id=RouteAAAA02]", await self.admin(
            "PUT", "/api/sharing?type=route&id=RouteAAAA02", {"object": {"publicAccess": "r-------"}}))
        expect("route 2 public read sharing:", await self.bearers.case({"path": "/api/routes/echocc/run"}))
        case = {"tenant": "t3", "claims": {"username": "oidcdisabled"}, "path": echo + "x"}
        expect("t3 disabled user runs route:", await self.bearers.case(case))

    async def logout(self):
        browser = (await self.logins.login())[0]
        reply = await browser("GET", "/dhis-web-commons-security/logout.action")
        line = self.script.find("/t1/logout?id_token_hint=")
        self.check("logout", (302, line.rsplit("&", 1)[1].replace("8090", "8080"), True),
                   (reply.status, reply.location.rsplit("&", 1)[1], "id_token_hint=ey" in reply.location))
        self.script.expect("after", await browser("GET", ME))
        root = await Browser(self.bench, self.origin)("GET", "/")
        want = re.search(r"http://[^/]+(/\S+)", self.script.find("/ 302 ")).group(1)
        self.check("/ without a session", want, root.location.replace(self.origin, ""))

    async def passwords(self):
        self.script.section("## password login of externalAuth")
        form, login = Browser(self.bench, self.origin), "/api/auth/login"
        good = await form("POST", login, {"username": "oidcnoext", "password": "District1234!"})
        self.check("form login", self.script.find("loginStatus").split(" ", 1)[1], good.text)
        await self.admin("PATCH", "/api/users/UsrAAAAAA01", add("password", "District1234!"))
        bad = await form("POST", login, {"username": "oidcuser", "password": "District1234!"})
        self.script.expect("401", bad, body=False)
        self.check("its message", "Bad credentials", bad.json["message"])
        basic = await Browser(self.bench, self.origin, "oidcuser:District1234!")("GET", ME)
        self.script.expect("basic with externalAuth user", basic)

    async def lost_secrets(self):
        """JSON Patch of a Route loses its secret; a PUT with it brings it back."""
        self.script.section("## route PATCH drops secrets?")
        echo, disabled = "/api/routes/echo/run/%d", add("disabled", False, "replace")
        for number, (method, body) in enumerate((("PUT", self.route(1, PRIVATE_API_HEADERS)), ("PATCH", disabled),
                                                 ("PUT", self.route(1, PRIVATE_API_HEADERS))), 1):
            self.script.expect("[%s /api/routes/RouteAAAA01]" % method, await self.admin(method, "/api/routes/RouteAAAA01", body))
            self.script.expect("[GET %s]" % (echo % number), await self.admin("GET", echo % number))
        self.script.expect("[PATCH /api/routes/RouteAAAA02]", await self.admin("PATCH", "/api/routes/RouteAAAA02", disabled))
        before = await self.admin("GET", "/api/routes/echocc/run")
        self.script.expect("[GET /api/routes/echocc/run]", before)
        auth = {"type": "api-token", "token": "tok-1"} if self.old else self.second_auth()
        self.script.expect("[PUT /api/routes/RouteAAAA02]", await self.admin("PUT", "/api/routes/RouteAAAA02", self.route(2, auth)))
        after = await self.admin("GET", "/api/routes/echocc/run")
        self.script.expect("[GET /api/routes/echocc/run]", after)
        self.check("the PUT made DHIS2 forget its token", True, before.text != after.text)
