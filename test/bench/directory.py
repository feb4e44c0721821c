#!/usr/bin/python3
"""The directory's part of `make bench`: a person check through the pool beside the same searches on a bare libldap handle, both
against one slapd in one run; 64 who ask at once over 8 connections, with one of them stuck and without; memory over many checks.
Writes build/bench-directory.json. BENCH_LONG=1: a million checks instead of 50,000."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "support"), str(ROOT / "test" / "flow")]
import test_directory as live  # noqa: E402
from slapd import Slapd  # noqa: E402
from test_directory_connections import Wire  # noqa: E402

PROGRAM = ROOT / "build" / "release" / "test" / "bench" / "directory"
MOST_RATIO = 1.2
MOST_GROWTH_KB = 512
CHECKS = 1_000_000 if os.environ.get("BENCH_LONG") == "1" else 50_000


def run(file, *words, wire=None, **environment):
    """The JSON lines it prints."""
    rows = []
    with subprocess.Popen([str(PROGRAM), str(file), *map(str, words)], env={**os.environ, **environment}, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        for line in program.stdout:
            if line.startswith("ask stick"):
                wire.stick()
                program.stdin.write("done\n")
                program.stdin.flush()
            else:
                rows.append(json.loads(line))
    if program.returncode != 0:
        raise RuntimeError(f"{PROGRAM.name} {words} ended with {program.returncode}")
    return rows


def verdict(ok):
    return "ok" if ok else "OVER"


def cost(file, way, told):
    for row in run(file, "cost"):
        ratio = row["ours_us"] / row["bare_us"]
        told[f"{way}: {row['name']}"] = {**row, "ratio": round(ratio, 3), "budget": MOST_RATIO, "ok": ratio <= MOST_RATIO}
        print(f"  {way + ': ' + row['name']:<48}{row['ours_us']:9.1f} us, bare {row['bare_us']:7.1f}{ratio:7.2f} x   {verdict(ratio <= MOST_RATIO)}",
              flush=True)


def crowd(folder, server, told):
    for what, environment in (("all eight well", {}), ("one of the eight stuck", {"STICK": "1"})):
        wire = Wire(server)
        file = live.ministry(folder, f"ldap://127.0.0.1:{wire.port}", pool_size="8", search_timeout="5s")
        row = run(file, "many", wire=wire, **environment)[0]
        wire.close()
        told[f"64 over 8 connections, {what}"] = row
        print(f"  {'64 over 8 connections, ' + what:<48}p50 {row['p50_ms']:6.1f} ms, p99 {row['p99_ms']:6.1f}, longest {row['most_ms']:7.1f}; "
              f"{row['stuck']} met the stuck one", flush=True)


def memory(file, told):
    row = run(file, "memory", CHECKS)[0]
    grown = row["late_kb"] - row["early_kb"]
    told["memory"] = {**row, "ok": grown <= MOST_GROWTH_KB}
    print(f"  memory: {row['early_kb']} KB after {CHECKS // 10:,} checks, {row['late_kb']} KB after {CHECKS:,}   {verdict(grown <= MOST_GROWTH_KB)}",
          flush=True)


def main():
    told = {}
    print("\ndirectory", flush=True)
    with tempfile.TemporaryDirectory(prefix="idb") as folder:
        folder = Path(folder)
        with Slapd(folder / "slapd", tls=True) as server:
            cost(live.ministry(folder, server.url), "ldap", told)
            cost(live.ministry(folder, server.tls_url, ca_file=server.ca_file), "ldaps", told)
            crowd(folder, server, told)
            memory(live.ministry(folder, server.url), told)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench-directory.json").write_text(json.dumps(told, indent=1) + "\n")
    return 0 if all(row.get("ok", True) for row in told.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
