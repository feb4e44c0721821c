"""Links through a person's working life, on a real directory: each ends in a state that `idbridge explain` tells in words.

Issue text: "Links: by (iss, sub) to the stable id, never to a DN or an address … A person who leaves and comes back, marries
and changes DN, is re-hired under a new entry, gets a new national ID, or has two entries, ends in a defined state that
`explain` tells."
"""
import json
import re
import shlex

from flow_kit import AMINA, DEMO_PASSWORD, IDS, App, Browser, links, refusal, sub_of, uid_of
from slapd import SUFFIX

PEOPLE_DN = f"ou=people,{SUFFIX}"


def dn(uid, below=PEOPLE_DN):
    return f"uid={uid},{below}"


def change(m, who, *lines):
    m.slapd.modify("\n".join([f"dn: {who}", *lines]) + "\n")


def hire(m, uid, below=PEOPLE_DN, team="laboratory", entry_uuid=None):
    """A new entry: nothing in it but the name is of an earlier one."""
    place = m.slapd.search("(departmentNumber=*)", "departmentNumber")[0]["departmentNumber"][0]
    entry = [f"dn: {dn(uid, below)}", "changetype: add", "objectClass: inetOrgPerson", f"uid: {uid}", f"cn: {uid.title()}", "sn: Hired",
             f"givenName: {uid.split('.')[0].title()}", f"mail: {uid}@health.example", f"departmentNumber: {place}",
             f"userPassword: {DEMO_PASSWORD}", *([f"entryUUID: {entry_uuid}"] if entry_uuid else [])]
    done = m.slapd.client("ldapmodify", "-e", "relax", input="\n".join(entry) + "\n")  # relax: an entryUUID of one's own
    assert done.returncode == 0, done.stderr
    change(m, f"cn={team},ou=groups,{SUFFIX}", "changetype: modify", "add: member", f"member: {dn(uid, below)}")


def dismiss(m, uid, below=PEOPLE_DN):
    change(m, dn(uid, below), "changetype: delete")


def rename(m, uid, to, below=None):
    change(m, dn(uid), "changetype: modrdn", f"newrdn: uid={to}", "deleteoldrdn: 1", *([f"newsuperior: {below}"] if below else []))


def unit(m, name, below=PEOPLE_DN):
    change(m, f"ou={name},{below}", "changetype: add", "objectClass: organizationalUnit", f"ou: {name}")
    return f"ou={name},{below}"


def linked(m, uid):
    page = m.login(IDS[uid], link=(uid, DEMO_PASSWORD))
    assert page.url == m.dhis2 + "/", page.text[:300]
    return links(m, uid)[0]


def signed_in(m, individual_id):
    page = m.login(individual_id)
    assert page.url == m.dhis2 + "/", page.text[:500]


def identity(m, uid):
    return f"{m.esignet} {sub_of(IDS[uid])}"


def told(m, person):
    done = m.run("explain", person, check=False)
    assert done.stdout, done.stderr
    return done.stdout


def typed(m, text, part, **words):
    """Types the command that `explain` printed, as it stands but for LOGIN and NAME."""
    line = next(line for line in text.splitlines() if part in line)
    command = shlex.split(line[line.index("idbridge "):])[1:]
    return m.run(*[words.get(word, word) for word in command], check=False)


def in_dhis2(m, person_id):
    status, answer = m.admin("GET", f"/api/users?filter=openId:eq:{person_id}&fields=id,username,openId")
    assert status == 200, answer
    return answer["users"]


# ---- the entry stays the same one

def test_who_marries_and_moves_stays_who_they_are(ministry):
    m, uid = ministry, "nimal.perera"
    row = linked(m, uid)
    before = in_dhis2(m, row["person"])
    south = unit(m, "south")
    rename(m, uid, "nimal.silva", south)
    change(m, dn("nimal.silva", south), "changetype: modify", "replace: sn", "sn: Silva")
    text = told(m, identity(m, uid))
    assert "its entry is there" in text and f"at {dn('nimal.silva', south)}" in text
    assert f"at the last sign-in it was at {dn(uid)}" in text
    signed_in(m, IDS[uid])
    assert links(m, "nimal.silva")[0]["person"] == row["person"] and in_dhis2(m, row["person"]) == before
    assert "no directory has that login name" in told(m, uid)  # the old one


def test_who_is_locked_out_and_let_in_again_needs_nothing_at_the_bridge(ministry):
    m, uid = ministry, "mara.mustchange"
    row = linked(m, uid)
    change(m, dn(uid), "changetype: modify", "add: pwdAccountLockedTime", "pwdAccountLockedTime: 000001010000Z")
    refusal(m, m.login(IDS[uid]), "person_locked", 403)
    text = told(m, uid)
    assert "its entry is there; what refuses them is the directory's affair, the link needs nothing" in text
    change(m, dn(uid), "changetype: modify", "delete: pwdAccountLockedTime")
    signed_in(m, IDS[uid])
    assert links(m, uid)[0]["person"] == row["person"]


def test_two_people_exchange_their_login_names(ministry):
    """The stable id decides, whatever the entry is called today."""
    m, one, two = ministry, "amina.diallo", "samuel.okoro"
    first, second = linked(m, one), linked(m, two)
    rename(m, one, "somebody.between")
    rename(m, two, one)
    rename(m, "somebody.between", two)
    assert "Signed in as Amina Diallo" in m.login(IDS[one]).text
    assert "Signed in as Samuel Okoro" in m.login(IDS[two]).text
    assert (uid_of(m, two), uid_of(m, one)) == (first["person"], second["person"])


def test_an_entry_that_was_deleted_and_restored_is_the_same_one(ministry):
    """From a backup, or Active Directory's recycle bin: the stable id comes back, and with it the person."""
    m, uid = ministry, "paul.badpasswords"
    m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS[uid]), "--login", uid)
    row = links(m, uid)[0]
    dismiss(m, uid)
    refusal(m, m.login(IDS[uid]), "person_unknown", 403)
    hire(m, uid, entry_uuid=row["key"].partition(":")[2])
    signed_in(m, IDS[uid])
    assert (links(m, uid)[0]["key"], uid_of(m, uid)) == (row["key"], row["person"])


# ---- another entry

def test_hired_anew_the_administrator_says_so_and_nothing_changes_in_dhis2(ministry):
    m, uid = ministry, "fatima.zahra"
    row = linked(m, uid)
    before = in_dhis2(m, row["person"])
    dismiss(m, uid)
    refusal(m, m.login(IDS[uid]), "person_unknown", 403)
    gone = m.run("link", "list", "--dangling")
    assert [line.split()[1] for line in gone.stdout.splitlines()] == [row["sub"]], gone
    hire(m, uid)
    refusal(m, m.login(IDS[uid]), "person_unknown", 403)  # a login name proves nobody: another id, another entry
    text = told(m, identity(m, uid))
    assert "its entry is not in the directory any more" in text
    by_name = told(m, uid)  # the new entry: nobody's yet
    assert "link      none" in by_name and f"link move --same-person '{row['iss']}' '{row['sub']}' '{uid}'" in by_name
    undecided = m.run("link", "move", row["iss"], row["sub"], uid, check=False)
    assert undecided.returncode == 1 and "--same-person" in undecided.stderr and "--other-person" in undecided.stderr
    done = typed(m, text, "--same-person", LOGIN=uid)
    assert done.returncode == 0 and row["person"] in done.stdout, done
    signed_in(m, IDS[uid])
    assert in_dhis2(m, row["person"]) == before and links(m, uid)[0]["key"] != row["key"]
    assert m.run("link", "list", "--dangling").stdout == ""
    assert re.search(r"link.move by cli uid=\d+", told(m, uid))


def test_a_new_entry_of_the_same_name_may_be_another_person(ministry):
    m, uid = ministry, "abebe.bekele"
    row = linked(m, uid)
    dismiss(m, uid)
    hire(m, uid)
    done = typed(m, told(m, identity(m, uid)), "--other-person", LOGIN=uid)
    assert done.returncode == 0 and row["person"] not in done.stdout, done
    assert links(m, uid)[0]["person"] != row["person"]
    signed_in(m, IDS[uid])
    # and that cannot be taken back into the first account: two accounts are never made one
    unit(m, "elsewhere")
    hire(m, "second.entry", f"ou=elsewhere,{PEOPLE_DN}")
    m.run("link", "add", "--upstream", "national-id", "--sub", "another-identity", "--login", "second.entry")
    refused = m.run("link", "move", "--same-person", m.esignet, "another-identity", uid, check=False)
    assert refused.returncode == 1 and "never made one" in refused.stderr


def test_after_the_link_was_removed_the_person_id_can_be_given_to_the_new_entry(ministry):
    m, uid = ministry, "olga.oldpassword"
    row = linked(m, uid)
    m.run("link", "remove", row["iss"], row["sub"])
    assert row["person"] in told(m, uid)  # it is kept with the entry
    dismiss(m, uid)
    hire(m, uid)
    add = ("link", "add", "--upstream", "national-id", "--sub", row["sub"], "--login", uid, "--person")
    taken = m.run(*add, uid_of(m, "mara.mustchange"), check=False)
    assert taken.returncode == 1 and "another entry" in taken.stderr
    nobody = m.run(*add, row["person"][:-1], check=False)
    assert nobody.returncode == 1 and "nobody ever had" in nobody.stderr
    m.run(*add, row["person"])
    signed_in(m, IDS[uid])
    assert len(in_dhis2(m, row["person"])) == 1


def test_who_linked_the_new_entry_before_they_called_keeps_the_account_while_nobody_signed_in(make_ministry):
    """Hired anew, the old link removed: the first sign-in makes a new person, who waits for approval."""
    m, uid = make_ministry(settings={"link": {"approval": "on"}}), "samuel.okoro"
    refusal(m, m.login(IDS[uid], link=(uid, DEMO_PASSWORD)), "link_pending", 403)
    row = links(m, uid)[0]
    m.run("link", "approve", row["iss"], row["sub"])
    signed_in(m, IDS[uid])
    m.run("link", "remove", row["iss"], row["sub"])
    dismiss(m, uid)
    hire(m, uid)
    refusal(m, m.login(IDS[uid], link=(uid, DEMO_PASSWORD)), "link_pending", 403)
    assert uid_of(m, uid) != row["person"]
    text = told(m, uid)
    assert "it waits for approval" in text and f"idbridge link approve '{row['iss']}' '{row['sub']}'" in text
    m.run("link", "remove", row["iss"], row["sub"])
    m.run("link", "add", "--upstream", "national-id", "--sub", row["sub"], "--login", uid, "--person", row["person"])
    signed_in(m, IDS[uid])
    assert len(in_dhis2(m, row["person"])) == 1


def test_hired_anew_who_signs_in_with_the_directory_password_only(make_ministry):
    m, uid = make_ministry(settings={"directory staff": {"password_login_clients": "dhis2-login"}}), "amina.diallo"

    def sign_in():
        browser = Browser()
        page = browser.get(m.dhis2 + "/oauth2/authorization/bridge")
        page = browser.get(m.issuer + next(link for link in page.html.links if "upstream=directory" in link))
        return browser.submit(page.form("/password"), username=uid, password=DEMO_PASSWORD)
    assert sign_in().url == m.dhis2 + "/"
    row = links(m, uid)[0]
    before = in_dhis2(m, row["person"])
    dismiss(m, uid)
    hire(m, uid)
    done = typed(m, told(m, row["person"]), "--same-person", LOGIN=uid)
    assert done.returncode == 0 and row["person"] in done.stdout, done
    assert sign_in().url == m.dhis2 + "/"
    after = links(m, uid)
    assert [r["person"] for r in after] == [row["person"]] and after[0]["sub"] != row["sub"]
    assert in_dhis2(m, row["person"]) == before
    assert json.loads(m.run("explain", "--json", uid).stdout)["links"][0]["state"] == "its entry is there"


# ---- another identity

def test_a_new_national_id_is_one_command_away(make_ministry):
    m, uid = make_ministry(), "amina.diallo"
    app = App(m, options=("--sso", "silent"))
    row = linked(m, uid)
    tokens = app.tokens(AMINA)
    before = in_dhis2(m, row["person"])
    new = "8000000077"
    person = next(p for p in m.control("esignet", "persons", method="GET") if p["individualId"] == AMINA)
    m.control("esignet", "persons", {**person, "individualId": new})
    page = m.login(new, link=(uid, DEMO_PASSWORD))
    refused = refusal(m, page, "link_taken", 403)
    assert "administrator" in page.text and refused["id"] in page.text
    text = told(m, uid)
    assert f"link add --ref {refused['id']}" in text and "by the person, who knew the directory password" in text
    assert sub_of(new) not in m.log("bridge") and uid not in m.log("bridge")
    assert m.run("link", "add", "--ref", "0000-0000", "--login", uid, check=False).returncode == 1
    done = typed(m, text, "link add --ref")
    assert done.returncode == 0 and row["person"] in done.stdout, done
    assert [(r["sub"], r["person"], r["by"]) for r in links(m, uid)] == [(sub_of(new), row["person"], "admin")]
    status, answer, _ = app.refresh(tokens["refresh_token"])  # what the old identity got ends at once
    assert (status, answer["error"]) == (400, "invalid_grant"), answer
    assert app.userinfo(tokens["access_token"])[0] == 401
    signed_in(m, new)
    assert in_dhis2(m, row["person"]) == before
    refusal(m, m.login(AMINA, link=(uid, DEMO_PASSWORD)), "link_taken", 403)  # the old card opens nothing
    assert m.run("explain", f"{m.esignet} {sub_of(AMINA)}", check=False).stderr == "idbridge: that identity is linked to nobody\n"


# ---- two entries, two directories

def test_two_entries_of_one_login_name(ministry):
    m, uid = ministry, "nina.nogroup"
    m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS[uid]), "--login", uid)
    hire(m, uid, unit(m, "north"))
    refused = m.run("link", "add", "--upstream", "national-id", "--sub", "x", "--login", uid, check=False)
    assert refused.returncode == 1 and "several entries" in refused.stderr
    assert "several entries have that login name" in told(m, uid)
    assert "its entry is there" in told(m, identity(m, uid))  # who is linked stays who they are
    browser, url = m.to_esignet()
    page = browser.get(m.at_esignet(url, IDS["dina.disabled"]))
    page = browser.submit(page.form("/link"), username=uid, password=DEMO_PASSWORD)
    assert page.status == 200 and "do not match" in page.text  # the page of a wrong password


def test_from_one_directory_to_another(make_ministry):
    def partners(m):
        staff = m._sections()["directory staff"]
        return {"directory partners": {**staff, "people_base": f"ou=partners,{SUFFIX}"}}
    m, uid = make_ministry(settings=partners), "amina.diallo"
    row = linked(m, uid)
    before = in_dhis2(m, row["person"])
    there = unit(m, "partners", SUFFIX)
    rename(m, uid, uid, there)
    refusal(m, m.login(AMINA), "person_unknown", 403)
    text = told(m, f"{row['iss']} {row['sub']}")
    assert "its entry is not in the directory any more" in text
    done = typed(m, text, "--same-person", LOGIN=uid)  # found in the second directory
    assert done.returncode == 0 and "moved to partners:" in done.stdout, done
    signed_in(m, AMINA)
    assert in_dhis2(m, row["person"]) == before
    assert "partners:" in told(m, uid)
    assert [line.split()[1] for line in m.run("link", "list", "--directory", "partners").stdout.splitlines()] == [row["sub"]]
    assert m.run("link", "list", "--directory", "staff").stdout == ""
