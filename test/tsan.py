#!/usr/bin/python3
"""Looks for data races (make tsan): runs unit tests that were built with ThreadSanitizer, one after the other, and then
flow tests against a whole bridge that was built with it.

    test/tsan.py [--bridge BINARY --flow TEST...] PROGRAM...

Under `setarch -R`, because gcc 12's ThreadSanitizer cannot lay out its shadow memory under every address space
randomisation. Libraries are not instrumented: what happens inside them alone is not looked at, so there are no false alarms
to suppress. A report of the bridge goes to its log, ends it with exit status 66, and the flow tests' fixture fails on
either. Prints one line per program and "N passed, N failed"; a report, a failing test or a run that does not end fails.
"""
import argparse
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"
RUN_SECONDS = 300
FLOW_SECONDS = 1200
OPTIONS = "exitcode=66:second_deadlock_stack=1:ignore_noninstrumented_modules=1"
FIXED_ADDRESSES = ["setarch", platform.machine(), "-R"]


def run(program):
    env = dict(os.environ, TSAN_OPTIONS=OPTIONS)
    try:
        done = subprocess.run([*FIXED_ADDRESSES, program], env=env, check=False, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return f"does not end within {RUN_SECONDS} s"
    if done.returncode == 0 and "WARNING: ThreadSanitizer" not in done.stdout:
        return None
    lines = done.stdout.splitlines()
    first = next((i for i, l in enumerate(lines) if "ThreadSanitizer" in l or "[  FAILED" in l or "ERROR" in l), 0)
    return "\n".join([f"exit status {done.returncode}", *lines[first:first + 40]])


def flow(binary, tests):
    """(passed, failed) of the flow tests with this bridge."""
    env = dict(os.environ, TSAN_OPTIONS=OPTIONS, IDBRIDGE_BINARY=str(Path(binary).resolve()), PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run([*FIXED_ADDRESSES, PYTHON, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider",
                           "--tb=short", "-n", "2", "--dist", "loadfile", *tests], env=env, cwd=ROOT, check=False, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=FLOW_SECONDS)
    counts = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|error)", done.stdout.splitlines()[-1])}
    failed = counts.get("failed", 0) + counts.get("error", 0) or int(done.returncode != 0)
    print(f"{'FAIL' if failed else 'ok  '} tsan flow: {counts.get('passed', 0)} tests with {binary}", flush=True)
    if failed:
        print(done.stdout[-8000:], flush=True)
    return counts.get("passed", 0), failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bridge", metavar="BINARY")
    parser.add_argument("--flow", action="append", default=[], metavar="TEST")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM")
    args = parser.parse_args()
    failed = 0
    for program in args.programs:
        why = run(program)
        failed += why is not None
        print(f"{'FAIL' if why else 'ok  '} tsan {program.split('test/unit/', 1)[-1]}{': ' + why if why else ''}", flush=True)
    passed = len(args.programs) - failed
    if args.bridge:
        more, bad = flow(args.bridge, args.flow)
        passed, failed = passed + more, failed + bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
