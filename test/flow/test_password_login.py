"""Login by the directory's own password, for a clinic where the national ID is not there yet.

Issue text: "Directory password login as a fallback ID provider, off by default, `amr` says `pwd`: a clinic where the national ID
is not rolled out yet keeps working, and the chooser page offers it only there." The same person is one DHIS2 user either way.
"""
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, IDS, App, Browser, claims_of, links, log_rows, refusal, user, users, wait_until
from ministry import ACR

ACR_PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
CHANGE = "https://passwords.health.example/"
SETTINGS = {"directory staff": {"password_login_clients": "dhis2-login clinic clinic-too asking strict nobody",
                                "password_login_label": "Staff account", "password_change_url": CHANGE}}
WAY = "upstream=directory%3Astaff"
CLINIC = {"X-Forwarded-For": "10.20.3.4"}


def choices(page):
    return [link for link in page.html.links if "upstream=" in link]


def at_form(app_or_m, browser=None, **changes):
    """(browser, the page with the form), by the chooser page or straight."""
    browser = browser or Browser()
    start = app_or_m.url(**changes) if isinstance(app_or_m, App) else app_or_m.dhis2 + "/oauth2/authorization/bridge"
    page = browser.get(start)
    way = [link for link in choices(page) if WAY in link]
    if way:
        issuer = (app_or_m.m if isinstance(app_or_m, App) else app_or_m).issuer
        page = browser.get(issuer + way[0])
    assert page.form("/password"), page.text[:300]
    return browser, page


def sign_in(app, uid, password=DEMO_PASSWORD, browser=None, **changes):
    browser, page = at_form(app, browser, **changes)
    follow = app.stays if isinstance(app, App) else (lambda url: True)
    return browser.submit(page.form("/password"), username=uid, password=password, follow=follow)


def tokens(app, uid, **changes):
    status, answer, _ = app.redeem(app.answer(sign_in(app, uid, **changes))["code"])
    assert status == 200, answer
    return answer


@pytest.fixture(scope="module")
def clinic(ministry):
    return App(ministry, "clinic", options=("--sso", "silent"))


# ---- one person

def test_a_nurse_without_national_id_lands_in_dhis2(ministry):
    m = ministry
    page = sign_in(m, "amina.diallo")
    assert page.url == m.dhis2 + "/" and "Signed in as Amina Diallo" in page.text, page.text[:300]
    assert [role["name"] for role in user(m, "amina.diallo")["userRoles"]] == ["Clinic worker"]


def test_the_national_id_linked_later_is_the_same_person(ministry):
    m = ministry
    before = user(m, "amina.diallo")
    page = sign_in_by_national_id(m, AMINA, "amina.diallo")
    assert page.url == m.dhis2 + "/" and user(m, "amina.diallo") == before
    rows = {row["iss"]: row for row in links(m, "amina.diallo")}
    assert set(rows) == {"directory:staff", m.esignet}
    assert rows["directory:staff"]["person"] == rows[m.esignet]["person"] == before["openId"]
    assert rows["directory:staff"]["by"] == "directory" and rows[m.esignet]["by"] == "password"
    assert rows["directory:staff"]["key"] == "staff:" + rows["directory:staff"]["sub"]


def sign_in_by_national_id(m, individual_id, uid=None):
    """Through the chooser page."""
    browser = Browser()
    page = browser.get(m.dhis2 + "/oauth2/authorization/bridge")
    way = next(link for link in choices(page) if "upstream=national-id" in link)
    page = browser.get(m.issuer + way, follow=lambda url: not url.startswith(m.esignet))
    page = browser.get(m.at_esignet(page.location, individual_id))
    if uid is not None:
        page = browser.submit(page.form("/link"), username=uid, password=DEMO_PASSWORD)
    return page


def test_the_password_after_the_national_id_is_the_same_person(ministry):
    m, uid = ministry, "samuel.okoro"
    assert sign_in_by_national_id(m, IDS[uid], uid).url == m.dhis2 + "/"
    before, known = user(m, uid), set(users(m))
    assert "Signed in as Samuel Okoro" in sign_in(m, uid).text
    assert user(m, uid) == before and set(users(m)) == known
    assert "Signed in as Samuel Okoro" in sign_in_by_national_id(m, IDS[uid]).text
    assert len({row["person"] for row in links(m, uid)}) == 1


def test_an_entry_takes_one_national_id_all_the_same(ministry):
    m = ministry
    sign_in(m, "fatima.zahra")
    assert sign_in_by_national_id(m, IDS["fatima.zahra"], "fatima.zahra").url == m.dhis2 + "/"
    refusal(m, sign_in_by_national_id(m, IDS["twin.one"], "fatima.zahra"), "link_taken", 403)


def test_rules_on_a_claim_of_the_national_id_hold_either_way(ministry, clinic):
    m, uid = ministry, "nimal.perera"
    rule = {"name": "by-gender", "when": {"claims": {"gender": ["Male"]}}, "give": {"roles": ["Data entry"]}}
    m.run("map", "apply", "-", text=json.dumps(rule))
    try:
        sign_in_by_national_id(m, IDS[uid], uid)
        both = ["Clinic worker", "Data entry"]
        wait_until(lambda: sign_in_by_national_id(m, IDS[uid]).status == 200 and roles(m, uid) == both, 30)  # rules are read anew
        assert sign_in(m, uid).url == m.dhis2 + "/" and roles(m, uid) == both
    finally:
        m.run("map", "remove", "by-gender")


def roles(m, uid):
    return sorted(role["name"] for role in user(m, uid)["userRoles"])


# ---- what is told

def test_amr_says_pwd(ministry, clinic):
    answer = tokens(clinic, "amina.diallo")
    claims = claims_of(answer["id_token"])
    assert claims["amr"] == ["pwd"] and claims["acr"] == ACR_PASSWORD and claims["idp"] == "directory:staff"
    assert abs(claims["auth_time"] - claims["iat"]) < 600
    assert claims["sub"] == links(ministry, "amina.diallo")[0]["person"]
    status, body = clinic.userinfo(answer["access_token"])
    assert status == 200 and json.loads(body)["amr"] == ["pwd"]
    row = [line for line in ministry.run("audit", "list").stdout.splitlines() if " login ok " in line][-1]
    assert 'how={"by":"password"' in row and '"upstream":"directory:staff"' in row and ACR_PASSWORD in row


def test_the_dhis2_profile_is_as_ever(ministry):
    """DHIS2 maps `email` to openId; userinfo holds that and nothing else."""
    other = App(ministry, "asking", options=("--dhis2", "hmis"))
    answer = tokens(other, "amina.diallo")
    person = links(ministry, "amina.diallo")[0]["person"]
    assert claims_of(answer["id_token"])["email"] == person and "amr" not in claims_of(answer["access_token"])
    status, body = other.userinfo(answer["access_token"])
    assert status == 200 and json.loads(body) == {"sub": person, "email": person}


def test_the_session_keeps_amr_and_answers_where_passwords_may(ministry, clinic):
    browser = Browser()
    sign_in(clinic, "amina.diallo", browser=browser)
    too = App(ministry, "clinic-too", options=("--sso", "silent"))
    page = browser.get(too.url(), follow=too.stays)
    claims = claims_of(too.redeem(too.answer(page)["code"])[1]["id_token"])
    assert claims["amr"] == ["pwd"] and claims["acr"] == ACR_PASSWORD


def test_refresh_asks_the_directory_again_with_the_policy_of_passwords(ministry, clinic):
    m, uid = ministry, "abebe.bekele"
    answer = tokens(clinic, uid)
    status, answer, _ = clinic.refresh(answer["refresh_token"])
    assert status == 200, answer
    lock(m, uid)
    try:
        status, refused, _ = clinic.refresh(answer["refresh_token"])
        assert (status, refused["error"]) == (400, "invalid_grant"), refused
    finally:
        unlock(m, uid)
    assert clinic.refresh(answer["refresh_token"])[0] == 200


def test_a_session_is_asked_for_its_password_policy_too(ministry, clinic):
    m, uid, browser = ministry, "abebe.bekele", Browser()
    assert "code" in clinic.answer(sign_in(clinic, uid, browser=browser))
    lock(m, uid)
    try:
        refusal(m, browser.get(clinic.url(), follow=clinic.stays), "person_locked_by_passwords", 403)
    finally:
        unlock(m, uid)
    assert "code" in clinic.answer(browser.get(clinic.url(), follow=clinic.stays))


def test_starting_again_asks_for_the_password_again(ministry, clinic):
    browser, page = at_form(clinic)
    transaction = next(name for name in browser.cookies() if name.startswith("idb-login-")).removeprefix("idb-login-")
    again = browser.get(f"{ministry.issuer}/restart?login={transaction}&other=1")
    assert again.form("/password")["fields"]["state"] != page.form("/password")["fields"]["state"]
    page = browser.submit(again.form("/password"), username="amina.diallo", password=DEMO_PASSWORD, follow=clinic.stays)
    assert clinic.answer(page)["state"] == "app-state"


def lock(m, uid):
    """By bad passwords, as slapd's ppolicy does it."""
    for n in range(6):
        assert m.slapd.bind(dn(m, uid), f"wrong-{n}").returncode != 0


def unlock(m, uid):
    m.slapd.modify(f"dn: {dn(m, uid)}\nchangetype: modify\ndelete: pwdAccountLockedTime\n")


def dn(m, uid):
    return m.slapd.search(f"(uid={uid})", "dn")[0]["dn"][0]


# ---- who may not

@pytest.mark.parametrize("uid,reason", [
    ("olga.oldpassword", "person_password_expired"), ("mara.mustchange", "person_must_change")])
def test_a_password_that_must_be_changed_first_signs_nobody_in(ministry, uid, reason):
    page = sign_in(ministry, uid)
    row = refusal(ministry, page, reason, 403)
    assert row["why"]
    assert CHANGE in page.html.links and "Change your password" in page.text


@pytest.mark.parametrize("uid", ["emil.expired", "nora.notyet", "paul.badpasswords", "lars.locked", "dina.disabled"])
def test_who_cannot_bind_is_told_no_more_than_a_stranger(ministry, uid):
    """slapd says no to the right password of each of them: to us it is a wrong one."""
    page, stranger = sign_in(ministry, uid), sign_in(ministry, "nobody.here")
    assert page.status == stranger.status == 200 and page.text == stranger.text and "do not match" in page.text
    assert not links(ministry, uid)


def test_a_client_that_demands_the_national_id_gets_nothing_else(ministry):
    m = ministry
    strict = App(m, "strict", options=("--sso", "silent", "--acr-values", ACR))
    page = Browser().get(strict.url(), follow=lambda url: not url.startswith(m.esignet))
    assert page.location and page.location.startswith(m.esignet)  # no chooser, no password
    page = Browser().get(strict.url(upstream="directory:staff"), follow=lambda url: not url.startswith(m.esignet))
    assert page.location and page.location.startswith(m.esignet)


def test_a_stronger_sign_in_that_is_asked_for_is_not_answered_by_a_password(ministry, clinic):
    m, browser = ministry, Browser()
    sign_in(clinic, "amina.diallo", browser=browser)
    page = browser.get(clinic.url(acr_values=ACR), follow=lambda url: not url.startswith((m.esignet, clinic.redirect_uri)))
    assert page.location.startswith(m.esignet)
    page = browser.get(clinic.url(acr_values=ACR, prompt="none"), follow=clinic.stays)
    assert clinic.answer(page)["error"] == "login_required"


# ---- where it is offered

def test_networks(make_ministry):
    """Only inside the clinic, measured by the address that the trusted proxy forwards."""
    m = make_ministry(settings={"listen": {"trusted_proxies": "127.0.0.1"},
                                "directory staff": {"password_login_networks": "10.20.0.0/16 fd00:20::/32 127.0.0.0/8"}})
    app = App(m, "portal", options=("--sso", "silent"))

    def offered(**headers):
        page = Browser(headers=headers).get(app.url(upstream="directory:staff"), follow=lambda url: False)
        return page.location is None and page.form("/password") is not None
    for inside in ("10.20.3.4", "10.20.255.255", "fd00:20:1::7", "::ffff:10.20.0.1", "9.9.9.9, 10.20.3.4"):
        assert offered(**{"X-Forwarded-For": inside}), inside
    for outside in ("10.21.0.1", "10.19.255.255", "fd00:21::1", "10.20.3.4, 9.9.9.9", "10.20.3.4:80", "nonsense", ""):
        assert not offered(**{"X-Forwarded-For": outside}), outside
    assert not offered()  # the proxy speaks for nobody
    inside, outside = Browser(headers=CLINIC), Browser(headers={"X-Forwarded-For": "192.0.2.7"})
    page = inside.get(app.url(upstream="directory:staff"))
    for cookie in inside.jar:
        outside.jar.set_cookie(cookie)
    form = page.form("/password")
    refusal(m, outside.submit(form, username="amina.diallo", password=DEMO_PASSWORD), "password_not_offered", 403)
    page = inside.submit(form, username="amina.diallo", password=DEMO_PASSWORD, follow=app.stays)
    assert "code" in app.answer(page)
    for cookie in inside.jar:
        outside.jar.set_cookie(cookie)
    page = outside.get(app.url(prompt="none"), follow=app.stays)
    assert app.answer(page)["error"] == "login_required"  # the session stays in the clinic
    assert "code" in app.answer(inside.get(app.url(prompt="none"), follow=app.stays))


def test_turned_off_ends_refresh_tokens_and_sessions(make_ministry):
    m = make_ministry(settings={"directory staff": {"password_login_clients": "clinic"}})
    app = App(m, "clinic", options=("--sso", "silent"))
    browser = Browser()
    page = sign_in(app, "amina.diallo", browser=browser)
    answer = app.redeem(app.answer(page)["code"])[1]
    m.settings["directory staff"]["password_login_clients"] = "another"
    m.write_config()
    m.processes["bridge"].send_signal(1)
    wait_until(lambda: [row for row in log_rows(m.log("bridge")) if row.get("event") == "reload"])
    status, refused, _ = app.refresh(answer["refresh_token"])
    assert (status, refused["error"]) == (400, "invalid_grant")
    page = browser.get(app.url(), follow=lambda url: not url.startswith((m.esignet, app.redirect_uri)))
    assert page.location.startswith(m.esignet)


# ---- administrators

def test_configuration_that_would_let_everybody_in_is_refused(ministry):
    m = ministry
    ini = (m.folder / "bridge.ini").read_text()
    for wrong, word in (("password_login_networks = 10.20.0.0/33", "ADDRESS/BITS"), ("password_login_networks = clinic", "ADDRESS/BITS"),
                        ("password_login_networks = 10.0.0.0/8 ::/200", "ADDRESS/BITS")):
        path = m.folder / "wrong.ini"
        path.write_text(ini.replace("[directory staff]", "[directory staff]\n" + wrong))
        said = m.run("config", "check", str(path), check=False)
        assert said.returncode == 1 and word in said.stdout + said.stderr, (wrong, said)
    path.write_text(ini.replace("[directory staff]", "[directory staff]\npassword_login_networks = 10.20.0.0/16")
                    .replace(f"issuer = {m.issuer}", "issuer = https://id.health.example"))
    said = m.run("config", "check", str(path), check=False)
    assert said.returncode == 1 and "trusted_proxies" in said.stdout + said.stderr


def test_doctor_and_explain_say_where(ministry):
    m = ministry
    said = m.run("doctor", check=False).stdout
    assert "login by this directory's password is offered to dhis2-login clinic" in said
    assert "password_login_clients names nobody, and no application of that name is registered" in said
    said = m.run("explain", "mara.mustchange", check=False).stdout
    assert "password  offered to dhis2-login clinic" in said and "the directory password must be changed" in said
    told = json.loads(m.run("explain", "--json", "mara.mustchange", check=False).stdout)["password_login"]
    assert told["refused"] == "person_must_change" and "clinic" in told["where"]
    row = next(row for row in links(m, "amina.diallo") if row["iss"] == "directory:staff")
    assert "sign-in   allowed" in m.run("explain", f"{row['iss']} {row['sub']}").stdout
    exported = m.run("link", "list", "--csv").stdout
    assert "directory:staff" in exported and m.run("link", "import", "--dry-run", "-", text=exported).returncode == 0
    said = m.run("explain", "amina.diallo", check=False).stdout
    assert "would be let in with the right one" in said


def test_the_form_in_every_language(ministry, clinic):
    for language in ("en", "fr", "ar", "es", "pt", "hi", "si", "ta"):
        page = at_form(clinic, ui_locales=language)[1]
        assert page.html.lang == language and page.html.dir == ("rtl" if language == "ar" else "ltr")
        assert len(page.body.encode()) < 20 * 1024 and "<script" not in page.body
        assert 'autocomplete="current-password"' in page.body and 'autocomplete="username"' in page.body
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert parse_qs(urlsplit(clinic.url()).query)["client_id"] == ["clinic"]
