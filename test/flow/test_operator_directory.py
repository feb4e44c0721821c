"""What was asked of a directory and what did it answer, in words: `idbridge directory show`, `directory test`, and doctor's part.

Issue text: "`idbridge directory show PERSON`, `directory test`, and `doctor` explain what was asked and answered, in words,
without printing passwords."
"""
import json
import re

import pytest
import samba_ad
from flow_kit import AMINA, DEMO_PASSWORD, links, sub_of
from machine import GOOD, Machine
from slapd import READER, READER_PASSWORD, SUFFIX, Slapd

DEAD = "ldap://127.0.0.1:1"  # nothing listens there: refused at once
BELOW = f"ou=people,{SUFFIX}"


def SETTINGS(m):
    return {"directory staff": {"urls": f"{DEAD} {m.slapd.url}", "attributes": "departmentNumber title userPassword"}}


def told(m, *words, status=0):
    done = m.run("directory", "show", "--json", *words, check=False)
    assert done.returncode == status, done
    return json.loads(done.stdout)


def searches(said):
    return [one for one in said["asked"] if one["what"] == "search"]


def test_show_tells_what_was_asked_and_what_it_means(ministry):
    m = ministry
    said = told(m, "amina.diallo")
    assert (said["directory"], said["dn"], said["status"], said["why"]) == ("staff", f"uid=amina.diallo,{BELOW}", "ok", [])
    assert said["by_provider"] == said["by_password"] == "allowed"
    assert {g["name"]: g["direct"] for g in said["groups"]} == {"nurses": True, "hiv-r1-d1": True, "hiv-r1": False, "hiv": False}
    assert [(one["server"], "problem" in one) for one in said["asked"] if one["what"] == "connect"] == [(DEAD, True), (m.slapd.url, False)]
    first, groups = searches(said)[0], searches(said)[1:]
    assert first["filter"] == "(&(uid=amina.diallo)(objectClass=person))" and (first["base"], first["entries"]) == (BELOW, 1)
    assert groups[0]["entries"] == 2 and all(one["server"] == m.slapd.url and one["ms"] >= 0 for one in searches(said))
    text = m.run("directory", "show", "amina.diallo").stdout
    for words in (f"entry     uid=amina.diallo,{BELOW}", "status    ok", "groups    4: 2 direct, 2 nested", "direct nurses", "nested hiv (",
                  "departmentNumber = EX-R1-D1-F1", f"{DEAD}: ", "connected, ", "1 entry, ", f"in everything below {BELOW}", "allowed"):
        assert words in text, words


def test_no_password_is_printed(ministry):
    """Not even where somebody configures the attribute for rules."""
    m = ministry
    for done in (m.run("directory", "show", "amina.diallo"), m.run("directory", "show", "--json", "amina.diallo"),
                 m.run("directory", "test", check=False), m.run("doctor", check=False)):
        assert not any(secret in done.stdout + done.stderr for secret in (READER_PASSWORD, DEMO_PASSWORD, "{SSHA", "{CRYPT", "$6$")), done.stdout


@pytest.mark.parametrize("uid, status, attribute, by_provider, by_password", [
    ("dina.disabled", "disabled", "pwdStartTime", "refused, disabled", "refused, disabled"),
    ("lars.locked", "locked_by_admin", "pwdAccountLockedTime", "refused, locked_by_admin", "refused, locked_by_admin"),
    ("paul.badpasswords", "locked_by_passwords", "pwdAccountLockedTime", "allowed", "refused, locked_by_passwords"),
    ("emil.expired", "expired", None, "refused, expired", "refused, expired"),
    ("mara.mustchange", "must_change", "pwdReset", "allowed", "refused, must_change"),
])
def test_show_names_the_attribute_that_decided(ministry, uid, status, attribute, by_provider, by_password):
    m = ministry
    said = told(m, uid)
    assert (said["status"], said["by_provider"], said["by_password"]) == (status, by_provider, by_password)
    decided = [why for why in said["why"] if why["status"] == status]
    assert decided and attribute in (None, decided[0]["attribute"]), said["why"]
    assert f"{status}, because {decided[0]['attribute']} is {decided[0]['value']}" in m.run("directory", "show", uid).stdout


def test_show_takes_every_name_of_a_person(ministry):
    m = ministry
    m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(AMINA), "--login", "amina.diallo")
    link = links(m, "amina.diallo")[0]
    shown = lambda *words: {key: value for key, value in told(m, *words).items() if key not in ("asked", "ms")}
    usual = shown("amina.diallo")
    for name in (link["person"], link["key"], link["key"].split(":")[1], f"{link['iss']} {link['sub']}"):
        assert shown(name) == usual, name
    assert shown("--directory", "staff", "amina.diallo") == usual


@pytest.mark.parametrize("name, says", [("nobody.here", "no entry"), ("*", "no entry"), ("amina.diallo)(uid=*", "no entry")])
def test_show_of_nobody(ministry, name, says):
    done = ministry.run("directory", "show", name, check=False)
    assert done.returncode == 1 and f"idbridge: the directory has {says} for that name" in done.stderr
    assert "status    unknown" in done.stdout and "0 entries" in done.stdout
    assert told(ministry, name, status=1)["status"] == "unknown"
    asked = searches(told(ministry, name, status=1))[0]["filter"]  # as it went out: nothing of it is syntax
    assert asked == "(&(uid=%s)(objectClass=person))" % re.sub(r"[*()\\]", lambda c: "\\%02X" % ord(c[0]), name), asked


def test_directory_test_and_doctor_try_each_server(ministry):
    m = ministry
    for words in (("directory", "test"), ("directory", "test", "staff"), ("doctor",)):
        done = m.run(*words, check=False)
        assert done.returncode == 1, done
        assert re.search(rf"error: \[directory staff\] {DEAD}: .*refused.*does the server run", done.stdout), done.stdout
        assert f"ok: [directory staff] {m.slapd.url} answers in " in done.stdout
        assert f"asked: {m.slapd.url}: (objectClass=person) in everything below {BELOW}: 1 entry, " in done.stdout
        assert "asked: " in done.stdout and "(member=...)" in done.stdout and "uid=" not in done.stdout  # whoever came first is not named
    said = json.loads(m.run("directory", "test", "--json", check=False).stdout)["staff"]
    assert said["well"] is False and {one["level"] for one in said["findings"]} >= {"ok", "error"}
    assert any(one["filter"] == "(objectClass=person)" and one["entries"] == 1 for one in said["asked"])
    done = m.run("directory", "test", "nowhere", check=False)
    assert done.returncode == 1 and "no [directory] of that name" in done.stderr


def test_a_directory_that_does_not_answer(ministry):
    m = ministry
    m.slapd.stop()
    try:
        done = m.run("directory", "show", "amina.diallo", check=False)
        said = told(m, "amina.diallo", status=1)
    finally:
        m.slapd.start()
    assert done.returncode == 1 and "status    unreachable" in done.stdout and "refused" in done.stderr
    assert said["status"] == "unreachable" and {one["server"] for one in said["asked"]} == {DEAD, m.slapd.url}
    assert all(one["problem"] for one in said["asked"]) and said["by_provider"] == "refused, unreachable"


@pytest.mark.parametrize("words", [("show",), ("show", "a", "b"), ("test", "a", "b"), ("show", "--colour", "a"), ("frob",), ()])
def test_wrong_usage(ministry, words):
    assert ministry.run("directory", *words, check=False).returncode == 2
    assert "directory show [--directory NAME] [--json] PERSON" in ministry.run("directory", "help").stdout


def test_without_a_directory(tmp_path):
    machine = Machine(tmp_path, GOOD)
    machine.good("init")
    assert "there is no [directory NAME]" in machine.bad("directory", "test")
    assert machine.bad("directory", "show", "amina.diallo")


# ---- several directories; Active Directory

def section(name, urls, **keys):
    keys = {"type": "openldap", "urls": urls, "bind_dn": READER, "bind_password_file": "reader", "people_base": BELOW,
            "groups_base": f"ou=groups,{SUFFIX}", **keys}
    return f"[directory {name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def test_the_directory_that_has_the_person_answers(tmp_path):
    with Slapd(tmp_path / "slapd", people=150) as server:
        machine = Machine(tmp_path, GOOD + section("empty", server.url, people_base=f"ou=groups,{SUFFIX}") + section("staff", server.url))
        (tmp_path / "reader").write_text(READER_PASSWORD + "\n")
        machine.good("init")
        said = json.loads(machine.good("directory", "show", "--json", "amina.diallo"))
        assert said["directory"] == "staff" and [one["entries"] for one in searches(said)[:2]] == [0, 1]
        assert "no entry" in machine.bad("directory", "show", "--directory", "empty", "amina.diallo")
        assert set(json.loads(machine.run("directory", "test", "--json").stdout)) == {"empty", "staff"}


def test_active_directory(tmp_path, tmp_path_factory):
    server = samba_ad.SambaAd(tmp_path_factory.mktemp("ad"), Machine.CACHE)
    try:
        server.start()
    except samba_ad.Unavailable as reason:
        pytest.skip(f"NO ACTIVE DIRECTORY TESTS: {reason}")
    try:
        machine = Machine(tmp_path, GOOD + section("staff", server.tls_url, type="ad", ca_file=server.ca_file, bind_dn=samba_ad.READER,
                                                   people_base=samba_ad.PEOPLE, groups_base=samba_ad.BASE))
        (tmp_path / "reader").write_text(samba_ad.READER_PASSWORD + "\n")
        machine.good("init")
        said = json.loads(machine.good("directory", "show", "--json", "never"))
        assert said["status"] == "ok" and re.fullmatch(r"staff:[0-9a-f]{32}", said["key"]) and said["groups"]
        assert "(sAMAccountName=never)" in searches(said)[0]["filter"]
        assert json.loads(machine.good("directory", "show", "--json", said["key"]))["dn"] == said["dn"]
        said = json.loads(machine.good("directory", "show", "--json", "disabled"))
        assert said["status"] == "disabled" and said["why"][0]["attribute"] == "userAccountControl"
        assert "with a certificate we trust" in machine.good("directory", "test")
    finally:
        server.stop()
