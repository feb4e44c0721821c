"""Browser sessions at the bridge, and leaving. Issue text: "`sso = never|ask|silent` per client; session idle and absolute life
are config keys; the logout page says what stays open (eSignet has no logout)". RP-Initiated Logout 1.0."""
import time
from urllib.parse import urlencode

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, IDS, App, Browser, claims_of, refusal, uid_of

AMINAS, SAMUELS = ("amina.diallo", DEMO_PASSWORD), ("samuel.okoro", DEMO_PASSWORD)
LOGOUT = "http://127.0.0.1:9/bye"


@pytest.fixture(scope="module")
def silent(ministry):
    return App(ministry, "silent", redirect_uri="http://127.0.0.1:9/silent", options=("--sso", "silent"))


@pytest.fixture(scope="module")
def ask(ministry):
    return App(ministry, "ask", redirect_uri="http://127.0.0.1:9/ask", options=("--sso", "ask"), name="District portal",
               post_logout_redirect_uri=LOGOUT)


def signed_in(app, who=AMINA, link=AMINAS, browser=None):
    page = app.login(who, link, browser=browser)
    return page.browser, app.redeem(app.answer(page)["code"])[1]


def again(app, browser, **changes):
    return browser.get(app.url(**changes), follow=app.stays)


def subject(app, page):
    return claims_of(app.redeem(app.answer(page)["code"])[1]["id_token"])["sub"]


def at_provider(app, page):
    return page.url.startswith(app.m.esignet)


def test_dhis2_never_shares_a_session(ministry, silent):
    """On a shared tablet nurse B must not become nurse A."""
    browser, _ = signed_in(silent)
    _, url = ministry.to_esignet(browser)
    assert url.startswith(ministry.esignet)


def test_silent_answers_from_the_session(silent):
    browser, tokens = signed_in(silent)
    page = again(silent, browser)
    assert subject(silent, page) == claims_of(tokens["id_token"])["sub"]
    assert not any(url.startswith(silent.m.esignet) for _, url, _, _ in browser.hops[-1:])
    assert subject(silent, again(silent, browser, prompt="none")) == claims_of(tokens["id_token"])["sub"]


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "0"}])
def test_a_fresh_login_is_asked_for(silent, changes):
    browser, _ = signed_in(silent)
    page = again(silent, browser, **changes)
    assert page.location is None and at_provider(silent, page)


def test_prompt_consent_is_never_silent(silent, ask):
    """OpenID Connect Core §3.1.2.1: with prompt=consent the person is asked before anything goes to the application."""
    browser, tokens = signed_in(silent)
    for app in (silent, ask):
        page = again(app, browser, prompt="consent")
        assert page.status == 200 and "Continue as Amina Diallo" in page.text and page.location is None
        done = browser.submit(page.form("/continue"), answer="continue", follow=app.stays)
        assert subject(app, done) == claims_of(tokens["id_token"])["sub"]
    page = Browser().get(silent.url(prompt="consent"), follow=lambda url: not url.startswith(silent.m.esignet))
    assert "prompt=consent" in page.location  # nobody is signed in here: the ID provider asks
    page = browser.get(silent.url(prompt="login consent"), follow=lambda url: not url.startswith(silent.m.esignet))
    assert "prompt=login" in page.location


def test_ask_shows_who_and_goes_on(ask):
    browser, tokens = signed_in(ask)
    page = again(ask, browser)
    assert page.status == 200 and "Continue as Amina Diallo" in page.text and "Not me" in page.text
    done = browser.submit(page.form("/continue"), answer="continue", follow=ask.stays)
    assert subject(ask, done) == claims_of(tokens["id_token"])["sub"]
    assert ask.answer(again(ask, browser, prompt="none"))["error"] == "interaction_required"
    stranger = Browser().submit(page.form("/continue"), answer="continue", follow=lambda url: not url.startswith(ask.m.esignet))
    assert stranger.location.startswith(ask.m.esignet)  # without the session's cookie the form is worth nothing


def test_not_me_lets_somebody_else_in_and_ends_the_session(ask):
    m = ask.m
    browser, tokens = signed_in(ask)
    page = again(ask, browser)
    page = browser.submit(page.form("/continue"), answer="other", follow=lambda url: not url.startswith(m.esignet))
    assert "prompt=login" in page.location
    page = browser.get(m.at_esignet(page.location, IDS["samuel.okoro"]), follow=ask.stays)
    if page.location is None:
        page = browser.submit(page.form("/link"), username=SAMUELS[0], password=SAMUELS[1], follow=ask.stays)
    assert subject(ask, page) == uid_of(m, "samuel.okoro")
    assert ask.refresh(tokens["refresh_token"])[0] == 400  # what came of the first person's session went with it
    assert "Continue as Samuel Okoro" in again(ask, browser).text


def test_a_fresh_login_at_dhis2_ends_another_persons_session(ministry, silent):
    m = ministry
    browser, _ = signed_in(silent)
    page = m.login(IDS["samuel.okoro"], link=SAMUELS, browser=browser)
    assert "Signed in as Samuel Okoro" in page.text
    page = again(silent, browser)
    assert page.location is None and at_provider(silent, page)


def test_a_session_does_not_outlive_the_person(silent):
    m, browser = silent.m, signed_in(silent)[0]
    dn = "dn: uid=amina.diallo,ou=people,dc=health,dc=example\nchangetype: modify\n"
    m.slapd.modify(dn + "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n")
    try:
        refusal(m, again(silent, browser), "person_locked", 403)
    finally:
        m.slapd.modify(dn + "delete: pwdAccountLockedTime\n")
    assert silent.answer(again(silent, browser))["code"]


def test_refresh_tokens_end_some_day_however_often_they_are_used(make_ministry):
    m = make_ministry(settings={"tokens": {"refresh_absolute": "6s", "refresh": "1h"}})
    app = App(m)
    began = time.monotonic()
    token = app.tokens(AMINA, AMINAS)["refresh_token"]
    signed_in_at = time.monotonic()
    good = 0
    while True:
        asked = time.monotonic()
        status, answer, _ = app.refresh(token)
        if status != 200:
            break
        assert asked - signed_in_at < 6 + 1, "refreshed past refresh_absolute"
        token, good = answer["refresh_token"], good + 1
        time.sleep(0.3)
    assert (status, answer["error"]) == (400, "invalid_grant") and time.monotonic() - began >= 5
    assert good > 0 and app.tokens(AMINA)["refresh_token"]  # a new sign-in begins anew


def test_idle_and_absolute_life(make_ministry):
    m = make_ministry(settings={"session": {"idle": "5s", "life": "9s"}})
    app = App(m, options=("--sso", "silent"))
    browser, _ = signed_in(app)
    began = time.monotonic()
    used = 0
    while time.monotonic() - began < 6.2:  # used every half second it lives on past `idle`
        assert app.answer(again(app, browser))["code"]
        used += 1
        time.sleep(0.5)
    assert used >= 4
    time.sleep(max(0, began + 10.2 - time.monotonic()))
    assert again(app, browser).location is None  # and ends with `life`
    browser, _ = signed_in(app)
    time.sleep(6.2)
    assert again(app, browser).location is None  # idle


# ---- logout

def leave(app, browser, **words):
    return browser.get(f"{app.m.issuer}/logout?" + urlencode({k: v for k, v in words.items() if v}), follow=lambda url: not url.startswith(LOGOUT))


def test_logout_with_a_hint_goes_back_and_ends_everything(ask):
    browser, tokens = signed_in(ask)
    page = leave(ask, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=LOGOUT, state="s1")
    assert page.location == LOGOUT + "?state=s1"
    assert ask.refresh(tokens["refresh_token"])[0] == 400 and ask.userinfo(tokens["access_token"])[0] == 401
    assert at_provider(ask, again(ask, browser))
    page = leave(ask, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=LOGOUT)
    assert page.location == LOGOUT  # again: nothing to end, still back


def test_logout_accepts_an_expired_hint(make_ministry):
    m = make_ministry(settings={"tokens": {"access": "1s"}})
    app = App(m, options=("--sso", "silent"), post_logout_redirect_uri=LOGOUT)
    browser, tokens = signed_in(app)
    time.sleep(2.1)
    assert claims_of(tokens["id_token"])["exp"] < time.time()
    assert leave(app, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=LOGOUT).location == LOGOUT


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9/bye/", "http://evil.example/", "http://127.0.0.1:9/bye?x"])
def test_an_unregistered_address_is_not_followed(ask, uri):
    browser, tokens = signed_in(ask)
    page = leave(ask, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=uri)
    assert page.location is None and page.status == 200 and "signed out here" in page.text
    assert "District portal" in page.text and "National ID" in page.text and "still be signed in" in page.text


def test_logout_without_a_hint_asks_first(ask):
    browser, tokens = signed_in(ask)
    page = leave(ask, browser, post_logout_redirect_uri=LOGOUT)
    assert page.location is None and page.form("/logout/confirm")
    assert "Continue as" in again(ask, browser).text  # nothing happened yet
    forged = tokens["id_token"][:-6] + "AAAAAA"
    assert leave(ask, browser, id_token_hint=forged).form("/logout/confirm")
    done = browser.submit(page.form("/logout/confirm"))
    assert "signed out here" in done.text and at_provider(ask, again(ask, browser))


def test_somebody_elses_hint_does_not_sign_me_out_unasked(ask):
    _, hers = signed_in(ask)
    browser, _ = signed_in(ask, IDS["samuel.okoro"], SAMUELS)
    assert leave(ask, browser, id_token_hint=hers["id_token"]).form("/logout/confirm")
    assert "Continue as Samuel" in again(ask, browser).text


def test_dhis2s_own_logout_button_comes_back_to_dhis2(ministry):
    m = ministry
    browser = m.login(AMINA, link=AMINAS).browser
    page = browser.get(m.dhis2 + "/dhis-web-commons-security/logout.action", follow=lambda url: not url.startswith(m.issuer))
    assert page.location.startswith(m.issuer + "/logout?") and "id_token_hint=" in page.location
    page = browser.get(page.location)
    assert page.url.startswith(m.dhis2) and page.status == 200, page.text[:300]
    assert "Signed in" not in browser.get(m.dhis2 + "/").text
