#!/usr/bin/python3
"""Does a login cost more where there is more? Called by run.py: the same logins with little and with a lot in the store.

The rows are filler, written by SQL while the bridge is down: nobody's links, sessions, codes, persons and audit rows. The audit
chain is not one afterwards; what is measured looks rows up by key and never walks."""
import json
import os
import sqlite3
import statistics
import time

from logins import login_cpu

FEW, MANY = 1000, 100000
FEW_RULES, MANY_RULES = 100, 10000


def fill(rig, rows):
    """Brings each table to about that many rows."""
    db = sqlite3.connect(rig.folder / "state" / "idbridge.db")
    now = int(time.time())
    for sql, row in (
            ("INSERT INTO link VALUES(?,?,?,?,?,?,?,?,?,?,?)",
             lambda n: ("https://filler", n, "filler", "staff:" + n, n, "admin", "active", now, now, os.urandom(80), os.urandom(120))),
            ("INSERT INTO session VALUES(?,?,?,?,?,?)", lambda n: (n, n, now, now, now + 28800, os.urandom(300))),
            ("INSERT INTO family VALUES(?,?,?,?,0,?)", lambda n: (n, "filler", n, None, now + 90000)),
            ("INSERT INTO code VALUES(?,?,?,NULL,NULL,NULL,NULL,NULL,?,?,?,NULL,?)",
             lambda n: (n, "filler", n, n, now, now + 3600, os.urandom(400))),
            ("INSERT INTO person VALUES(?,?,?)", lambda n: ("staff:" + n, now, os.urandom(600))),
            ("INSERT INTO once VALUES('filler',?,?)", lambda n: (os.urandom(32), now + 3600)),
            ("INSERT INTO audit(time,event,outcome,actor,subject,ref,payload,hash) VALUES(?,'filler','ok','filler',?,?,?,?)",
             lambda n: (now, n, n, os.urandom(120), os.urandom(32)))):
        table = sql.split()[2].split("(")[0]
        there = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        with db:
            db.executemany(sql, (row(f"{os.urandom(12).hex()}") for _ in range(max(0, rows - there))))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def add_rules(rig, count):
    """Rules for groups that nobody here is in."""
    lines = [json.dumps({"name": f"filler-{n:05}", "when": {"groups": [f"filler-{n:05}"]}, "give": {"roles": [f"Filler {n}"]}})
             for n in range(count)]
    rig.run("map", "apply", "-", text="\n".join(lines))


def measured(rig, rounds=3, seconds=3):
    login_cpu(rig, 1)
    return statistics.median(login_cpu(rig, seconds)[0] for _ in range(rounds))


def compare(rig):
    """{what: (few, many)} in CPU microseconds of one login."""
    rig.stop("bridge")
    fill(rig, FEW)
    rig.start_bridge()
    add_rules(rig, FEW_RULES)
    few = measured(rig)
    rig.stop("bridge")
    fill(rig, MANY)
    rig.start_bridge()
    rows = measured(rig)
    add_rules(rig, MANY_RULES)
    time.sleep(3)  # until the running bridge has loaded them
    return {f"login, {FEW} and {MANY} links, sessions, codes, persons, audit rows": (few, rows),
            f"login, {FEW_RULES} and {MANY_RULES} rules": (rows, measured(rig))}
