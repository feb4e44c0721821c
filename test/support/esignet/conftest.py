"""Shared by the tests of the eSignet stand-in: one running stand-in, one application, a clean slate."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from rig import Rig  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "fact(id): the test shows this fact of facts.json")


@pytest.fixture(scope="session")
def running():
    with Rig() as rig:
        yield rig


@pytest.fixture
def rig(running):
    """Clock, consents, orders and logins are new for every test; clients and keys stay."""
    running.control("reset", {})
    return running


@pytest.fixture(scope="session")
def registered(running):
    return running.register()


@pytest.fixture
def app(rig, registered):
    return registered
