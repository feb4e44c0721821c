#!/usr/bin/python3
"""Static analysis of broker/: gcc -fanalyzer, clang-tidy (.clang-tidy says which checks) and cppcheck, file by file.

    test/analyze.py -- CFLAGS...                 all of broker/ (make analyze)
    test/analyze.py broker/base/*.c -- CFLAGS    these files

Whatever they say counts. Where a finding is none, the place itself says why: a `NOLINT(check): reason` for clang-tidy, a
`cppcheck-suppress` with its reason for cppcheck, a `#pragma GCC diagnostic` under a comment for gcc; what would be said
everywhere is left out in .clang-tidy and below. Prints the findings, "N clean, N with findings", exit status 1 when there
are some.
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

CPPCHECK = [
    "cppcheck", "--quiet", "--std=c17", "--enable=warning,performance", "--inline-suppr",
    "--error-exitcode=1", "--library=posix", "-Iinclude", "-D_GNU_SOURCE",
    "--template={file}:{line}: {severity}: {message} [{id}]",
    # Not findings: headers of libraries are not read, and long macros make many configurations.
    "--suppress=missingInclude", "--suppress=missingIncludeSystem", "--suppress=unmatchedSuppression",
    "--suppress=toomanyconfigs", "--suppress=normalCheckLevelMaxBranches",
]


# Their macros are loops: without them cppcheck takes the lines for something else.
LOOPS = ("*-linux-gnu/sys/queue.h", "jansson.h")


def system_headers():
    """cppcheck reads no header of the system but the ones it is given."""
    return [f"--include={path}" for name in LOOPS for path in sorted(pathlib.Path("/usr/include").glob(name))[:1]]


def commands(path, flags):
    yield "gcc", ["gcc", *flags, "-O2", "-fanalyzer", "-Werror", "-c", "-o", os.devnull, path]
    yield "clang-tidy", ["clang-tidy", "-quiet", path, "--", *flags, "-Wno-unknown-warning-option"]
    yield "cppcheck", [*CPPCHECK, *system_headers(), path]


def analyse(path, flags):
    said = []
    for tool, command in commands(path, flags):
        done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            said.append(f"== {tool} {path}\n{done.stdout.strip()}")
    return said


def main(arguments):
    if "--" not in arguments:
        sys.exit(__doc__)
    cut = arguments.index("--")
    files, flags = arguments[:cut], arguments[cut + 1:]
    files = files or sorted(str(p.relative_to(ROOT)) for p in (ROOT / "broker").rglob("*.c"))
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for said in pool.map(lambda path: analyse(path, flags), files):
            bad += bool(said)
            for text in said:
                print(text, flush=True)
    print(f"{len(files) - bad} clean, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
