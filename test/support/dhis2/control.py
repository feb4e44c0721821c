"""The control interface for tests: /__standin/…, loopback callers only.

GET requests, users, sessions; POST clock, reset, fault; DELETE fault, requests. It is no part of
DHIS2; README.md says what each does. Faults are applied by standin.py before anything else.
"""
import asyncio
import json
import time

from aiohttp import web

from answer import json_reply

JOURNAL_LIMIT = 5000
HANG_SECONDS = 300


class Control:
    def __init__(self, app):
        self.app, self.journal, self.faults = app, [], []

    def record(self, call):
        if len(self.journal) < JOURNAL_LIMIT:
            self.journal.append({
                "at": time.time(), "method": call.request.method, "path": call.request.raw_path,
                "headers": [list(h) for h in call.request.headers.items()],
                "body": call.body.decode("utf-8", "replace")})

    async def fault(self, call):
        """The answer of the first matching fault, or None."""
        for fault in list(self.faults):
            if not call.raw_path.startswith(fault["path_prefix"]):
                continue
            if fault.get("method") and fault["method"] != call.request.method:
                continue
            if fault.get("times") is not None:
                fault["times"] -= 1
                if fault["times"] <= 0:
                    self.faults.remove(fault)
            return await self.apply(call, fault)
        return None

    async def apply(self, call, fault):
        await asyncio.sleep(fault.get("delay_ms", 0) / 1000.0)
        if fault.get("hang"):
            until = time.time() + HANG_SECONDS
            while time.time() < until and (fault in self.faults or fault.get("times") is not None):
                await asyncio.sleep(0.05)
        if fault.get("drop") or fault.get("hang"):
            call.request.transport.abort()
            return web.Response(status=500)
        if "status" not in fault and "body" not in fault:
            return None
        return web.Response(status=fault.get("status", 200), text=fault.get("body", ""),
                            content_type=fault.get("content_type", "application/json"))

    async def answer(self, call):
        if call.request.remote not in ("127.0.0.1", "::1"):
            return web.Response(status=403)
        name = call.raw_path.split("/")[2] if call.raw_path.count("/") >= 2 else ""
        handler = getattr(self, "%s_%s" % (call.request.method.lower(), name), None)
        if not handler:
            return web.Response(status=404)
        body = json.loads(call.body) if call.body else {}
        return json_reply(handler(body))

    def get_requests(self, _):
        return self.journal

    def delete_requests(self, _):
        self.journal.clear()
        return {}

    def get_users(self, _):
        return [{k: v for k, v in dict(u, userGroups=self.app.world.groups_of(u["id"])).items()
                 if k != "password"} for u in self.app.world.users.values()]

    def get_sessions(self, _):
        return [{"id": s.id, "kind": s.kind, "ended": s.ended,
                 "username": s.principal.username if s.principal else None,
                 "authorities": sorted(s.principal.authorities) if s.principal else []}
                for s in self.app.sessions.live.values()]

    def post_fault(self, body):
        if "path_prefix" not in body:
            raise ValueError("path_prefix missing")
        self.faults.append(body)
        return body

    def get_fault(self, _):
        return self.faults

    def delete_fault(self, _):
        self.faults.clear()
        return {}

    def post_clock(self, body):
        self.app.world.clock_offset = float(body["offset_s"])
        return {"now": self.app.world.now()}

    def post_reset(self, _):
        self.faults.clear()
        self.journal.clear()
        self.app.reset()
        return {}
