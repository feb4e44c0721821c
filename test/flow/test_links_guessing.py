"""Can a stranger at the linking page find out which login names exist? The page is the same (test_linking.py); here: what
reaches the directory is the same too, and so is the time of the answer. A proxy between bridge and slapd notes each request.

CWE-204 (observable response discrepancy) and CWE-208 (observable timing discrepancy) are what this keeps out.
"""
import socket
import statistics
import threading
import time

import pytest
from flow_kit import DEMO_PASSWORD, IDS, Browser, links

BIND, SEARCH = 0x60, 0x63  # RFC 4511 §4.2, §4.5.1: the protocolOp's tag


def ber(data, at):
    """(tag, start of the value, end) of the element at `at`; None: not all of it is there."""
    if len(data) < at + 2:
        return None
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        n = length & 0x7f
        if len(data) < start + n:
            return None
        length, start = int.from_bytes(data[start:start + n], "big"), start + n
    return (tag, start, start + length) if len(data) >= start + length else None


class Proxy:
    """Passes on, and notes (tag, bytes) of every request."""

    def __init__(self, host, port):
        self.target, self.requests, self.delay = (host, port), [], 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.socket.accept()[0]
                far = socket.create_connection(self.target)
            except OSError:
                return
            threading.Thread(target=self.up, args=(near, far), daemon=True).start()
            threading.Thread(target=self.down, args=(far, near), daemon=True).start()

    def up(self, near, far):
        pending = b""
        while data := self.receive(near):
            pending += data
            while whole := ber(pending, 0):
                message, pending = pending[:whole[2]], pending[whole[2]:]
                number = ber(message, whole[1])
                tag = message[number[2]]
                self.requests.append((tag, message))
                if tag == BIND and b"dc=example" in message and b"ou=people" in message and self.slow(message):
                    time.sleep(self.delay)
                far.sendall(message)
        far.close()

    def slow(self, message):
        """Only for a name that exists: as a server that hashes with PBKDF2."""
        return self.delay and b"uid=" in message

    def down(self, far, near):
        while data := self.receive(far):
            try:
                near.sendall(data)
            except OSError:
                break
        near.close()

    def receive(self, peer):
        try:
            return peer.recv(65536)
        except OSError:
            return b""

    def noted(self, what):
        start = len(self.requests)
        what()
        return self.requests[start:]


@pytest.fixture(scope="module")
def watched(make_shared_ministry):
    made = {}

    def settings(m):
        made["proxy"] = Proxy("127.0.0.1", m.ports["directory"])
        return {"directory staff": {"urls": made["proxy"].url}, "link": {"tries": "1000"}}
    return make_shared_ministry(settings=settings), made["proxy"]


def form_of(m, uid):
    browser, url = m.to_esignet()
    page = browser.get(m.at_esignet(url, IDS[uid]))
    return browser, page.form("/link")


def guess(browser, form, name):
    one = Browser()
    for cookie in browser.jar:
        one.jar.set_cookie(cookie)
    start = time.monotonic()
    page = one.submit(form, username=name, password="not-this-one")
    assert page.status == 200 and "do not match" in page.text
    return time.monotonic() - start


def asked(requests):
    return [tag for tag, _ in requests if tag in (BIND, SEARCH)]


def test_a_name_that_nobody_has_asks_the_directory_the_same(watched):
    m, proxy = watched
    browser, form = form_of(m, "nimal.perera")
    guess(browser, form, "abebe.bekele")  # the handles are open now
    for _ in range(3):
        known = proxy.noted(lambda: guess(browser, form, "abebe.bekele"))
        unknown = proxy.noted(lambda: guess(browser, form, "abebe.nobody"))
        assert asked(known) == asked(unknown) == [SEARCH, BIND], (asked(known), asked(unknown))
    names = [message for tag, message in unknown if tag == BIND]
    assert b"not-this-one" in names[0] and b"abebe" not in names[0] and b",ou=people,dc=health,dc=example" in names[0]
    found = m.slapd.search("(uid=abebe.bekele)", "pwdFailureTime")[0]
    assert len(found.get("pwdFailureTime", [])) >= 1  # the ones with a name did reach the account; nobody else was locked


def test_a_name_that_nobody_has_takes_as_long(watched):
    """The directory takes 200 ms for hashing a password, and nothing for a name it does not find."""
    m, proxy = watched
    browser, form = form_of(m, "nimal.perera")
    proxy.delay = 0.2
    try:
        known = [guess(browser, form, "fatima.zahra") for _ in range(12)]
        unknown = [guess(browser, form, f"nobody.{n}") for n in range(5)]
    finally:
        proxy.delay = 0
    assert statistics.median(unknown) > 0.1, (known, unknown)  # half of it, on the slowest machine


def test_the_groups_are_read_once_the_password_was_right(watched):
    m, proxy = watched
    browser, form = form_of(m, "samuel.okoro")
    requests = proxy.noted(lambda: browser.submit(form, username="samuel.okoro", password=DEMO_PASSWORD))
    tags = asked(requests)
    assert tags[:2] == [SEARCH, BIND] and len(tags) > 2 and BIND not in tags[2:], tags
    assert len(links(m, "samuel.okoro")) == 1
