#!/usr/bin/python3
"""Brokered logins at speed: the rig, with an ID provider that costs next to nothing (provider.c) in the place of the eSignet
stand-in. Directory and DHIS2 stay the real slapd and the stand-in. Called by run.py and growth.py."""
import subprocess
import time
from urllib.parse import parse_qs, urlsplit

from loadrig import ACR, ROOT, Kept, Rig, cpu_s, free_ports, together

PROGRAM = ROOT / "build" / "release" / "test" / "bench" / "provider"


class FastRig(Rig):
    def __init__(self, folder, linked=64, settings=None, **options):
        self.provider_port = free_ports(1)[0]
        self.provider = f"http://127.0.0.1:{self.provider_port}"
        merged = {"upstream national-id": {"issuer": self.provider, "userinfo_issuer": self.provider + "/v1/esignet"}}
        for section, keys in (settings or {}).items():
            merged.setdefault(section, {}).update(keys)
        super().__init__(folder, linked=linked, settings=merged, link=False, **options)

    def start(self):
        self.server = subprocess.Popen([str(PROGRAM), str(self.provider_port), "ministry-bridge", ACR], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        if self.server.stdout.readline() != b"ready\n":
            raise RuntimeError("the provider did not start")
        super().start()
        for person in self.persons:
            self.run("link", "add", "--upstream", "national-id", "--sub", sub_of(person), "--login", person["uid"])
        return self

    def end(self):
        self.server.stdin.close()
        self.server.wait(10)
        self.server.stdout.close()
        super().end()

    def begin(self, kept, person):
        """The provider keeps no state: its code is the nonce and the sub."""
        status, headers, text = kept.ask("GET", self.authorize_url(prompt="login"))
        if status != 303 or not headers["Location"].startswith(self.provider):
            raise RuntimeError(f"/authorize answered {status}: {text[:300]}")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(headers["Location"]).query).items()}
        return f"{asked['redirect_uri']}?state={asked['state']}&code={asked['nonce']}.{sub_of(person)}", headers["Set-Cookie"].split(";")[0]


def sub_of(person):
    return "bench-" + person["employee_number"]


def everybody_once(rig, threads=8):
    """First logins make the DHIS2 users; afterwards a login finds nothing to change."""
    def work(i):
        kept = Kept()
        for person in rig.persons[i::threads]:
            rig.whole_login(kept, person)
        kept.close()
    together(threads, work)


def login_cpu(rig, seconds=6, threads=32):
    """(CPU microseconds of one login, logins a second): `threads` at once, each with people of its own."""
    done, started = [0] * threads, time.monotonic()

    def work(i):
        kept = Kept()
        while time.monotonic() < started + seconds:
            rig.whole_login(kept, rig.persons[(i + threads * (done[i] % 2)) % len(rig.persons)])
            done[i] += 1
        kept.close()
    before = cpu_s(rig.bridge_pid())
    together(threads, work)
    return (cpu_s(rig.bridge_pid()) - before) * 1e6 / sum(done), sum(done) / (time.monotonic() - started)
