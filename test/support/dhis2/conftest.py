"""pytest: the marker `fact`, and one laboratory of stand-ins for all tests of this folder."""
import asyncio
import json
import os
import sys

import pytest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from replaying.bearer_cases import Bearers      # noqa: E402
from replaying.login_cases import CASES, Logins  # noqa: E402
from replaying.mini_op import MiniOp             # noqa: E402
from replaying.world import Bench, Browser       # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "fact(id): the fact of facts.json that this test shows")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    config.fact_modules = {item.module.__name__.rpartition(".")[2] for item in items}
    config.facts_tested = {mark.args[0] for item in items for mark in item.iter_markers("fact")}


class Side:
    """One stand-in with everything a test needs; `go` runs a coroutine to its end."""

    def __init__(self, lab, origin, name):
        self.lab, self.origin, self.name, self.op = lab, origin, name, lab.op
        self.go = lab.go
        self.logins, self.bearers = Logins(lab.bench, origin), Bearers(lab.bench, origin)
        self.clients = {"admin": self.client("admin:district")}

    def client(self, auth=None, jar=False):
        return Browser(self.lab.bench, self.origin, auth, jar)

    def call(self, who, method, path, body=None, **more):
        """who: "admin", "user:password", a Browser, or None for nobody."""
        client = who if isinstance(who, Browser) else self.clients.get(who) or self.client(who)
        return self.go(client(method, path, body, **more))

    def admin(self, method, path, body=None, **more):
        return self.call("admin", method, path, body, **more)

    def login(self, case=None, email=None):
        """(browser, callback, authorize, provider calls) of one login; case: a dict or a name in CASES."""
        if isinstance(case, str):
            case = CASES[case]
        return self.go(self.logins.login(case, email=email))

    def bearer(self, claims=None, tenant="t1", path="/api/me?fields=username", **sign):
        return self.go(self.bearers.case({"claims": claims or {}, "sign": sign, "path": path}, tenant))

    def at_once(self, *calls):
        """[(who, method, path, body)] released together."""
        async def all_of_them():
            return await asyncio.gather(*((self.clients.get(w) or self.client(w))(m, p, b) for w, m, p, b in calls))
        return self.go(all_of_them())

    def clock(self, seconds):
        self.op.offset = seconds
        self.call(None, "POST", "/__standin/clock", {"offset_s": seconds})

    def reset(self):
        self.op.reset()
        self.op.offset = 0
        self.op.requests.clear()
        self.call(None, "POST", "/__standin/reset")


class Lab:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.op = MiniOp()
        self.go(self.op.open())
        self.bench = self.go(Bench(self.op).__aenter__())
        with open(os.path.join(HERE, "replaying", "seed.json"), encoding="utf-8") as source:
            self.seed = self.add_provisioner(json.load(source))
        self.sides = {}

    def go(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    @staticmethod
    def add_provisioner(seed):
        """prov1 with the least privileges, three kinds of group, a unit outside its tree."""
        seed["organisationUnits"] += [{"id": "OuChildAA01", "name": "Child A", "parent": {"id": "OuRootAAA01"}},
                                      {"id": "OuOtherAA01", "name": "Other root"}]
        held = ["F_USER_ADD", "F_USER_VIEW", "F_USER_GROUPS_READ_ONLY_ADD_MEMBERS", "F_DATAVALUE_ADD"]
        seed["userRoles"] += [
            {"id": "RoleProvAA1", "name": "Provisioner", "authorities": held},
            {"id": "RoleAuthsA1", "name": "Clinic worker", "authorities": ["F_DATAVALUE_ADD"]},
            {"id": "RolePriv0A1", "name": "Private role", "authorities": [], "sharing": {"public": "--------"}},
            {"id": "RolePlainA1", "name": "Plain worker", "authorities": []}]
        seed["userGroups"] += [
            {"id": "GrpPublROA1", "name": "Group r", "sharing": {"public": "r-------"}},
            {"id": "GrpPrivAAA1", "name": "Group private", "sharing": {"public": "--------"}}]
        seed["users"].append({"id": "UsrProvAA01", "username": "prov1", "firstName": "P", "surname": "V",
                              "password": "District1234!", "userRoles": [{"id": "RoleProvAA1"}],
                              "organisationUnits": [{"id": "OuRootAAA01"}]})
        return seed

    def side(self, name, version="2.43", **conf):
        if name not in self.sides:
            origin = self.go(self.bench.start(name, version, self.seed, **conf))
            self.sides[name] = Side(self, origin, name)
        self.sides[name].reset()
        return self.sides[name]

    def close(self):
        self.go(self.bench.__aexit__())
        self.go(self.op.close())
        self.loop.close()


@pytest.fixture(scope="session")
def lab():
    laboratory = Lab()
    yield laboratory
    laboratory.close()


@pytest.fixture
def dhis2(lab):
    """A fresh 2.43."""
    return lab.side("new")


@pytest.fixture
def old(lab):
    """A fresh 2.41."""
    return lab.side("old", "2.41")
