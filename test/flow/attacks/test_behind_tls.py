"""What a browser is told to do with our cookies and pages, with an https issuer behind a proxy that carries TLS: RFC 6265bis
§4.1.3 (prefixes), RFC 9700 §4.16 (clickjacking), §2.1 (303), §2.6 (TLS, CORS); Content Security Policy."""
import re
import subprocess
import tempfile

import pytest
from attack_kit import FORM, Browser, ask, follow, from_provider, link, portal, sign_in, tokens_of
from flow_kit import AMINA, IDS, refusal
from tls_proxy import SecureMinistry


@pytest.fixture(scope="module")
def app(tmp_path_factory, module_environment):
    with SecureMinistry(tempfile.mkdtemp(prefix="idb"), people=150, binary=module_environment.binary,
                        settings={"listen": {"requests_per_second": 10000}}) as m:
        module_environment.trust(m.proxy.authority.ca)
        link(m, "amina.diallo", AMINA)
        yield portal(m)
        module_environment.check(m, m.stop("bridge"))


def set_cookies(page):
    return page.headers.get_all("Set-Cookie") or []


def test_cookies_are_host_prefixed_secure_and_out_of_reach_of_scripts(app):
    browser = Browser()
    begun = browser.get(app.url(), follow=lambda u: False)
    done = sign_in(app, Browser())
    seen = set_cookies(begun) + set_cookies(done)
    kinds = {re.match(r"__Host-(idb-[a-z]+)", line)[1] for line in seen}
    assert kinds == {"idb-login", "idb-session"}
    for line in seen:
        flags = [part.strip() for part in line.split(";")[1:]]
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(flags) and "Domain" not in line, line


def test_plain_cookie_of_a_sibling_host_is_not_looked_at(app):
    """Who can plant a cookie from http or a sibling host cannot plant a __Host- one."""
    m = app.m
    browser, callback = from_provider(app)
    (name, value), = browser.cookies().items()
    target = callback[len(m.issuer):]
    assert ask(m, "GET", target, [("Cookie", f"{name.removeprefix('__Host-')}={value}")]).status == 400
    assert ask(m, "GET", target, [("Cookie", f"{name}={value}")]).status == 303


def test_plain_http_issuer_is_refused_but_on_loopback(app):
    m = app.m
    config = (m.folder / "bridge.ini").read_text()
    for issuer, fine in (("http://id.health.example", False), ("https://id.health.example", True), ("http://127.0.0.1:8470", True),
                         ("http://127.0.0.1.evil.example", False), ("https://id.health.example/", False)):
        path = m.folder / "try.ini"
        path.write_text(re.sub(r"(?m)^issuer = https://127.*$", "issuer = " + issuer, config, count=1))
        done = subprocess.run([m.binary, "--config", str(path), "client", "list"], capture_output=True, text=True, timeout=60,
                              cwd=m.folder, env={k: v for k, v in m.environment.items() if k != "IDBRIDGE_CONFIG"})
        assert (done.returncode == 0) is fine, (issuer, done.stdout, done.stderr)


WANTED = {"Content-Security-Policy": ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"],
          "X-Frame-Options": ["DENY"], "Referrer-Policy": ["no-referrer"], "X-Content-Type-Options": ["nosniff"], "Cache-Control": ["no-store"]}


def check_page(page):
    for name, parts in WANTED.items():
        for part in parts:
            assert part in (page.headers[name] or ""), (page.url, name, page.headers[name])
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"] and "script-src" not in page.headers["Content-Security-Policy"]
    assert "<script" not in page.body.lower() and not re.search(r"\son[a-z]+=", page.body) and "http-equiv" not in page.body.lower()
    assert page.headers["Access-Control-Allow-Origin"] is None


def test_every_page_carries_the_headers_that_keep_it_in_place(app):
    m, browser = app.m, Browser()
    sign_in(app, browser)
    form, callback = from_provider(app, person=IDS["samuel.okoro"])
    pages = [browser.get(app.url(), follow=app.stays), browser.get(m.issuer + "/logout"), Browser().get(m.issuer + "/nowhere"),
             Browser().once("DELETE", m.issuer + "/authorize"), follow(app, form, callback), Browser().get(m.issuer + "/callback/national-id"),
             Browser().get(m.issuer + "/authorize?client_id=nobody"), Browser().once("POST", m.issuer + "/link", {"state": "x" * 20000})]
    for page in pages:
        assert page.html is not None, page.url
        check_page(page)
    assert {200, 400, 404, 405, 413} <= {page.status for page in pages}


def test_redirects_carry_no_body_and_keep_addresses_to_themselves(app):
    """CVE-2025-31492: nothing follows a redirect; 303, so that no password is sent on; no referrer with a code in it."""
    page = sign_in(app)
    begun = Browser().get(app.url(), follow=lambda u: False)
    for one in (page, begun):
        assert one.status == 303 and one.body == "" and one.headers["Referrer-Policy"] == "no-referrer"
        assert one.headers["Cache-Control"] == "no-store"
    posted = ask(app.m, "POST", "/authorize", [FORM], app.url().split("?")[1])
    assert posted.status == 303 and posted.body == b""


def test_other_origins_read_public_documents_only(app):
    """RFC 9700 §2.6: no CORS at authorize; and none at token, userinfo, or where a person is signed in."""
    m, origin = app.m, [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")]
    for method, path in (("GET", "/authorize"), ("OPTIONS", "/authorize"), ("POST", "/token"), ("OPTIONS", "/token"), ("GET", "/userinfo"),
                         ("OPTIONS", "/userinfo"), ("GET", "/logout"), ("POST", "/link"), ("GET", "/verification/ready")):
        assert not [h for h in ask(m, method, path, origin).headers if h[0].lower().startswith("access-control-")], path
    for path in ("/jwks", "/.well-known/openid-configuration"):
        got = ask(m, "GET", path, origin)
        assert got.get("Access-Control-Allow-Origin") == "*" and got.get("Access-Control-Allow-Credentials") is None


def test_token_answers_are_not_cached(app):
    status, _, headers = app.redeem("guess")
    assert status == 400 and headers["Cache-Control"] == "no-store"
    got = tokens_of(app)
    status, _, headers = app.refresh(got["refresh_token"])
    assert status == 200 and headers["Cache-Control"] == "no-store" and headers["Pragma"] == "no-cache"


def test_form_may_lead_to_the_application_and_nowhere_else(app):
    browser, callback = from_provider(app, person=IDS["abebe.bekele"])
    page = follow(app, browser, callback)
    allowed = re.search(r"form-action ([^;]*)", page.headers["Content-Security-Policy"])[1].split()
    assert sorted(allowed) == ["'self'", "http://127.0.0.1:9"]
    refusal(app.m, Browser().get(app.url(redirect_uri="http://evil.example/cb"), follow=lambda u: False), "bad_redirect_uri")
