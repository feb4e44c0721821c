"""What is left in the bridge's memory after people have signed in and linked? Read from /proc/PID/mem of the program as it
is installed (AddressSanitizer would keep freed memory on purpose).

Issue text: "core dumps off; secrets wiped". (Core dumps: test_operator_running.py.)

What stays, by nature: keys and passwords that are in use (the search for those shows that the search finds), and names of
people, in the read buffer of the connection to the directory and where liboauth2 opened a page's sealed value.
"""
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flow_kit import DEMO_PASSWORD, IDS, App, Browser

ROOT = Path(__file__).resolve().parents[2]
LINK_SECONDS = 10


def writable_memory(pid):
    """(address, bytes) of what the process can write to."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            start, end, mode = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if not mode.startswith("rw"):
                continue
            try:
                memory.seek(int(start, 16))
                yield start, memory.read(int(end, 16) - int(start, 16))
            except (OSError, ValueError):
                pass  # a guard page


def found(pid, words):
    """{name: what stands before each place} of the words that are there."""
    places = {}
    for _, data in writable_memory(pid):
        for name, word in words.items():
            for hit in re.finditer(re.escape(word.encode()), data):
                places.setdefault(name, []).append(data[max(0, hit.start() - 80):hit.start()])
    return places


@pytest.fixture(scope="module")
def shipped(make_shared_ministry):
    program = ROOT / "build" / "idbridge"
    assert program.exists(), "make first: the installed program is looked at"
    return make_shared_ministry(binary=program)


def sign_in(m, app, who):
    """One person's whole way with an application; what must be gone afterwards, by name."""
    browser = Browser()
    page = app.login(IDS[who], (who, DEMO_PASSWORD), browser=browser)
    code = app.answer(page)["code"]
    status, tokens, _ = app.redeem(code)
    assert status == 200 and app.userinfo(tokens["access_token"])[0] == 200
    status, second, _ = app.refresh(tokens["refresh_token"])
    assert status == 200
    callback = next(url for _, url, _, _ in browser.hops if "/callback/" in url)
    upstream = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
    session = {f"cookie {name}": value for name, value in browser.cookies().items()}
    assert session and len(upstream["code"]) > 20
    return {"code of the ID provider": upstream["code"], "state": upstream["state"][-60:], "our code": code,
            "PKCE verifier": app.verifier, "client secret": app.secret,
            "client secret as sent": app.authorization()["Authorization"].split()[1], **session,
            **{f"{kind} {n}": answer[kind][-60:] for n, answer in enumerate((tokens, second))
               for kind in ("access_token", "id_token", "refresh_token")}}


@pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post"])
def test_nothing_secret_is_left_after_a_login(shipped, auth):
    m = shipped
    pid = m.processes["bridge"].pid
    app = App(m, client_id="portal-" + auth[-4:], auth=auth, options=("--sso", "silent"))
    who = {"client_secret_basic": "amina.diallo", "client_secret_post": "samuel.okoro"}[auth]
    gone = {"directory password": DEMO_PASSWORD, **sign_in(m, app, who)}
    in_use = {"reader's password": (m.folder / "reader.password").read_text().strip(),
              "DHIS2 token": (m.folder / "dhis2.token").read_text().strip()}
    try:
        assert found(pid, in_use).keys() == in_use.keys()  # the search finds what is there
    except PermissionError:
        pytest.skip("reading another process's memory needs root here: the bridge is not dumpable")
    deadline = time.monotonic() + LINK_SECONDS  # what is still under way when the answer is out
    while (left := found(pid, gone)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left, left
