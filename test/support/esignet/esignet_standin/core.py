"""The stand-in's memory in one place, and the web application made of all its endpoints.

Standin is created once by standin.py (or a test) and handed to every handler. With a state
folder, keys, clients and consents survive a restart; logins and codes never do.
"""
import json
import os
import tempfile

from aiohttp import web

from . import clients, control, flow_api, metadata, page_flow, token_endpoint, userinfo
from .clock import Cache, Clock
from .errors import json_answer, problem
from .identity import IdentitySystem
from .keys import KeyRing
from .tamper import Orders
from .ui_config import ui_config

DAY_S = 86400
NAME = "eSignet stand-in"


class Standin:
    def __init__(self, issuer, persons, state_dir=None):
        self.issuer, self._state_dir, self._persons = issuer, state_dir, persons
        self.clock = Clock()
        self.preauth = Cache(self.clock, 300)
        self.authenticated = Cache(self.clock, 120)
        self.codes = Cache(self.clock, 300)
        self.userinfo = Cache(self.clock, 3600)
        self.pushed = Cache(self.clock, 60)
        self.blocked = Cache(self.clock, 600)
        self.nonces = Cache(self.clock, DAY_S)
        self.jtis = Cache(self.clock, DAY_S)
        # What the page's URL keeps in eSignet: where to go back to after a timeout.
        self.remembered = Cache(self.clock, 3600)
        self.ui_config = ui_config(issuer)
        self.faults, self.journal, self.orders = [], [], Orders()
        self.identity = IdentitySystem(persons)
        self.config = {"userinfo": None, "userinfo_clients": {}, "nonce_check": True}
        state = self._load()
        self.keys = KeyRing(self.clock)
        self.keys.load(state.get("keys", {}))
        self.clients = clients.Clients(self.clock, state.get("clients", {}), self.save)
        self.consents = state.get("consents", {})
        self.save()

    def reset(self, everything):
        """Logins, orders, consents and the clock; with everything also the clients."""
        for cache in (self.preauth, self.authenticated, self.codes, self.userinfo, self.pushed,
                      self.blocked, self.nonces, self.jtis, self.remembered):
            cache.clear()
        self.faults.clear()
        self.journal.clear()
        self.orders.rows.clear()
        self.consents.clear()
        self.clock.offset_s = 0
        self.identity = IdentitySystem(self._persons)
        self.config.update(userinfo=None, userinfo_clients={}, nonce_check=True)
        self.keys.publish_userinfo = True
        if everything:
            self.clients.rows.clear()
        self.save()

    def _load(self):
        path = self._state_dir and os.path.join(self._state_dir, "state.json")
        if not path or not os.path.exists(path):
            return {}
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def save(self):
        """Written beside and renamed, readable by the owner only: it holds private keys."""
        if not self._state_dir:
            return
        state = {"keys": self.keys.to_state(), "clients": self.clients.rows, "consents": self.consents}
        handle, name = tempfile.mkstemp(dir=self._state_dir)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(name, os.path.join(self._state_dir, "state.json"))

    def not_found(self, request):
        """Spring's 404 inside the service, nginx' outside."""
        if request.path.startswith(metadata.SERVICE):
            detail = "No endpoint %s %s." % (request.method, request.path)
            return problem(404, "Not Found", detail)
        return web.Response(status=404, text="404 Not Found (%s)\n" % NAME)


async def _prepare(request, reply):
    """No borrowed Server name, and no invented Content-Type on empty bodies."""
    reply.headers["Server"] = NAME
    if getattr(reply, "body", None) is None and reply.headers.get("Content-Type") == "application/octet-stream":
        del reply.headers["Content-Type"]


def application(standin):
    app = web.Application(middlewares=[control.middleware(standin)], client_max_size=4 << 20)
    app.on_response_prepare.append(_prepare)
    documents = [
        (lambda: metadata.discovery(standin.issuer), "openid-configuration", "/oidc"),
        (lambda: metadata.authorization_server(standin.issuer), "oauth-authorization-server", "/oauth"),
        (lambda: standin.keys.jwks(), "jwks.json", "/oauth"),
    ]
    for make, name, folder in documents:
        async def handle(request, make=make):
            return json_answer(make())
        app.router.add_get("/.well-known/" + name, handle)
        app.router.add_get(metadata.SERVICE + folder + "/.well-known/" + name, handle)
    clients.routes(app, standin, flow_api.reader(standin))
    flow_api.routes(app, standin)
    page_flow.routes(app, standin)
    token_endpoint.routes(app, standin)
    userinfo.routes(app, standin)
    control.routes(app, standin)
    return app
