"""How does a flow test get a whole ministry, and how does it know that the bridge stayed sound?

Fixtures: `ministry`, one per test module (its SETTINGS, CLIENT_OPTIONS and PEOPLE are read from the module), and
`make_ministry(**options)` for a test that needs one of its own. Each ends with the bridge's exit status and a look for
sanitizer reports. IDBRIDGE_BINARY names another build than build/asan/idbridge.
"""
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "support"), str(ROOT / "test" / "flow")]
from ministry import Ministry  # noqa: E402

REPORT = re.compile(r"ERROR: (Address|Leak|Undefined)|runtime error:|SUMMARY: .*Sanitizer")
FEWEST_PEOPLE = 150  # the sample ministry leaves no team empty


def check_sound(m, status):
    found = REPORT.search(m.log("bridge"))
    assert not found, m.log("bridge")[found.start():][:4000]
    assert status == 0, f"the bridge ended with {status}: {m.log('bridge')[-2000:]}"


class Started:
    """A folder of its own, a ministry in it, and the checks at the end."""

    def __init__(self, settings=None, **options):
        """settings: as Ministry takes them, or a function of the ministry that gives them once its ports are known."""
        self.folder = tempfile.mkdtemp(prefix="idb")
        binary = os.environ.get("IDBRIDGE_BINARY") or ROOT / "build" / "asan" / "idbridge"
        self.ministry = Ministry(self.folder, **{"binary": Path(binary).resolve(), "people": FEWEST_PEOPLE, **options})
        self.ministry.settings = settings(self.ministry) if callable(settings) else settings or {}

    def start(self):
        self.ministry.__enter__()
        return self.ministry

    def end(self):
        m = self.ministry
        try:
            if "bridge" in m.processes:
                check_sound(m, m.stop("bridge"))
        finally:
            m.end()
            shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def ministry(request):
    module = request.module
    started = Started(settings=getattr(module, "SETTINGS", None), client_options=getattr(module, "CLIENT_OPTIONS", ()),
                      people=getattr(module, "PEOPLE", FEWEST_PEOPLE))
    yield started.start()
    started.end()


def several():
    made = []

    def make(**options):
        made.append(Started(**options))
        return made[-1].start()
    yield make
    for started in made:
        started.end()


@pytest.fixture
def make_ministry():
    yield from several()


@pytest.fixture(scope="module")
def make_shared_ministry():
    """The same for a module's own fixtures."""
    yield from several()


@pytest.fixture(autouse=True)
def nothing_ordered(request):
    """Misbehaviour that a test ordered of a stand-in ends with the test."""
    yield
    if "ministry" not in request.fixturenames:
        return
    m = request.getfixturevalue("ministry")
    for which, names in (("esignet", ("fault", "tamper")), ("dhis2", ("fault",))):
        if which in m.processes:
            for name in names:
                m.control(which, name, method="DELETE")
