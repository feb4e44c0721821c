#!/usr/bin/python3
"""Runs unit tests again and again, each time with another allocation failing (test/support/failalloc.c).

    test/torture.py [--most 300] [--seconds 120] PROGRAM...        (make torture)

A test may well fail then: its assertion says what was not done, or it takes a NULL for text and falls over itself (these
are counted: "in the test"). What must not happen: a crash, an abort or a sanitizer's report whose innermost line is in
broker/, or a run that does not end. Of the allocations that come from the same place, call stack and all, the first one
fails; of those at most --most, drawn evenly (always the same ones), and for at most --seconds per program. The line of a
program says how many of how many.
Leaks are not looked for: an assertion that fails leaves its test by longjmp and frees nothing.
"""
import argparse
import concurrent.futures
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
RUN_SECONDS = 60
LIST_SECONDS = 600  # every call stack is walked
SANITIZERS = {
    # handle_*=2: cmocka must not take the signals from AddressSanitizer
    "ASAN_OPTIONS": "detect_leaks=0:handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2:"
                    "allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
SIGNS = ("ERROR: AddressSanitizer", "runtime error:", "Test failed with exception")


def run(program, seconds=RUN_SECONDS, **environment):
    env = dict(os.environ, **SANITIZERS, **environment)
    try:
        return subprocess.run([program], cwd=ROOT, env=env, check=False, stdin=subprocess.DEVNULL, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def allocations(program):
    """Numbers of the allocations that come from somewhere new."""
    with tempfile.NamedTemporaryFile("r") as out:
        done = run(program, LIST_SECONDS, FAILALLOC_LIST=out.name)
        if done is None or done.returncode != 0:
            sys.exit(f"{program}: fails without any failing allocation")
        return [line.strip() for line in out]


PLACE = re.compile(r"\b((?:broker|test)/\S+\.[ch]:\d+)")


def verdict(done):
    """(place, words) of what must not happen, or None. The place is the innermost line of ours."""
    if done is None:
        return "no end", f"does not end within {RUN_SECONDS} s"
    lines = done.stdout.splitlines()
    for i, line in enumerate(lines):
        if any(sign in line for sign in SIGNS):
            places = [found.group(1) for found in map(PLACE.search, lines[i:]) if found]
            places = list(dict.fromkeys(places))
            return places[0] if places else line, "\n        ".join([line.strip(), *places[:5]])
    return (f"signal {-done.returncode}",) * 2 if done.returncode < 0 else None


def torture(program, most, seconds):
    all_of_them = allocations(program)
    drawn = random.Random(0).sample(all_of_them, min(most, len(all_of_them)))
    tried, in_test, bad, end = 0, 0, {}, time.monotonic() + seconds
    for at in drawn:
        if time.monotonic() > end:
            break
        tried += 1
        place, words = verdict(run(program, FAILALLOC_AT=at)) or (None, None)
        if place is not None and place.startswith("test/"):
            in_test += 1
        elif place is not None:
            bad.setdefault(place, f"FAILALLOC_AT={at}: {words}")
    return f"{tried} of {len(all_of_them)} allocations, {in_test} met in the test", list(bad.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("programs", nargs="+", metavar="PROGRAM")
    args = parser.parse_args()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        runs = {p: pool.submit(torture, p, args.most, args.seconds) for p in args.programs}
        for program, future in runs.items():
            text, bad = future.result()
            failed += bool(bad)
            name = program.split("test/unit/", 1)[-1]
            print(f"{'FAIL' if bad else 'ok  '} torture {name}: {text}", flush=True)
            for why in bad:
                print(f"    {why}", flush=True)
    print(f"{len(args.programs) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
