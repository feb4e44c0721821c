"""Does a ministry notice when its directory servers die? Issue text: "1,000 logins at 50/s, one server SIGKILLed, one SIGSTOPped:
all end in a code within their deadline", and the dead ones come back by themselves.

The logins are those of browsers that are signed in (`sso = silent`): the bridge asks the directory for the person and their
groups, decides, commits and answers with a code, as at every sign-in; only the ID provider, a stand-in in Python that would
not keep up, is left out. They arrive at their times whether the ones before have ended or not. `make check` sends fewer, slower;
IDBRIDGE_FAILOVER_LOGINS=1000 (make failover) sends all, at 50/s."""
import collections
import contextlib
import os
import statistics
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from flow_kit import IDS, App, log_rows, sub_of, wait_until  # noqa: E402
from loadrig import Kept  # noqa: E402
from ministry import DEMO_PASSWORD  # noqa: E402
from slapd import READER, SUFFIX, lasting_port  # noqa: E402
from tls import Authority  # noqa: E402

LOGINS = int(os.environ.get("IDBRIDGE_FAILOVER_LOGINS", "200"))
PER_SECOND = 50 if LOGINS >= 1000 else 25
DEADLINE_S = 20
THREADS = 256  # more than can be under way
SIGNED_IN = ("amina.diallo", "samuel.okoro", "nimal.perera", "fatima.zahra")
TIMEOUT_S = 5  # network_timeout and search_timeout, as they are unless configured

Servers = collections.namedtuple("Servers", "m app cookies slapds")


@pytest.fixture
def three(make_ministry, tmp_path):
    """A ministry with three equal servers, and browsers that are signed in."""
    authority, ports = Authority(tmp_path / "ca"), [lasting_port() for _ in range(3)]
    m = make_ministry(settings={
        "directory staff": {"urls": " ".join(f"ldaps://127.0.0.1:{port}" for port in ports), "ca_file": authority.ca},
        "listen": {"requests_per_second": 100000}})
    with contextlib.ExitStack() as stack:
        slapds = []
        for name, port in zip("abc", ports):
            slapds.append(m.slapd.copy(tmp_path / name, port=lasting_port(), tls=authority, tls_port=port))
            stack.callback(slapds[-1].stop)
        app = App(m, options=("--sso", "silent"))
        cookies = [signed_in(app, uid) for uid in SIGNED_IN]
        yield Servers(m, app, cookies, slapds)


def signed_in(app, uid):
    page = app.login(IDS[uid], link=(uid, DEMO_PASSWORD))
    assert "code" in app.answer(page), page.text
    return "; ".join(f"{name}={value}" for name, value in page.browser.cookies().items())


def up(m):
    """What the metric says of each server, by port."""
    text = Kept().ask("GET", m.metrics + "/metrics")[2]
    rows = [line for line in text.splitlines() if line.startswith("idbridge_directory_server_up{")]
    return {int(line.split(":")[-1].split('"')[0]): line.endswith(" 1") for line in rows}


class Load:
    """`count` logins, `per_second`, from as many browsers as there are cookies; `at` is called at its share of them."""

    def __init__(self, three, count, per_second):
        self.three, self.count, self.per_second = three, count, per_second
        self.took, self.wrong, self.next, self.lock = [None] * count, [], 0, threading.Lock()

    def one(self, n, kept):
        began = time.monotonic()
        try:
            status, headers, text = kept.ask("GET", self.three.app.url(), None, {"Cookie": self.three.cookies[n % len(self.three.cookies)]})
            if status != 303 or "code=" not in headers["Location"]:
                self.wrong.append((n, status, headers.get("Location"), text[-400:]))
        except OSError as problem:
            self.wrong.append((n, repr(problem)))
        self.took[n] = time.monotonic() - began

    def work(self):
        kept = Kept(timeout=DEADLINE_S + 40)
        while True:
            with self.lock:
                n, self.next = self.next, self.next + 1
            if n >= self.count:
                return
            time.sleep(max(0, self.start + n / self.per_second - time.monotonic()))
            self.one(n, kept)

    def run(self, **at):
        """at: name=(share, what to do then)"""
        self.start = time.monotonic() + 0.2
        threads = [threading.Thread(target=self.work, daemon=True) for _ in range(min(THREADS, self.count))]
        for thread in threads:
            thread.start()
        for share, act in sorted(at.values(), key=lambda one: one[0]):
            time.sleep(max(0, self.start + share * self.count / self.per_second - time.monotonic()))
            act()
        for thread in threads:
            thread.join()
        return self


def test_no_login_is_lost(three):
    a, b, c = three.slapds
    load = Load(three, LOGINS, PER_SECOND).run(kill=(0.25, a.kill), pause=(0.5, b.pause))
    took = sorted(load.took)
    slow = [s for s in took if s > 1]
    print(f"{LOGINS} logins at {PER_SECOND}/s: median {statistics.median(took) * 1000:.1f} ms, p99 {took[int(len(took) * 0.99)] * 1000:.0f} ms, "
          f"longest {took[-1]:.2f} s, {len(slow)} over 1 s")
    assert not load.wrong, load.wrong[:3]
    assert took[-1] < DEADLINE_S
    # Who was asking the server that hung waits for its timeout: no more than there were connections, and whoever asked
    # for a new one meanwhile. Everybody after that goes elsewhere at once.
    assert len(slow) <= 2 * PER_SECOND
    assert up(three.m)[c.tls_port]
    b.resume()
    a.start()
    wait_until(lambda: all(up(three.m).values()), seconds=30)
    down = [row["url"] for row in log_rows(three.m.log("bridge")) if row.get("event") == "directory_server_down"]
    assert down.count(a.tls_url) <= 1 and down.count(b.tls_url) <= 1  # told once, not once per login
    assert down, "nobody met a server that was dead"
    c.kill()
    assert not Load(three, 10, PER_SECOND).run().wrong  # the first one again


def test_all_servers_down_and_back(three):
    """Nobody waits for servers that are known to be down; when they are back, so is the ministry, within seconds."""
    for server in three.slapds:
        server.kill()
    load = Load(three, 40, 20).run()
    assert len(load.wrong) == 40 and all(row[1] == 503 for row in load.wrong)
    late = sorted(load.took[-10:])
    assert late[-1] < TIMEOUT_S, late  # the first ones may have hoped for a restart
    three.slapds[2].start()
    wait_until(lambda: not Load(three, 1, 1).run().wrong, seconds=30)


def test_one_server_restarts(three):
    """With one server left a restart of it is a short wait, no refusal."""
    a, b, c = three.slapds
    a.kill()
    b.kill()
    assert not Load(three, 4, 10).run().wrong

    def restart():
        c.stop()
        c.start()
    load = Load(three, 60, 20).run(restart=(0.3, restart))
    assert not load.wrong, load.wrong[:3]


def test_a_hung_directory_holds_no_check_in_another(make_ministry, tmp_path):
    """Two workers for each directory: six logins that hang in one of them leave those of the other alone."""
    port = lasting_port()
    m = make_ministry(settings={
        "directory abroad": {
            "type": "openldap", "urls": f"ldap://127.0.0.1:{port}", "bind_dn": READER, "bind_password_file": "reader.password",
            "people_base": f"ou=people,{SUFFIX}", "groups_base": f"ou=groups,{SUFFIX}"},
        "link": {"directory": "staff"}, "listen": {"dependency_workers": 2}})
    with contextlib.closing(m.slapd.copy(tmp_path / "abroad", port=port)) as abroad:
        m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS["samuel.okoro"]), "--login", "samuel.okoro",
              "--directory", "abroad")
        app = App(m, options=("--sso", "silent"))
        cookies = {uid: signed_in(app, uid) for uid in ("amina.diallo", "samuel.okoro")}
        abroad.pause()
        hung = Load(Servers(m, app, [cookies["samuel.okoro"]], []), 6, 100)
        thread = threading.Thread(target=hung.run, daemon=True)
        thread.start()
        wait_until(lambda: hung.next == 6)
        time.sleep(0.3)
        here = Load(Servers(m, app, [cookies["amina.diallo"]], []), 5, 10).run()
        assert not here.wrong, here.wrong
        assert max(here.took) < TIMEOUT_S / 2, here.took
        assert hung.took.count(None) >= 2, hung.took  # they were hanging all the while
        thread.join(60)
        assert len(hung.wrong) == 6 and max(hung.took) < DEADLINE_S
