"""Where do the Node programs of test/interop run, and with which packages? Called by the tests here.

The packages of node/package-lock.json are installed into build/interop/node_modules once and kept, with npm's cache beside
them, so that a second run needs no network. Node looks for packages beside the running script, hence the scripts are copied
there. A registry that does not answer is a failure; only a machine that has no network at all and never had the packages
skips, and says so (in CI that fails too).
"""
import atexit
import fcntl
import functools
import hashlib
import json
import os
import select
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent / "node"
PLACE = Path(__file__).resolve().parents[2] / "build" / "interop"
NODE, NPM = os.environ.get("NODE", "node"), os.environ.get("NPM", "npm")
INSTALL_LIMIT_S, START_LIMIT_S, TOOL_LIMIT_S = 240, 40, 40


def has_network():
    """A default route, IPv4 or IPv6."""
    def lines(path):
        return Path(path).read_text().splitlines() if Path(path).exists() else []
    four = any(line.split()[1] == "00000000" and line.split()[0] != "lo" for line in lines("/proc/net/route")[1:])
    return four or any(line.startswith("0" * 32 + " 00 ") and line.split()[-1] != "lo" for line in lines("/proc/net/ipv6_route"))


def _copy(name):
    """Whole or not at all: another worker may be reading it."""
    temporary = PLACE / f".{name}.{os.getpid()}"
    shutil.copyfile(HERE / name, temporary)
    os.replace(temporary, PLACE / name)


def _npm():
    return subprocess.run([NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1", "--cache",
                           str(PLACE / "npm-cache")], cwd=PLACE, capture_output=True, text=True, timeout=INSTALL_LIMIT_S)


def install():
    """The folder to run Node scripts in."""
    PLACE.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = PLACE / "installed"
    with open(PLACE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in HERE.iterdir():
            _copy(path.name)
        if stamp.exists() and stamp.read_text() == wanted:
            return PLACE
        if not (PLACE / "npm-cache" / "_cacache").exists() and not has_network() and not os.environ.get("CI"):
            pytest.skip("this machine has no network and the npm packages of test/interop/node were never installed")
        done = _npm()
        if done.returncode == 0:
            stamp.write_text(wanted)
            return PLACE
    pytest.fail(f"npm ci failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}", pytrace=False)


class NodeServer:
    """A script that listens and prints a line "ready" when it does; its options go in as one JSON argument."""

    def __init__(self, script, folder, options):
        place = install()
        self.log = Path(folder) / (Path(script).stem + ".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([NODE, script, json.dumps(options)], cwd=place, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_LIMIT_S
        while "ready\n" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{script} did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class _Jose:
    """node/jose_tool.mjs, started once for a test process; ends with it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.process = subprocess.Popen([NODE, "jose_tool.mjs"], cwd=install(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        atexit.register(self.end)

    def ask(self, request):
        with self.lock:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], TOOL_LIMIT_S)
            line = self.process.stdout.readline() if ready else ""
        if not line:
            raise RuntimeError("jose_tool.mjs does not answer")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait(TOOL_LIMIT_S)


_jose = functools.lru_cache(maxsize=1)(_Jose)


def jose(requests):
    """A list of requests to npm's jose (node/jose_tool.mjs says which there are); the list of answers."""
    return [_jose().ask(request) for request in requests]
