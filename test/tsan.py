#!/usr/bin/python3
"""Runs unit tests that were built with ThreadSanitizer, one after the other (make tsan).

    test/tsan.py PROGRAM...

Under `setarch -R`, because gcc 12's ThreadSanitizer cannot lay out its shadow memory under every address space
randomisation. Libraries are not instrumented: what happens inside them alone is not looked at. Prints one line per
program and "N passed, N failed"; a report of ThreadSanitizer, a failing test or a run that does not end fails.
"""
import os
import platform
import subprocess
import sys

RUN_SECONDS = 300
OPTIONS = "exitcode=66:second_deadlock_stack=1:ignore_noninstrumented_modules=1"


def run(program):
    env = dict(os.environ, TSAN_OPTIONS=OPTIONS)
    try:
        done = subprocess.run(["setarch", platform.machine(), "-R", program], env=env, check=False, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return f"does not end within {RUN_SECONDS} s"
    if done.returncode == 0 and "WARNING: ThreadSanitizer" not in done.stdout:
        return None
    lines = done.stdout.splitlines()
    first = next((i for i, l in enumerate(lines) if "ThreadSanitizer" in l or "[  FAILED" in l or "ERROR" in l), 0)
    return "\n".join([f"exit status {done.returncode}", *lines[first:first + 40]])


def main(programs):
    failed = 0
    for program in programs:
        why = run(program)
        failed += why is not None
        print(f"{'FAIL' if why else 'ok  '} tsan {program.split('test/unit/', 1)[-1]}{': ' + why if why else ''}", flush=True)
    print(f"{len(programs) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
