"""First sign-in of somebody who is linked to nobody.

Issue text: "one page asks for the directory password once, binds as that person, and stores the link on (iss, sub), never on
e-mail; an entry already linked is never self-linked; where configured, name or birth date must match or an administrator
approves; the directory's e-mail address is told; rate-limited before the bind, refuses empty passwords. `idbridge link` lists,
adds, moves and removes links."
"""
import base64
import email
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flow_kit import (AMINA, DEMO_PASSWORD, IDS, App, Browser, arrived, links, log_rows, refusal, sub_of, uid_of, user, users, wait_until)
from slapd import SUFFIX


def at_form(m, individual_id, browser=None):
    browser, url = m.to_esignet(browser)
    page = browser.get(m.at_esignet(url, individual_id))
    assert page.form("/link"), page.text[:300]
    return browser, page


def unlinked(m, *uids):
    for uid in uids:
        for row in links(m, uid):
            m.run("link", "remove", row["iss"], row["sub"])


def binds(m):
    """How often the bridge tried a password, as its directory noted: slapd counts failures at the entry."""
    found = m.slapd.search("(uid=samuel.okoro)", "pwdFailureTime")
    return len(found[0].get("pwdFailureTime", []))


def test_wrong_password_says_so_and_the_next_one_links(ministry):
    m = ministry
    browser, page = at_form(m, AMINA)
    again = browser.submit(page.form("/link"), username="amina.diallo", password="not-this-one")
    assert again.status == 200 and "do not match" in again.text and not links(m, "amina.diallo")
    assert "not-this-one" not in again.body
    unknown = browser.submit(again.form("/link"), username="nobody.here", password=DEMO_PASSWORD)
    assert unknown.text == again.text.replace("amina.diallo", "nobody.here")  # no telling who exists
    done = browser.submit(unknown.form("/link"), username="amina.diallo", password=DEMO_PASSWORD)
    assert done.url == m.dhis2 + "/"
    row = links(m, "amina.diallo")[0]
    assert (row["iss"], row["sub"]) == (m.esignet, sub_of(AMINA))


def test_an_empty_password_never_reaches_the_directory(ministry):
    m, uid = ministry, "abebe.bekele"
    browser, page = at_form(m, IDS[uid])
    for _ in range(8):  # costs no try either
        page = browser.submit(page.form("/link"), username=uid, password="")
        assert page.status == 200 and page.form("/link")
    assert browser.submit(page.form("/link"), username=uid, password=DEMO_PASSWORD).url == m.dhis2 + "/"


def test_tries_are_counted_before_the_bind(ministry):
    m, uid = ministry, "samuel.okoro"
    browser, page = at_form(m, IDS[uid])
    form, before = page.form("/link"), binds(m)
    pages = []
    with ThreadPoolExecutor(10) as pool:
        pages = list(pool.map(lambda n: send_alone(m, browser, form, uid, f"wrong-{n}"), range(10)))
    assert sorted(page.status for page in pages) == [200] * 5 + [429] * 5
    assert binds(m) - before <= 5
    row = refusal(m, browser.submit(form, username=uid, password=DEMO_PASSWORD), "link_limit", 429)
    assert row["why"] and not links(m, uid)
    assert "15" in browser.submit(form, username=uid, password=DEMO_PASSWORD).text  # minutes
    for spelling in (uid, uid.upper(), f"  {uid} ", "\uff53amuel.okoro"):  # one account to the directory, so to us
        other, page = at_form(m, IDS["fatima.zahra"])
        refusal(m, other.submit(page.form("/link"), username=spelling, password=DEMO_PASSWORD), "link_limit", 429)
    m.slapd.modify(f"dn: uid={uid},ou=people,{SUFFIX}\nchangetype: modify\nreplace: description\ndescription: still there\n")


def send_alone(m, browser, form, uid, password):
    """The same browser's cookies in a jar of their own: a Browser is not made for threads."""
    one = Browser()
    for cookie in browser.jar:
        one.jar.set_cookie(cookie)
    return one.submit(form, username=uid, password=password)


def test_an_entry_already_linked_is_never_self_linked(ministry):
    m = ministry
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    before = links(m)
    page = m.login(IDS["nimal.perera"], link=("amina.diallo", DEMO_PASSWORD))
    refusal(m, page, "link_taken", 403)
    assert links(m) == before


def test_a_form_of_an_identity_linked_meanwhile_gives_no_other_rights(ministry):
    """Two tabs, two passwords: the second must not write one person's rights into the other's account."""
    m, mine, theirs = ministry, "nimal.perera", "olga.oldpassword"
    unlinked(m, mine, theirs)
    browser, first = at_form(m, IDS[mine])
    _, second = at_form(m, IDS[mine], browser)
    page = browser.submit(first.form("/link"), username=mine, password=DEMO_PASSWORD, follow=lambda to: False)
    assert page.location.startswith(m.dhis2 + "/oauth2/code/")
    m.slapd.modify(f"dn: cn=laboratory,ou=groups,{SUFFIX}\nchangetype: modify\nadd: member\nmember: uid={theirs},ou=people,{SUFFIX}\n")
    page = browser.submit(second.form("/link"), username=theirs, password=DEMO_PASSWORD)
    refusal(m, page, "login_used", 400)
    made = next(u for u in users(m).values() if u["openId"] == uid_of(m, mine))
    assert [r["name"] for r in user(m, made["username"])["userRoles"]] == ["Clinic worker"]
    assert not links(m, theirs)


def test_the_form_belongs_to_its_browser_and_its_request(ministry):
    m = ministry
    unlinked(m, "fatima.zahra")
    browser, page = at_form(m, IDS["fatima.zahra"])
    form = page.form("/link")
    refusal(m, Browser().submit(form, username="fatima.zahra", password=DEMO_PASSWORD), "login_other_browser", 400)
    broken = {**form, "fields": {**form["fields"], "state": form["fields"]["state"][:-8] + "AAAAAAAA"}}
    assert browser.submit(broken, username="fatima.zahra", password=DEMO_PASSWORD).status == 400
    assert not links(m, "fatima.zahra")


# ---- what must agree

def at_dob(m, uid, individual_id, day):
    person = next(p for p in m.control("esignet", "persons", method="GET") if p["individualId"] == individual_id)
    m.control("esignet", "persons", {**person, "birthdate": day})


@pytest.fixture(scope="module")
def strict(make_shared_ministry):
    return make_shared_ministry(settings={"link": {"match": "name birth_date"}})


def test_birth_date_is_compared_as_a_day(strict):
    """schacDateOfBirth is YYYYMMDD, eSignet's mock sends 1985/02/15, the standard says 1985-02-15."""
    m = strict
    assert m.slapd.search("(uid=amina.diallo)", "schacDateOfBirth")[0]["schacDateOfBirth"] == ["19850215"]
    assert m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD)).url == m.dhis2 + "/"
    assert len(links(m, "amina.diallo")) == 1


@pytest.mark.parametrize("day", ["1985/03/16", "1985-16-03", "", "1985"])
def test_another_birth_date_does_not_link(strict, day):
    m, uid = strict, "samuel.okoro"
    at_dob(m, uid, IDS[uid], day)
    row = refusal(m, m.login(IDS[uid], link=(uid, DEMO_PASSWORD)), "link_mismatch", 403)
    assert row["detail"] == "birth_date differs" and not links(m, uid)


def test_the_standard_form_of_the_day_links(strict):
    m, uid = strict, "samuel.okoro"
    at_dob(m, uid, IDS[uid], "1985-03-15")
    assert m.login(IDS[uid], link=(uid, DEMO_PASSWORD)).url == m.dhis2 + "/"


def test_another_name_does_not_link(strict):
    m = strict
    row = refusal(m, m.login(IDS["dina.disabled"], link=("mara.mustchange", DEMO_PASSWORD)), "link_mismatch", 403)
    assert row["detail"] in ("name differs", "birth_date differs") and not links(m, "mara.mustchange")


# ---- approval

def test_a_link_that_an_administrator_approves(make_ministry):
    m = make_ministry(settings={"link": {"approval": "on"}})
    refusal(m, m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD)), "link_pending", 403)
    row = links(m, "amina.diallo")[0]
    assert row["state"] == "pending" and users(m) == {}
    refusal(m, m.login(AMINA), "link_pending", 403)
    told = m.run("explain", "amina.diallo", check=False)
    assert told.returncode != 0 and "waits for approval" in told.stdout
    m.run("link", "approve", row["iss"], row["sub"])
    assert m.login(AMINA).url == m.dhis2 + "/"
    assert links(m, "amina.diallo")[0]["state"] == "active"
    assert "link.approve" in m.run("audit", "list").stdout


# ---- a search instead of a password

SEARCH = {"link": {"method": "search", "match": "birth_date"}, "directory staff": {"claim_filter": "(mobile={claim.phone_number})"},
          "upstream national-id": {"search": "on", "scope": "openid profile phone", "claims": json.dumps(
              {"userinfo": {"phone_number": {"essential": True}, "name": None, "birthdate": {"essential": True}}})}}


def change_person(m, individual_id, **changes):
    person = next(p for p in m.control("esignet", "persons", method="GET") if p["individualId"] == individual_id)
    m.control("esignet", "persons", {**person, **changes})


def test_search_by_a_verified_claim(make_ministry):
    m = make_ministry(settings=SEARCH)
    assert m.login(AMINA).url == m.dhis2 + "/"
    row = links(m, "amina.diallo")[0]
    assert row["by"] == "search" and row["sub"] == sub_of(AMINA)
    samuel = IDS["samuel.okoro"]
    change_person(m, samuel, phone="*")  # a filter's sign finds nobody
    refusal(m, m.login(samuel), "person_unknown", 403)
    change_person(m, samuel, phone="+99900000")
    for uid in ("twin.one", "twin.two"):
        m.slapd.modify(f"dn: uid={uid},ou=people,{SUFFIX}\nchangetype: modify\nreplace: mobile\nmobile: +99900000\n")
    refusal(m, m.login(samuel), "person_ambiguous", 403)
    # what found the person is asked once: another value later changes nothing
    amina = next(p for p in m.control("esignet", "persons", method="GET") if p["individualId"] == AMINA)
    change_person(m, AMINA, phone="+99911111")
    assert "Signed in as Amina Diallo" in m.login(AMINA).text
    # somebody who brings her number: the birth date differs; and with hers too the entry is taken
    change_person(m, samuel, phone=amina["phone"])
    refusal(m, m.login(samuel), "link_mismatch", 403)
    change_person(m, samuel, phone=amina["phone"], birthdate=amina["birthdate"])
    refusal(m, m.login(samuel), "link_taken", 403)
    assert len(links(m, "amina.diallo")) == 1


def test_search_is_for_providers_that_are_trusted_with_it(make_ministry):
    m = make_ministry(settings={**SEARCH, "upstream national-id": {**SEARCH["upstream national-id"], "search": None}})
    refusal(m, m.login(AMINA), "not_linked", 403)
    assert not links(m)


def test_nobody_is_searched_by_e_mail(make_ministry):
    m = make_ministry(settings=SEARCH)
    ini = (m.folder / "bridge.ini").read_text()
    wrong = m.folder / "wrong.ini"
    wrong.write_text(ini.replace("(mobile={claim.phone_number})", "(mail={claim.email})"))
    said = m.run("config", "check", str(wrong), check=False)
    assert said.returncode == 1 and "never found by e-mail" in said.stdout + said.stderr


def test_a_moved_link_ends_what_the_other_person_got(make_ministry):
    """The identity was linked to the wrong entry: tokens and logins made for that person must not go on."""
    m = make_ministry()
    app = App(m)
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    tokens = app.tokens(AMINA)
    row = links(m, "amina.diallo")[0]
    m.control("dhis2", "fault", {"path_prefix": "/api/users", "delay_ms": 5000, "times": 1})
    browser, url = m.to_esignet()
    callback, before = m.at_esignet(url, AMINA), arrived(m, "dhis2", "/api/users")
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(browser.get, callback)
        wait_until(lambda: arrived(m, "dhis2", "/api/users") > before)
        m.run("link", "move", row["iss"], row["sub"], "samuel.okoro")
        refusal(m, under_way.result(), "not_linked", 403)  # a login that was under way, too
    status, answer, _ = app.refresh(tokens["refresh_token"])
    assert (status, answer["error"]) == (400, "invalid_grant"), answer
    assert app.userinfo(tokens["access_token"])[0] == 401
    assert "Signed in as Samuel Okoro" in m.login(AMINA).text


def test_an_application_removed_during_a_login_gets_no_code(make_ministry):
    m = make_ministry()
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    app = App(m)
    browser = Browser()
    page = browser.get(app.url(), follow=lambda url: not url.startswith(m.esignet))
    m.run("client", "remove", app.client_id)
    refusal(m, browser.get(m.at_esignet(page.location, AMINA), follow=app.stays), "unknown_client", 400)


# ---- the note by mail

class Sink(threading.Thread):
    """A mail server that takes one message after another (RFC 5321)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.messages = self.socket.getsockname()[1], []
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                self.serve(stream)

    def serve(self, stream):
        def say(line):
            stream.write(line + b"\r\n")
            stream.flush()
        say(b"220 sink")
        to = None
        while line := stream.readline():
            word = line.strip().upper()
            if word == b"DATA":
                say(b"354 go on")
                lines = list(iter(stream.readline, b".\r\n"))
                self.messages.append((to, b"".join(lines)))
            elif word.startswith(b"RCPT"):
                to = line.split(b"<")[1].split(b">")[0].decode()
            say(b"221 bye" if word == b"QUIT" else b"250 ok")


def test_the_directorys_address_is_told(make_ministry):
    sink = Sink()
    m = make_ministry(settings={"link": {"smtp": f"smtp://127.0.0.1:{sink.port}", "mail_from": "bridge@health.example"}})
    person = next(p for p in m.control("esignet", "persons", method="GET") if p["individualId"] == AMINA)
    m.control("esignet", "persons", {**person, "email": "thief@example.org"})
    assert m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD)).url == m.dhis2 + "/"
    to, raw = wait_until(lambda: sink.messages and sink.messages[0])
    message = email.message_from_bytes(raw)
    assert to == "amina.diallo@health.example" and message["From"] == "<bridge@health.example>"
    assert "administrator" in base64.b64decode(message.get_payload()).decode()
    m.login(AMINA)
    assert len(sink.messages) == 1  # once, at the link
    sink.socket.shutdown(socket.SHUT_RDWR)
    sink.socket.close()
    assert m.login(IDS["nimal.perera"], link=("nimal.perera", DEMO_PASSWORD)).url == m.dhis2 + "/"  # no mail server, no matter
    assert [r for r in log_rows(m.log("bridge")) if r.get("event") == "link-mail"]


# ---- the command line

def test_link_commands(ministry):
    m, uid = ministry, "mara.mustchange"
    unlinked(m, uid)
    printed = m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS[uid]), "--login", uid).stdout
    assert printed == f"linked: person {uid_of(m, uid)}\n"
    assert m.login(IDS[uid]).url == m.dhis2 + "/"
    again = m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS[uid]), "--login", uid, check=False)
    assert again.returncode == 1 and again.stderr
    for wrong in (("add", "--upstream", "nope", "--sub", "x", "--login", uid), ("remove", m.esignet, "nobody"),
                  ("move", m.esignet, "nobody", uid), ("approve", m.esignet, "nobody"),
                  ("add", "--upstream", "national-id", "--sub", "x", "--login", "nobody.here")):
        done = m.run("link", *wrong, check=False)
        assert done.returncode == 1 and done.stderr.startswith("idbridge: "), (wrong, done)
    assert {row["person"] for row in links(m, uid)} < {row["person"] for row in links(m)}


def test_a_reissued_national_id_moves_one_link(ministry):
    m, uid = ministry, "mara.mustchange"
    if not links(m, uid):
        m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS[uid]), "--login", uid)
    assert m.login(IDS[uid]).url == m.dhis2 + "/"
    before = user(m, uid)
    reissued = {**next(p for p in m.control("esignet", "persons", method="GET") if p["individualId"] == IDS[uid]),
                "individualId": "8000000009"}
    m.control("esignet", "persons", reissued)
    refusal(m, m.login("8000000009", link=(uid, DEMO_PASSWORD)), "link_taken", 403)
    m.run("link", "remove", m.esignet, sub_of(IDS[uid]))  # what the administrator does who was called
    assert "Signed in as Mara" in m.login("8000000009", link=(uid, DEMO_PASSWORD)).text
    assert user(m, uid) == before, "a reissued national ID changes one link and nothing in DHIS2"
    m.run("link", "move", m.esignet, sub_of("8000000009"), "twin.two")  # a wrong link put right
    assert links(m, "twin.two")[0]["person"] != before["openId"]
    m.run("link", "move", m.esignet, sub_of("8000000009"), uid)
    assert "Signed in as Mara" in m.login("8000000009").text and user(m, uid) == before


def test_remove_ends_refresh_tokens_and_sessions(ministry):
    m, uid = ministry, "olga.oldpassword"
    app = App(m, "mobile", options=("--sso", "silent"))
    page = app.login(IDS[uid], link=(uid, DEMO_PASSWORD))
    tokens = app.redeem(app.answer(page)["code"])[1]
    assert app.userinfo(tokens["access_token"])[0] == 200
    m.run("link", "remove", m.esignet, sub_of(IDS[uid]))
    status, answer, _ = app.refresh(tokens["refresh_token"])
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert app.userinfo(tokens["access_token"])[0] == 401
    page = page.browser.get(app.url(), follow=app.stays)
    assert page.location is None or "code=" not in page.location
