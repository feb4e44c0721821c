"""What the tests with other people's software share: their import path and the ministry they talk to."""
import os
import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "test" / "support"), str(ROOT / "test" / "flow")]
from ministry import Ministry  # noqa: E402


REPORT = re.compile(r"ERROR: (Address|Leak|Undefined)|runtime error:|SUMMARY: .*Sanitizer")


def end(ministry):
    """Nothing a sanitizer found, and an orderly end."""
    status = ministry.stop("bridge")
    ministry.end()
    log = ministry.log("bridge")
    found = REPORT.search(log)
    assert not found, log[found.start():][:4000]
    assert status in (0, None), f"the bridge ended with {status}: {log[-2000:]}"


@pytest.fixture(scope="session")
def bridge_binary():
    return os.environ.get("IDBRIDGE_BINARY") or str(ROOT / "build" / "asan" / "idbridge")


@pytest.fixture(scope="module")
def make_ministry(tmp_path_factory, bridge_binary):
    """make_ministry(**options of Ministry): a running ministry that ends with the module."""
    running = []

    def make(**options):
        options.setdefault("people", 150)
        ministry = Ministry(tmp_path_factory.mktemp("ministry"), binary=bridge_binary, **options)
        running.append(ministry)
        return ministry.start()
    yield make
    for ministry in running:
        end(ministry)
