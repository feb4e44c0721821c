"""What the tests with other people's software share: their import path and the ministry they talk to."""
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "test" / "support")]
from ministry import Ministry  # noqa: E402


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
        ministry.end()
