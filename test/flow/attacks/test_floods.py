"""Many requests, or very slow ones: memory and store stay as they are, others are served meanwhile, and limits key on what
an attacker cannot choose. Slow loris; RFC 9700 §4.13 (forwarded headers); CVE-2024-4629, CVE-2023-47111, CVE-2024-47070."""
import base64
import contextlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import quote, urlencode

import pytest
from attack_kit import FORM, Browser, alive, ask, connect, follow, from_provider, link, portal, read_all, rows, tokens_of
from flow_kit import AMINA, DEMO_PASSWORD, IDS, refusal

SETTINGS = {"listen": {"requests_per_second": 100000, "request_time": "3s", "connections": 64}}
FLOOD = 5000


# AddressSanitizer keeps freed memory for a while; with its default of 256 MB nothing could be said about growth.
QUARANTINE = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=8", "thread_local_quarantine_size_kb=64"]))


@pytest.fixture(scope="module")
def app(another_ministry):
    m = another_ministry(settings=SETTINGS, environment={"ASAN_OPTIONS": QUARANTINE})
    link(m, "amina.diallo", AMINA)
    return portal(m)


def memory(m):
    """Resident bytes of the bridge."""
    status = open(f"/proc/{m.processes['bridge'].pid}/status").read()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024


def state_size(m):
    return sum(path.stat().st_size for path in (m.folder / "state").rglob("*") if path.is_file())


def many(m, count, target, headers=None, method="GET", body=None, threads=8):
    """Statuses of so many equal requests over a few kept connections."""
    def some(n):
        connection, got = HTTPConnection("127.0.0.1", m.ports["bridge"], timeout=20), []
        with contextlib.closing(connection):
            for _ in range(n):
                connection.request(method, target, body, headers or {})
                answer = connection.getresponse()
                answer.read()
                got.append(answer.status)
        return got
    with ThreadPoolExecutor(threads) as pool:
        return [status for got in pool.map(some, [count // threads] * threads) for status in got]


def test_flood_of_strangers_costs_no_storage_and_no_memory(app):
    """Before the ID provider has authenticated somebody nothing is written; the login travels in the browser's cookie."""
    m, target = app.m, app.url()[len(app.m.issuer):]
    many(m, 1000, target)  # allocators and caches are warm
    before, size, used = rows(m), state_size(m), memory(m)
    assert set(many(m, FLOOD, target)) == {303}
    for bad in ("/authorize?client_id=nobody", "/callback/national-id?state=x&code=y", "/restart?login=x", "/logout?id_token_hint=a.b.c"):
        assert set(many(m, 400, bad)) <= {200, 400}
    assert set(many(m, 400, "/link", {"Content-Type": FORM[1]}, "POST", "state=x&username=a&password=b")) == {400}
    after = rows(m)
    assert after == before and state_size(m) - size < 200_000, "a refusal is counted once a minute, not stored"
    assert memory(m) - used < 48 << 20
    assert follow(app, *from_provider(app)).location and rows(m) != before


def test_flood_at_the_token_endpoint_costs_no_storage(app):
    m, body = app.m, "grant_type=authorization_code&code=x&client_id=portal&client_secret=y"
    before = rows(m)
    assert set(many(m, 1000, "/token", {"Content-Type": FORM[1]}, "POST", body)) == {401}
    assert rows(m) == before and tokens_of(app)["access_token"]


# ---- slow clients

def dribble(connection, data, seconds, every=0.25):
    """Sends a byte now and then; how long the other side put up with it."""
    started, sent = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        try:
            connection.sendall(data[sent % len(data):sent % len(data) + 1])
            sent += 1
            connection.settimeout(every)
            with contextlib.suppress(TimeoutError):
                if connection.recv(4096) == b"":
                    return time.monotonic() - started
        except OSError:
            return time.monotonic() - started
    return None


@pytest.mark.parametrize("start", [b"", b"GET /jwks HTTP/1.1\r\nHost: h\r\nX: ", b"POST /token HTTP/1.1\r\nHost: h\r\nContent-Type: "
                         b"application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n"])
def test_dribbling_client_is_cut_off_while_others_are_served(app, start):
    """[listen] request_time, 3 s here: never silent long enough for an idle time-out, and dropped all the same."""
    m = app.m
    with contextlib.ExitStack() as held, ThreadPoolExecutor(6) as pool:
        lines = [held.enter_context(connect(m)) for _ in range(6)]
        for connection in lines:
            connection.sendall(start)
        waits = [pool.submit(dribble, connection, b"a" * 64, 25) for connection in lines]
        for _ in range(5):
            started = time.monotonic()
            assert alive(m) and time.monotonic() - started < 5
        for wait in waits:
            assert wait.result() is not None and wait.result() < 20
    assert tokens_of(app)["access_token"]


def test_slow_clients_do_not_keep_every_place(app):
    """All places taken by dribblers: nobody is accepted, then they are dropped and everybody is."""
    m = app.m
    with contextlib.ExitStack() as held:
        for _ in range(70):
            with contextlib.suppress(OSError):
                held.enter_context(connect(m)).sendall(b"GET /jwks HTTP/1.1\r\nX: y")
        end = time.monotonic() + 12
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if m.call("GET", m.issuer + "/healthz", timeout=2)[0] == 200:
                    break
        else:
            pytest.fail("places were never freed")


def test_client_within_its_time_is_served_however_slow(app):
    data = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    with connect(app.m) as connection:
        for piece in range(0, len(data), 6):
            connection.sendall(data[piece:piece + 6])
            time.sleep(0.05)  # half a second in all, of the three that are allowed
        assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_kept_connection_may_pause_between_requests(app):
    """The clock stands for one request, not for the connection: DHIS2 keeps its connections."""
    connection = HTTPConnection("127.0.0.1", app.m.ports["bridge"], timeout=10)
    with contextlib.closing(connection):
        for _ in range(4):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b"ok\n"
            time.sleep(1.3)


# ---- limits

@pytest.fixture(scope="module")
def limited(another_ministry):
    m = another_ministry(settings={"listen": {"requests_per_second": 2, "trusted_proxies": "127.0.0.1"}})
    link(m, "amina.diallo", AMINA)
    return portal(m)


def from_address(address):
    return {"X-Forwarded-For": address}


def statuses(m, target, address, count=20, **more):
    return many(m, count, target, from_address(address), threads=1, **more)


def test_address_limit_answers_429_for_pages_and_spares_other_addresses(limited):
    m = limited.m
    for n, target in enumerate((limited.url()[len(m.issuer):], "/callback/national-id?state=x&code=y", "/logout", "/restart?login=x")):
        assert 429 in statuses(m, target, f"192.0.2.{n + 1}"), target
    page = Browser(headers=from_address("192.0.2.1")).get(limited.url(), follow=lambda u: False)
    refusal(m, page, "too_many_requests", 429)
    assert page.headers["Retry-After"]
    assert Browser(headers=from_address("192.0.2.77")).get(limited.url(), follow=lambda u: False).location


def test_address_limit_never_stops_applications(limited):
    """DHIS2's Routes and whole clinics come from one address."""
    m = limited.m
    basic = base64.b64encode(f"{limited.client_id}:{quote(limited.secret, safe='')}".encode()).decode()
    body = urlencode({"grant_type": "refresh_token", "refresh_token": "guess"})
    headers = {"Authorization": "Basic " + basic, "Content-Type": FORM[1], **from_address("192.0.2.9")}
    assert set(many(m, 100, "/token", headers, "POST", body)) == {400}
    assert set(many(m, 100, "/userinfo", {"Authorization": "Bearer x", **from_address("192.0.2.9")})) == {401}
    assert set(many(m, 100, "/verification/ready", from_address("192.0.2.9"))) == {403}
    assert set(many(m, 100, "/jwks", from_address("192.0.2.9"))) == {200}
    route = json.loads((m.folder / "route-auth.json").read_text())
    pair = base64.b64encode(f"{route['clientId']}:{route['clientSecret']}".encode()).decode()
    assert set(many(m, 50, "/token", {"Authorization": "Basic " + pair, "Content-Type": FORM[1]}, "POST",
                    "grant_type=client_credentials")) == {200}


def test_only_what_the_proxy_wrote_counts_as_address(limited):
    """The last entry of the last X-Forwarded-For; what a client put before it is its own invention."""
    m, target = limited.m, "/logout"
    spoofed = [ask(m, "GET", target, [("X-Forwarded-For", f"198.51.100.{n}, 192.0.2.50")]).status for n in range(20)]
    assert 429 in spoofed
    spoofed = [ask(m, "GET", target, [("X-Forwarded-For", f"198.51.100.{n}"), ("X-Forwarded-For", "192.0.2.51")]).status for n in range(20)]
    assert 429 in spoofed
    honest = [ask(m, "GET", target, [("X-Forwarded-For", f"203.0.113.{n}")]).status for n in range(20)]
    assert set(honest) == {200}


def test_forwarded_address_from_a_stranger_is_ignored(make_ministry):
    """CVE-2024-47070, CVE-2023-36456: without [listen] trusted_proxies the peer's own address counts."""
    m = make_ministry(settings={"listen": {"requests_per_second": 2, "trusted_proxies": "192.0.2.200"}})
    spoofed = [ask(m, "GET", "/logout", [("X-Forwarded-For", f"203.0.113.{n}")]).status for n in range(20)]
    assert 429 in spoofed and spoofed[0] == 200


def test_password_tries_are_counted_before_the_bind_however_parallel(app):
    """CVE-2024-4629, CVE-2023-47111: ten guesses at once are still only five, and no address counts for anything."""
    m = app.m
    browser, callback = from_provider(app, person=IDS["samuel.okoro"])
    form = follow(app, browser, callback).form("/link")
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies().items())

    def guess(n):
        return ask(m, "POST", "/link", [("Cookie", cookies), FORM, ("X-Forwarded-For", f"203.0.113.{n}")],
                   urlencode({**form["fields"], "username": "samuel.okoro", "password": f"Guess-{n}-x"})).status
    with ThreadPoolExecutor(10) as pool:
        got = list(pool.map(guess, range(10)))
    assert got.count(200) <= 5 and got.count(429) >= 5, got
    right = urlencode({**form["fields"], "username": "samuel.okoro", "password": DEMO_PASSWORD})
    assert ask(m, "POST", "/link", [("Cookie", cookies), FORM], right).status == 429
