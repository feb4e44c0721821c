#!/usr/bin/python3
"""`make demo`: the bridge between a real OpenLDAP and stand-ins of eSignet and DHIS2, on loopback. Makes one login without a
browser, prints a line per station, then stays up until Ctrl-C (`--once`: ends). State is kept in build/demo."""
import base64
import hashlib
import json
import re
import shutil
import signal
import sys
import textwrap
import threading
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from browser import Browser  # noqa: E402
from ministry import DEMO_PASSWORD, PIN, ROOT, Ministry, Taken  # noqa: E402

PERSON, USER = "8267411571", "amina.diallo"
WIDTH = 13


LINE = 92


def say(station, text, seconds=None):
    took = "" if seconds is None else f"{seconds * 1000:9.1f} ms" if seconds >= 1e-4 else f"{seconds * 1e6:9.0f} us"
    print(f"  {station:<{WIDTH}}{text:<{LINE}}{took}".rstrip(), flush=True)


def more(text):
    indent = " " * (WIDTH + 2)
    print(textwrap.fill(text, LINE + len(indent), initial_indent=indent, subsequent_indent=indent, break_long_words=False,
                        break_on_hyphens=False), flush=True)


def field(line, key):
    found = re.search(rf'\b{key}=("[^"]*"|\S+)', line)
    return found.group(1).strip('"') if found else None


def last_login(m):
    """What the bridge logged of the login that just ended: decisions and microseconds, no names."""
    lines = [line for line in m.log("bridge").splitlines() if "event=login " in line]
    return lines[-1]


def decode(token):
    head, body, _ = token.split(".")
    return [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, body)]


def log_in(m):
    """DHIS2's button, the ID provider, the bridge, back into DHIS2. Prints the stations; returns the last page."""
    browser, clock = Browser(), time.monotonic
    started = clock()
    browser, at_provider = m.to_esignet(browser)
    say("application", "DHIS2 (stand-in) sends the browser to the bridge: code flow, PKCE S256, client dhis2-login", clock() - started)
    started = clock()
    back = m.at_esignet(at_provider, PERSON)
    say("ID provider", f"eSignet (stand-in): {PERSON} signs in with a PIN and consents", clock() - started)
    started = clock()
    page = browser.get(back, follow=lambda url: not url.startswith(m.dhis2))
    callback = clock() - started
    linked_now = page.location is None
    if linked_now:
        if not any(form["action"] == "/link" for form in page.html.forms):
            raise RuntimeError(f"the bridge refused: {page.text[:400]}")
        say("bridge", "identity proved: PS256 id_token and RS256 userinfo (other key, other issuer) verified", callback)
        started = clock()
        page = browser.submit(page.form("/link"), username=USER, password=DEMO_PASSWORD, follow=lambda url: not url.startswith(m.dhis2))
    line = last_login(m)
    micro = {key: int(field(line, "us_" + key) or 0) / 1e6 for key in ("identity", "person", "grants", "account")}
    if linked_now:
        say("directory", f"OpenLDAP: {USER} typed the directory password once, bound and linked; status {field(line, 'status')}", micro["person"])
    else:
        say("bridge", f"identity proved: id_token (PS256) and userinfo (RS256) verified, acr {field(line, 'acr').rsplit(':', 1)[-1]}", micro["identity"])
        say("directory", f"OpenLDAP: found by the link; account status {field(line, 'status')}", micro["person"])
    more(f"{field(line, 'groups')} groups, nested ones included")
    say("mapping", f"{field(line, 'grants')} grants out of {len(m.run('map', 'list').stdout.splitlines())} rules", micro["grants"])
    explained = json.loads(m.run("explain", "--json", USER).stdout)
    for grant in explained["grants"]:
        more(f"{grant['kind']:<16} {grant['by']}:{grant['ref']}  by rule {grant['rule']}")
    say("dhis2", f"account {field(line, 'account')}, openId = a random person id, read back and compared", micro["account"])
    started = clock()
    page = browser.get(page.location)
    if page.status != 200 or "Signed in" not in page.text:
        raise RuntimeError(f"DHIS2 did not let the person in: {page.status} {page.url} {page.text[:300]}")
    say("application", f"DHIS2 redeemed the code, read userinfo, and shows its dashboard to {USER}", clock() - started)


def take_token(m):
    """The same login once more as DHIS2's own client, to look at the token it gets."""
    conf = dict(line.split(" = ", 1) for line in (m.folder / "dhis.conf").read_text().splitlines() if " = " in line and not line.startswith("#"))
    client_id, secret = conf["oidc.provider.bridge.client_id"], conf["oidc.provider.bridge.client_secret"]
    verifier = "demo-" + "v" * 60
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    redirect_uri = m.dhis2 + "/oauth2/code/bridge"
    start = m.issuer + "/authorize?" + urllib.parse.urlencode({
        "response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "scope": "openid email", "state": "demo",
        "nonce": "demo-nonce", "code_challenge": challenge, "code_challenge_method": "S256"})
    page = m.login(PERSON, start=start, follow=lambda url: not url.startswith(m.dhis2))
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(page.location).query)["code"][0]
    started = time.monotonic()
    basic = base64.b64encode(f"{urllib.parse.quote_plus(client_id)}:{urllib.parse.quote_plus(secret)}".encode()).decode()
    answer = Browser().once("POST", m.issuer + "/token", {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
                                                          "code_verifier": verifier}, {"Authorization": "Basic " + basic})
    took = time.monotonic() - started
    tokens = json.loads(answer.body)
    if answer.status != 200:
        raise RuntimeError(f"no token: {answer.status} {tokens}")
    header, claims = decode(tokens["access_token"])
    say("token", f"{header['alg']}, typ {header['typ']}, five minutes, made for {claims['aud']} alone:", took)
    more(json.dumps(header))
    more(json.dumps(claims))
    return tokens["access_token"]


def use_token(m, token):
    bearer = {"Authorization": "Bearer " + token}
    started = time.monotonic()
    status, answer = m.call("GET", m.dhis2 + "/api/me?fields=username", headers=bearer)
    say("application", f"GET /api/me with it: {status} {json.dumps(answer)}", time.monotonic() - started)
    ok = status == 200
    started = time.monotonic()
    status, answer = m.call("GET", m.dhis2 + "/api/routes/national-id/run", headers=bearer)
    say("route", f"GET /api/routes/national-id/run with it: {status}", time.monotonic() - started)
    more(json.dumps(answer))
    return ok and status == 200 and isinstance(answer, dict) and answer.get("ready") is True


def show(m):
    print("\nOne login, station by station\n", flush=True)
    log_in(m)
    ok = use_token(m, take_token(m))
    print(f"\n{'The Route accepted the token: the whole way works.' if ok else 'The Route did not accept the token.'}", flush=True)
    return ok


def invite(m):
    print(f"""
Click through it yourself, all on this machine:

  {m.dhis2}/login/          DHIS2 stand-in: "Log in with national ID"
      national ID   {PERSON}   PIN {PIN}          (Amina Diallo, linked already)
      national ID   8267411572   PIN {PIN}          then staff user samuel.okoro, password {DEMO_PASSWORD}
  {m.metrics}/metrics         what the bridge counts
  bridge log    {(m.folder / 'bridge.log').relative_to(ROOT)}
  commands      IDBRIDGE_CONFIG={(m.folder / 'bridge.ini').relative_to(ROOT)} build/idbridge explain {USER}

Ctrl-C ends it; `make demo` goes on where it stopped; `make demo-clean` forgets.""", flush=True)


def begin_again(m):
    """A first start that was interrupted left half a ministry, which nothing can go on from; the ports stay."""
    for path in m.folder.iterdir():
        if path.name not in ("ports.json", "directory"):  # the directory knows by itself whether it is whole
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def demo(once, stop, waiting):
    """The exit status. `stop` is set when somebody wants us to end; `waiting` while there is nothing else to do."""
    try:
        m = Ministry(ROOT / "build" / "demo", binary=ROOT / "build" / "idbridge")
    except Taken as problem:
        print(f"demo: {problem} (`make demo-clean`)", file=sys.stderr)
        return 1
    if m.fresh:
        begin_again(m)
    print(f"""idbridge demo: {'a fresh ministry' if m.fresh else 'the ministry of the last run'}, kept in build/demo
  OpenLDAP slapd (real), {m.people + 17:,} people, 60 groups     {m.slapd.url}
  eSignet stand-in                              {m.esignet}
  DHIS2 stand-in                                {m.dhis2}
  the bridge, on SQLite                         {m.issuer}""", flush=True)
    try:
        with m:
            ok = show(m)
            if ok and not once:
                invite(m)
                waiting.set()
                stop.wait()
                print("\nending", flush=True)
            return 0 if ok else 1
    except (RuntimeError, OSError, LookupError) as problem:
        print(f"\ndemo: {problem}\n{m.log('bridge')[-2000:]}", file=sys.stderr)
        return 1


def main():
    stop, waiting = threading.Event(), threading.Event()

    def asked_to_end(*_):
        again = stop.is_set()
        stop.set()
        if not waiting.is_set() and not again:  # leave what is under way: the servers end on the way out, undisturbed
            raise KeyboardInterrupt
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, asked_to_end)
    try:
        return demo("--once" in sys.argv[1:], stop, waiting)
    except KeyboardInterrupt:
        print("\nended", flush=True)
        return 130


sys.exit(main())
