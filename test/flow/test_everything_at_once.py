"""Everything that shares data does so at once: logins of several people, reloads, keys and clients changed by the command line, an
ID provider that hangs, a directory that restarts, scrapes, rubbish; then SIGTERM with a login under way.

`make tsan` runs this with a bridge built with ThreadSanitizer, where a data race is an exit status; under `make check` with
AddressSanitizer, where a use after free is. What answers may say is tested elsewhere; here every answer is one, nothing is lost.
"""
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from flow_kit import DEMO_PASSWORD, IDS, App, Browser, jwt_parts, log_rows, wait_until

SETTINGS = {"keys": {"publish": "2s"}, "listen": {"requests_per_second": "100000"}}  # all of it comes from one address
PEOPLE_AT_ONCE = ("amina.diallo", "samuel.okoro", "nimal.perera", "abebe.bekele")
ROUNDS, FEWEST_LOGINS = 4, 12
UPSTREAM_TOKEN = "/v1/esignet/oauth/v2/token"
REFUSALS = {400, 403, 429, 502, 503, 504}


class Crowd:
    """Threads that go on until the block ends; whatever one of them raises is raised there."""

    def __init__(self, *works):
        self.works, self.stop, self.done = works, threading.Event(), [0] * len(works)

    def again(self, n):
        while not self.stop.is_set():
            self.works[n]()
            self.done[n] += 1

    def __enter__(self):
        self.pool = ThreadPoolExecutor(len(self.works))
        self.jobs = [self.pool.submit(self.again, n) for n in range(len(self.works))]
        return self

    def __exit__(self, *problem):
        self.stop.set()
        self.pool.shutdown()
        for job in self.jobs:
            job.result()


def one_login(app, who, seen):
    """A whole login with everything an application does afterwards; a refusal is a page with its status."""
    page = app.login(IDS[who])
    if page.location is None:
        assert page.status in REFUSALS, (page.status, page.text[:300])
        seen["refused"] += 1
        return
    status, tokens, _ = app.redeem(app.answer(page)["code"])
    assert status == 200, tokens
    seen["kids"].add(jwt_parts(tokens["id_token"])[0]["kid"])
    assert app.userinfo(tokens["access_token"])[0] in (200, 401, 503)
    assert app.refresh(tokens["refresh_token"])[0] in (200, 400, 503)
    seen["logins"] += 1


def rubbish(m):
    Browser().get(m.issuer + "/callback/national-id?state=x&code=y")
    Browser().get(m.issuer + "/authorize?client_id=nobody")
    Browser().once("POST", m.issuer + "/token", form={"grant_type": "authorization_code", "code": "x"})


def scrape(m):
    assert m.call("GET", m.issuer + "/readyz")[0] == 200 and m.call("GET", m.metrics + "/metrics")[0] == 200
    assert m.call("GET", m.issuer + "/jwks")[0] == 200
    time.sleep(0.01)


def reloads(m):
    return [row["outcome"] for row in log_rows(m.log("bridge")) if row.get("event") == "reload"]


def one_round(m, n):
    """What an operator may do while people sign in."""
    before = len(reloads(m))
    m.run("key", "rotate")
    m.processes["bridge"].send_signal(signal.SIGHUP)
    m.run("client", "add", f"late-{n}", "--redirect-uri", "http://127.0.0.1:9/cb")
    m.control("esignet", "fault", {"path_prefix": UPSTREAM_TOKEN, "delay_ms": 1200, "times": 2})
    m.run("backup", f"copy-{n}.db")
    m.run("client", "remove", f"late-{n}")
    if n == 1:
        m.slapd.stop()
        m.slapd.start()
    wait_until(lambda: len(reloads(m)) > before, 30)


def test_everything_at_once(ministry):
    m, seen = ministry, {"logins": 0, "refused": 0, "kids": set()}
    apps = {who: App(m, "portal-" + who.split(".")[0]) for who in PEOPLE_AT_ONCE}
    with ThreadPoolExecutor(len(apps)) as pool:  # links in parallel
        pages = list(pool.map(lambda who: apps[who].login(IDS[who], (who, DEMO_PASSWORD)), apps))
    assert all(page.location for page in pages), [page.text[:200] for page in pages]
    works = [lambda app=app, who=who: one_login(app, who, seen) for who, app in apps.items()]
    with Crowd(*works, lambda: rubbish(m), lambda: scrape(m)) as crowd:
        for n in range(ROUNDS):
            one_round(m, n)
        wait_until(lambda: seen["logins"] >= FEWEST_LOGINS and len(seen["kids"]) > 1, 40)
    assert set(reloads(m)) == {"ok"} and len(reloads(m)) >= ROUNDS and min(crowd.done) > 0, (reloads(m), crowd.done)
    the_last_login_is_let_finish(m, apps["amina.diallo"])


def the_last_login_is_let_finish(m, app):
    m.control("esignet", "fault", {"path_prefix": UPSTREAM_TOKEN, "delay_ms": 1500, "times": 1})
    browser, url = m.to_esignet(start=app.url())
    callback = m.at_esignet(url, IDS["amina.diallo"])
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(browser.get, callback, app.stays)
        time.sleep(0.5)
        assert m.stop("bridge") == 0
        assert app.answer(job.result())["code"]
    m.start_bridge()
