#!/usr/bin/python3
"""Runs every test to the end and closes with one line: N passed, N failed, N skipped. Called by `make check`, which built
build/asan first. `test/run.py WORD…` runs only the parts whose name holds a word.

Parts: unit programs (cmocka, ASan+UBSan), the replays of the recordings against the stand-ins, the checks of docs, the fuzz
corpora, and pytest folders. A skip prints its reason; with IDBRIDGE_REQUIRE_VECTORS=1 (CI) every skip counts as a failure, be
it for missing vectors or recordings, or for directory servers that take root or namespaces."""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"
ASAN, LOGS = Path("build/asan"), Path("build/check")
REQUIRED = os.environ.get("IDBRIDGE_REQUIRE_VECTORS") == "1"
SKIPPED = 77  # what a replay ends with where there are no recordings
UNIT_LIMIT_S, SCRIPT_LIMIT_S, PYTEST_LIMIT_S = 240, 420, 900
WORKERS = max(2, os.cpu_count() or 2)
# address randomisation off, or ASan fails now and then on new kernels; a container may forbid that, and then it stays on
FIXED_ADDRESSES = ["setarch", "-R"] if subprocess.run(["setarch", "-R", "true"], stderr=subprocess.DEVNULL).returncode == 0 else []
# relative, for the tree may lie in a folder with blanks
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:strict_string_checks=1",
               "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1", "PYTHONDONTWRITEBYTECODE": "1",
               "IDBRIDGE_BINARY": str(ROOT / "build" / "asan" / "idbridge"),
               "IDBRIDGE_VECTORS": os.environ.get("IDBRIDGE_VECTORS", str(ROOT.parent / "shared" / "vectors")),
               "IDBRIDGE_RECORDINGS": os.environ.get("IDBRIDGE_RECORDINGS", str(ROOT.parent / "shared" / "recordings"))}

SCRIPTS = [
    ("replay dhis2", ["test/support/dhis2/replay.py"]),
    ("replay esignet", ["test/support/esignet/replay.py"]),
    ("docs", ["test/support/docs_check.py"]),
    ("fuzz", ["test/fuzz/run.py", "--seconds-total", "10"]),
]
PYTEST = [
    ("directories", ["test/support/test_directories.py"], 1),
    ("dhis2 facts", ["test/support/dhis2"], 1),
    ("esignet facts", ["test/support/esignet"], 1),
    ("flow", ["test/flow"], WORKERS),
    ("interop", ["test/interop"], WORKERS),
]


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures, self.reasons = [], []

    def add(self, name, passed, failed, skipped, detail=""):
        self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
        if failed:
            self.failures.append((name, detail))


def quiet(command, limit, cwd=ROOT):
    """(exit status or None when it took too long, output)"""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([*FIXED_ADDRESSES, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   env=ENVIRONMENT, cwd=cwd, start_new_session=True)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            status = None
        out.seek(0)
        return status, out.read().decode(errors="replace")


def unit(tally, words):
    programs = sorted(path for path in (ASAN / "test/unit").glob("*/test_*") if path.suffix == "" and path.is_file())
    programs = [path for path in programs if (ROOT / "test/unit" / path.parent.name / (path.name + ".c")).exists()]
    programs = [path for path in programs if not words or any(word in f"unit/{path.parent.name}/{path.name}" for word in words)]
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for path, (status, output) in zip(programs, pool.map(lambda p: quiet([str(p)], UNIT_LIMIT_S), programs)):
            driven = re.search(r"^skipped: .*?(test/flow/\S+\.py)", output, re.M)
            if driven and status == 0 and (ROOT / driven.group(1)).exists():
                continue  # a probe that a flow test runs with real servers
            passed = len(re.findall(r"^\[       OK \]", output, re.M))
            skips = re.findall(r"^\[  SKIPPED \] ([^0-9]\S*)", output, re.M)
            failed = len(set(re.findall(r"^\[  FAILED  \] ([^0-9 ]\S*)$", output, re.M))) or (1 if status != 0 else 0)
            if skips:
                said = [line for line in output.splitlines() if re.search(r"skip|absent|missing|unset", line, re.I) and "[" not in line[:2]]
                reason = "; ".join(dict.fromkeys(said)) or "no reason printed"
                tally.reasons.append(f"{path.parent.name}/{path.name}: {len(set(skips))} skipped: {reason}")
                if REQUIRED or not said:
                    failed += 1
            if passed == 0 and not skips and status == 0:
                failed, output = 1, output + "\n(no test ran)"
            tally.add(f"unit {path.parent.name}/{path.name}", passed, failed, len(set(skips)),
                      output[-4000:] if status is not None else output[-3000:] + f"\n(ended after {UNIT_LIMIT_S} s)")
    print(f"unit: {len(programs)} programs in {time.monotonic() - started:.0f} s", flush=True)


def script(tally, name, words):
    if not (ROOT / words[0]).exists():
        tally.add(name, 0, 1, 0, f"{words[0]} is not there")
        return
    started = time.monotonic()
    status, output = quiet([PYTHON, "-B", *words], SCRIPT_LIMIT_S)
    counts = re.findall(r"(\d+) passed, (\d+) failed", output)
    passed, failed = (int(counts[-1][0]), int(counts[-1][1])) if counts else (1 if status == 0 else 0, 0)
    skipped = 1 if status == SKIPPED and not REQUIRED else 0
    if skipped:
        tally.reasons.append(f"{name}: {output.strip()}")
    elif status != 0 and failed == 0:
        failed = 1
    tally.add(name, passed, failed, skipped, output[-5000:])
    print(f"{name}: {passed} passed, {failed} failed, {skipped} skipped in {time.monotonic() - started:.0f} s", flush=True)


def pytest(tally, name, paths, workers):
    paths = [path for path in paths if (ROOT / path).exists()]
    if not paths:
        tally.add(name, 0, 1, 0, "the tests are not there")
        return
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        parallel = ["-n", str(workers), "--dist", "loadfile"] if workers > 1 else []
        status, output = quiet([PYTHON, "-B", "-m", "pytest", "-q", "-x" if os.environ.get("FAIL_FAST") else "-q", "--import-mode=importlib", "-p",
                                "no:cacheprovider", "--tb=short", f"--junitxml={report}", "-rs", *parallel, *paths], PYTEST_LIMIT_S)
        passed = failed = skipped = 0
        names = {}
        if report.exists():
            for case in xml.etree.ElementTree.parse(report).iter("testcase"):
                kinds = {child.tag for child in case}
                if kinds & {"failure", "error"}:
                    names[f"  {case.get('classname')}::{case.get('name')}\n"] = True  # twice: the test, and its fixture's end
                elif "skipped" in kinds:
                    reason = case.find("skipped").get("message") or ""
                    tally.reasons.append(f"{case.get('classname')}::{case.get('name')}: {reason}")
                    if REQUIRED or not reason:
                        names[f"  {case.get('classname')}::{case.get('name')}: skipped\n"] = True
                    else:
                        skipped += 1
                else:
                    passed += 1
        failed += len(names)
    if status not in (0, 1) or (status == 1 and not failed) or passed + failed == 0:
        failed += 1
    whole = LOGS / f"{name.replace(' ', '-')}.log"
    LOGS.mkdir(parents=True, exist_ok=True)
    whole.write_text(output)
    tally.add(name, passed, failed, skipped, f"{output[-12000:]}(whole: {whole})\n{''.join(names)}")
    print(f"{name}: {passed} passed, {failed} failed, {skipped} skipped in {time.monotonic() - started:.0f} s", flush=True)


def main():
    os.chdir(ROOT)
    words, tally, started = sys.argv[1:], Tally(), time.monotonic()

    def wanted(name):
        return not words or any(word in name for word in words)
    if not words or any("unit" in word for word in words):
        unit(tally, words if words and any("/" in w for w in words) else [])
    for name, command in SCRIPTS:
        if wanted(name):
            script(tally, name, command)
    for name, paths, workers in PYTEST:
        if wanted(name):
            pytest(tally, name, paths, workers)
    for name, detail in tally.failures:
        print(f"\n==== FAILED: {name}\n{detail}")
    if tally.reasons:
        print("\nskipped, and why:")
        print("\n".join("  " + reason for reason in tally.reasons))
    print(f"\n{time.monotonic() - started:.0f} s")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


sys.exit(main())
