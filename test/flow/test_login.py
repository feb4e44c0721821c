"""A person signs in: linked the first time, let in the second, and DHIS2 holds exactly what directory and rules say.

Issue text: "The person is found by link …; the account status and all groups, nested included, are read on every login";
"Look up by openId, create or update …, before the code is issued. Never touch an account with ALL."
"""
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from flow_kit import (AMINA, DEMO_PASSWORD, IDS, OBRIEN, Browser, links, log_rows, provisioning, refusal, sub_of, uid_of, user, users,
                      wait_until)
from slapd import SUFFIX

PLACE = [{"code": "EX-R1-D1-F1"}]


def journal_length(m):
    return len(m.control("dhis2", "requests", method="GET"))


def change_member(m, how, group, uid):
    m.slapd.modify(f"dn: cn={group},ou=groups,{SUFFIX}\nchangetype: modify\n{how}: member\nmember: uid={uid},ou=people,{SUFFIX}\n")


def test_first_login_links_and_makes_the_account(ministry):
    m = ministry
    page = m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    assert page.url == m.dhis2 + "/" and "Signed in as Amina Diallo" in page.text
    made, row = user(m, "amina.diallo"), links(m, "amina.diallo")[0]
    assert [role["name"] for role in made["userRoles"]] == ["Clinic worker"]
    assert [group["code"] for group in made["userGroups"]] == ["HIV-R1"]
    for units in ("organisationUnits", "dataViewOrganisationUnits", "teiSearchOrganisationUnits"):
        assert made[units] == PLACE, units
    assert made["externalAuth"] is True and made["disabled"] is False
    assert (made["firstName"], made["surname"], made["email"]) == ("Amina", "Diallo", "amina.diallo@health.example")
    assert made["openId"] == row["person"] and row["state"] == "active" and row["by"] == "password"
    assert made["openId"] not in (row["sub"], AMINA) and len(made["openId"]) >= 22  # 128 random bits


def test_second_login_asks_nothing_and_only_reads(ministry):
    m = ministry
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    since = journal_length(m)
    page = m.login(AMINA)
    assert page.url == m.dhis2 + "/" and "Signed in as Amina Diallo" in page.text
    calls = provisioning(m, since)
    assert len(calls) == 1 and calls[0][0] == "GET" and calls[0][1].startswith("/api/users?filter=openId:eq:"), calls


def test_group_removal_takes_the_role_at_the_next_login(ministry):
    m = ministry
    change_member(m, "add", "laboratory", "samuel.okoro")
    m.login(IDS["samuel.okoro"], link=("samuel.okoro", DEMO_PASSWORD))
    assert {r["name"] for r in user(m, "samuel.okoro")["userRoles"]} == {"Laboratory", "Supervisor"}
    change_member(m, "delete", "laboratory", "samuel.okoro")
    page = m.login(IDS["samuel.okoro"])
    assert page.url == m.dhis2 + "/"
    assert [r["name"] for r in user(m, "samuel.okoro")["userRoles"]] == ["Supervisor"]


def test_groups_nested_three_deep_count(ministry):
    m = ministry
    m.run("map", "add", "malaria-nation", "--group", "malaria", "--role", "Data entry", "--user-group", "code:MALARIA",
          "--org-unit", "code:EX")
    m.login(IDS["samuel.okoro"], link=("samuel.okoro", DEMO_PASSWORD))
    told = json.loads(m.run("explain", "--json", "samuel.okoro").stdout)
    assert {"malaria-r1-d1", "malaria-r1", "malaria"} <= {dn.split(",")[0][3:] for dn in told["groups"]}

    def has_it():  # the running bridge takes in the rule within seconds
        m.login(IDS["samuel.okoro"])
        made = user(m, "samuel.okoro")
        return "MALARIA" in {g["code"] for g in made["userGroups"]} and {"code": "EX"} in made["organisationUnits"]
    wait_until(has_it)
    m.run("map", "remove", "malaria-nation")

    def lost_it():
        m.login(IDS["samuel.okoro"])
        made = user(m, "samuel.okoro")
        return [r["name"] for r in made["userRoles"]] == ["Supervisor"] and made["organisationUnits"] == [{"code": "EX-R1"}]
    wait_until(lost_it)


@pytest.mark.parametrize("uid", ["nimal.perera", "abebe.bekele", "fatima.zahra", OBRIEN])
def test_names_of_every_script_and_with_every_sign(ministry, uid):
    m = ministry
    page = m.login(IDS[uid], link=(uid, DEMO_PASSWORD))
    assert page.url == m.dhis2 + "/", page.text[:300]
    made = next(u for u in users(m).values() if u["openId"] == uid_of(m, uid))
    entry = m.slapd.search("(uid=%s)" % "".join("\\%02x" % b for b in uid.encode()), "givenName", "sn")[0]
    assert (made["firstName"], made["surname"]) == (entry["givenName"][0], entry["sn"][0])
    assert m.login(IDS[uid]).url == m.dhis2 + "/"


def test_parallel_first_logins_make_one_user(ministry):
    m = ministry
    other = "paul.badpasswords"
    m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS[other]), "--login", other)
    before = set(users(m))
    with ThreadPoolExecutor(6) as pool:
        pages = list(pool.map(lambda _: m.login(IDS[other]), range(6)))
    assert [p.url for p in pages] == [m.dhis2 + "/"] * 6, [p.text[:200] for p in pages]
    assert len(set(users(m)) - before) == 1
    assert len(links(m, other)) == 1


def test_two_tabs_at_the_link_form_make_one_link(ministry):
    m, uid = ministry, "olga.oldpassword"
    one, two = Browser(), Browser()
    forms = []
    for browser in (one, two):
        _, url = m.to_esignet(browser)
        forms.append(browser.get(m.at_esignet(url, IDS[uid])))
    with ThreadPoolExecutor(2) as pool:
        pages = list(pool.map(lambda pair: pair[0].submit(pair[1].form("/link"), username=uid, password=DEMO_PASSWORD),
                              zip((one, two), forms)))
    assert len(links(m, uid)) == 1
    assert len([u for u in users(m).values() if u["openId"] == uid_of(m, uid)]) == 1
    assert m.dhis2 + "/" in [p.url for p in pages]


def test_account_with_the_openid_is_adopted(ministry):
    m, uid = ministry, "mara.mustchange"
    printed = m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS[uid]), "--login", uid).stdout
    person_id = printed.split()[-1]
    _, roles = m.admin("GET", "/api/userRoles?filter=name:eq:Laboratory&fields=id")
    _, units = m.admin("GET", "/api/organisationUnits?filter=code:eq:EX&fields=id")
    status, answer = m.admin("POST", "/api/users", {
        "username": "old.hand", "firstName": "Mara", "surname": "Jallow", "openId": person_id, "externalAuth": True,
        "userRoles": roles["userRoles"], "organisationUnits": units["organisationUnits"]})
    assert status == 201, answer
    page = m.login(IDS[uid])
    assert page.url == m.dhis2 + "/", page.text[:300]
    adopted = user(m, "old.hand")
    assert adopted["id"] == answer["response"]["uid"] and adopted["openId"] == person_id
    assert [r["name"] for r in adopted["userRoles"]] == ["Clinic worker"] and adopted["organisationUnits"] == PLACE
    assert uid not in users(m)


def test_account_with_all_is_never_touched(ministry):
    m, uid = ministry, "twin.two"
    printed = m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS["twin.one"]), "--login", uid).stdout
    _, roles = m.admin("GET", "/api/userRoles?filter=code:eq:SUPER&fields=id")
    status, answer = m.admin("POST", "/api/users", {"username": "boss", "firstName": "B", "surname": "Oss", "openId":
                                                    printed.split()[-1], "externalAuth": True, "userRoles": roles["userRoles"]})
    assert status == 201, answer
    since = journal_length(m)
    page = m.login(IDS["twin.one"])
    refusal(m, page, "dhis2_protected", 403)
    assert {method for method, _ in provisioning(m, since)} == {"GET"}


# ---- tabs, back button, restart

def test_four_tabs_are_kept_and_the_oldest_gives_way(ministry):
    m, browser = ministry, Browser()
    urls = [m.to_esignet(browser)[1] for _ in range(5)]
    open_cookies = [name for name in browser.cookies() if "idb-login-" in name]
    assert len(open_cookies) == 4
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    page = browser.get(m.at_esignet(urls[0], AMINA))
    refusal(m, page, "login_other_browser", 400)
    for url in urls[2:0:-1]:  # any order; DHIS2 itself keeps one login per session, so stop before it
        page = browser.get(m.at_esignet(url, AMINA), follow=lambda to: not to.startswith(m.dhis2))
        assert page.location.startswith(m.dhis2 + "/oauth2/code/bridge?code="), page.text[:300]


def test_replayed_callback_says_it_is_finished_and_leads_back(ministry):
    m = ministry
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    browser, url = m.to_esignet()
    callback = m.at_esignet(url, AMINA)
    assert browser.get(callback).url == m.dhis2 + "/"
    page = browser.get(callback)
    refusal(m, page, "login_used", 400)
    assert m.dhis2 in page.html.links, page.html.links
    assert "Signed in as Amina Diallo" in browser.get(m.dhis2 + "/").text
    refusal(m, Browser().get(callback), "login_used", 400)  # another browser learns no more


def test_link_form_cannot_be_sent_twice(ministry):
    m, uid = ministry, "nimal.perera"
    m.login(IDS[uid], link=(uid, DEMO_PASSWORD))
    row = links(m, uid)[0]
    m.run("link", "remove", row["iss"], row["sub"])
    browser, url = m.to_esignet()
    callback = m.at_esignet(url, IDS[uid])
    shown = browser.get(callback)
    form = shown.form("/link")
    again = browser.get(callback)  # reloaded while the form is open: eSignet's code is spent
    refusal(m, again, "upstream_error", 502)
    assert browser.submit(form, username=uid, password=DEMO_PASSWORD).url == m.dhis2 + "/"
    refusal(m, browser.submit(form, username=uid, password=DEMO_PASSWORD), "login_used", 400)


def test_restart_link_starts_the_same_request_again(ministry):
    m = ministry
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    m.control("esignet", "tamper", {"what": "id_token_nonce"})
    page = m.login(AMINA)
    refusal(m, page, "upstream_untrusted", 403)
    restart = next(link for link in page.html.links if link.startswith("/restart?"))
    browser, url = m.to_esignet(page.browser, start=m.issuer + restart)
    done = browser.get(m.at_esignet(url, AMINA))
    assert done.url == m.dhis2 + "/" and "Signed in as Amina Diallo" in done.text
    page = browser.get(m.issuer + restart)  # its cookie is gone: used up
    refusal(m, page, "login_other_browser", 400)


def test_the_demo_line_of_the_log_names_nobody(ministry):
    m = ministry
    page = m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    assert page.url == m.dhis2 + "/"
    row = [r for r in log_rows(m.log("bridge")) if r.get("event") == "login"][-1]
    assert row["client"] == "dhis2-login" and row["account"] in ("created", "unchanged", "changed") and row["status"] == "ok"
    text = m.log("bridge")
    for secret in ("Amina", "amina", AMINA, DEMO_PASSWORD, uid_of(m, "amina.diallo"), "eyJ", links(m, "amina.diallo")[0]["sub"]):
        assert secret not in text, secret
    audit = [line for line in m.run("audit", "list").stdout.splitlines() if " login ok " in line][-1]
    assert 'actor="dhis2-login"' in audit and f"subject={uid_of(m, 'amina.diallo')}" in audit and f"ref={row['id']}" in audit
