"""First week of an operator, without anybody signing in: init, config check, clients, rules, explain, doctor, audit, install.

Issue text: "`idbridge init` (master key, keys, what to back up), `make install DESTDIR=` and uninstall …; configuration with
unknown keys refused by name and line; `idbridge config check`; `idbridge doctor` (tries each ID provider, directory and DHIS2,
compares clocks, says what is wrong in words)".
"""
import json
import os
import pwd
import shutil
import sqlite3
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, sub_of
from machine import GOOD, Machine
from slapd import SUFFIX

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def ready(machine):
    machine.good("init")
    return machine


# ---- init

def test_init_twice(machine):
    first = machine.good("init")
    key, state = machine.folder / "master.key", machine.folder / "state"
    assert "made" in first and "Back up both" in first and str(key) in first and "idbridge backup" in first
    assert stat.S_IMODE(key.stat().st_mode) == 0o640 and stat.S_IMODE(state.stat().st_mode) == 0o700
    before, keys = key.read_bytes(), machine.good("key", "list")
    second = machine.good("init")
    assert "found" in second and key.read_bytes() == before and machine.good("key", "list") == keys
    assert {line.split()[1] for line in keys.splitlines()} == {"RS256", "ES256"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand files to somebody else")
def test_a_state_folder_that_is_there_keeps_its_owner():
    """Commands of root become that owner, who may read the key and nothing more."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        theirs = Machine(Path(folder))
        os.chown(theirs.folder / "state", nobody.pw_uid, nobody.pw_gid)
        theirs.good("init")
        theirs.good("map", "add", "nurses", "--group", "nurses", "--role", "Clinic worker")
        assert {path.stat().st_uid for path in (theirs.folder / "state").iterdir()} == {nobody.pw_uid}
        theirs.good("backup", str(theirs.folder / "state" / "copy.db"))
        theirs.good("restore", str(theirs.folder / "state" / "copy.db"))
        row = theirs.good("audit", "list").splitlines()[-1]
        assert " restore ok " in row and f'actor="cli uid={os.getuid()}"' in row, row  # who typed it, not whom it became
        key = (theirs.folder / "master.key").stat()
        assert (key.st_uid, key.st_gid, stat.S_IMODE(key.st_mode)) == (0, nobody.pw_gid, 0o640)


def test_commands_before_init_say_so(machine):
    assert "`idbridge init` comes first" in machine.bad("key", "list")
    assert "`idbridge init` comes first" in machine.bad("serve")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o646])
def test_a_master_key_that_others_can_read_is_refused(ready, mode):
    (ready.folder / "master.key").chmod(mode)
    said = ready.bad("key", "list")
    assert "master.key" in said and "others" in said
    (ready.folder / "master.key").chmod(0o640)
    ready.good("key", "list")


def test_another_master_key_is_noticed(ready):
    shutil.move(ready.folder / "master.key", ready.folder / "old.key")
    (ready.folder / "master.key").write_bytes((ready.folder / "old.key").read_bytes()[::-1])
    (ready.folder / "master.key").chmod(0o640)
    assert ready.bad("client", "list").startswith("idbridge: ")


def test_a_newer_store_is_refused(ready):
    database = sqlite3.connect(ready.folder / "state" / "idbridge.db")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    database.execute(f"PRAGMA user_version = {version + 1}")
    database.close()
    said = ready.bad("serve")
    assert f"schema {version + 1}" in said and f"up to {version}" in said


# ---- the configuration

@pytest.mark.parametrize("text, line, words", [
    (GOOD + "colour = red\n", 6, ["colour"]), (GOOD + "[nonsense]\nx = 1\n", 6, ["nonsense"]),
    ("[bridge]\nissuer = ftp://x\n", 2, ["issuer"]), (GOOD + "[tokens]\ncode = 2h\n", 7, ["code"]),
    (GOOD + "[listen]\nworkers = many\n", 7, ["workers"]), (GOOD + "[directory staff]\ntype = novell\n", 7, ["type"]),
    (GOOD + "[session]\nidle = soon\n", 7, ["idle"]), (GOOD + "[pages]\nministry = a\nministry = b\n", 8, ["ministry"]),
    (GOOD + "[bridge\n", 6, []), (GOOD + "just words\n", 6, []),
])
def test_faults_are_named_by_file_line_and_key(tmp_path, text, line, words):
    machine = Machine(tmp_path, text)
    said = machine.bad("config", "check")
    assert f"idbridge.ini:{line}:" in said, said
    assert all(word in said for word in words)


def test_several_faults_come_at_once(tmp_path):
    said = Machine(tmp_path, GOOD + "[listen]\nworkers = many\ncolour = red\n[upstream x]\nlabel = X\n").bad("config", "check")
    assert all(word in said for word in ("workers", "colour", "issuer", "client_id"))


@pytest.mark.parametrize("issuer, word", [("https://id.example/", "slash"), ("http://id.example", "https")])
def test_an_issuer_that_cannot_work(tmp_path, issuer, word):
    machine = Machine(tmp_path, GOOD.replace("http://127.0.0.1:8470", issuer))
    assert word in machine.bad("config", "check")
    assert word in machine.bad("key", "list")


@pytest.mark.parametrize("key", ["address", "metrics"])
def test_a_host_name_to_listen_on_is_refused(tmp_path, key):
    said = Machine(tmp_path, GOOD + f"[listen]\n{key} = localhost:8470\n").bad("config", "check")
    assert f"[listen] {key} must be an IP address" in said and "not the name localhost" in said
    assert "ADDRESS:PORT" in Machine(tmp_path, GOOD + f"[listen]\n{key} = 127.0.0.1:99999\n").bad("config", "check")
    for good in ("127.0.0.1:8470", "[::1]:8470"):
        Machine(tmp_path, GOOD + f"[listen]\n{key} = {good}\n").good("config", "check")


UPSTREAM = "[upstream id]\nissuer = https://id.example.org\nclient_id = b\nauth_method = none\n"


def test_a_ca_file_is_looked_into(tmp_path):
    authority = tmp_path / "ca.pem"
    machine = Machine(tmp_path, GOOD + UPSTREAM + f"ca_file = {authority}\n")
    assert "[upstream id] ca_file cannot be read: No such file" in machine.bad("config", "check")
    for text in ("", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        authority.write_text(text)
        assert "ca_file holds no certificate" in machine.bad("config", "check"), text
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=x", "-out", authority],
                   check=True, capture_output=True, timeout=60)
    machine.good("config", "check")


def test_a_configuration_with_which_nobody_gets_in_is_a_warning(tmp_path):
    machine = Machine(tmp_path)
    done = machine.run("config", "check")
    assert done.returncode == 0 and "there is no [upstream NAME]" in done.stderr and "there is no [directory NAME]" in done.stderr
    machine = Machine(tmp_path, GOOD + UPSTREAM)
    done = machine.run("config", "check")
    assert done.returncode == 0 and "[upstream NAME]" not in done.stderr and "there is no [directory NAME]" in done.stderr


def test_search_needs_a_filter(tmp_path):
    people = ("[directory staff]\ntype = openldap\nurls = ldaps://ldap.example.org\npeople_base = ou=people,dc=x\n"
              "groups_base = ou=groups,dc=x\n")
    wanted = GOOD + UPSTREAM + "[link]\nmethod = password search\n" + people
    assert "no [directory] has a claim_filter" in Machine(tmp_path, wanted).bad("config", "check")
    Machine(tmp_path, wanted + "claim_filter = (employeeNumber={claim.employee_number})\n").good("config", "check")
    Machine(tmp_path, wanted.replace("password search", "password")).good("config", "check")


def test_the_example_has_every_key_and_is_read(machine):
    example = machine.good("config", "example")
    for key in ("issuer", "client_id", "people_base", "token_file", "idle", "jwks_floor", "rfc9068_alg"):
        assert key in example
    assert machine.good("config", "check").endswith(": ok\n")
    machine.bad("config", "check", "no-such-file")


def test_help_lists_every_command(machine):
    text = machine.good("help")
    for word in ("serve", "init", "config", "doctor", "client", "map", "explain", "directory", "link", "key", "upstream", "token", "audit",
                 "backup", "restore", "version"):
        lines = [line for line in text.splitlines() if line.split()[:1] == [word]]
        assert len(lines) == 1 and len(lines[0].split()) > 3, word
    for word in ("client", "map", "directory", "link", "key", "audit", "upstream", "config", "token"):
        assert f"idbridge {word} " in machine.good(word, "help")
    assert "there is no command" in machine.bad("frobnicate", status=2)
    assert machine.good("version").startswith("idbridge ")


# ---- clients and rules

def test_clients(ready):
    with open(ready.config, "a") as config:
        config.write("[dhis2 hmis]\nurl = http://127.0.0.1:1\ntoken_file = t\n")
    printed = ready.good("client", "add", "login", "--dhis2", "hmis", "--redirect-uri", "https://hmis.example/oauth2/code/bridge")
    for line in ("oidc.oauth2.login.enabled = on", "oidc.provider.bridge.client_id = login", "oidc.provider.bridge.mapping_claim = email",
                 "oidc.provider.bridge.issuer_uri = http://127.0.0.1:8470"):
        assert line in printed, line
    secret = next(line.split(" = ")[1] for line in printed.splitlines() if ".client_secret = " in line)
    assert len(secret) >= 40 and secret not in ready.good("client", "list")
    assert secret.encode() not in (ready.folder / "state" / "idbridge.db").read_bytes()
    assert "exists" in ready.bad("client", "add", "login", "--dhis2", "hmis", "--redirect-uri", "https://hmis.example/x")
    for wrong in (("x", "--dhis2", "nope", "--redirect-uri", "https://a.example/"), ("x", "--redirect-uri", "not a url"),
                  ("x", "--redirect-uri", "https://a.example/#f"), ("x", "--redirect-uri", "https://*.example/"), ("x",),
                  ("x y", "--redirect-uri", "https://a.example/"), ("x", "--redirect-uri", "https://a.example/", "--sso", "always"),
                  ("x", "--redirect-uri", "https://a.example/", "--auth-method", "private_key_jwt")):
        assert ready.bad("client", "add", *wrong).startswith("idbridge: "), wrong
    assert ready.good("client", "list").split()[0] == "login"
    ready.good("client", "remove", "login")
    assert ready.bad("client", "remove", "login") == "idbridge: no such client: login\n"
    assert ready.good("client", "list") == ""


RULE = {"name": "nurses", "when": {"groups": ["nurses"]}, "give": {"roles": ["Clinic worker"], "org_units": ["code:EX"]}}


def test_rules(ready):
    added = json.loads(ready.good("map", "add", "nurses", "--group", "nurses", "--role", "Clinic worker", "--org-unit", "code:EX"))
    assert added == RULE and json.loads(ready.good("map", "list")) == RULE and json.loads(ready.good("map", "show", "nurses")) == RULE
    ready.good("map", "add", "--json", json.dumps({**RULE, "name": "doctors", "from": "2026-01-01", "until": "2026-12-31"}))
    exported = ready.good("map", "export")
    assert [json.loads(line)["name"] for line in exported.splitlines()] == ["doctors", "nurses"]
    assert ready.good("map", "apply", "-", text=exported) == "0 added, 0 changed, 0 removed\n"
    changed = json.dumps({**RULE, "give": {"roles": ["Laboratory"]}})
    said = ready.good("map", "apply", "--dry-run", "--prune", "-", text=changed)
    assert "~ " in said and "- " in said and "1 changed, 1 removed (dry run" in said and ready.good("map", "export") == exported
    assert "1 changed, 0 removed" in ready.good("map", "apply", "-", text=changed)
    assert "1 removed" in ready.good("map", "apply", "--prune", "-", text=changed)
    assert [json.loads(line)["give"] for line in ready.good("map", "list").splitlines()] == [{"roles": ["Laboratory"]}]
    ready.good("map", "remove", "nurses")
    for wrong in ("{}", "{", '{"name":"x","give":{"role":["y"]}}', json.dumps({**RULE, "give": {}}), json.dumps({**RULE, "until": "tomorrow"}),
                  json.dumps({**RULE, "when": {"groups": "nurses"}})):
        assert ready.bad("map", "add", "--json", wrong).startswith("idbridge: "), wrong
    said = ready.bad("map", "apply", "-", text=json.dumps(RULE) + "\n{}\n")
    assert "-:2:" in said and ready.good("map", "list") == ""  # all or nothing
    for word in ("show", "remove"):
        assert ready.bad("map", word, "nobody") == "idbridge: no such rule: nobody\n"
    assert ready.bad("key", "retire", "nope") == "idbridge: no such signing key: nope\n"
    for word in ("approve", "remove"):
        assert ready.bad("link", word, "https://id.example.org", "nope") == "idbridge: no such link: https://id.example.org nope\n"


DOUBTS = GOOD + ("[upstream id]\nissuer = https://id.example.org\nclient_id = b\nauth_method = none\nlink_claims = gender\n[directory staff]\n"
                 "type = openldap\nurls = ldaps://ldap.example.org\npeople_base = dc=x\nattributes = title departmentNumber\n"
                 "[dhis2 hmis]\nurl = http://127.0.0.1:1\ntoken_file = token\n")


@pytest.mark.parametrize("rule, doubt", [
    ({"when": {"groups": ["nurses"], "attributes": {"title": ["x"]}, "claims": {"gender": ["F"]}}, "dhis2": "hmis",
      "give": {"roles": ["R"], "org_units": ["code:{directory.departmentNumber}-{claim.gender}"]}}, None),
    ({"give": {"roles": ["R"]}}, "no condition"),
    ({"when": {"groups": ["g"]}, "dhis2": "hmsi", "give": {"roles": ["R"]}}, "no [dhis2 hmsi]"),
    ({"when": {"attributes": {"Title": ["x"]}}, "give": {"roles": ["R"]}}, "attribute Title is in no [directory NAME] attributes"),
    ({"when": {"claims": {"birthdate": ["x"]}}, "give": {"roles": ["R"]}}, "claim birthdate is in no [upstream NAME] link_claims"),
    ({"when": {"groups": ["g"]}, "give": {"org_units": ["code:{directory.title}/{directory.ou}"]}}, "attribute ou is in no"),
    ({"when": {"groups": ["g"]}, "give": {"org_units": ["code:{claim.district}"]}}, "claim district is in no"),
], ids=["nothing to say", "no condition", "dhis2", "attribute", "claim", "attribute in a template", "claim in a template"])
def test_a_rule_that_cannot_be_meant_is_a_warning(tmp_path, rule, doubt):
    machine = Machine(tmp_path, DOUBTS)
    (tmp_path / "token").write_text("t\n")
    machine.good("init")
    text = json.dumps({"name": "doubtful", **rule})
    for words, given in ((("map", "add", "--json", "-"), text), (("map", "apply", "-"), text.replace("R", "S"))):
        done = machine.run(*words, text=given)
        assert done.returncode == 0 and len(machine.good("map", "list").splitlines()) == 1, done
        if doubt is None:
            assert done.stderr == ""
        elif "R" in text or words[1] == "add":
            assert done.stderr.startswith("idbridge: warning: rule doubtful: ") and doubt in done.stderr and done.stderr.count("\n") == 1, done
    if "dhis2" in rule and doubt:  # typed as an option it is a slip of the hand
        assert "there is no [dhis2 hmsi]" in machine.bad("map", "add", "slip", "--dhis2", "hmsi", "--group", "g", "--role", "R")
        assert machine.run("map", "show", "slip").returncode == 1


def test_a_second_rotation_says_that_nothing_new_was_published(ready):
    assert "published now" in ready.good("key", "rotate")
    before = ready.good("key", "list")
    said = ready.good("key", "rotate")
    assert "Nothing new was published" in said and "wait already" in said and "published now" not in said
    assert ready.good("key", "list") == before
    assert "sign at once" in ready.good("key", "rotate", "--emergency")


def test_audit_tells_who_did_what_and_notices_changes(ready):
    ready.good("map", "add", "nurses", "--role", "x")
    ready.good("key", "rotate")
    rows = ready.good("audit", "list").splitlines()
    assert [row.split()[2] for row in rows] == ["init", "map.add", "key.rotate"]
    assert all(f'actor="cli uid={os.getuid()}"' in row for row in rows), rows
    assert ready.good("audit", "list", "2").splitlines() == rows[2:]
    assert ready.good("audit", "verify") == "3 rows, the chain holds\n"
    database = sqlite3.connect(ready.folder / "state" / "idbridge.db")
    tables = [name for name, in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'audit%'")]
    assert "audit" in tables
    database.execute("DELETE FROM audit WHERE seq = 2")
    database.commit()
    database.close()
    assert "row" in ready.bad("audit", "verify")


# ---- explain and doctor, with everything around

def test_explain(ministry):
    m = ministry
    text = m.run("explain", "amina.diallo").stdout
    for words in ("status ok", "nested hiv\n", "role             name:Clinic worker  by rule nurses", "org-unit         code:EX-R1-D1-F1",
                  "rules are for groups the person is not in", "sign-in   allowed", "not linked"):
        assert words in text, words
    users = len(m.control("dhis2", "users", method="GET"))
    m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(AMINA), "--login", "amina.diallo")
    told = json.loads(m.run("explain", "--json", "amina.diallo").stdout)
    assert told["linked"] and told["status"] == "ok" and {g["kind"] for g in told["grants"]} == {
        "role", "group", "org-unit", "view-org-unit", "search-org-unit"}
    assert json.loads(told["patch"])["externalAuth"] is True  # the account that would be made
    by_id = json.loads(m.run("explain", "--json", told["person_id"]).stdout)
    by_identity = json.loads(m.run("explain", "--json", f"{m.esignet} {sub_of(AMINA)}").stdout)
    assert by_id == told == by_identity
    assert len(m.control("dhis2", "users", method="GET")) == users, "explain wrote something"
    m.login(AMINA)
    assert "agrees already" in m.run("explain", "amina.diallo").stdout  # what a login did is what explain says
    m.slapd.modify(f"dn: cn=laboratory,ou=groups,{SUFFIX}\nchangetype: modify\nadd: member\nmember: uid=amina.diallo,ou=people,{SUFFIX}\n")
    assert "would be changed" in m.run("explain", "amina.diallo").stdout
    m.slapd.modify(f"dn: cn=laboratory,ou=groups,{SUFFIX}\nchangetype: modify\ndelete: member\nmember: uid=amina.diallo,ou=people,{SUFFIX}\n")
    for uid, words in (("dina.disabled", "disabled"), ("nina.nogroup", "no rule gives anything"), ("nobody.here", "no directory entry")):
        done = m.run("explain", uid, check=False)
        assert done.returncode == 1 and words in done.stdout, done
    told = json.loads(m.run("explain", "--json", "dina.disabled", check=False).stdout)
    assert told["refused"] == "person_disabled"
    assert "no [dhis2 other]" in m.run("explain", "--dhis2", "other", "amina.diallo", check=False).stderr


def doctor(m):
    done = m.run("doctor", check=False)
    assert "Sanitizer" not in done.stderr
    return done.returncode, [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("error")], done.stdout


def test_doctor(ministry):
    m = ministry
    status, errors, text = doctor(m)
    assert status == 0 and not errors and "nothing is wrong" in text
    for station in ("bridge ", "upstream national-id", "directory staff", "dhis2 hmis"):
        assert station in text
    metadata = m.call("GET", m.esignet + "/.well-known/openid-configuration")[1]
    m.control("esignet", "fault", {"path_prefix": "/.well-known/openid-configuration", "times": 1, "status": 200, "body": json.dumps(metadata),
                                   "content_type": "application/json", "headers": {"Date": "Tue, 01 Jan 2030 00:00:00 GMT"}})
    status, errors, _ = doctor(m)
    assert status == 1 and any("clock" in line and "NTP" in line for line in errors), errors
    m.slapd.stop()
    status, errors, _ = doctor(m)
    m.slapd.start()
    assert status == 1 and any("[directory staff]" in line for line in errors), errors
    token = (m.folder / "dhis2.token").read_text()
    (m.folder / "dhis2.token").write_text("d2p_wrong\n")
    status, errors, _ = doctor(m)
    (m.folder / "dhis2.token").write_text(token)
    assert status == 1 and errors
    m.control("esignet", "fault", {"path_prefix": "/.well-known", "times": 0, "status": 200, "body": "<html>", "content_type": "text/html"})
    status, errors, _ = doctor(m)
    assert status == 1 and any("metadata" in line for line in errors)
    m.control("esignet", "fault", method="DELETE")
    m.stop("dhis2")
    status, errors, text = doctor(m)
    m.start_dhis2()
    assert status == 1 and errors and "something is wrong" in text
    assert DEMO_PASSWORD not in text and token.strip() not in text
    assert doctor(m)[0] == 0


# ---- installing

def test_install_and_uninstall_into_a_folder(tmp_path):
    if not (ROOT / "build" / "idbridge").exists():
        pytest.skip("build/idbridge is not built")
    target = tmp_path / "a b"

    def make(what):
        return subprocess.run(["make", "-s", "--no-print-directory", "-o", "all", what, f"DESTDIR={target}"], cwd=ROOT,
                              capture_output=True, text=True, timeout=60)
    done = make("install")
    assert done.returncode == 0, done
    files = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert {"usr/sbin/idbridge", "usr/lib/systemd/system/idbridge.service", "etc/idbridge/idbridge.ini", "usr/lib/sysusers.d/idbridge.conf",
            "usr/lib/tmpfiles.d/idbridge.conf", "usr/share/man/man8/idbridge.8", "usr/share/man/man5/idbridge.ini.5"} <= files
    config = target / "etc/idbridge/idbridge.ini"
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    config.write_text("# mine\n")
    assert make("install").returncode == 0 and config.read_text() == "# mine\n"  # never overwritten
    assert make("uninstall").returncode == 0
    assert {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()} == {"etc/idbridge/idbridge.ini"}


def test_make_without_a_compiler_says_what_to_do(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "sh", "mkdir", "echo", "cmp", "nproc", "sed", "tr", "grep", "dpkg-query", "dirname", "rm", "mv"):
        (tools / name).symlink_to(shutil.which(name))
    tree = tmp_path / "a b"
    for name in ("broker", "include", "Makefile", "test/deep.mk", "test/support/packages.sh"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tree / name)
    done = subprocess.run(["make", "-j2"], cwd=tree, capture_output=True, text=True, timeout=60, env={"PATH": str(tools)})
    assert done.returncode == 2 and "missing: gcc pkg-config" in done.stderr and "`make packages'" in done.stderr, done
    assert "not found" not in done.stderr and len(done.stderr.splitlines()) <= 3, done.stderr
