"""Replay of web-api.txt: "## METHOD path body", the answer, "-> HTTP status"."""
import json
import re

from .compare import same_body
from .world import Browser, recorded

ORIGINS = re.compile(r"http://127\.0\.0\.1:96\d\d")
NOT_NEEDED = {"/api/trackedEntityAttributes": "tracker: the bridge only returns values, Capture posts them"}


def retarget(text, op):
    """The recorded provider's and target's address is the mini provider's here."""
    return ORIGINS.sub(op.origin, text)


async def replay(tally, bench, origin, name, only=None):
    admin = Browser(bench, origin, "admin:district")
    lines = recorded(name)
    for number, line in enumerate(lines):
        match = re.match(r"## ([A-Z]+) (\S+) ?(.*)$", line)
        if not match:
            continue
        method, path, body = match.groups()
        for offset in range(3):
            tally.mark(name, number + offset)
        if only and not path.startswith(only):
            continue
        status = int(re.search(r"HTTP (\d+)", lines[number + 2]).group(1))
        reason = NOT_NEEDED.get(path.partition("?")[0])
        if reason:
            tally.skip(name, reason)
            continue
        reply = await admin(method, path, json.loads(retarget(body, bench.op)) if body.strip() else None)
        label = "%s %s %s" % (method, path, body[:60])
        if tally.check(name, label, status, reply.status):
            tally.check(name, label + " body", None, same_body(lines[number + 1], reply.text))
