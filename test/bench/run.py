#!/usr/bin/python3
"""`make bench`: processor time per operation beside the bare signature, measured in the same run. Writes build/bench.json.

    run.py [WORD…]      only the parts whose name holds a word: inside http login start sessions hang growth

CPU is the bridge's own, user and kernel, all threads. The budgets were made on a machine whose bare RS256 and ES256 signatures take
250 and 23 microseconds. Here they take what they take: of each budget the RSA part is scaled by RSA, the rest by ES256; both figures
are printed, and the scaled one decides. Times and megabytes are not scaled. BENCH_LONG=1: 100,000 sessions too.

Beside login, memory and start stands what the libraries alone take for the same (bare.c): a budget below that asks for other
libraries, not for other code of ours. It is measured with warm caches, one thing at a time, so it is a lower bound."""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import growth  # noqa: E402
import hang  # noqa: E402
from loadrig import FORM, RELEASE, ROOT, VERIFIER, Kept, Rig, basic_header, cpu_s, own_mb, rss_mb, together  # noqa: E402
from logins import FastRig, everybody_once, login_cpu  # noqa: E402
from startup import ready_ms  # noqa: E402
import slapd  # noqa: E402

INSIDE = ROOT / "build" / "release" / "test" / "bench" / "inside"
BARE = INSIDE.with_name("bare")
# What a brokered login cannot do without: signatures, foreign signatures, requests to us, calls of ours, searches, commits.
LOGIN_IS_MADE_OF = {"sign": 3, "verify": 2, "request": 3, "call": 3, "search": 2, "commit": 2, "hand-over": 13}
REFERENCE = {"RS256": 250.0, "ES256": 23.0}  # microseconds of the bare signature where the budgets were made
WORDS = sys.argv[1:]


class Report:
    def __init__(self):
        self.rows, self.bare, self.notes, self.bare_verify, self.floor = {}, {}, [], None, None

    def pace(self):
        return self.bare["ES256"] / REFERENCE["ES256"]

    def here(self, budget, rsa):
        """The budget on this machine: `rsa` of its signatures are RS256."""
        return rsa * self.bare["RS256"] + (budget - rsa * REFERENCE["RS256"]) * self.pace()

    def add(self, name, cpu_us, budget=None, rsa=0, bare=None):
        bare = bare if bare is not None else rsa * self.bare["RS256"] or None
        limit = None if budget is None else self.here(budget, rsa)
        self.rows[name] = {"cpu_us": round(cpu_us, 2), "per_s_per_core": round(1e6 / cpu_us), "bare_us": bare and round(bare, 1),
                           "ratio": bare and round(cpu_us / bare, 3), "budget": budget, "budget_here": limit and round(limit, 1),
                           "ok": None if limit is None else cpu_us <= limit}
        self.show(name)

    def add_ratio(self, name, cpu_us, bare, most):
        self.rows[name] = {"cpu_us": round(cpu_us, 2), "per_s_per_core": round(1e6 / cpu_us), "bare_us": round(bare, 2),
                           "ratio": round(cpu_us / bare, 3), "budget": f"{most} x bare", "budget_here": round(most * bare, 1),
                           "ok": cpu_us <= most * bare}
        self.show(name)

    def add_value(self, name, value, unit, budget=None):
        self.rows[name] = {"value": round(value, 2), "unit": unit, "budget": budget, "ok": None if budget is None else value <= budget}
        told = "" if budget is None else f"budget {budget} {unit}   {'ok' if value <= budget else 'OVER'}"
        print(f"  {name:<64}{value:10.2f} {unit:<5}{told:>40}", flush=True)

    def show(self, name):
        row = self.rows[name]
        beside = f"{row['bare_us']:9.1f} {row['ratio']:6.2f} x" if row["bare_us"] else " " * 18
        told = "" if row["budget"] is None else f"{row['budget']!s:>10} {row['budget_here']:8.1f}   {'ok' if row['ok'] else 'OVER'}"
        print(f"  {name:<44}{row['cpu_us']:9.1f} {row['per_s_per_core']:9d} {beside}{told}", flush=True)


def wanted(part):
    return not WORDS or any(word in part for word in WORDS)


# ---- our functions ------------------------------------------------------------------------------------------

def inside(report, folder):
    done = subprocess.run([str(INSIDE), str(folder)], capture_output=True, check=True, timeout=120)
    took = {row["name"]: row["cpu_us"] for row in map(json.loads, done.stdout.decode().splitlines())}
    report.bare, report.bare_verify = {alg: took["bare sign " + alg] for alg in REFERENCE}, took["bare verify RS256"]
    print(f"  bare signature here: RS256 {report.bare['RS256']:.1f}, ES256 {report.bare['ES256']:.1f} microseconds; "
          f"pace {report.pace():.2f}\n", flush=True)
    for alg, most in (("RS256", 1.15), ("ES256", 2.0)):
        report.add_ratio("token_sign " + alg, took["token_sign " + alg], took["bare sign " + alg], most)
        report.add_ratio("token_verify " + alg, took["token_verify " + alg], took["bare verify " + alg], 1.3)
    report.add("the strict gate on a 2 KB token", took["gate 2 KB ES256"], 5)
    report.add("rules: decide, 200 groups, 10,000 rules", took["decide 10000 rules"], 50)
    done = subprocess.run([str(INSIDE.with_name("groups"))], capture_output=True, check=True, timeout=60)
    report.add("1,000 nested groups, 10 deep, remembered", json.loads(done.stdout)["cpu_us"], 5000)


# ---- over HTTP ------------------------------------------------------------------------------------------------

def wrk(rig, path, seconds=2, method="GET", body=None, headers=None, connections=8):
    """(CPU microseconds of one request, p99 in ms)"""
    script = Path(rig.folder) / "wrk.lua"
    lines = [f'wrk.method = "{method}"', *(f'wrk.headers["{name}"] = "{value}"' for name, value in (headers or {}).items())]
    script.write_text("\n".join(lines + ([f'wrk.body = "{body}"'] if body else [])) + "\n")
    before = cpu_s(rig.bridge_pid())
    said = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", str(script), rig.issuer + path],
                          capture_output=True, text=True, check=True, timeout=60).stdout
    took = cpu_s(rig.bridge_pid()) - before
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"{path}:\n{said}")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", said).groups()
    return took * 1e6 / int(re.search(r"(\d+) requests in", said).group(1)), float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def floor(report, rig):
    """The same work by the libraries alone (bare.c), and what of it a login is made of."""
    directory, folder = rig.slapd, Path(tempfile.mkdtemp(dir=rig.folder))
    dn = f"uid={rig.persons[0]['uid']},ou=people,{slapd.SUFFIX}"
    done = subprocess.run([str(BARE), str(folder), rig.provider + "/jwks", directory.url, dn, slapd.READER, slapd.READER_PASSWORD],
                          capture_output=True, check=True, timeout=60)
    said = {row.pop("name"): row for row in map(json.loads, done.stdout.decode().splitlines())}
    one = {name: row["cpu_us"] for name, row in said.items() if "cpu_us" in row}
    one["hand-over"] = one.pop("two hand-overs") / 2
    one.update(sign=report.bare["RS256"], verify=report.bare_verify, request=median_cpu(rig, "/jwks"))
    report.floor = {"one_us": {name: round(one[name], 1) for name in LOGIN_IS_MADE_OF}, "times": LOGIN_IS_MADE_OF,
                    "login_us": round(sum(times * one[name] for name, times in LOGIN_IS_MADE_OF.items())), "memory": said["memory"]}
    parts = ", ".join(f"{times} x {name} {one[name]:.0f}" for name, times in LOGIN_IS_MADE_OF.items())
    report.notes.append(f"floor of a login, the libraries alone: {report.floor['login_us']} us ({parts})")
    report.notes.append(f"the libraries alone, each used once: RSS {said['memory']['rss_mb']} MB, of it no file's "
                        f"{said['memory']['own_mb']} MB")


def median_cpu(rig, path, rounds=3, **options):
    wrk(rig, path, seconds=1, **options)
    return statistics.median(wrk(rig, path, **options)[0] for _ in range(rounds))


def minter(rig, name, profile):
    more = ["--redirect-uri", "http://127.0.0.1:9/"] if profile == "dhis2" else []
    secret = rig.add_client(name, "--profile", profile, "--grant-types", "client_credentials", *more)
    return {"method": "POST", "body": "grant_type=client_credentials", "headers": {**basic_header(name, secret), "Content-Type": FORM}}


def by_assertion(rig, count=1200, threads=4):
    """CPU of one mint with private_key_jwt: every assertion is used once."""
    from assertions import make
    key, forms = make(rig.issuer, "asserter", count * 2)
    (rig.folder / "asserter.jwks").write_text(key)
    rig.add_client("asserter", "--profile", "rfc9068", "--grant-types", "client_credentials", "--auth-method", "private_key_jwt",
                   "--jwks", str(rig.folder / "asserter.jwks"))

    def work(i):
        kept = Kept()
        for form in forms[i:count:threads] if warm else forms[count + i::threads]:
            status, _, text = kept.ask("POST", rig.issuer + "/token", form, {"Content-Type": FORM})
            if status != 200:
                raise RuntimeError(text)
        kept.close()
    warm = True
    together(threads, work)
    warm, before = False, cpu_s(rig.bridge_pid())
    together(threads, work)
    return (cpu_s(rig.bridge_pid()) - before) * 1e6 / count


def over_http(report, rig):
    person = rig.whole_login(Kept(), rig.persons[0])
    report.add("discovery", median_cpu(rig, "/.well-known/openid-configuration"), 25)
    report.add("JWKS", median_cpu(rig, "/jwks"), 25)
    report.add("userinfo", median_cpu(rig, "/userinfo", headers={"Authorization": "Bearer " + person["access_token"]}), 100)
    es256 = median_cpu(rig, "/token", **minter(rig, "es256", "rfc9068"))
    report.add("mint ES256, client_secret_basic", es256, 100, bare=report.bare["ES256"])
    report.add("mint RS256, client_secret_basic", median_cpu(rig, "/token", **minter(rig, "rs256", "dhis2")), 380, rsa=1)
    report.add("mint ES256, private_key_jwt and its commit", by_assertion(rig), bare=report.bare["ES256"])


# ---- parts -------------------------------------------------------------------------------------------------------

def login(report, rig):
    everybody_once(rig)
    login_cpu(rig, 2)
    rounds = sorted(login_cpu(rig, 4) for _ in range(5))
    report.add("login: brokered, RS256, DHIS2 unchanged, 32 at once", rounds[2][0], 1600, rsa=3)
    floor(report, rig)
    report.notes.append(f"logins a second with 32 at once, the load's own clients beside it: {statistics.median(r[1] for r in rounds):.0f}")


def start(report, rig):
    rig.stop("bridge")
    fastest, middle, libraries = ready_ms(rig, BARE)
    report.add_value("start to ready, fastest of 25", fastest, "ms", 15)
    report.add_value("start to ready, median", middle, "ms")
    report.add_value("the libraries alone: loaded and ended, fastest of 25", libraries, "ms")
    rig.start_bridge()
    time.sleep(3)
    report.add_value("RSS idle", rss_mb(rig.bridge_pid()), "MB", 12)
    report.add_value("of it no file's: heap, stacks, relocated data", own_mb(rig.bridge_pid()), "MB")


def sessions(report, rig):
    for count, budget in ((10000, 30), (100000, 64)) if os.environ.get("BENCH_LONG") else ((10000, 30),):
        rig.stop("bridge")
        growth.fill(rig, count)
        rig.start_bridge()
        login_cpu(rig, 3)
        report.add_value(f"RSS after logins, {count} sessions", rss_mb(rig.bridge_pid()), "MB", budget)


def hung(report, folder):
    with Rig(folder, linked=16, settings=hang.SETTINGS) as rig:
        order = minter(rig, "hang", "rfc9068")
        without, during = hang.compare(rig, lambda: wrk(rig, "/token", **order)[1])
    report.add_value("mint p99 without hung logins", without, "ms")
    report.add_value(f"mint p99 with {hang.LOGINS} logins hung at the ID provider", during, "ms", round(1.2 * without, 2))


def grown(report, folder):
    with FastRig(folder) as rig:
        everybody_once(rig)
        for what, (few, many) in growth.compare(rig).items():
            report.add_value(what + ": times", many / few, "x", 1.15)


def main():
    folder, report = Path(tempfile.mkdtemp(prefix="idbbench")), Report()
    print(f"\n  {'operation':<44}{'CPU us':>9} {'per s':>9} {'bare us':>9} {'':>8}{'budget':>10} {'here':>8}", flush=True)
    try:
        (folder / "inside").mkdir()
        inside(report, folder / "inside")
        if any(map(wanted, ("http", "login", "start", "sessions"))):
            with FastRig(folder / "fast") as rig:
                for name, part in (("start", start), ("login", login), ("http", over_http), ("sessions", sessions)):
                    if wanted(name):
                        part(report, rig)
        if wanted("hang"):
            hung(report, folder / "hang")
        if wanted("growth"):
            grown(report, folder / "growth")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for note in report.notes:
        print("  " + note)
    path = ROOT / "build" / "bench.json"
    written = {"bare": report.bare, "floor": report.floor, "binary": str(RELEASE.relative_to(ROOT)), "operations": report.rows}
    path.write_text(json.dumps(written, indent=1) + "\n")
    over = [name for name, row in report.rows.items() if row["ok"] is False]
    print(f"\n  written: {path.relative_to(ROOT)}; {len(over)} over budget{': ' + ', '.join(over) if over else ''}")


main()
