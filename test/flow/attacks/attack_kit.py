"""What attack tests share: raw requests that no library would send, quick logins, and what must not have happened.

Every attack has a twin: the same request in its honest form succeeds, so a test cannot pass because everything is refused.
"""
import base64
import contextlib
import json
import os
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from flow_kit import AMINA, App, Browser, sub_of, users
from jwcrypto import jws

UPSTREAM = "national-id"
REQUIRED = os.environ.get("IDBRIDGE_REQUIRE_VECTORS") == "1"


def vectors(name):
    """The path of a file of test data; the test is skipped where there is none, unless it must be there."""
    folder = os.environ.get("IDBRIDGE_VECTORS") or Path(__file__).resolve().parents[4] / "shared" / "vectors"
    path = Path(folder) / name
    if not path.exists():
        (pytest.fail if REQUIRED else pytest.skip)(f"{name} is not there: IDBRIDGE_VECTORS names its folder")
    return path


# ---- requests as bytes

class Answer:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.raw, self.status = raw, int(lines[0].split(" ")[1]) if lines[0].startswith("HTTP/1.") else None
        self.headers = [tuple(part.strip() for part in line.partition(":")[::2]) for line in lines[1:]]

    def get(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


def connect(m, timeout=10):
    return socket.create_connection(("127.0.0.1", m.ports["bridge"]), timeout)


def read_all(connection, patience=None):
    """Until the other side closes, or (with `patience`) says nothing for so many seconds."""
    got, silent = b"", ()
    if patience is not None:
        connection.settimeout(patience)
        silent = (TimeoutError,)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError, *silent):
        while chunk := connection.recv(65536):
            got += chunk
    return got


def raw(m, *pieces, timeout=10):
    """Sends the bytes as they are, in pieces, and reads to the end. Status None: the connection was just closed."""
    with connect(m, timeout) as connection:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for piece in pieces:
                connection.sendall(piece)
        return Answer(read_all(connection))


def ask(m, method, target, headers=(), body=None):
    """A request with exactly these headers, in this order; names may come twice."""
    data = b"" if body is None else body if isinstance(body, bytes) else body.encode()
    lines = [("Host", "127.0.0.1"), ("Connection", "close"), *headers]
    if body is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in lines):
        lines.append(("Content-Length", str(len(data))))
    target = target if isinstance(target, bytes) else target.encode()
    head = method.encode() + b" " + target + b" HTTP/1.1\r\n"
    head += b"".join(name.encode() + b": " + (v if isinstance(v, bytes) else v.encode()) + b"\r\n" for name, v in lines)
    return raw(m, head + b"\r\n" + data)


FORM = ("Content-Type", "application/x-www-form-urlencoded")


def alive(m):
    """The bridge answers others as if nothing had happened."""
    return m.call("GET", m.issuer + "/readyz", timeout=5)[0] == 200


# ---- logins

def link(m, uid, individual_id, upstream=UPSTREAM):
    m.run("link", "add", "--upstream", upstream, "--sub", sub_of(individual_id), "--login", uid)


def portal(m, client_id="portal", **options):
    """An application that writes no DHIS2, with PKCE required; its people need no DHIS2 account."""
    options.setdefault("options", ("--sso", "ask", "--require-pkce"))
    return App(m, client_id, **options)


def to_provider(app, browser=None, **changes):
    """(browser, the provider's authorize URL)"""
    browser = browser or Browser()
    page = browser.get(app.url(**changes), follow=lambda url: False)
    assert page.location and page.location.startswith(app.m.esignet), f"{page.status} {page.text[:300]}"
    return browser, page.location


def from_provider(app, browser=None, person=AMINA, **changes):
    """(browser, the callback URL that the provider sends the browser to), which nobody has followed yet."""
    browser, url = to_provider(app, browser, **changes)
    return browser, app.m.control("esignet", "login", {"url": url, "individualId": person})["location"]


def follow(app, browser, callback):
    return browser.get(callback, follow=app.stays)


def sign_in(app, browser=None, person=AMINA, **changes):
    """The redirect to the application, after the callback."""
    browser, callback = from_provider(app, browser, person, **changes)
    page = follow(app, browser, callback)
    assert page.location and page.location.startswith(app.redirect_uri), f"{page.status} {page.text[:300]}"
    return page


def code_of(app, browser=None, **changes):
    return app.answer(sign_in(app, browser, **changes))["code"]


def tokens_of(app, **changes):
    status, answer, _ = app.redeem(code_of(app, **changes))
    assert status == 200, answer
    return answer


def assertion_form(app, key=None, header=None, **changes):
    """client_credentials by private_key_jwt; claims changed as said, None leaves one out."""
    now = int(time.time())
    claims = {"iss": "asserted", "sub": "asserted", "aud": app.m.issuer + "/token", "iat": now, "exp": now + 60,
              "jti": base64.urlsafe_b64encode(str(time.monotonic_ns()).encode()).decode(), **changes}
    token = jws.JWS(json.dumps({k: v for k, v in claims.items() if v is not None}).encode())
    token.add_signature(key or app.key, None, json.dumps(header or {"alg": "ES256", "kid": "app-key"}))
    return {"grant_type": "client_credentials", "client_assertion": token.serialize(compact=True), "client_assertion_type":
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}


# ---- what must not have happened

STORED = ("link", "code", "refresh", "session", "family", "person", "once", "attempt", "held")


def rows(m):
    """How many rows each table of the store holds."""
    path = m.folder / "state" / "idbridge.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
        return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in STORED}


class nothing_happened:
    """with nothing_happened(m): nobody was signed in, linked or given a code, and DHIS2 has no new user."""

    def __init__(self, m, allow=()):
        self.m, self.allow = m, allow

    def __enter__(self):
        self.before = rows(self.m), set(users(self.m))

    def __exit__(self, kind, *_):
        if kind is None:
            after = rows(self.m)
            changed = {t for t in STORED if after[t] != self.before[0][t]} - set(self.allow)
            assert not changed, f"the store changed: {changed}"
            assert set(users(self.m)) == self.before[1]
