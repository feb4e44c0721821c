"""Puts this folder on the path of its tests. Fixtures: those of test/flow/conftest.py, and `another_ministry(**options)` for
a second one that lives as long as the module."""
import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="module")
def another_ministry():
    spec = importlib.util.spec_from_file_location("flow_conftest", HERE.parent / "conftest.py")
    flow = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(flow)
    made = []

    def make(**options):
        made.append(flow.Started(**options))
        return made[-1].start()
    yield make
    for started in made:
        started.end()
