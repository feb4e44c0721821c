"""Attacks on the login by a directory's password: where it is not offered it is not there, one address cannot try one password on
everybody, and nobody learns who exists. The linking page, which asks for the same password, is in test_linking.py."""
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from attack_kit import link, nothing_happened, rows
from flow_kit import AMINA, DEMO_PASSWORD, IDS, App, Browser, claims_of, refusal, wait_until
from ministry import ACR

TYPED = "directory:staff"
TRIES = 6
SETTINGS = {"listen": {"trusted_proxies": "127.0.0.1"},
            "directory staff": {"password_login_clients": "clinic strict other-clinic", "password_login_tries": str(TRIES)}}


def at(address):
    return Browser(headers={"X-Forwarded-For": address})


@pytest.fixture(scope="module")
def clinic(ministry):
    return App(ministry, "clinic", options=("--sso", "silent"))


@pytest.fixture(scope="module")
def portal(ministry):
    """Not in the list."""
    return App(ministry, "portal", options=("--sso", "silent"))


def form_of(app, browser, **changes):
    return browser.get(app.url(upstream=TYPED, **changes)).form("/password")


def leads_to_the_provider(app, browser=None, **changes):
    page = (browser or Browser()).get(app.url(**changes), follow=lambda url: False)
    return page.location is not None and page.location.startswith(app.m.esignet)


def enter(app, browser, uid, password=DEMO_PASSWORD, form=None):
    return browser.submit(form or form_of(app, browser), username=uid, password=password, follow=app.stays)


# ---- where it is offered

def test_password_login_is_off_until_somebody_turns_it_on(another_ministry):
    m = another_ministry()
    app = App(m, "clinic")
    with nothing_happened(m):
        for browser in (Browser(), at("10.0.0.1")):
            assert leads_to_the_provider(app, browser, upstream=TYPED)
            stolen = next(value for name, value in browser.cookies().items() if name.startswith("idb-login-"))
            for state in (stolen, state_of(app, browser)):
                page = browser.once("POST", m.issuer + "/password", {"state": state, "username": "amina.diallo", "password": DEMO_PASSWORD})
                assert page.status in (400, 403) and "code=" not in (page.location or "")


def state_of(app, browser):
    page = browser.get(app.url(), follow=lambda url: False)
    return re.search(r"[?&]state=([^&]+)", page.location)[1]


def test_password_login_is_for_listed_applications_only(ministry, clinic, portal):
    m, browser = ministry, at("10.1.0.1")
    assert form_of(clinic, browser)
    assert leads_to_the_provider(portal, browser, upstream=TYPED) and leads_to_the_provider(portal, browser)
    with nothing_happened(m):
        forged = {"action": m.issuer + "/password", "fields": {"state": state_of(portal, browser)}}
        refusal(m, enter(portal, browser, "amina.diallo", form=forged), "password_not_offered", 403)
    for name in ("directory:nobody", "directory:", "directory"):
        assert browser.get(clinic.url(upstream=name), follow=lambda url: False).status in (200, 303)  # the chooser page


def test_application_that_keeps_to_its_provider_is_not_in_a_networks_offer(another_ministry):
    m = another_ministry(settings={"listen": {"trusted_proxies": "127.0.0.1"}, "directory staff": {"password_login_networks": "10.0.0.0/8"}})
    pinned, free = App(m, "pinned", upstream="national-id"), App(m, "free")
    assert leads_to_the_provider(pinned, at("10.1.0.1"), upstream=TYPED) and form_of(free, at("10.1.0.1"))
    assert leads_to_the_provider(free, at("11.1.0.1"), upstream=TYPED)


def test_application_that_demands_the_national_id_takes_no_password(ministry):
    m, browser = ministry, at("10.1.0.2")
    strict = App(m, "strict", options=("--sso", "silent", "--acr-values", ACR))
    assert leads_to_the_provider(strict, browser, upstream=TYPED)
    with nothing_happened(m):
        forged = {"action": m.issuer + "/password", "fields": {"state": state_of(strict, browser)}}
        refusal(m, enter(strict, browser, "amina.diallo", form=forged), "password_not_offered", 403)


def test_session_of_a_password_answers_only_where_passwords_may(ministry, clinic, portal):
    m, browser = ministry, at("10.1.0.3")
    assert "code" in clinic.answer(enter(clinic, browser, "amina.diallo"))
    assert "code" in clinic.answer(browser.get(clinic.url(prompt="none"), follow=clinic.stays))
    assert portal.answer(browser.get(portal.url(prompt="none"), follow=portal.stays))["error"] == "login_required"
    assert leads_to_the_provider(portal, browser)
    other = App(m, "other-clinic", options=("--sso", "ask"))
    page = browser.get(other.url())
    elsewhere = {**page.form("/continue"), "fields": {**page.form("/continue")["fields"], "answer": "continue"}}
    assert "code" in other.answer(browser.submit(elsewhere, follow=other.stays))


# ---- the form

def test_password_form_of_another_browser_is_refused(ministry, clinic):
    m, browser = ministry, at("10.2.0.1")
    form = form_of(clinic, browser)
    with nothing_happened(m):
        refusal(m, enter(clinic, at("10.2.0.1"), "amina.diallo", form=form), "login_other_browser", 400)
        for fields in ({}, {"state": ""}, {"state": form["fields"]["state"][:-6] + "AAAAAA"}):
            page = enter(clinic, browser, "amina.diallo", form={**form, "fields": fields})
            assert page.status == 400 and page.location is None
    assert "code" in clinic.answer(enter(clinic, browser, "amina.diallo", form=form))


def test_password_form_works_once(ministry, clinic):
    m, browser = ministry, at("10.2.0.2")
    form, kept = form_of(clinic, browser), list(browser.jar)
    assert "code" in clinic.answer(enter(clinic, browser, "amina.diallo", form=form))
    refusal(m, enter(clinic, browser, "amina.diallo", form=form), "login_used", 400)
    before = rows(m)["code"]
    for cookie in kept:  # whoever has the tablet kept the cookie, too
        browser.jar.set_cookie(cookie)
    refusal(m, enter(clinic, browser, "samuel.okoro", form=form), "login_used", 400)
    assert rows(m)["code"] == before


def test_state_of_one_way_is_not_taken_by_the_other(ministry, clinic):
    """Mix-up: what was begun at the ID provider does not end at the password form, nor the other way round."""
    m, browser = ministry, at("10.2.0.4")
    page = browser.get(clinic.url(upstream="national-id"), follow=lambda url: False)
    provider = {"action": m.issuer + "/password", "fields": {"state": re.search(r"[?&]state=([^&]+)", page.location)[1]}}
    form = form_of(clinic, browser)
    with nothing_happened(m):
        refusal(m, enter(clinic, browser, "amina.diallo", form=provider), "password_not_offered", 403)
        answer = browser.get(f"{m.issuer}/callback/national-id?code=x&state={form['fields']['state']}&iss={m.esignet}", follow=clinic.stays)
        refusal(m, answer, "upstream_untrusted", 403)
    assert "code" in clinic.answer(enter(clinic, browser, "amina.diallo", form=form))


def test_password_login_gives_a_session_of_its_own(ministry, clinic):
    """Session fixation: what was in the browser before signs nobody in afterwards."""
    m, thief, browser = ministry, at("10.2.0.3"), at("10.2.0.3")
    enter(clinic, thief, "samuel.okoro")
    for cookie in thief.jar:
        browser.jar.set_cookie(cookie)
    planted = browser.cookies()["idb-session"]
    page = enter(clinic, browser, "amina.diallo", form=form_of(clinic, browser, prompt="login"))
    assert browser.cookies()["idb-session"] != planted
    subs = {claims_of(clinic.redeem(clinic.answer(page)["code"])[1]["id_token"])["sub"]}
    assert clinic.answer(thief.get(clinic.url(prompt="none"), follow=clinic.stays))["error"] == "login_required"
    page = browser.get(clinic.url(prompt="none"), follow=clinic.stays)
    assert claims_of(clinic.redeem(clinic.answer(page)["code"])[1]["id_token"])["sub"] in subs
    assert m.call("GET", m.issuer + "/readyz")[0] == 200


def test_password_page_does_not_say_who_exists(ministry, clinic):
    m = ministry
    pages = {}
    for n, (uid, password) in enumerate((("nobody.here", DEMO_PASSWORD), ("fatima.zahra", "wrong"), ("lars.locked", DEMO_PASSWORD),
                                         ("twin.one)(uid=*", DEMO_PASSWORD), ("*", DEMO_PASSWORD), ("", DEMO_PASSWORD))):
        browser = at(f"10.3.0.{n}")
        page = enter(clinic, browser, uid, password)
        hidden = re.sub(r'name="state" value="[^"]*"|value="[^"]*"', "", page.body)
        pages[uid] = (page.status, hidden, sorted(key.lower() for key in page.headers if key.lower() not in ("date", "content-length")))
        assert password not in page.body and page.status == 200
    assert len({str(page) for page in pages.values()}) == 1
    assert m.call("GET", m.issuer + "/readyz")[0] == 200


def test_empty_password_never_reaches_the_directory(ministry, clinic):
    browser = at("10.3.1.1")
    form = form_of(clinic, browser)
    with nothing_happened(ministry):  # it is no try either
        for password in ("", "x" * 1025):
            page = enter(clinic, browser, "amina.diallo", password, form=form)
            assert page.status == 200 and page.form("/password")
    assert "code" in clinic.answer(enter(clinic, browser, "amina.diallo", form=form))


# ---- guessing

def failures(m, uid):
    return len(m.slapd.search(f"(uid={uid})", "pwdFailureTime")[0].get("pwdFailureTime", []))


def test_tries_of_both_pages_count_for_one_account(ministry, clinic):
    """In parallel, from many addresses, and at the linking page too: five, however they come."""
    m, uid = ministry, "nimal.perera"
    before = failures(m, uid)
    browsers = [at(f"10.4.0.{n}") for n in range(10)]
    forms = [form_of(clinic, browser) for browser in browsers]
    with ThreadPoolExecutor(10) as pool:
        pages = list(pool.map(lambda k: enter(clinic, browsers[k], uid, f"wrong-{k}", forms[k]), range(10)))
    assert sorted(page.status for page in pages) == [200] * 5 + [429] * 5 and failures(m, uid) - before <= 5
    browser = at("10.4.0.99")
    page = browser.get(clinic.url(upstream="national-id"), follow=lambda url: not url.startswith(m.esignet))
    page = browser.get(m.at_esignet(page.location, IDS[uid]), follow=clinic.stays)
    refusal(m, browser.submit(page.form("/link"), username=uid, password=DEMO_PASSWORD), "link_limit", 429)


def test_one_password_on_everybody_is_stopped_at_its_address(ministry, clinic):
    m, accounts = ministry, [f"nobody.{n}" for n in range(TRIES)]
    form = form_of(clinic, sprayer := at("10.5.0.1"))
    for uid in accounts:
        assert enter(clinic, sprayer, uid, "Summer2026", form).status == 200
    before = failures(m, "samuel.okoro")
    refusal(m, enter(clinic, sprayer, "samuel.okoro", "Summer2026", form), "link_limit", 429)
    refusal(m, enter(clinic, at("10.5.0.1"), "samuel.okoro", form=form_of(clinic, at("10.5.0.1"))), "login_other_browser", 400)
    assert failures(m, "samuel.okoro") == before
    assert "code" in clinic.answer(enter(clinic, at("10.5.0.2"), "samuel.okoro", form=None))
    v6 = at("2001:db8::1")
    form = form_of(clinic, v6)
    for n in range(TRIES):
        v6.headers["X-Forwarded-For"] = f"2001:db8::{n + 1:x}:1"
        assert enter(clinic, v6, f"nobody.{n}", "Summer2026", form).status == 200
    v6.headers["X-Forwarded-For"] = "2001:db8::ffff"  # the same /64
    refusal(m, enter(clinic, v6, "nobody.9", "Summer2026", form), "link_limit", 429)


def test_a_clinic_behind_one_address_works(ministry, clinic):
    """Right passwords are no tries: more of them than wrong ones may be."""
    for _ in range(TRIES + 2):
        assert "code" in clinic.answer(enter(clinic, at("10.6.0.1"), "samuel.okoro"))


# ---- who is who

def test_national_id_of_somebody_else_does_not_come_by_a_password(ministry, clinic):
    """Whoever knows a password gets that account, never the identity of another: links stay as they were."""
    m = ministry
    link(m, "amina.diallo", AMINA)
    moved = m.run("link", "list", "amina.diallo").stdout.split()
    answer = clinic.answer(enter(clinic, at("10.7.0.1"), "amina.diallo"))
    claims = claims_of(clinic.redeem(answer["code"])[1]["id_token"])
    assert f"person={claims['sub']}" in moved and claims["amr"] == ["pwd"]
    iss, sub = wait_until(lambda: re.search(r"(directory:staff) (\S+)", m.run("link", "list", "amina.diallo").stdout)).groups()
    said = m.run("link", "move", "--other-person", iss, sub, "samuel.okoro", check=False)
    assert said.returncode == 1 and "the entry itself" in said.stderr
