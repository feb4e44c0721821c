#!/usr/bin/python3
"""Runs unit tests again and again, each time with another allocation failing (test/support/failalloc.c).

    test/torture.py [--most 300] [--seconds 120] PROGRAM...        (make torture)

A test may well fail then: its assertion says what was not done, or it takes a NULL for text and falls over itself (these
are counted: "in the test"; so are crashes inside jansson). What must not happen: a crash, an abort or a sanitizer's report
whose innermost line is in broker/, or a run that does not end.

Of the allocations that come from the same place, call stack and all, the first one fails; of those at most --most, drawn
evenly (always the same ones). They are tried in forks of one run; where that cannot be, because the program has threads or
its files do not bear it, in runs of their own for at most --seconds per program. The line of a program says how many of how
many.
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
ALL_SECONDS = 900  # every call stack is walked, or every failure tried
NO_END = 99  # failalloc.c's word for it
SANITIZERS = {
    # handle_*=2: cmocka must not take the signals from AddressSanitizer
    "ASAN_OPTIONS": "detect_leaks=0:handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2:"
                    "allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
SIGNS = ("ERROR: AddressSanitizer", "runtime error:", "Test failed with exception")


def run(program, seconds=RUN_SECONDS, **environment):
    """(exit status, output); the status is None when it did not end."""
    env = dict(os.environ, **SANITIZERS, **environment)
    try:
        done = subprocess.run([program], cwd=ROOT, env=env, check=False, stdin=subprocess.DEVNULL, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return None, ""


def allocations(program):
    """Numbers of the allocations that come from somewhere new."""
    with tempfile.NamedTemporaryFile("r") as out:
        if run(program, ALL_SECONDS, FAILALLOC_LIST=out.name)[0] != 0:
            sys.exit(f"{program}: fails without any failing allocation")
        return [int(line) for line in out]


PLACE = re.compile(r"\b((?:broker|test)/\S+\.[ch]:\d+)")

# jansson 2.14 ignores that its lexer's buffer could not grow (lex_save) and then looks for a closing quote that is not there.
JANSSON = re.compile(r"\s*#0 .*/libjansson\.so")


def verdict(status, output):
    """(place, words) of what must not happen, or None. The place is the innermost line of ours."""
    lines = output.splitlines()
    for i, line in enumerate(lines):
        if any(sign in line for sign in SIGNS):
            places = [found.group(1) for found in map(PLACE.search, lines[i:]) if found]
            places = list(dict.fromkeys(places))
            if any(JANSSON.match(l) for l in lines[i:]):
                return "jansson", line
            return places[0] if places else line, "\n        ".join([line.strip(), *places[:5]])
    if status is None or status == NO_END:
        return "no end", "does not end"
    return (f"signal {-status}",) * 2 if status < 0 else None


def forked(program, numbers, seconds):
    """{number: (status, output)}. Not of all of them where the program has threads, or stumbled over what a child did
    to a file they share."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "numbers").write_text("\n".join(map(str, sorted(numbers))) + "\n")
        run(program, seconds, FAILALLOC_FORK=name)
        return {int(p.stem): (int(p.read_text() or 0), p.with_suffix(".out").read_text(errors="replace"))
                for p in folder.glob("*.status")}


def one_by_one(program, numbers, seconds):
    """The same with a run of its own for each."""
    end = time.monotonic() + seconds
    for number in numbers:
        if time.monotonic() > end:
            return
        yield number, run(program, FAILALLOC_AT=str(number))


def torture(program, most, seconds):
    all_of_them = allocations(program)
    drawn = random.Random(0).sample(all_of_them, min(most, len(all_of_them)))
    done = forked(program, drawn, ALL_SECONDS)
    done.update(one_by_one(program, [n for n in drawn if n not in done], seconds))
    in_test, in_jansson, bad = 0, 0, {}
    for number, (status, output) in sorted(done.items()):
        place, words = verdict(status, output) or (None, None)
        if place is not None and place.startswith("test/"):
            in_test += 1
        elif place == "jansson":
            in_jansson += 1
        elif place is not None:
            bad.setdefault(place, f"FAILALLOC_AT={number}: {words}")
    return f"{len(done)} of {len(all_of_them)} allocations, {in_test} met in the test, {in_jansson} in jansson", list(bad.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=60)
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
