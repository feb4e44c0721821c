"""More than the bridge takes on: who finds a queue full is told so at once, and ten thousand connections cost bounded memory."""
import contextlib
import os
import resource
import select
import socket
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "bench"), str(ROOT / "test" / "support"), str(ROOT / "test" / "flow")]
from conftest import check_sound  # noqa: E402
from loadrig import FORM, RELEASE, Kept, Rig, basic_header, rss_mb  # noqa: E402

QUEUE, AT_ONCE, CONNECTIONS, CROWD = 8, 200, 8192, 10000
HALF = b"GET /authorize?client_id=x HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 1000


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    binary = os.environ.get("IDBRIDGE_BINARY") or ROOT / "build" / "asan" / "idbridge"
    rig = Rig(tmp_path_factory.mktemp("o"), linked=1, settings={"listen": {"queue": QUEUE, "workers": 1}}, binary=Path(binary).resolve())
    with rig:
        yield rig
        check_sound(rig, rig.stop("bridge"))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CROWD + 500:
        pytest.skip(f"only {hard} descriptors are allowed here, {CROWD + 500} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CROWD + 500), hard))
    with Rig(tmp_path_factory.mktemp("c"), linked=1, settings={"listen": {"connections": CONNECTIONS}}, binary=RELEASE) as rig:
        yield rig
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connected(rig):
    one = socket.create_connection(("127.0.0.1", rig.ports["bridge"]), timeout=20)
    one.setblocking(False)
    return one


def answers(sockets, seconds):
    """The first bytes of each answer that came in time."""
    got, waiting, until = [], {one.fileno(): one for one in sockets}, time.monotonic() + seconds
    poll = select.poll()
    for number in waiting:
        poll.register(number, select.POLLIN)
    while waiting and time.monotonic() < until:
        for number, _ in poll.poll(200):
            got.append(waiting.pop(number).recv(4096))
            poll.unregister(number)
    return got


def test_full_queue_answers_503_with_retry_after_at_once(small):
    header = basic_header("minter", small.add_client("minter", "--profile", "rfc9068", "--grant-types", "client_credentials"))
    body = "grant_type=client_credentials"
    request = (f"POST /token HTTP/1.1\r\nHost: x\r\nAuthorization: {header['Authorization']}\r\nContent-Type: {FORM}\r\n"
               f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connected(small)) for _ in range(AT_ONCE)]
        minted, refused, deadline = 0, [], time.monotonic() + 20
        while not (minted and refused) and time.monotonic() < deadline:
            for one in sockets:
                one.sendall(request)
            got = answers(sockets, 10)
            assert len(got) == AT_ONCE, "somebody was not answered"
            minted += sum(answer.startswith(b"HTTP/1.1 200") for answer in got)
            refused += [answer for answer in got if answer.startswith(b"HTTP/1.1 503")]
            assert all(answer[9:12] in (b"200", b"503") for answer in got), got[0][:200]
    assert minted and refused, "the queue was never full, or nothing was minted"
    assert all(b"\r\nRetry-After: " in answer and b'"error"' not in answer for answer in refused), refused[0]


def test_pages_of_a_full_queue_are_pages(small):
    request = f"GET {small.authorize_url()[len(small.issuer):]} HTTP/1.1\r\nHost: x\r\nAccept-Language: fr\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connected(small)) for _ in range(AT_ONCE)]
        for one in sockets:
            one.sendall(request)
        got = answers(sockets, 10)
    refused = [answer for answer in got if answer.startswith(b"HTTP/1.1 503")]
    assert len(got) == AT_ONCE and refused
    assert all(b"\r\nRetry-After: " in answer and b'lang="fr"' in answer for answer in refused)


def test_ten_thousand_connections_cost_bounded_memory_and_end(crowd):
    """Each has sent half a request. Those above [listen] connections wait outside; memory is what the connections may hold."""
    pid, before = crowd.bridge_pid(), rss_mb(crowd.bridge_pid())
    with contextlib.ExitStack() as stack:
        for _ in range(CROWD):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", crowd.ports["bridge"]))
            with contextlib.suppress(OSError):
                one.send(HALF)  # beyond the backlog nobody is let in, and nothing can be sent
        time.sleep(1)  # all that are let in are in
        grown = rss_mb(pid) - before
    assert 1 < grown < CONNECTIONS * 16 / 1024, f"{grown:.0f} MB more"
    start = time.monotonic()
    while time.monotonic() - start < 30:
        with contextlib.suppress(OSError):
            if Kept(timeout=2).ask("GET", crowd.issuer + "/healthz")[0] == 200:
                break
    assert Kept().ask("GET", crowd.issuer + "/jwks")[0] == 200
    print(f"{CROWD} connections: {before:.1f} MB before, {grown:.1f} MB more")
