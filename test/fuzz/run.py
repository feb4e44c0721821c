#!/usr/bin/python3
"""Runs the fuzz targets: first every seed of test/fuzz/corpus, then new inputs for a while.

    test/fuzz/run.py --seconds-each 60      each target for a minute (make fuzz)
    test/fuzz/run.py --seconds-total 10     all targets within ten seconds or so (make check)
    test/fuzz/run.py jws jwe ...            only these

With clang the targets are libFuzzer programs in build/fuzz; without it gcc's programs in build/asan/fuzz replay the seeds
and nothing new is tried, which is said. An input that makes a target fail is kept in build/fuzz/found. What libFuzzer
learns stays in build/fuzz/learnt, so that the next run begins where this one ended; seeds worth keeping go into the
corpus by hand. Prints "N passed, N failed"; exit status 1 when one failed.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "test/fuzz"
LIBFUZZER = ROOT / "build/fuzz"
REPLAY = ROOT / "build/asan/fuzz"
MEMORY_MB = 1024
INPUT_MAX = 8192
GRACE_SECONDS = 120  # for the seeds, the start and a machine that has other things to do


def targets():
    return sorted(p.stem for p in HERE.glob("*.c") if not p.stem.endswith("_main"))


def build(make_target):
    command = ["make", "--no-print-directory", "-s", f"-j{os.cpu_count() or 1}", make_target]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}fuzz: the targets do not build")


def command_of(name, seconds):
    seeds = HERE / "corpus" / name
    if not (LIBFUZZER / name).exists():
        return [REPLAY / name, seeds]
    learnt, found = LIBFUZZER / "learnt" / name, LIBFUZZER / "found"
    learnt.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    command = [LIBFUZZER / name, f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MB}", f"-max_len={INPUT_MAX}",
               "-timeout=10", "-print_final_stats=1", f"-artifact_prefix={found}/{name}-", learnt, seeds]
    words = HERE / "dict" / f"{name}.dict"
    return command[:1] + ([f"-dict={words}"] if words.exists() else []) + command[1:]


def inputs_tried(text):
    for line in text.splitlines():
        if line.startswith("stat::number_of_executed_units:"):
            return line.split()[-1]
    return text.split()[0] if text.strip() else "0"


def what_happened(text):
    """Of libFuzzer's words those that say what was wrong and which input shows it again."""
    progress = ("#", "INFO:", "stat::", "NOTE:", "MS:", "0x")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(progress)]
    return "\n".join(["", *lines[:40]])


def run(name, seconds):
    if not any((HERE / "corpus" / name).glob("*")):
        return name, False, "no seeds in test/fuzz/corpus/" + name
    try:
        done = subprocess.run(command_of(name, seconds), cwd=ROOT, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds + GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return name, False, "does not end"
    if done.returncode != 0:
        return name, False, what_happened(done.stdout)
    return name, True, f"{inputs_tried(done.stdout)} inputs"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds-each", type=int, default=0)
    parser.add_argument("--seconds-total", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("names", nargs="*", metavar="TARGET")
    args = parser.parse_args()
    if not args.no_build:
        build("fuzz-programs")
    names = args.names or targets()
    seconds = args.seconds_each or max(1, args.seconds_total * args.jobs // len(names))
    if not (LIBFUZZER / names[0]).exists():
        print("fuzz: no clang here: the seeds are replayed, nothing new is tried")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for name, ok, text in pool.map(lambda n: run(n, seconds), names):
            failed += not ok
            print(f"{'ok  ' if ok else 'FAIL'} fuzz {name}: {text}", flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
