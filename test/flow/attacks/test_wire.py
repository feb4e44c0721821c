"""Bytes that no client should send: the bridge refuses them with an answer or a closed connection, splits no response, runs
no handler twice, and goes on answering others. RFC 9112 §2.2, §6, §11; CVE-2025-3891, CVE-2023-28625, CVE-2022-29967."""
import re
import time
from urllib.parse import quote, urlencode

import pytest
from attack_kit import FORM, alive, ask, code_of, connect, follow, from_provider, link, portal, raw, read_all, rows
from flow_kit import AMINA

SETTINGS = {"listen": {"requests_per_second": 100000}}
PATHS = ["/authorize", "/token", "/userinfo", "/logout", "/continue", "/link", "/restart", "/callback/national-id", "/jwks",
         "/.well-known/openid-configuration", "/verification/ready", "/healthz"]
REFUSED = {400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 431, 501, 505, None}  # None: closed without an answer


@pytest.fixture(scope="module")
def app(ministry):
    link(ministry, "amina.diallo", AMINA)
    return portal(ministry)


@pytest.fixture(autouse=True)
def goes_on(app):
    """After every attack the bridge still answers, and nothing was stored."""
    yield
    assert alive(app.m)


def honest_form(app):
    return urlencode({"grant_type": "authorization_code", "code": code_of(app), "redirect_uri": app.redirect_uri,
                      "code_verifier": app.verifier})


def head(app, *more):
    return [("Authorization", app.authorization()["Authorization"]), FORM, *more]


# ---- methods, paths, shapes

@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT", "PROPFIND", "GETX", "get", "X" * 300])
def test_wrong_method_runs_nothing(app, method):
    before = rows(app.m)
    for path in PATHS:
        got = ask(app.m, method, path)
        assert got.status in REFUSED, (method, path, got.raw[:200])
        assert not got.all("Access-Control-Allow-Methods") and b"TRACE" not in got.body
    assert rows(app.m) == before
    assert ask(app.m, "GET", "/jwks").status == 200


def test_wrong_method_is_told_the_right_one(app):
    for path, method in (("/token", "GET"), ("/link", "GET"), ("/continue", "GET"), ("/restart", "POST")):
        got = ask(app.m, method, path)
        assert got.status == 405 and got.get("Allow"), path


@pytest.mark.parametrize("path", ["/..%2fetc/passwd", "/../../etc/passwd", "/%2e%2e/token", "/./token", "//token", "/token/", "/token%00",
                                  "/token%2f", "/%74oken", "/TOKEN", "/token;x=1", "/jwks/../token", "/callback/national-id/",
                                  "/callback/..%2ftoken", "/callback/%6eational-id", "/callback/", "\\token", "/token\\", "/token%20",
                                  "/.git/config", "/state/idbridge.db", "/%c0%af", "/\u00e9", "http://127.0.0.1/../token", "*", ""])
def test_path_that_is_not_a_route_byte_for_byte_is_none(app, path):
    """CVE-2022-29967 (path traversal), CVE-2023-6134 (encoding): no decoding, no normalising, no files."""
    got = ask(app.m, "POST", path.encode(), head(app), honest_form(app))
    assert got.status in {400, 404, None}, got.raw[:200]
    assert b"root:" not in got.body and b"access_token" not in got.body
    assert ask(app.m, "POST", "/token", head(app), honest_form(app)).status == 200


@pytest.mark.parametrize("request_line", [
    b"GET /jwks\r\n\r\n", b"GET /jwks HTTP/3.0\r\nHost: h\r\n\r\n", b"GET /jwks HTTP/1.1\r\n\r\n", b"\x00\x01\x02\r\n\r\n",
    b"GET  /jwks  HTTP/1.1\r\nHost: h\r\n\r\n", b"GET\t/jwks\tHTTP/1.1\r\nHost: h\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /jwks HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", b"POST /token HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
    b"POST /token HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST /token HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\nx",
    b"POST /token HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /jwks HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
])
def test_malformed_request_gets_no_answer_worth_having(app, request_line):
    with connect(app.m, 3) as connection:
        connection.sendall(request_line)
        connection.shutdown(1)
        got = read_all(connection, patience=1)
    assert not re.match(rb"HTTP/1\.1 [35]", got) or got.startswith((b"HTTP/1.1 501", b"HTTP/1.1 505")), got[:200]
    assert b"access_token" not in got


def test_smuggled_second_request_is_not_taken_for_one_of_its_own(app):
    """RFC 9112 §6.3: Transfer-Encoding beside Content-Length, or two lengths, and the connection ends."""
    inner = b"GET /jwks HTTP/1.1\r\nHost: h\r\n\r\n"
    for lines in (b"Content-Length: 4\r\nContent-Length: 5\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n" % (len(inner) + 5),
                  b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n"):
        with connect(app.m, 3) as connection:
            connection.sendall(b"POST /token HTTP/1.1\r\nHost: h\r\n" + lines + b"\r\n0\r\n\r\n" + inner)
            connection.shutdown(1)
            got = read_all(connection, patience=1)
        assert got.count(b"HTTP/1.1 ") <= 2 and b"access_token" not in got
    twice = b"GET /jwks HTTP/1.1\r\nHost: h\r\n\r\nGET /jwks HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    assert raw(app.m, twice).raw.count(b'"keys"') == 2  # the twin: honest pipelining


# ---- sizes

def test_oversized_request_line_header_and_cookie_are_refused(app):
    for size in (40_000, 400_000):
        assert ask(app.m, "GET", "/authorize?x=" + "x" * size).status in {400, 414, 431, None}
        assert ask(app.m, "GET", "/jwks", [("X", "x" * size)]).status in {400, 413, 431, None}
        assert ask(app.m, "GET", "/logout", [("Cookie", "a=" + "x" * size)]).status in {400, 413, 431, None}
    assert ask(app.m, "GET", "/jwks", [("X", "x" * 4000)]).status == 200


def test_header_that_would_not_be_looked_at_is_refused(app):
    """Among more headers than are read a second X-Forwarded-User could hide."""
    many = [(f"X-{n}", "y") for n in range(99)]
    assert ask(app.m, "GET", "/logout", many).status == 400
    assert ask(app.m, "GET", "/logout", many[:40]).status == 200


def test_oversized_body_is_refused_at_every_route(app):
    for path, most in (("/token", 65536), ("/authorize", 65536), ("/link", 16384), ("/continue", 65536), ("/logout", 65536)):
        assert ask(app.m, "POST", path, [FORM], "x=" + "y" * most).status == 413, path
    for path in ("/authorize", "/userinfo", "/logout", "/restart", "/callback/national-id"):
        assert ask(app.m, "GET", path, [FORM], "x").status == 413, path  # a body where none belongs
    assert ask(app.m, "POST", "/token", head(app), honest_form(app) + "&x=" + "y" * 60000).status == 200


def test_too_many_parameters_are_refused(app):
    many = "&".join(f"a{n}=x" for n in range(65))
    assert ask(app.m, "GET", app.url()[len(app.m.issuer):] + "&" + many).status == 400
    assert ask(app.m, "POST", "/token", head(app), honest_form(app) + "&" + many).status == 400
    assert ask(app.m, "POST", "/token", head(app), honest_form(app) + "&" + "&".join(f"a{n}=x" for n in range(50))).status == 200


def test_many_cookies_are_no_trouble(app):
    """CVE-2024-24814: the work is bounded by what is sent, whatever a cookie announces."""
    browser, callback = from_provider(app)
    mine = "; ".join(f"{k}={v}" for k, v in browser.cookies().items())
    started = time.monotonic()
    for count in (100, 500, 1500):
        fill = "; ".join(f"idb-login-{n}=x" for n in range(count)) + "; idb-session_chunks=99999999"
        assert ask(app.m, "GET", callback[len(app.m.issuer):], [("Cookie", fill)]).status in {400, 413, 431, None}
    assert time.monotonic() - started < 20
    assert ask(app.m, "GET", callback[len(app.m.issuer):], [("Cookie", mine + "; x=y")]).status == 303


# ---- bodies

def test_body_in_chunks_and_in_single_bytes_means_the_same(app):
    data = honest_form(app).encode()
    start = ("POST /token HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head(app))).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in data) + b"0\r\n\r\n"
    assert raw(app.m, start + b"Transfer-Encoding: chunked\r\n\r\n" + chunks).status == 200
    data = honest_form(app).encode()
    pieces = [bytes([byte]) for byte in start + b"Content-Length: %d\r\n\r\n" % len(data) + data]
    assert raw(app.m, *pieces).status == 200
    big = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(80)) + b"0\r\n\r\n"
    assert raw(app.m, start + b"Transfer-Encoding: chunked\r\n\r\n" + big).status == 413


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencodedx",
                                  "", "application/x-www-form-urlencoded2; charset=utf-8", None])
def test_body_of_another_type_is_no_form(app, kind):
    """CVE-2025-3891: also none at all. A form from another site cannot pass for JSON or the reverse."""
    before = honest_form(app)
    headers = [head(app)[0]] + ([("Content-Type", kind)] if kind is not None else [])
    got = ask(app.m, "POST", "/token", headers, before)
    assert got.status == 400 and b'"invalid_request"' in got.body
    for path in ("/link", "/continue"):
        assert ask(app.m, "POST", path, headers[1:], "state=x&answer=y").status == 400
    assert ask(app.m, "POST", "/token", [headers[0], ("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8")], before).status == 200


@pytest.mark.parametrize("bad", [b"%00", b"%", b"%2", b"%zz", b"%ff", b"\xff\xfe", b"\x00", b"%c0%80", b"%ed%a0%80", b"%u0041"])
def test_broken_encoding_is_refused(app, bad):
    """NUL, broken escapes and invalid UTF-8 in name and value, in query and form."""
    good = app.url()[len(app.m.issuer):].encode()
    assert ask(app.m, "POST", "/token", head(app), honest_form(app).encode() + b"&x=" + bad).status == 400
    assert ask(app.m, "POST", "/token", head(app), honest_form(app).encode() + b"&" + bad + b"=x").status == 400
    for target in (good + b"&x=" + bad, good + b"&" + bad + b"=x", b"/logout?state=" + bad, b"/restart?login=" + bad):
        got = ask(app.m, "GET", target)  # a raw NUL ends the request line: nothing behind it is looked at
        assert got.status in {400, None} or (bad == b"\x00" and b"\x00" not in got.raw), bad
    assert ask(app.m, "GET", good + b"&x=%C3%A9").status == 303
    assert ask(app.m, "POST", "/token", head(app), honest_form(app).encode() + b"&x=%C3%A9").status == 200


# ---- response splitting

SPLITS = ["\r\nSet-Cookie: planted=1", "\nSet-Cookie: planted=1", "\rSet-Cookie: planted=1", "\r\n\r\n<script>alert(1)</script>",
          "\u560d\u560aSet-Cookie: planted=1", "\u2028Set-Cookie: planted=1"]


@pytest.mark.parametrize("split", SPLITS)
def test_no_parameter_splits_a_response(app, split):
    m, encoded = app.m, quote(split)
    names = ["state", "nonce", "ui_locales", "acr_values", "prompt", "upstream", "client_id", "redirect_uri", "scope", "display", "login_hint"]
    for name in names:
        got = ask(m, "GET", app.url(**{name: "x" + split})[len(m.issuer):])
        assert "planted" not in (got.get("Set-Cookie") or "") and b"<script>alert" not in got.body, name
        assert not re.search(r"[\r\n]", got.get("Location") or "") and got.raw.count(b"HTTP/1.1 ") == 1
    for target in ("/logout?state=" + encoded, "/restart?login=" + encoded, "/callback/national-id?state=" + encoded,
                   "/callback/national-id?error=x&iss=" + encoded, "/" + encoded, "/callback/" + encoded):
        got = ask(m, "GET", target)
        assert "planted" not in str(got.all("Set-Cookie")) and b"<script>alert" not in got.body
    page = follow(app, *from_provider(app, state="x" + split))
    assert app.answer(page)["state"] == "x" + split  # the twin: the application gets its state back, byte for byte
    assert "planted" not in (page.headers["Set-Cookie"] or "")


# ---- identity in headers

def test_identity_headers_from_outside_mean_nothing(app):
    """CVE-2017-6413: no header says who somebody is."""
    forged = [(name, "admin") for name in ("X-Forwarded-User", "X-Remote-User", "Remote-User", "OIDC_CLAIM_sub", "OIDC-CLAIM-sub",
                                           "X-Forwarded-Preferred-Username", "X-SSL-Client-Verify", "X-Client-Cert")]
    assert ask(app.m, "GET", "/userinfo", forged).status == 401
    assert ask(app.m, "GET", "/verification/ready", forged).status == 403
    assert ask(app.m, "POST", "/token", [*forged, FORM], honest_form(app)).status == 401
    assert ask(app.m, "POST", "/token", [*head(app), *forged], honest_form(app)).status == 200


def test_host_and_forwarded_headers_change_no_address(app):
    """Host, X-Forwarded-Host and -Proto are never believed: addresses come from the issuer."""
    m = app.m
    forged = [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https"), ("Forwarded", "host=evil.example;proto=https"),
              ("X-Original-URL", "/token"), ("X-Rewrite-URL", "/token")]
    got = ask(m, "GET", app.url()[len(m.issuer):], forged)
    assert got.status == 303 and quote(m.issuer, safe="") in got.get("Location") and "evil.example" not in got.raw.decode("latin-1")
    for path in ("/.well-known/openid-configuration", "/nowhere", "/logout"):
        assert b"evil.example" not in ask(m, "GET", path, forged).raw
    evil = b"GET /.well-known/openid-configuration HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert b"evil.example" not in raw(m, evil).raw and raw(m, evil).status == 200
