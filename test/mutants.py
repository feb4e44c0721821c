#!/usr/bin/python3
"""Does a test notice when a guard is gone? `make mutants` compiles each GUARD(name, …) of the C code out, one at a time, and runs
the tests that test/flow/attacks/attacks.py names for it: they must go red. Prints the survivors; exit 1 when there are any.

    test/mutants.py [--only NAME…] [--jobs N]

A mutant is the archive of build/mutants (plain -O1, no sanitizer) with one object compiled anew in front of it. First all those
tests run against the unchanged program, where they must be green. Called by the Makefile, which built build/mutants."""
import argparse
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path("build/mutants")
ATTACKS = ROOT / "test" / "flow" / "attacks"
sys.path.insert(0, str(ATTACKS))
import attacks  # noqa: E402

PYTHON, LIMIT_S = "/usr/bin/python3", 300


def make_variable(name):
    """A variable of the Makefile as it expands for this variant: compiler and flags are named there once."""
    done = subprocess.run(["make", "-s", "print-" + name], cwd=ROOT, capture_output=True, text=True, check=True)
    return shlex.split(done.stdout)


def run(command, limit=LIMIT_S, **options):
    return subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=limit, **options)


def built(command):
    done = run(command)
    if done.returncode != 0:
        raise RuntimeError(" ".join(map(str, command)) + "\n" + done.stderr[-3000:])


def place_of(guard):
    """The one source file that holds the guard."""
    files = [path for path in sorted((ROOT / "broker").rglob("*.c")) if re.search(rf"\bGUARD\({guard},", path.read_text())]
    if len(files) != 1:
        raise RuntimeError(f"GUARD({guard}, …) is in {len(files)} files")
    return files[0].relative_to(ROOT)


class Builder:
    def __init__(self):
        self.compile, self.libs = make_variable("MUTANT_COMPILE"), make_variable("LIBS")

    def object(self, source, target, *flags):
        target.parent.mkdir(parents=True, exist_ok=True)
        built([*self.compile, *flags, "-c", "-o", target, source])
        return target

    def program(self, target, *objects):
        built(["gcc", "-O1", "-o", target, *objects, BUILD / "libidbridge.a", *self.libs, "-lcmocka"])
        return target

    def mutant(self, guard):
        """(the daemon without this guard, the object for unit programs); the guard is main.c's or an archive member's."""
        source, folder = place_of(guard), ROOT / BUILD / "one" / guard
        one = self.object(source, folder / "one.o", f"-DMUTANT_{guard}", '-DIDBRIDGE_VERSION="mutant"', '-DIDBRIDGE_COMMIT="mutant"')
        is_main = source.name == "main.c"
        objects = [one] if is_main else [BUILD / "broker" / "main.o", one]
        return self.program(folder / "idbridge", *objects), [] if is_main else [one]

    def unit(self, folder, file, extra):
        """The unit program of this test file, with the mutated object in front."""
        made = self.object(Path("test") / file, folder / (Path(file).stem + ".o"))
        return self.program(folder / Path(file).stem, made, *extra)


def run_flow(binary, tests):
    """(failed, broken, output) of the pytest tests. Tests without [parameter] stand for all of their rows."""
    ids = [f"{ATTACKS if '/' not in test.split('::')[0] else ROOT / 'test'}/{test}" for test in tests]
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        done = run([PYTHON, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:xdist", "-x",
                    f"--junitxml={report.name}", *ids], LIMIT_S * 3, env={**os.environ, "IDBRIDGE_BINARY": str(ROOT / binary), "PYTHONDONTWRITEBYTECODE": "1"})
        head = re.search(r'errors="(\d+)" failures="(\d+)" skipped="(\d+)" tests="(\d+)"', Path(report.name).read_text())
    errors, failures, skipped, count = map(int, head.groups()) if head else (1, 0, 0, 0)
    return failures > 0, failures == 0 and (errors > 0 or skipped > 0 or count == 0), done.stdout  # a skip proves nothing


def run_unit(program):
    done = run([program], env={**os.environ, "IDBRIDGE_VECTORS": os.environ.get("IDBRIDGE_VECTORS", str(ROOT.parent / "shared" / "vectors"))})
    return done.returncode != 0, "[  FAILED  ]" not in done.stderr + done.stdout and done.returncode != 0, done.stdout + done.stderr


def judge(builder, guard, tests):
    """(guard, verdict, seconds): killed by every named test, or which ones it survived."""
    started, folder, survived, broken = time.monotonic(), ROOT / BUILD / "one" / guard, [], []
    try:
        binary, extra = builder.mutant(guard)
    except RuntimeError as problem:
        return guard, [], [str(problem)], time.monotonic() - started
    for test in tests:
        if test.startswith("unit/"):
            failed, bad, output = run_unit(builder.unit(folder, test.split("::")[0], extra))
        else:
            failed, bad, output = run_flow(binary, [test])
        if bad:
            broken.append(test + "\n" + output[-1500:])
        elif not failed:
            survived.append(test)
    return guard, survived, broken, time.monotonic() - started


def check_green(builder, wanted):
    """The same tests against the program as it is."""
    tests = sorted({test for name in wanted for test in attacks.guards()[name]})
    flow = [test for test in tests if not test.startswith("unit/")]
    if flow:
        failed, broken, output = run_flow(BUILD / "idbridge", flow)
        if failed or broken:
            sys.exit("the tests are not green without a mutation:\n" + output[-4000:])
    for file in sorted({test.split("::")[0] for test in tests if test.startswith("unit/")}):
        failed, _, output = run_unit(builder.unit(ROOT / BUILD / "unit", file, []))
        if failed:
            sys.exit(f"{file} is not green without a mutation:\n{output[-3000:]}")
    print(f"{len(tests)} tests are green without a mutation", flush=True)


def main():
    parser = argparse.ArgumentParser(description="compile each guard out and see its tests go red")
    parser.add_argument("--only", nargs="+", default=sorted(attacks.guards()), metavar="NAME")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    unknown = set(options.only) - set(attacks.guards())
    if unknown:
        sys.exit("no such guard: " + " ".join(sorted(unknown)))
    builder, survivors, broken = Builder(), 0, 0
    check_green(builder, options.only)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for guard, survived, bad, seconds in pool.map(lambda name: judge(builder, name, attacks.guards()[name]), options.only):
            print(f"{'SURVIVES' if survived else 'BROKEN' if bad else 'killed':9}{guard:28}{place_of(guard).as_posix():32}{seconds:5.1f} s", flush=True)
            for text in [*survived, *bad]:
                print("    " + text, flush=True)
            survivors, broken = survivors + bool(survived), broken + bool(bad)
    print(f"{len(options.only)} mutants, {survivors} survived, {broken} could not be judged")
    return 1 if survivors or broken else 0


if __name__ == "__main__":
    sys.exit(main())
