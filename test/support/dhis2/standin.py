#!/usr/bin/python3
"""The DHIS2 stand-in: an HTTP server that answers as a DHIS2 2.43.1 (or 2.41.9.1) was seen to.

Started by the demo and the tests, on loopback. This file starts it, finds out who calls (session,
Basic, personal access token, bearer) and hands the request to the module that answers it.
"""
import argparse
import asyncio
import base64
import json
import logging
import os
import re
import signal
import sys
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from multidict import MultiDict

import conf
import metadata
import metaimport
import pages
import routes
import tokens
import users
from access import Principal
from answer import Refuse, SECURITY_HEADERS, html_error, json_reply, redirect, refuse, web_message
from bearer import Bearer
from control import Control
from login import Login, load_client_keys
from model import World
from outgoing import Outgoing
from routerun import RouteRunner
from sessions import Sessions

HERE = os.path.dirname(os.path.abspath(__file__))
LOGOUT = "/dhis-web-commons-security/logout.action"
FLUSH_SECONDS = 0.5
MAX_BODY = 64 * 1024 * 1024
FORBIDDEN = re.compile(r"(?i)%2e|;|//|%25|%5c|\\|(^|/)\.\.?(/|$)|%00")
API = re.compile(r"/api(?:/(\d+))?/(.*)$")
API_VERSIONS = {"2.43": range(28, 44), "2.41": range(36, 43)}
TABLE = [(methods.split("|"), re.compile("(?:%s)$" % pattern), handler)
         for methods, pattern, handler in
         users.ROUTES + metadata.ROUTES + metaimport.ROUTES + tokens.ROUTES + routes.ROUTES]


class Call:
    """One request with everything a handler needs."""

    def __init__(self, app, request, body):
        self.app, self.request, self.body = app, request, body
        self.world, self.sessions, self.route_runner = app.world, app.sessions, app.route_runner
        self.raw_path, _, self.raw_query = request.raw_path.partition("?")
        self.query = MultiDict(parse_qsl(self.raw_query, keep_blank_values=True))
        self.origin = "http://" + request.headers.get("Host", "localhost")
        self.session = self.sessions.get(request.cookies.get("JSESSIONID"))
        self.principal, self.new_session = None, None

    def json_body(self):
        try:
            data = json.loads(self.body or b"null")
        except ValueError:
            refuse(400, "JSON parse error")
        if not isinstance(data, dict):
            refuse(400, "Required request body is missing")
        return data

    def form(self):
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @staticmethod
    def empty(status):
        return web.Response(status=status)

    @staticmethod
    def text(text):
        return web.Response(text=text, content_type="text/plain")

    def prepare(self, response):
        """Common headers and the cookie of a session made by this call."""
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        if self.new_session:
            self.sessions.set_cookie(response, self.new_session)
            self.new_session = None


class StandIn:
    def __init__(self, configuration, version, seed, state_dir=None, ca_file=None):
        self.world = World(configuration, version, state_dir)
        self.seed, self.outgoing = seed, Outgoing(ca_file)
        self.client_keys = load_client_keys(configuration)
        if not self.world.restore():
            self.world.load_seed(seed)
        self.control = Control(self)
        self.parts()

    def parts(self):
        """Everything that a restart forgets."""
        self.sessions = Sessions(self.world)
        self.token_cache = tokens.TokenCache(self.world)
        self.login = Login(self.world, self.outgoing, self.client_keys)
        self.bearer = Bearer(self.world, self.outgoing)
        session = getattr(getattr(self, "route_runner", None), "session", None)
        self.route_runner = RouteRunner(self.world, self.outgoing)
        self.route_runner.session = session

    def reset(self):
        self.world.clock_offset = 0.0
        self.world.clear()
        self.world.load_seed(self.seed)
        self.world.save()
        self.parts()

    # -- one request ---------------------------------------------------------------------------

    async def handle(self, request):
        call = Call(self, request, await request.read())
        try:
            response = await self.answer(call)
        except Refuse as refusal:
            response = refusal.response
        except web.HTTPException:
            raise
        except Exception:                        # the servlet container's page, and a trace for us
            logging.getLogger("dhis2").exception("unforeseen, answered with HTTP 500")
            response = html_error(500)
        if not response.prepared:
            call.prepare(response)
        return response

    async def answer(self, call):
        if call.raw_path.startswith("/__standin/"):
            return await self.control.answer(call)
        self.control.record(call)
        faulty = await self.control.fault(call)
        if faulty is not None:
            return faulty
        path = call.raw_path
        if re.search(r"(?i)%2f", path):
            return html_error(400)
        if FORBIDDEN.search(path):
            return html_error(500 if self.world.old else 400)
        return await (self.ended(call) or self.public(call) or self.private(call))

    def ended(self, call):
        """A session ended from outside shows once, then is gone; a 2.41 tells only pages."""
        if not call.session or not call.session.ended:
            return None
        if self.world.old and call.raw_path.startswith("/api/"):
            return None
        self.sessions.drop(call.session)
        return self.give(redirect(LOGOUT))

    @staticmethod
    async def give(response):
        return response

    def public(self, call):
        """What needs no login."""
        path, method = call.raw_path, call.request.method
        match = re.match(r"/oauth2/(authorization|code)/([^/]+)$", path)
        if match:
            return getattr(self.login, {"authorization": "start", "code": "callback"}[match.group(1)])(
                call, unquote(match.group(2)))
        match = re.match(r"/api/publicKeys/([^/]+)/jwks\.json$", path)
        if match:
            return self.login.public_keys(call, match.group(1))
        fixed = {"/api/loginConfig": self.login.login_config, LOGOUT: self.login.logout,
                 "/api/ping": metadata.ping}
        if path in fixed:
            return fixed[path](call)
        if path == "/api/auth/login" and method == "POST":
            return self.form_login(call)
        return self.login_page(call)

    def login_page(self, call):
        path, query = call.raw_path, "?" + call.raw_query if call.raw_query else ""
        if self.world.old:
            if path == "/dhis-web-login":
                return self.give(redirect("/dhis-web-login/" + query))
            return pages.login(call) if path == "/dhis-web-login/" else None
        if path in ("/dhis-web-login", "/dhis-web-login/"):
            return self.give(redirect("/login" + ("/" if path.endswith("/") else "") + query, 301))
        if path == "/login":
            return self.give(redirect("/login/" + query))
        return pages.login(call) if path == "/login/" else None

    async def form_login(self, call):
        body = call.json_body()
        user = self.password_user(body.get("username"), body.get("password"))
        if not user:
            refuse(401, "Bad credentials")
        user["lastLogin"] = user["lastUpdated"] = self.world.now()
        if call.session:
            self.sessions.drop(call.session)
        call.new_session = self.sessions.create("form", Principal(self.world, user, "form"))
        return json_reply({"loginStatus": "SUCCESS",
                           "redirectUrl": "/dhis-web-dashboard" if self.world.old else "/"})

    def password_user(self, username, password):
        user = self.world.user_by_name(username)
        if not user or not password or user["externalAuth"] or user["password"] != password:
            return None
        return user if self.world.usable(user) else None

    # -- who calls -------------------------------------------------------------------------------

    async def private(self, call):
        call.principal = await self.authenticate(call)
        if not call.principal:
            return self.not_logged_in(call)
        if call.raw_path == "/":
            return await pages.home(call)
        match = API.match(call.raw_path)
        if not match or (match.group(1) and int(match.group(1)) not in API_VERSIONS[self.world.version]):
            return html_error(404)
        return await self.api(call, match.group(2))

    async def authenticate(self, call):
        header = call.request.headers.get("Authorization", "")
        scheme = header.split(" ")[0].lower()
        if self.bearer.applies(header, call.raw_path):
            principal = await self.bearer.authenticate(header)
            call.new_session = self.sessions.create("bearer", principal)
            return principal
        if scheme == "apitoken":
            principal = self.token_cache.authenticate(header[9:].strip(), call.request)
            return self.keep(call, "pat", principal)
        if scheme == "basic":
            return self.keep(call, "basic", self.basic(header))
        if call.session and call.session.authenticates:
            return call.session.principal
        return None

    def basic(self, header):
        try:
            username, _, password = base64.b64decode(header[6:]).decode().partition(":")
        except ValueError:
            username = password = ""
        user = self.password_user(username, password)
        if not user:
            refuse(401, "Unauthorized")
        user["lastLogin"] = user["lastUpdated"] = self.world.now()
        return Principal(self.world, user, "basic")

    def keep(self, call, kind, principal):
        """Basic and PAT calls leave a session that authenticates ALONE; one per cookie jar."""
        session = call.session
        if not (session and session.authenticates and session.principal.user_id == principal.user_id):
            call.new_session = self.sessions.create(kind, principal)
        return principal

    def not_logged_in(self, call):
        if call.request.headers.get("X-Requested-With") == "XMLHttpRequest":
            return web_message(401, "Unauthorized")
        wanted = not call.raw_path.startswith(("/api", "/favicon."))  # Spring's RequestCacheConfigurer leaves icons out
        if call.request.method == "GET" and wanted and call.raw_path != "/":
            session = call.session or self.sessions.create("anonymous")
            session.saved_url = call.origin + call.request.raw_path
            call.new_session = None if call.session else session
        return redirect(call.origin + ("/dhis-web-login" if self.world.old else "/login/"))

    async def api(self, call, rest):
        name = rest[:-5] if rest.endswith(".json") else rest
        method = call.request.method
        if method == "OPTIONS":
            return call.empty(200)
        known = False
        for methods, pattern, handler in TABLE:
            match = pattern.match(name)
            if not match:
                continue
            known = True
            if method in methods or (method == "HEAD" and "GET" in methods):
                raw = handler is routes.run
                found = [g if raw or g is None else unquote(g) for g in match.groups()]
                return await handler(call, *(g for g in found if g is not None or raw))
        if known:
            refuse(405, "Request method '%s' is not supported" % method)
        return html_error(404)


async def serve(options):
    with open(options.seed, encoding="utf-8") as source:
        seed = json.load(source)
    standin = StandIn(conf.read(options.dhis_conf), options.version, seed, options.state, options.ca_file)
    await standin.outgoing.open()
    await standin.route_runner.open()
    server = web.Application(client_max_size=MAX_BODY)
    server.router.add_route("*", "/{tail:.*}", standin.handle)
    runner = web.AppRunner(server, access_log=None, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port)
    await site.start()
    port = runner.addresses[0][1]
    if options.ready_file:
        with open(options.ready_file + ".new", "w", encoding="utf-8") as out:
            out.write("%d\n" % port)
        os.replace(options.ready_file + ".new", options.ready_file)
    print("DHIS2 stand-in (%s) on http://%s:%d" % (options.version, options.host, port), flush=True)
    stop = asyncio.Event()
    waiting = asyncio.ensure_future(stop.wait())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        standin.world.flush()
        await asyncio.wait([waiting], timeout=FLUSH_SECONDS)
    standin.world.flush()
    await standin.route_runner.close()
    await standin.outgoing.close()
    await runner.cleanup()


def main():
    parser = argparse.ArgumentParser(description="A stand-in for a DHIS2 server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dhis-conf", required=True)
    parser.add_argument("--version", choices=("2.43", "2.41"), default="2.43")
    parser.add_argument("--seed", default=os.path.join(HERE, "seed.json"))
    parser.add_argument("--state", help="folder that keeps the data between runs")
    parser.add_argument("--ca-file", help="PEM of a private CA for outgoing TLS")
    parser.add_argument("--ready-file", help="written with the port once the server listens")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.INFO, stream=sys.stderr,
                        format="%(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(serve(options))
    except conf.ConfigError as error:
        sys.exit("dhis.conf: %s" % error)


if __name__ == "__main__":
    main()
