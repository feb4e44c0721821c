"""Puts this folder on the path of its tests. Fixtures: those of test/flow/conftest.py, and `another_ministry(**options)` for
a second one that lives as long as the module."""
import importlib.util
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def flow_conftest():
    spec = importlib.util.spec_from_file_location("flow_conftest", HERE.parent / "conftest.py")
    flow = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(flow)
    return flow


@pytest.fixture(scope="module")
def another_ministry():
    flow, made = flow_conftest(), []

    def make(**options):
        made.append(flow.Started(**options))
        return made[-1].start()
    yield make
    for started in made:
        started.end()


class Environment:
    """For tests with a ministry of their own kind: which binary, whom TLS trusts, how a sound end looks."""

    def __init__(self, flow, patch):
        self.binary = Path(os.environ.get("IDBRIDGE_BINARY") or HERE.parents[2] / "build" / "asan" / "idbridge").resolve()
        self.check, self._patch = flow.check_sound, patch

    def trust(self, ca):
        self._patch.setenv("SSL_CERT_FILE", str(ca))


@pytest.fixture(scope="module")
def module_environment():
    patch = pytest.MonkeyPatch()
    yield Environment(flow_conftest(), patch)
    patch.undo()
