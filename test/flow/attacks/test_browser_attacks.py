"""What may somebody do with another person's browser, link or cookie? Every step of a login is bound to the browser that
began it; no address leads out of the house. RFC 6749 §10.12, RFC 9700 §4.7, CVE-2022-39222 and the open-redirect classes."""
import base64
import re
from urllib.parse import quote, urlsplit

import pytest
from attack_kit import FORM, Browser, ask, follow, from_provider, link, nothing_happened, portal, sign_in, to_provider, tokens_of, vectors
from flow_kit import AMINA, DEMO_PASSWORD, IDS, links, refusal

SETTINGS = {"listen": {"requests_per_second": 100000}}
GARBAGE = ["x", "A" * 43, "a.b.c.d.e", "....", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA",
           "eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJlbmMiOiJBMjU2R0NNIiwicDJjIjoyMTQ3NDgzNjQ3fQ.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA",
           "' OR 1=1 --", "%s%n%x", "\u202e", "x" * 6000, "<script>alert(1)</script>"]


@pytest.fixture(scope="module")
def app(ministry):
    link(ministry, "amina.diallo", AMINA)
    return portal(ministry, post_logout_redirect_uri="http://127.0.0.1:9/bye")


@pytest.fixture(scope="module")
def shared(ministry):
    """An application that asks "Continue as", another that never takes a session."""
    return portal(ministry, "asks"), portal(ministry, "never", options=("--sso", "never", "--require-pkce"))


def login_cookies(browser):
    return {name: value for name, value in browser.cookies().items() if "idb-login-" in name}


def set_cookie(browser, name, value, like):
    like.__dict__.update(name=name, value=value)
    browser.jar.set_cookie(like)


# ---- state, cookie, browser

def test_state_of_another_browser_is_refused(app):
    """CVE-2022-39222: a callback URL alone is worth nothing, and the thief does not use it up."""
    m = app.m
    victim, callback = from_provider(app)
    with nothing_happened(m):
        refusal(m, follow(app, Browser(), callback), "login_other_browser", 400)
        thief, _ = to_provider(app)
        refusal(m, follow(app, thief, callback), "login_other_browser", 400)
    assert app.answer(follow(app, victim, callback))["code"]


def test_cookie_under_another_logins_name_is_refused(app):
    """Fixation: a cookie that the attacker planted belongs to the attacker's login, whatever it is called."""
    m = app.m
    victim, callback = from_provider(app)
    attacker, _ = from_provider(app)
    (name, _), (_, planted) = *login_cookies(victim).items(), *login_cookies(attacker).items()
    cookie = next(c for c in victim.jar if c.name == name)
    honest = cookie.value
    set_cookie(victim, name, planted, cookie)
    with nothing_happened(m):
        refusal(m, follow(app, victim, callback), "login_other_browser", 400)
    set_cookie(victim, name, honest, cookie)
    assert app.answer(follow(app, victim, callback))["code"]


def test_replayed_callback_gives_no_second_code(app):
    """With all the cookies that the browser had when it came back the first time."""
    m = app.m
    browser, callback = from_provider(app)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies().items())
    assert app.answer(follow(app, browser, callback))["code"]
    with nothing_happened(m):
        got = ask(m, "GET", callback[len(m.issuer):], [("Cookie", cookies)])
        assert got.status >= 400 and not (got.get("Location") or "").startswith(app.redirect_uri)
    assert app.answer(follow(app, *from_provider(app)))["code"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_state_is_refused(app, garbage):
    m = app.m
    browser, callback = from_provider(app)
    with nothing_happened(m):
        for query in (f"state={quote(garbage)}&code=x", f"state={quote(garbage)}&error=access_denied"):
            page = browser.get(f"{m.issuer}/callback/national-id?{query}", follow=app.stays)
            refusal(m, page, "bad_request", 400)
            assert "<script>alert" not in page.body
    assert app.answer(follow(app, browser, callback))["code"]


@pytest.mark.parametrize("garbage", [g for g in GARBAGE if g.isascii() and len(g) < 4000])
def test_garbage_cookies_are_no_login(app, garbage):
    """CVE-2023-28625, CVE-2024-24814: whatever is in the Cookie header, it is nobody's login and nothing breaks."""
    m = app.m
    browser, callback = from_provider(app)
    name = next(iter(login_cookies(browser)))
    target = callback[len(m.issuer):]
    for header in (f"{name}={garbage}", f"idb-session={garbage}; {name}=", f"{name}; {name}={garbage}; =x; ;;;", f"{name}_chunks=99999999"):
        got = ask(m, "GET", target, [("Cookie", header)])
        assert got.status == 400 and got.get("Location") is None
    assert app.answer(follow(app, browser, callback))["code"]


def test_session_cookie_is_no_login_cookie_and_no_form(app):
    """What was sealed for one purpose opens for no other."""
    m = app.m
    browser, callback = from_provider(app)
    state = re.search(r"state=([^&]+)", callback)[1]
    sealed = next(iter(login_cookies(browser).values()))
    with nothing_happened(m):
        for form in ({"state": state, "answer": "continue"}, {"state": sealed, "answer": "continue"}):
            refusal(m, browser._walk(browser.once("POST", m.issuer + "/continue", form), app.stays), "bad_request")
        page = browser.once("POST", m.issuer + "/link", {"state": sealed, "username": "amina.diallo", "password": DEMO_PASSWORD})
        assert page.status == 400
        refusal(m, browser.get(f"{m.issuer}/callback/national-id?code=x&state={sealed}", follow=app.stays), "bad_request")
    assert app.answer(follow(app, browser, callback))["code"]


def test_error_in_the_callback_is_shown_as_text(app):
    m = app.m
    for text in ("<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "javascript:alert(1)", "a\r\nSet-Cookie: x=y"):
        browser, callback = from_provider(app)
        state = re.search(r"state=([^&]+)", callback)[1]
        page = browser.get(f"{m.issuer}/callback/national-id?state={state}&error={quote(text)}&error_description={quote(text)}"
                           f"&error_uri={quote(text)}", follow=app.stays)
        refusal(m, page, "upstream_error")
        assert text not in page.body and "onerror" not in page.body and page.headers["Set-Cookie"] != "x=y"


# ---- the form that links

def form_of(app, person):
    browser, callback = from_provider(app, person=person)
    return browser, follow(app, browser, callback)


def test_link_form_of_another_browser_is_refused(app):
    """CVE-2025-7365: who gets hold of the form cannot finish somebody else's linking."""
    m = app.m
    victim, page = form_of(app, IDS["samuel.okoro"])
    form = page.form("/link")
    with nothing_happened(m, allow=("once",)):
        got = Browser().submit(form, username="samuel.okoro", password=DEMO_PASSWORD, follow=app.stays)
        refusal(m, got, "login_other_browser", 400)
    done = victim.submit(form, username="samuel.okoro", password=DEMO_PASSWORD, follow=app.stays)
    assert app.answer(done)["code"] and links(m, "samuel.okoro")


@pytest.mark.parametrize("name", ["*", "amina*", "amina.diallo)(uid=*", "*)(|(uid=*", "\\2a", "amina.diallo\u0000", "uid=amina.diallo",
                                  "amina.diallo,ou=people", "", " "])
def test_ldap_injection_by_user_name_finds_nobody(app, name):
    """CVE-2022-2232; RFC 4515 §3. Also with a right password of somebody, and with none (CVE-2017-14623)."""
    m = app.m
    browser, page = form_of(app, IDS["abebe.bekele"])
    before = links(m)
    for password in (DEMO_PASSWORD, ""):
        got = browser.submit(page.form("/link"), username=name, password=password, follow=app.stays)
        assert got.location is None and links(m) == before
    again, page = form_of(app, IDS["nimal.perera"])
    if not links(m, "nimal.perera"):
        assert app.answer(again.submit(page.form("/link"), username="nimal.perera", password=DEMO_PASSWORD, follow=app.stays))["code"]


# ---- a shared tablet

def test_session_never_answers_for_a_client_that_says_never(app, shared):
    """On a shared tablet nurse B must not become nurse A."""
    asks, never = shared
    browser = Browser()
    sign_in(asks, browser)
    page = browser.get(never.url(), follow=lambda u: False)
    assert page.location.startswith(app.m.esignet)
    assert "Amina" in browser.get(asks.url(), follow=asks.stays).text  # the twin: asked, and it may continue
    page = browser.get(asks.url(), follow=asks.stays)
    done = browser.submit(page.form("/continue"), answer="continue", follow=asks.stays)
    assert asks.answer(done)["code"]


def test_prompt_login_asks_anew(shared, app):
    """CVE-2023-6787: prompt=login and max_age=0 never continue a session that is there."""
    asks, _ = shared
    browser = Browser()
    sign_in(asks, browser)
    for changes in ({"prompt": "login"}, {"max_age": "0"}):
        page = browser.get(asks.url(**changes), follow=lambda u: False)
        assert page.location and page.location.startswith(app.m.esignet) and "prompt=login" in page.location
    assert browser.get(asks.url(), follow=asks.stays).form("/continue")


def test_continue_form_counts_only_with_its_session(shared, app):
    asks, _ = shared
    amina, samuel = Browser(), Browser()
    sign_in(asks, amina)
    page = amina.get(asks.url(), follow=asks.stays)
    sign_in(asks, samuel, person=AMINA)
    for thief in (Browser(), samuel):
        got = thief.submit(page.form("/continue"), answer="continue", follow=lambda u: False)
        assert got.location.startswith(app.m.esignet), "sent to sign in, not let in"
    assert asks.answer(amina.submit(page.form("/continue"), answer="continue", follow=asks.stays))["code"]


def test_session_cookie_changes_at_every_sign_in(shared):
    """Session fixation: a session id that was there before is not continued."""
    asks, _ = shared
    browser, seen = Browser(), set()
    for _ in range(2):
        sign_in(asks, browser, prompt="login")
        seen.add(browser.cookies()["idb-session"])
    assert len(seen) == 2


def test_foreign_link_signs_nobody_out(shared, app):
    """RP-Initiated Logout §6: without a hint the person is asked."""
    asks, _ = shared
    browser = Browser()
    sign_in(asks, browser)
    for query in ("", "?post_logout_redirect_uri=http://127.0.0.1:9/bye&client_id=portal", "?id_token_hint=a.b.c"):
        page = browser.get(app.m.issuer + "/logout" + query, follow=lambda u: False)
        assert page.status == 200 and page.form("/logout/confirm")
        assert browser.get(asks.url(), follow=asks.stays).form("/continue")
    page = browser.submit(page.form("/logout/confirm"), follow=lambda u: False)
    assert page.status == 200
    assert browser.get(asks.url(), follow=lambda u: False).location.startswith(app.m.esignet)


# ---- open redirects

ALLOWED = {"http://127.0.0.1:9/cb", "http://127.0.0.1:9/bye"}


def leaves(m, got):
    """The Location of an answer when it leads to a place nobody registered."""
    location = got.get("Location")
    if location is None:
        return None
    assert not re.search(r"[\x00-\x20\x7f\\]", location), location
    at = urlsplit(location)
    if f"{at.scheme}://{at.netloc}" in (m.issuer, m.esignet) or location.split("?")[0] in ALLOWED:
        return None
    return location


def payloads():
    return [line for line in vectors("open-redirect-payloads.txt").read_bytes().split(b"\n") if line]


def test_no_payload_makes_a_redirect_leave_the_house(app):
    """CVE-2022-23527, CVE-2021-32786, CVE-2021-39191, CVE-2019-14857, CVE-2019-3877, CVE-2020-11053, CVE-2020-5233,
    CVE-2024-25715: all payloads at every parameter that could lead somewhere."""
    m, list_ = app.m, payloads()
    assert len(list_) >= 834
    good, hint = app.url(state=None)[len(m.issuer):].encode(), tokens_of(app)["id_token"].encode()
    without = re.sub(rb"&?redirect_uri=[^&]*", b"", good)
    targets = [without + b"&redirect_uri=", b"/logout?id_token_hint=" + hint + b"&post_logout_redirect_uri="]
    for payload in list_:
        encoded = quote(payload).encode()
        for target in targets:
            got = ask(m, "GET", target + encoded)
            assert got.status in (200, 400) and got.get("Location") is None, (payload, got.raw[:300])
    for target, place in zip(targets, sorted(ALLOWED)[::-1]):
        assert ask(m, "GET", target + quote(place).encode()).status == 303  # the twins


def test_no_payload_works_as_any_other_parameter_or_path(app):
    """A fifth of the payloads at what might be echoed into a redirect: state, login restart, ui_locales, and as a path."""
    m, list_ = app.m, payloads()[::5]
    good = app.url(state=None)[len(m.issuer):].encode()
    for payload in list_:
        encoded = quote(payload).encode()
        for target in (good + b"&state=" + encoded, b"/restart?login=" + encoded, b"/logout?ui_locales=" + encoded + b"&state=" + encoded,
                       b"/callback/national-id?code=x&state=" + encoded, good + b"&upstream=" + encoded):
            got = ask(m, "GET", target)
            assert got.status in (200, 303, 400) and leaves(m, got) is None, (payload, got.raw[:300])
        path = payload if payload.startswith(b"/") and b" " not in payload and b"\t" not in payload else b"/" + encoded
        got = ask(m, "GET", path)
        assert got.status in (400, 404, None) and got.get("Location") is None, payload
    answer = ask(m, "POST", "/authorize", [FORM], good.split(b"?")[1] + b"&state=" + quote("/\\evil.example").encode())
    assert answer.status == 303 and answer.get("Location").startswith(m.esignet)


def test_login_cookie_shows_nothing_of_the_request(app):
    """CVE-2024-4540: what travels in the cookie is sealed; no part of it decodes to a parameter."""
    browser, callback = from_provider(app, state="canary-of-the-application")
    (value,) = login_cookies(browser).values()
    shown = value + "".join(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("latin-1") for part in value.split("."))
    for text in ("canary", "portal", "http", "nonce", "S256", app.verifier):
        assert text not in shown
    assert app.answer(follow(app, browser, callback))["state"] == "canary-of-the-application"
