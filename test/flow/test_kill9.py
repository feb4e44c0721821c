"""kill -9 at random under load: nothing that was answered may be missing afterwards.

Workers (journal.py) sign in, link, refresh and sign out while the bridge is killed and started again; beside them the command
line adds clients and keys. Every answer is a promise that is checked again and again, and all of it at the end against the
store, the audit chain and DHIS2. The release binary for speed (100 kills), the ASan one for a few."""
import collections
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "bench"), str(ROOT / "test" / "support"), str(ROOT / "test" / "flow")]
from conftest import REPORT  # noqa: E402
from journal import Broken, Journal, Worker  # noqa: E402
from loadrig import Rig, individual_id  # noqa: E402

ASAN, RELEASE = ROOT / "build" / "asan" / "idbridge", ROOT / "build" / "idbridge"
WORKERS, PEOPLE_EACH = 6, 20
PORTAL = "http://127.0.0.1:9/callback"  # nobody is there: redirects are read, not followed


class Story:
    def __init__(self, rig, seed):
        self.rig, self.journal, self.random = rig, Journal(), random.Random(seed)
        self.clients, self.kids, self.kills = [], set(), 0
        rig.use("portal", rig.add_client("portal", "--profile", "rfc9068", "--redirect-uri", PORTAL, "--sso", "silent",
                                         "--grant-types", "authorization_code refresh_token"), PORTAL)
        self.workers = [Worker(rig, self.journal, rig.persons[i::WORKERS], seed + i) for i in range(WORKERS)]

    def kill(self):
        bridge = self.rig.processes.pop("bridge")
        assert bridge.poll() is None, f"the bridge ended by itself: {bridge.returncode}\n{self.rig.log('bridge')[-3000:]}"
        bridge.send_signal(signal.SIGKILL)
        bridge.wait()
        self.kills += 1
        if self.kills % 10 == 5:
            self.by_command_line()  # also while no daemon runs
        self.rig.start_bridge()

    def by_command_line(self):
        """Exit status 0 is a promise too."""
        name = f"client-{len(self.clients)}"
        self.rig.add_client(name, "--profile", "rfc9068", "--grant-types", "client_credentials")
        self.clients.append(name)
        if len(self.clients) % 3 == 1:
            self.rig.run("key", "rotate")
            self.kids |= self.listed_keys()

    def listed_keys(self):
        return {line.split()[0] for line in self.rig.run("key", "list").stdout.splitlines() if line.strip()}

    def run(self, kills, seconds):
        for worker in self.workers:
            worker.thread.start()
        until = time.monotonic() + seconds
        while self.kills < kills and time.monotonic() < until:
            time.sleep(self.random.uniform(0.02, 0.45))
            self.kill()
            if self.kills % 10 == 0:
                self.by_command_line()
            for worker in self.workers:
                if worker.fault is not None:
                    raise worker.fault
        for worker in self.workers:
            worker.stopping.set()
        for worker in self.workers:
            worker.thread.join(60)
            assert not worker.thread.is_alive(), "a worker hangs"
            if worker.fault is not None:
                raise worker.fault

    # ---- at the end

    def check_store(self):
        rig, links = self.rig, self.rig.run("link", "list").stdout
        assert rig.run("audit", "verify").returncode == 0
        known = rig.run("client", "list").stdout
        assert [name for name in self.clients if name not in known] == [], "a client is gone"
        assert self.kids <= self.listed_keys(), "a signing key is gone"
        assert len([line for line in links.splitlines() if "http" in line]) >= len(self.journal.linked)

    def check_tokens(self):
        """Used codes stay used, and their second use ends the family; revoked tokens stay dead."""
        worker = self.workers[0]
        for token in self.journal.revoked[-40:]:
            worker.check_revoked(token)
        for code, token in self.journal.redeemed[-40:]:
            worker.refresh(token)
        for code, token in self.journal.redeemed[-20:]:
            with pytest.raises(Broken):
                worker.redeem(code)
            worker.check_revoked(token)

    def check_dhis2(self):
        """Everybody who ever tried signs in once more: whoever was half made is completed, and nobody is there twice."""
        before = self.dhis2_users()
        for worker in self.workers:
            for person in worker.people[:worker.next_person]:
                assert worker.login(person), person["uid"]
        after = self.dhis2_users()
        assert set(before) <= set(after), "a DHIS2 user was left behind and made anew"
        assert max(after.values()) == 1, "two DHIS2 users share an openId"
        links = self.rig.run("link", "list").stdout
        assert [one for one in after if one not in links] == [], "a DHIS2 user whose link is gone"
        assert len(after) == len(self.journal.linked), "a person has two DHIS2 users, or none"

    def dhis2_users(self):
        """How many enabled DHIS2 users have each openId."""
        answer = self.rig.admin("GET", "/api/users?paging=false&fields=username,openId,disabled")[1]
        return collections.Counter(user["openId"] for user in answer["users"] if user.get("openId") and not user.get("disabled"))


def tell(binary, kills, seconds, seed, least):
    folder = tempfile.mkdtemp(prefix="idk")
    try:
        rig = Rig(folder, linked=WORKERS * PEOPLE_EACH, link=False, binary=binary, settings={"link": {"tries": 50}})
        with rig:
            story = Story(rig, seed)
            story.run(kills, seconds)
            story.check_store()
            story.check_tokens()
            story.check_dhis2()
            assert rig.stop("bridge") == 0
            found = REPORT.search(rig.log("bridge"))
            assert found is None, rig.log("bridge")[found.start():][:4000]
        print(f"{story.kills} kills", story.journal.count)
        assert story.kills >= least
        for what in ("logins", "links", "redeemed", "refreshes", "logouts", "sessions", "lost"):
            assert story.journal.count[what] > 0, f"no {what} in the journal: the test saw nothing"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(300)
def test_nothing_answered_is_lost():
    kills = int(os.environ.get("IDBRIDGE_KILLS", "100"))
    tell(RELEASE, kills, 1.6 * kills, seed=int(time.time()), least=kills // 2)


@pytest.mark.timeout(200)
def test_nothing_answered_is_lost_under_asan():
    tell(ASAN, 8, 60, seed=7, least=4)


def test_individual_ids_are_distinct():
    """The journal goes by person: two people with one national ID would prove nothing."""
    people = [{"uid": f"u{n}"} for n in range(2000)]
    assert len({individual_id(person) for person in people}) == 2000
