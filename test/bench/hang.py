#!/usr/bin/python3
"""256 logins hang at the ID provider: does the rest of the bridge notice? Called by run.py, which prints the p99 of minting a
token with and without them, and by test/flow/test_hang.py, which also looks at the limits.

The sign-ins are real ones as far as the callback; then the ID provider's token endpoint never answers, so 16 wait inside the
pool of that provider and 240 in its queue ([listen] dependency_workers, dependency_queue)."""
import re
import socket
import statistics
import time
from urllib.parse import urlsplit

from loadrig import Kept, together

LOGINS = 256
SETTINGS = {"listen": {"dependency_workers": 16, "dependency_queue": LOGINS - 16}, "upstream national-id": {"timeout": "25s"}}
TOKEN_ENDPOINT = "/v1/esignet/oauth/v2/token"


def prepared(rig, count, threads=8):
    """That many (callback URL, cookie)."""
    ready = [[] for _ in range(threads)]

    def work(i):
        kept = Kept()
        for n in range(i, count, threads):
            ready[i].append(rig.begin(kept, rig.persons[n % len(rig.persons)]))
        kept.close()
    together(threads, work)
    return [one for part in ready for one in part]


def metric(rig, name):
    text = Kept().ask("GET", rig.metrics + "/metrics")[2]
    found = re.search(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text, re.M)
    return float(found.group(1)) if found else 0


class Hung:
    """with Hung(rig, callbacks): their logins hang inside."""

    def __init__(self, rig, callbacks):
        self.rig, self.callbacks, self.sockets = rig, callbacks, []

    def __enter__(self):
        self.rig.control("esignet", "fault", {"path_prefix": TOKEN_ENDPOINT, "hang": True, "times": 0})
        for url, cookie in self.callbacks:
            self.sockets.append(send(url, cookie))
        deadline = time.monotonic() + 15
        while metric(self.rig, "idbridge_requests_open") < len(self.callbacks):
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {metric(self.rig, 'idbridge_requests_open'):.0f} of {len(self.callbacks)} logins hang")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.rig.control("esignet", "fault", method="DELETE")
        for one in self.sockets:
            one.close()


def send(url, cookie):
    """The callback's request on a connection of its own; the answer is not waited for."""
    parts = urlsplit(url)
    one = socket.create_connection((parts.hostname, parts.port), timeout=30)
    one.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nCookie: {cookie}\r\n\r\n".encode())
    return one


def compare(rig, p99_ms, rounds=3):
    """(p99 without, with) in ms: medians over rounds, p99_ms() being one round of minting."""
    callbacks = prepared(rig, LOGINS)
    p99_ms()
    without = [p99_ms() for _ in range(rounds)]
    with Hung(rig, callbacks):
        hung = [p99_ms() for _ in range(rounds)]
    without += [p99_ms() for _ in range(rounds)]
    return statistics.median(without), statistics.median(hung)
