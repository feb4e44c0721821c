"""/__standin/...: what tests may look at and order. Not part of eSignet; loopback only.

The middleware keeps the journal of requests and carries out ordered faults before any handler
sees the request.
"""
import asyncio
import ipaddress
import json
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from . import authorize, page_flow, transactions
from .errors import EsignetError, dump

PREFIX = "/__standin"
JOURNAL_LIMIT = 2000
HANG_LIMIT_S = 120
SECRET_FIELDS = {"challenge"}


def answer(value, status=200):
    return web.Response(text=dump(value), status=status, content_type="application/json")


async def _entry(standin, request):
    form = {}
    if request.method in ("POST", "PUT", "PATCH") and request.can_read_body:
        await request.read()
        if request.content_type == "application/x-www-form-urlencoded":
            posted = await request.post()
            form = {k: "(kept out)" if k in SECRET_FIELDS else posted.getall(k) for k in posted}
    return {
        "time": standin.clock.now(), "method": request.method, "path": request.path,
        "query": {k: request.query.getall(k) for k in request.query},
        "headers": {k.lower(): v for k, v in request.headers.items()}, "form": form, "status": None,
    }


def due_fault(standin, path):
    for fault in standin.faults:
        if path.startswith(fault["path_prefix"]):
            if fault["times"] is not None:
                fault["times"] -= 1
                if fault["times"] <= 0:
                    standin.faults.remove(fault)
            return fault
    return None


async def carry_out(request, fault):
    """The answer of a fault, or None when it only delays."""
    if fault.get("delay_ms"):
        await asyncio.sleep(min(fault["delay_ms"] / 1000, HANG_LIMIT_S))
    if fault.get("hang"):
        await asyncio.sleep(HANG_LIMIT_S)
        raise asyncio.CancelledError
    if fault.get("drop"):
        request.transport.abort()
        raise asyncio.CancelledError
    if fault.get("status") is None and fault.get("body") is None:
        return None
    body = fault.get("body") or ""
    text = body if isinstance(body, str) else dump(body)
    headers = dict(fault.get("headers") or {}, **{"Content-Type": fault.get("content_type") or "text/html"})
    return web.Response(body=text.encode(), status=fault.get("status") or 200, headers=headers)


def middleware(standin):
    @web.middleware
    async def handle(request, handler):
        if request.path.startswith(PREFIX):
            if not ipaddress.ip_address(request.remote).is_loopback:
                return web.Response(status=403)
            return await handler(request)
        entry = await _entry(standin, request)
        standin.journal.append(entry)
        del standin.journal[:-JOURNAL_LIMIT]
        fault = due_fault(standin, request.path)
        reply = await carry_out(request, fault) if fault else None
        try:
            reply = await handler(request) if reply is None else reply
            entry["status"] = reply.status
            return reply
        except web.HTTPException as error:
            entry["status"] = error.status
            return standin.not_found(request) if error.status == 404 else error
    return handle


class Control:
    def __init__(self, standin):
        self.standin = standin

    async def requests(self, request):
        prefix = request.query.get("path_prefix", "")
        return answer([row for row in self.standin.journal if row["path"].startswith(prefix)])

    async def forget_requests(self, request):
        self.standin.journal.clear()
        return answer({})

    async def fault(self, request):
        order = await request.json()
        times = order.get("times", 1)
        self.standin.faults.append(dict(order, path_prefix=order["path_prefix"], times=times if times else None))
        return answer({"faults": len(self.standin.faults)})

    async def forget_faults(self, request):
        self.standin.faults.clear()
        return answer({})

    async def tamper(self, request):
        order = await request.json()
        self.standin.orders.add(order["what"], int(order.get("times", 1)))
        return answer({"orders": self.standin.orders.rows})

    async def forget_tampering(self, request):
        self.standin.orders.rows.clear()
        return answer({})

    async def rotate(self, request):
        order = await request.json()
        key = self.standin.keys.rotate(order["key"], order.get("same_kid", False), order.get("keep_old", True))
        self.standin.save()
        return answer({"kid": key.kid})

    async def clock(self, request):
        if request.method == "POST":
            self.standin.clock.offset_s = float((await request.json())["offset_s"])
        return answer({"now": self.standin.clock.now()})

    async def config(self, request):
        """userinfo: JWS, JWE or null (as registered), for one client_id or for all."""
        order = await request.json()
        if "userinfo" in order:
            if order.get("client_id"):
                self.standin.config["userinfo_clients"][order["client_id"]] = order["userinfo"]
            else:
                self.standin.config["userinfo"] = order["userinfo"]
        if "nonce_check" in order:
            self.standin.config["nonce_check"] = bool(order["nonce_check"])
        if "publish_userinfo_key" in order:
            self.standin.keys.publish_userinfo = bool(order["publish_userinfo_key"])
        return answer(self.standin.config)

    async def persons(self, request):
        if request.method == "POST":
            person = await request.json()
            self.standin.identity.persons[person["individualId"]] = person
        return answer(list(self.standin.identity.persons.values()))

    async def login(self, request):
        """{"url", "individualId"}: the redirect of a whole login with consent to everything, in one
        request and without pages or PIN, for load."""
        order = await request.json()
        query = dict(parse_qsl(urlsplit(order["url"]).query, keep_blank_values=True))
        try:
            transaction, _ = transactions.start(self.standin, authorize.from_parameters(query))
            person = self.standin.identity.person(order["individualId"])
            challenge = {"authFactorType": "PIN", "challenge": person["pin"], "format": "number"}
            transactions.authenticate(self.standin, transaction["id"], person["individualId"], [challenge])
        except EsignetError as error:
            return answer({"error": error.code}, 409)
        reply = page_flow.finish(self.standin, transaction, list(transaction["resolved"]), transaction["scopes"])
        return answer({"location": reply.headers["Location"]})

    async def reset(self, request):
        everything = request.can_read_body and (await request.json()).get("all", False)
        self.standin.reset(bool(everything))
        return answer({})


def routes(app, standin):
    control = Control(standin)
    table = [
        ("GET", "requests", control.requests), ("DELETE", "requests", control.forget_requests),
        ("POST", "fault", control.fault), ("DELETE", "fault", control.forget_faults),
        ("POST", "tamper", control.tamper), ("DELETE", "tamper", control.forget_tampering),
        ("POST", "rotate", control.rotate), ("POST", "clock", control.clock), ("GET", "clock", control.clock),
        ("POST", "config", control.config), ("GET", "persons", control.persons),
        ("POST", "persons", control.persons), ("POST", "login", control.login), ("POST", "reset", control.reset),
    ]
    for method, name, handler in table:
        app.router.add_route(method, PREFIX + "/" + name, _careful(handler))


def _careful(handler):
    async def handle(request):
        try:
            return await handler(request)
        except (KeyError, ValueError, TypeError, json.JSONDecodeError) as error:
            return answer({"error": "%s: %s" % (type(error).__name__, error)}, 400)
    return handle
