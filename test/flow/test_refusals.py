"""Every refusal is a page in plain words with a reference code and a way on; the log line with that code says why.

Policy per account status (design): refused are unknown, ambiguous, disabled, expired, not yet valid, locked by an
administrator. What is wrong with the directory password refuses only logins by that password.
"""
import json
import re
import time

import pytest
from flow_kit import (AMINA, DEMO_PASSWORD, IDS, Browser, directory_is_back, links, log_rows, new_log, provisioning, refusal, sub_of, uid_of, user,
                      users, wait_until)
from slapd import SUFFIX

SETTINGS = {"directory staff": {"grace": "0s", "network_timeout": "1s", "search_timeout": "1s"},
            "dhis2 hmis": {"timeout": "1s", "connect_timeout": "1s"}}
REFUSED = {"dina.disabled": "person_disabled", "emil.expired": "person_expired", "nora.notyet": "person_not_yet_valid",
           "lars.locked": "person_locked"}
PASSWORD_STATES = ("paul.badpasswords", "olga.oldpassword", "mara.mustchange")


def link(m, uid, individual_id=None):
    """As an administrator does it; the person id."""
    if not links(m, uid):
        m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(individual_id or IDS[uid]), "--login", uid)
    return uid_of(m, uid)


def no_account(m, uid):
    person_ids = {row["person"] for row in links(m, uid)}
    assert not [u for u in users(m).values() if u["openId"] in person_ids or u["username"] == uid]


def codes_sent(m):
    return sum(row["path"].startswith("/oauth2/code/") for row in m.control("dhis2", "requests", method="GET"))


@pytest.mark.parametrize("uid", REFUSED)
def test_a_linked_person_who_may_not_work(ministry, uid):
    m = ministry
    link(m, uid)
    before = codes_sent(m)
    row = refusal(m, m.login(IDS[uid]), REFUSED[uid], 403)
    assert row["detail"].startswith("account status ")
    no_account(m, uid)
    assert codes_sent(m) == before
    person = links(m, uid)[0]["person"]  # somebody known gets a row of their own
    rows = [line for line in m.run("audit", "list").stdout.splitlines() if "login.refused" in line and person in line]
    assert len(rows) == 1 and REFUSED[uid] in rows[0] and row["id"] in rows[0], rows


@pytest.mark.parametrize("uid", REFUSED)
def test_nor_may_such_a_person_be_linked_by_password(make_or_module, uid):
    m = make_or_module
    page = m.login(IDS[uid], link=(uid, DEMO_PASSWORD))
    if m.slapd.bind(f"uid={uid},ou=people,{SUFFIX}", DEMO_PASSWORD).returncode == 0:
        refusal(m, page, REFUSED[uid], 403)
    else:  # slapd refuses the password itself: unknown name, wrong password and this look the same
        assert page.status == 200 and page.form("/link")
    assert not links(m, uid)


@pytest.fixture
def make_or_module(ministry, request):
    """The shared ministry with the person's link taken away."""
    uid = request.node.callspec.params["uid"]
    for row in links(ministry, uid):
        ministry.run("link", "remove", row["iss"], row["sub"])
    return ministry


@pytest.mark.parametrize("uid", PASSWORD_STATES)
def test_password_states_stop_nobody_who_is_linked(ministry, uid):
    m = ministry
    link(m, uid)
    page = m.login(IDS[uid])
    assert page.url == m.dhis2 + "/", page.text[:300]
    assert [r["name"] for r in user(m, uid)["userRoles"]] == ["Clinic worker"]


@pytest.mark.parametrize("uid, proves", [("olga.oldpassword", True), ("mara.mustchange", True), ("paul.badpasswords", False)])
def test_linking_needs_a_bind_that_proves_the_person(make_or_module, uid, proves):
    m = make_or_module
    page = m.login(IDS[uid], link=(uid, DEMO_PASSWORD))
    assert (page.url == m.dhis2 + "/") is proves, page.text[:300]
    assert len(links(m, uid)) == proves
    if not proves:
        assert page.form("/link") and "do not match" in page.text


def test_somebody_in_no_group_gets_no_account_and_no_code(ministry):
    m, uid = ministry, "nina.nogroup"
    link(m, uid)
    since, before = len(m.control("dhis2", "requests", method="GET")), codes_sent(m)
    page = m.login(IDS[uid])
    refusal(m, page, "no_grants", 403)
    assert "DHIS2" in page.text
    assert provisioning(m, since) == [] and codes_sent(m) == before
    no_account(m, uid)


def test_a_person_who_left_the_directory(ministry):
    m = ministry
    m.slapd.modify(f"dn: uid=gone.soon,ou=people,{SUFFIX}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: Gone Soon\nsn: Soon\n"
                   "uid: gone.soon\n")
    person = {**m.control("esignet", "persons", method="GET")[0], "individualId": "8000000001"}
    m.control("esignet", "persons", person)
    m.run("link", "add", "--upstream", "national-id", "--sub", sub_of("8000000001"), "--login", "gone.soon")
    m.slapd.modify(f"dn: uid=gone.soon,ou=people,{SUFFIX}\nchangetype: delete\n")
    refusal(m, m.login("8000000001"), "person_unknown", 403)


def test_unlinked_without_a_way_to_link(make_ministry):
    m = make_ministry(settings={"link": {"method": ""}})
    refusal(m, m.login(AMINA), "not_linked", 403)
    assert users(m) == {}


# ---- the directory

def test_directory_down_and_back(ministry):
    m = ministry
    link(m, "amina.diallo")
    assert m.login(AMINA).url == m.dhis2 + "/"
    m.slapd.stop()
    try:
        page = m.login(AMINA)
        refusal(m, page, "directory_down", 503)
        assert page.headers["Retry-After"] and any(a.startswith("/restart") for a in page.html.links)
    finally:
        m.slapd.start()
    directory_is_back(m)
    browser, url = m.to_esignet(page.browser, start=m.issuer + next(a for a in page.html.links if a.startswith("/restart")))
    assert browser.get(m.at_esignet(url, AMINA)).url == m.dhis2 + "/"


def test_a_hung_directory_is_bounded_and_slows_nobody_else(ministry):
    m = ministry
    link(m, "amina.diallo")
    assert m.login(AMINA).url == m.dhis2 + "/"
    m.slapd.pause()
    try:
        began = time.monotonic()
        refusal(m, m.login(AMINA), "directory_down", 503)
        assert time.monotonic() - began < 20  # it would hang for ever
        assert m.call("GET", m.issuer + "/readyz", timeout=10)[0] == 200
    finally:
        m.slapd.resume()
    directory_is_back(m)
    assert m.login(AMINA).url == m.dhis2 + "/"


def test_grace_lets_in_who_was_good_before_and_nobody_else(make_ministry):
    m = make_ministry(settings={"directory staff": {"grace": "1h", "network_timeout": "1s"}})
    assert m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD)).url == m.dhis2 + "/"
    m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS["samuel.okoro"]), "--login", "samuel.okoro")
    m.slapd.stop()
    with new_log(m) as log:
        assert m.login(AMINA).url == m.dhis2 + "/"
        assert [row["grace"] for row in log() if row.get("event") == "login"] == ["yes"]
    refusal(m, m.login(IDS["samuel.okoro"]), "directory_down", 503)
    m.slapd.start()
    dn = f"dn: uid=amina.diallo,ou=people,{SUFFIX}\nchangetype: modify\n"
    m.slapd.modify(dn + "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n")
    refusal(m, wait_until(lambda: (page := m.login(AMINA)).url != m.dhis2 + "/" and page, 20), "person_locked", 403)  # noticed within seconds
    m.slapd.stop()
    refusal(m, m.login(AMINA), "directory_down", 503)  # an outage does not bring back who was locked before it


# ---- DHIS2

@pytest.mark.parametrize("fault, reason, status", [
    ({"status": 500, "body": "{}"}, "dhis2_down", 503),
    ({"status": 503, "body": "<html>Service unavailable</html>", "content_type": "text/html"}, "dhis2_down", 503),
    ({"status": 200, "body": "<html>Log in</html>", "content_type": "text/html"}, "dhis2_down", 503),
    ({"status": 401, "body": "{}"}, "dhis2_down", 503),
    ({"drop": True}, "dhis2_down", 503),
    ({"delay_ms": 30000, "status": 200, "body": "{}"}, "dhis2_down", 503),
], ids=["500", "503-html", "200-html", "401", "dropped", "slow"])
def test_dhis2_in_trouble_is_a_page(ministry, fault, reason, status):
    m = ministry
    link(m, "amina.diallo")
    m.control("dhis2", "fault", {"path_prefix": "/api/users", **fault})
    began, before = time.monotonic(), codes_sent(m)
    page = m.login(AMINA)
    refusal(m, page, reason, status)
    assert time.monotonic() - began < 25 and codes_sent(m) == before
    m.control("dhis2", "fault", method="DELETE")
    assert m.login(AMINA).url == m.dhis2 + "/"


@pytest.mark.parametrize("code, reason, status", [("E4028", "dhis2_refused", 502), ("E4054", "dhis2_conflict", 409)])
def test_dhis2_says_409_to_a_new_account(make_or_new, code, reason, status):
    m, uid = make_or_new
    body = {"httpStatus": "Conflict", "httpStatusCode": 409, "status": "ERROR", "response": {"errorReports": [
        {"message": "no", "errorCode": code, "errorProperty": "username"}]}}
    m.control("dhis2", "fault", {"path_prefix": "/api/users", "method": "POST", "status": 409, "body": json.dumps(body), "times": 20})
    before = codes_sent(m)
    page = m.login(IDS[uid])
    refusal(m, page, reason, status)
    assert codes_sent(m) == before
    no_account(m, uid)


@pytest.fixture
def make_or_new(ministry):
    link(ministry, "samuel.okoro")
    return ministry, "samuel.okoro"


def test_dhis2_stopped(make_ministry):
    m = make_ministry(settings={"dhis2 hmis": {"timeout": "2s", "connect_timeout": "1s"}})
    browser, url = m.to_esignet()
    page = browser.get(m.at_esignet(url, AMINA))
    m.stop("dhis2")
    page = browser.submit(page.form("/link"), username="amina.diallo", password=DEMO_PASSWORD)
    refusal(m, page, "dhis2_down", 503)
    m.start_dhis2()
    assert m.login(AMINA).url == m.dhis2 + "/"  # the link was kept: no second password


# ---- the page itself

@pytest.mark.parametrize("how, language, direction, word", [
    ({"ui_locales": "fr"}, "fr", "ltr", "compte"), ({"ui_locales": "xx ar"}, "ar", "rtl", "حساب"),
    ({"Accept-Language": "fr-CM,fr;q=0.9,en;q=0.5"}, "fr", "ltr", "compte"), ({"Accept-Language": "ar"}, "ar", "rtl", "حساب"),
    ({"Accept-Language": "zz"}, "en", "ltr", "account"), ({}, "en", "ltr", "account"),
], ids=["ui-fr", "ui-ar", "accept-fr", "accept-ar", "unknown", "none"])
def test_language_of_a_refusal(ministry, how, language, direction, word):
    m, uid = ministry, "dina.disabled"
    link(m, uid)
    browser = Browser(headers={k: v for k, v in how.items() if k == "Accept-Language"})
    first = browser.get(m.dhis2 + "/oauth2/authorization/bridge", follow=lambda url: not url.startswith(m.issuer))
    start = first.location + ("&ui_locales=" + how["ui_locales"].replace(" ", "%20") if "ui_locales" in how else "")
    page = m.login(IDS[uid], browser=browser, start=start)
    refusal(m, page, "person_disabled", 403)
    assert (page.html.lang, page.html.dir) == (language, direction)
    assert word in page.text


def test_secrets_and_names_are_in_no_log(ministry):
    """Canaries in everything a browser or an ID provider sends."""
    m, canary = ministry, "Kanarienvogel"
    person = next(p for p in m.control("esignet", "persons", method="GET") if p["individualId"] == IDS["twin.one"])
    person = {**person, "name": {"eng": canary + "Name"}, "email": canary + "@example.org", "phone": "+4912345" + canary}
    m.control("esignet", "persons", person)
    browser = Browser(headers={"User-Agent": canary + "/1.0", "Referer": "http://" + canary + "/", "X-Forwarded-For": canary})
    start = browser.get(m.dhis2 + "/oauth2/authorization/bridge", follow=lambda url: not url.startswith(m.issuer)).location
    _, url = m.to_esignet(browser, start=start + f"&login_hint={canary}Hint&ui_locales={canary}")
    page = browser.get(m.at_esignet(url, IDS["twin.one"]))
    page = browser.submit(page.form("/link"), username=canary + "User", password=canary + "Password")
    browser.get(m.issuer + f"/callback/national-id?code={canary}&state={canary}")
    browser.get(m.issuer + f"/callback/national-id?error={canary}&error_description={canary}")
    browser.get(m.issuer + f"/authorize?client_id={canary}&redirect_uri=http://{canary}/")
    browser.get(m.issuer + "/" + canary)
    browser.once("POST", m.issuer + "/token", form={"grant_type": canary, "client_id": canary, "client_secret": canary, "code": canary})
    Browser(headers={"Authorization": "Bearer " + canary}).get(m.issuer + "/userinfo")
    assert canary not in m.log("bridge")
    assert canary + "User" in page.body and canary + "Password" not in page.body  # what was typed comes back, but the password
    status, metrics = m.call("GET", m.metrics + "/metrics")
    assert status == 200 and canary not in metrics


def test_every_reason_of_the_log_is_known_to_the_metrics(ministry):
    m = ministry
    refusal(m, Browser().get(m.issuer + "/nowhere"), "not_found", 404)
    _, text = m.call("GET", m.metrics + "/metrics")
    counted = set(re.findall(r'idbridge_refused_total\{reason="(\w+)"\}', text))
    assert {row["reason"] for row in log_rows(m.log("bridge")) if row.get("event") == "refused"} == counted


def test_a_prefetch_of_the_callback_page_uses_up_nothing(ministry):
    """Link scanners send HEAD."""
    m = ministry
    link(m, "amina.diallo")
    browser, url = m.to_esignet()
    callback = m.at_esignet(url, AMINA)
    assert browser.once("HEAD", callback).status == 405
    assert browser.get(callback).url == m.dhis2 + "/"


def test_refusals_leave_one_audit_row_per_reason(ministry):
    """Anonymous floods cost no storage: counted in memory, written once a minute and at the end."""
    m = ministry
    for _ in range(3):
        refusal(m, Browser().get(m.issuer + "/callback/national-id?code=x"), "bad_request", 400)
    refused = [row for row in log_rows(m.log("bridge")) if row.get("event") == "refused"]
    assert m.stop("bridge") == 0
    rows = [line.split() for line in m.run("audit", "list").stdout.splitlines() if "login.refused" in line]
    m.start_bridge()
    counted = [row for row in rows if not any(word.startswith("subject=") for word in row)]
    assert {row[3] for row in counted} >= {row["reason"] for row in refused} and len(counted) < len(refused)
    assert "the chain holds" in m.run("audit", "verify").stdout
