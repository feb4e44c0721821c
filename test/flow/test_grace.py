"""While no server of the directory can be reached its last answer may count, as long as `grace` says: the last one, good or bad; only
then; and it is told. With the real bridge and OpenLDAP."""
import json
import re
import sqlite3

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, IDS, App, new_log, refusal, sub_of, uid_of, user, wait_until
from slapd import ADMIN, READER, READER_PASSWORD, SUFFIX

SETTINGS = {"directory staff": {"grace": "1h", "network_timeout": "1s", "search_timeout": "1s"}}
TEAM = f"cn=hiv-r1-d1,ou=groups,{SUFFIX}"
PERSON = f"uid=amina.diallo,ou=people,{SUFFIX}"


@pytest.fixture(autouse=True)
def directory_is_back(ministry):
    yield
    if ministry.slapd.process is None:
        ministry.slapd.start()


def sign_in(m, link=None):
    """The row in the log of a login that came through."""
    with new_log(m) as log:
        page = m.login(AMINA, link=link)
        assert page.url == m.dhis2 + "/", page.text[:300]
        return [row for row in log() if row.get("event") == "login"][-1]


def known(m):
    """A login with the directory there; it may take a moment to be noticed again."""
    if not m.run("link", "list").stdout:
        sign_in(m, ("amina.diallo", DEMO_PASSWORD))
    return wait_until(lambda: m.login(AMINA).url == m.dhis2 + "/" and (row := sign_in(m))["grace"] == "no" and row, 20)


def member(m, act):
    m.slapd.modify(f"dn: {TEAM}\nchangetype: modify\n{act}: member\nmember: {PERSON}\n")


def grace_used(m):
    found = re.search(r"^idbridge_grace_total (\d+)", m.call("GET", m.metrics + "/metrics")[1], re.M)
    return int(found[1]) if found else 0


def test_used_grace_is_in_audit_metric_log_and_explain(ministry):
    m = ministry
    known(m)
    before, amina = grace_used(m), uid_of(m, "amina.diallo")
    m.slapd.stop()
    row = sign_in(m)
    assert row["grace"] == "yes"
    assert grace_used(m) == before + 1
    audit = [line for line in m.run("audit", "list").stdout.splitlines() if f"ref={row['id']}" in line]
    assert len(audit) == 1 and "grace" in audit[0], audit
    told = m.run("explain", amina).stdout
    assert "grace: the directory's last answer" in told and "no server of it can be reached" in told, told
    assert json.loads(m.run("explain", amina, "--json").stdout)["grace"] is True
    assert grace_used(m) == before + 1  # explaining is no use of it


def test_without_grace_nothing_of_it_is_told(ministry):
    m = ministry
    row = known(m)
    audit = [line for line in m.run("audit", "list").stdout.splitlines() if f"ref={row['id']}" in line]
    assert audit and "grace" not in audit[0]
    assert "grace" not in m.run("explain", uid_of(m, "amina.diallo")).stdout


def test_the_last_answer_is_kept_sealed(ministry):
    m = ministry
    known(m)
    file = next(path for path in m.folder.rglob("*.db"))
    rows = sqlite3.connect(f"file:{file}?mode=ro", uri=True).execute("SELECT data FROM person").fetchall()
    assert rows
    for (data,) in rows:
        assert len(data) > 200 and b"iallo" not in bytes(data) and b"nurses" not in bytes(data)


def test_a_server_that_refuses_the_bridge_is_no_outage(ministry):
    """Its account has another password now: that is an answer, and no older one covers it."""
    m = ministry
    known(m)
    reader = f"dn: {READER}\nchangetype: modify\n"
    m.slapd.modify(reader + "replace: userPassword\nuserPassword: another\n")
    ready = m.slapd._wait
    m.slapd._wait = lambda deadline: wait_until(lambda: m.slapd.bind(ADMIN, m.slapd.admin_password).returncode == 0)
    try:
        m.slapd.stop()
        m.slapd.start()
        refusal(m, m.login(AMINA), "directory_down", 503)
    finally:
        m.slapd._wait = ready
        m.slapd.modify(f"{reader}replace: userPassword\nuserPassword: {READER_PASSWORD}\n")
        m.slapd.modify(reader + "delete: pwdReset\n")  # what an administrator sets must be changed: not this one
        m.stop("bridge")  # it would try that account again after five minutes only
        m.start_bridge()


def test_who_was_locked_while_known_is_not_brought_back(ministry):
    m = ministry
    known(m)
    modify = f"dn: {PERSON}\nchangetype: modify\n"
    m.slapd.modify(modify + "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n")
    try:
        refusal(m, m.login(AMINA), "person_locked", 403)
        m.slapd.stop()
        refusal(m, m.login(AMINA), "directory_down", 503)
        m.slapd.start()
    finally:
        m.slapd.modify(modify + "delete: pwdAccountLockedTime\n")


def test_a_membership_that_ended_before_the_outage_stays_ended(ministry):
    """The login that saw it failed at DHIS2: the answer of the directory counts all the same."""
    m = ministry
    known(m)
    assert {g["code"] for g in user(m, "amina.diallo")["userGroups"]} == {"HIV-R1"}
    member(m, "delete")
    try:
        m.control("dhis2", "fault", {"path_prefix": "/api/users", "status": 500, "body": "{}"})
        refusal(m, m.login(AMINA), "dhis2_down", 503)
        m.control("dhis2", "fault", method="DELETE")
        m.slapd.stop()
        wait_until(lambda: m.login(AMINA).url == m.dhis2 + "/", 20)  # nurses are still let in
        assert not user(m, "amina.diallo")["userGroups"]
        m.slapd.start()
    finally:
        member(m, "add")


def test_a_refresh_is_an_answer_too_and_its_grace_is_audited(ministry):
    m = ministry
    known(m)
    app, amina = App(m, "portal"), uid_of(m, "amina.diallo")
    tokens = app.tokens(AMINA)
    member(m, "delete")
    try:
        status, tokens, _ = app.refresh(tokens["refresh_token"])
        assert status == 200, tokens
        m.slapd.stop()
        status, tokens, _ = app.refresh(tokens["refresh_token"])
        assert status == 200, tokens
        rows = [line for line in m.run("audit", "list").stdout.splitlines() if " refresh grace " in line]
        assert len(rows) == 1 and f"subject={amina}" in rows[0], rows
        m.login(AMINA)
        assert not user(m, "amina.diallo")["userGroups"]  # what the refresh had read
        m.slapd.start()
    finally:
        member(m, "add")


def test_an_answer_older_than_grace_does_not_count(make_ministry):
    m = make_ministry(settings={"directory staff": {"grace": "2s", "network_timeout": "1s", "search_timeout": "1s"}})
    assert m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD)).url == m.dhis2 + "/"
    m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS["samuel.okoro"]), "--login", "samuel.okoro")
    m.slapd.stop()
    refusal(m, m.login(IDS["samuel.okoro"]), "directory_down", 503)  # there is no answer about him

    def over():
        page = m.login(AMINA)
        return page if page.url != m.dhis2 + "/" else None
    refusal(m, wait_until(over, 20), "directory_down", 503)


def test_more_than_can_be_kept_lets_in_and_leaves_no_older_answer(ministry):
    """The last one here: it leaves a person in 1,100 groups with long names."""
    m = ministry
    known(m)
    added = m.slapd.client("ldapadd", input="\n".join(
        f"dn: ou=g{n},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\nou: g{n}\ncn: {n} {'long' * 120}\nmember: {PERSON}\n" for n in range(1100)))
    assert added.returncode == 0, added.stderr
    row = sign_in(m)
    assert row["grace"] == "no" and int(row["groups"]) > 1100
    m.slapd.stop()
    refusal(m, m.login(AMINA), "directory_down", 503)
