"""The ID provider sends an error, answers rubbish, is slow or is gone: always a page, never a hung or a half-made login.

Issue text: "An error without `state` finds its login through the cookie when one is open, and shows restart links when several
are."; "ID provider down, slow, or answering HTML".
"""
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, IDS, App, Browser, links, log_rows, refusal, users, wait_until

LINK = ("amina.diallo", DEMO_PASSWORD)
TOKEN, USERINFO = "/v1/esignet/oauth/v2/token", "/v1/esignet/oidc/userinfo"
HTML = {"status": 200, "body": "<!doctype html><title>Maintenance</title>", "content_type": "text/html"}


def SETTINGS(m):
    usual = {**m._sections()["upstream national-id"], "timeout": "1s", "connect_timeout": "1s"}
    return {"upstream national-id": usual, "upstream second": {**usual, "client_id": "second", "label": "Second ID"}}


@pytest.fixture(scope="module")
def app(ministry):
    m = ministry
    made = App(m, options=("--upstream", "national-id", "--sso", "never"), name="District portal")
    assert made.login(AMINA, LINK).location
    return made


def restart_links(page):
    return [a for a in page.html.links if a.startswith("/restart?")]


def goes_on(app, browser, link):
    """The link leads to a login that works."""
    m = app.m
    browser, url = m.to_esignet(browser, start=m.issuer + link)
    return app.answer(browser.get(m.at_esignet(url, AMINA), follow=app.stays))["code"]


# ---- errors come back

@pytest.mark.parametrize("error, reason, status", [
    ("access_denied", "upstream_cancelled", 403), ("consent_details_rejected", "upstream_cancelled", 403),
    ("no_attempts_left", "upstream_refused", 403), ("individual_id_blocked", "upstream_refused", 403),
    ("auth_failed", "upstream_refused", 403), ("transaction_timeout", "login_expired", 400),
    ("server_error", "upstream_error", 502), ("unknown_error", "upstream_error", 502), ("<b>x</b>", "upstream_error", 502),
])
def test_an_error_with_a_state(app, error, reason, status):
    m = app.m
    m.control("esignet", "tamper", {"what": "callback_error:" + error})
    page = app.login(AMINA)
    refusal(m, page, reason, status)
    assert "<b>" not in page.body and goes_on(app, page.browser, restart_links(page)[0])


def test_cancelling_at_esignet(app):
    m = app.m
    browser, url = m.to_esignet(start=app.url())
    refusal(m, browser.get(m.at_esignet(url, IDS["samuel.okoro"], consent=False)), "upstream_cancelled", 403)
    browser, url = m.to_esignet(start=app.url())
    page = browser.get(m.at_esignet(url, AMINA, "222222", leave=True))
    assert page.status in (403, 502) and restart_links(page)


@pytest.mark.parametrize("state", ["&state=null", "", "&state="])
def test_an_error_without_state_finds_the_one_open_login(app, state):
    m = app.m
    browser, _ = m.to_esignet(start=app.url())
    page = browser.get(m.issuer + "/callback/national-id?error=access_denied" + state)
    refusal(m, page, "upstream_cancelled", 403)
    assert "District portal" in page.text or "National ID" in page.text
    assert goes_on(app, browser, restart_links(page)[0])


def test_an_error_without_state_and_several_open_logins(app):
    m = app.m
    browser, _ = m.to_esignet(start=app.url(state="first"))
    for n in range(2):
        m.to_esignet(browser, start=app.url(state=f"next-{n}"))
    page = browser.get(m.issuer + "/callback/national-id?error=access_denied&state=null")
    assert page.status == 400 and "Several sign-ins are open" in page.text and "District portal" in page.text
    found = restart_links(page)
    assert len(found) == len(set(found)) == 3
    assert goes_on(app, browser, found[-1])


def test_an_error_without_state_and_no_open_login(app):
    m = app.m
    refusal(m, Browser().get(m.issuer + "/callback/national-id?error=access_denied"), "login_other_browser", 400)
    browser, _ = m.to_esignet(start=app.url())  # open at another provider
    refusal(m, browser.get(m.issuer + "/callback/second?error=access_denied"), "login_other_browser", 400)


def test_an_answer_at_another_providers_address(app):
    """RFC 9700 §4.4, mix-up."""
    m = app.m
    browser, url = m.to_esignet(start=app.url())
    callback = m.at_esignet(url, AMINA).replace("/callback/national-id?", "/callback/second?")
    refusal(m, browser.get(callback), "upstream_untrusted", 403)


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x&code=y", "?state=x&code=y&code=z", "?code=x&state=null"])
def test_a_callback_that_is_none(app, query):
    refusal(app.m, Browser().get(app.m.issuer + "/callback/national-id" + query), "bad_request", 400)


def test_an_answer_without_a_code(app):
    m = app.m
    browser, url = m.to_esignet(start=app.url())
    callback = m.at_esignet(url, AMINA)
    page = browser.get("&".join(part for part in callback.split("&") if not part.startswith("code=")))
    assert page.status in (400, 403) and restart_links(page)


# ---- in trouble at the callback

@pytest.mark.parametrize("path, fault, reason, status", [
    (TOKEN, HTML, "upstream_down", 502), (TOKEN, {**HTML, "status": 503}, "upstream_down", 502),
    (TOKEN, {"drop": True, "times": 0}, "upstream_down", 502), (TOKEN, {"delay_ms": 20000}, "upstream_slow", 504),
    (TOKEN, {"status": 400, "body": json.dumps({"error": "invalid_assertion"}), "content_type": "application/json"}, "upstream_error", 502),
    (USERINFO, {**HTML, "status": 500}, "upstream_down", 502), (USERINFO, HTML, "upstream_untrusted", 403),
    (USERINFO, {"delay_ms": 20000}, "upstream_slow", 504), (USERINFO, {"drop": True, "times": 0}, "upstream_down", 502),
], ids=["token-html", "token-503", "token-dropped", "token-slow", "token-error", "userinfo-500", "userinfo-html", "userinfo-slow",
        "userinfo-dropped"])
def test_trouble_at_the_callback_is_a_page(app, path, fault, reason, status):
    m = app.m
    m.control("esignet", "fault", {"path_prefix": path, **fault})
    began = time.monotonic()
    page = app.login(AMINA)
    refusal(m, page, reason, status)
    assert time.monotonic() - began < 15  # the configured timeout counts, not how long the provider takes
    m.control("esignet", "fault", method="DELETE")
    assert goes_on(app, page.browser, restart_links(page)[0])


# ---- not there from the beginning

@pytest.mark.parametrize("fault, reason, status", [
    ({**HTML}, "upstream_down", 502), ({"status": 500, "body": "{}"}, "upstream_down", 502), ({"delay_ms": 4000}, "upstream_slow", 504),
    ({"status": 200, "body": json.dumps({"issuer": "https://other.example"}), "content_type": "application/json"}, "upstream_down", 502)],
    ids=["html", "500", "slow", "another issuer"])
def test_metadata_in_trouble(app, fault, reason, status):
    """[upstream second] was not asked yet: its first login reads the metadata."""
    m = app.m
    second = App(m, "second-" + str(time.monotonic_ns()), options=("--upstream", "second", "--sso", "never"))
    m.control("esignet", "fault", {"path_prefix": "/.well-known/openid-configuration", "times": 0, **fault})
    page = Browser().get(second.url())
    refusal(m, page, reason, status)
    assert any(a.startswith("/authorize?") for a in page.html.links), page.html.links  # the same request once more
    assert not [name for name in page.headers.get_all("Set-Cookie") or [] if "idb-login" in name]


def test_esignet_gone_and_back(app):
    m = app.m
    m.stop("esignet")
    page = Browser().get(App(m, "early", options=("--upstream", "second", "--sso", "never")).url())
    refusal(m, page, "upstream_down", 502)
    m.start_esignet()
    m.register_at_esignet("second", "second")
    time.sleep(2.1)
    again = next(a for a in page.html.links if a.startswith("/authorize?"))
    browser, url = m.to_esignet(start=m.issuer + again)
    assert browser.get(m.at_esignet(url, AMINA), follow=app.stays).location.startswith(app.redirect_uri)


# ---- hung, and many

def test_a_hung_provider_slows_nobody_else(make_ministry):
    m = make_ministry(settings={"listen": {"dependency_workers": "2", "dependency_queue": "2"}, "upstream national-id": {"timeout": "10s"}})
    assert m.login(AMINA, link=LINK).url == m.dhis2 + "/"
    logins = [m.to_esignet() for _ in range(8)]
    callbacks = [(browser, m.at_esignet(url, AMINA)) for browser, url in logins]
    m.control("esignet", "fault", {"path_prefix": TOKEN, "times": 0, "hang": True})
    auth = json.loads((m.folder / "route-auth.json").read_text())
    route = App.__new__(App)
    route.m, route.client_id, route.secret, route.auth = m, auth["clientId"], auth["clientSecret"], "client_secret_basic"
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(browser.get, callback) for browser, callback in callbacks]
        wait_until(lambda: m.log("bridge").count("reason=overloaded") >= 4)  # two hang, two wait, the others have been told
        for _ in range(5):
            asked = time.monotonic()
            assert route.post({"grant_type": "client_credentials"})[0] == 200
            assert time.monotonic() - asked < 5  # half of what a place behind the hung ones would cost
        pages = [job.result() for job in waiting]
    reasons = sorted(refusal_reason(m, page) for page in pages)
    assert reasons.count("overloaded") >= 4 and set(reasons) <= {"overloaded", "upstream_slow"}
    full = next(page for page in pages if refusal_reason(m, page) == "overloaded")
    refusal(m, full, "overloaded", 503)
    assert full.headers["Retry-After"]
    m.control("esignet", "fault", method="DELETE")
    assert m.login(AMINA).url == m.dhis2 + "/" and len(users(m)) == 1 and len(links(m, "amina.diallo")) == 1


def refusal_reason(m, page):
    return next(row["reason"] for row in log_rows(m.log("bridge")) if row.get("event") == "refused" and row["id"] in page.text)
