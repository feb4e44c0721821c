"""Links through a working life on Active Directory (Samba): the stable id is objectGUID, login names are sAMAccountName.

The same states as in test_links_life.py, where a domain controller differs: people are renamed by their CN, an entry that is
made again has another objectGUID, and a name that nobody has is answered like a wrong password ("data 52e").
"""
import base64
import shlex
from pathlib import Path

import pytest
import samba_ad
from account_table import PASSWORD
from flow_kit import AMINA, links, refusal, sub_of
from rooted import Unavailable

UID = "never"  # an ordinary person whose password never expires


@pytest.fixture(scope="module")
def ad(tmp_path_factory):
    server = samba_ad.SambaAd(tmp_path_factory.mktemp("ad"), Path(__file__).resolve().parents[2] / "build" / "testcache")
    try:
        server.start()
    except Unavailable as why:
        pytest.skip(str(why))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ministry_ad(ad, make_shared_ministry):
    def settings(m):
        (m.folder / "ad.password").write_text(samba_ad.READER_PASSWORD + "\n")
        return {"directory staff": {
            "type": "ad", "urls": ad.tls_url, "ca_file": ad.ca_file, "bind_dn": samba_ad.READER, "bind_password_file": "ad.password",
            "people_base": samba_ad.PEOPLE, "groups_base": samba_ad.BASE, "attributes": "department", "birth_date_attribute": None}}
    m = make_shared_ministry(settings=settings)
    m.run("map", "add", "ad", "--group", "hiv-r1-d1", "--role", "Clinic worker", "--org-unit", "code:{directory.department}")
    m.stop("bridge")  # new rules reach a running one within seconds; this one has them at once
    m.start_bridge()
    return m


def change(ad, *lines):
    done = ad.client("ldapmodify", input="\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr


def group(ad, dn):
    change(ad, f"dn: CN=hiv-r1-d1,{samba_ad.GROUPS}", "changetype: modify", "add: member", f"member: {dn}")


def test_renamed_moved_and_hired_anew(ad, ministry_ad):
    m = ministry_ad
    page = m.login(AMINA, link=(UID, PASSWORD))
    assert page.url == m.dhis2 + "/", page.text[:500]
    row = links(m, UID)[0]
    assert row["key"].startswith("staff:") and len(row["key"]) == len("staff:") + 32
    # marries, and moves
    south = f"OU=South,{samba_ad.PEOPLE}"
    change(ad, f"dn: {south}", "changetype: add", "objectClass: organizationalUnit")
    change(ad, f"dn: CN={UID},{samba_ad.PEOPLE}", "changetype: modrdn", "newrdn: CN=Never Silva", "deleteoldrdn: 1", f"newsuperior: {south}")
    change(ad, f"dn: CN=Never Silva,{south}", "changetype: modify", "replace: sAMAccountName", "sAMAccountName: never.silva")
    assert m.login(AMINA).url == m.dhis2 + "/"
    assert links(m, "never.silva")[0]["key"] == row["key"]
    # leaves, and comes back under a new entry of the same name
    change(ad, f"dn: CN=Never Silva,{south}", "changetype: delete")
    refusal(m, m.login(AMINA), "person_unknown", 403)
    change(ad, *samba_ad.user(UID, PASSWORD).splitlines()[:1], "changetype: add", *samba_ad.user(UID, PASSWORD).splitlines()[1:])
    group(ad, samba_ad.person_dn(UID))
    refusal(m, m.login(AMINA), "person_unknown", 403)
    assert m.run("link", "list", "--dangling").stdout.split()[1] == row["sub"]
    told = m.run("explain", f"{row['iss']} {row['sub']}", check=False).stdout
    line = next(line for line in told.splitlines() if "--same-person" in line)
    m.run(*[UID if word == "LOGIN" else word for word in shlex.split(line[line.index("idbridge "):])[1:]])
    assert m.login(AMINA).url == m.dhis2 + "/"
    after = links(m, UID)[0]
    assert after["person"] == row["person"] and after["key"] != row["key"]


def test_import_and_export(ad, ministry_ad):
    m = ministry_ad
    done = m.run("link", "import", "--upstream", "national-id", "-", text="login,sub\nCOMMA,comma-sub\nsinhala@ad.test,upn-sub\nnobody,x\n", check=False)
    assert done.returncode == 1 and done.stderr.splitlines()[0] == "-:4: the directory has no entry for that login name"
    done = m.run("link", "import", "--upstream", "national-id", "-", text="login,sub\nCOMMA,comma-sub\nsinhala@ad.test,upn-sub\n")
    assert done.stdout == "2 linked, 0 there already\n"
    guid = ad.search("(sAMAccountName=comma)", "objectGUID")[0]["objectGUID"][0]
    guid = guid if isinstance(guid, bytes) else guid.encode() if isinstance(guid, str) else base64.b64decode(guid)
    assert links(m, "comma")[0]["key"] == "staff:" + guid.hex()
    kept = m.run("link", "list", "--csv").stdout
    assert m.run("link", "import", "-", text=kept).stdout.startswith("0 linked, ") and sub_of(AMINA) in kept


def test_a_name_that_nobody_has_looks_like_a_wrong_password(ad, ministry_ad):
    m = ministry_ad
    browser, url = m.to_esignet()
    page = browser.get(m.at_esignet(url, "8267411572"))
    wrong = browser.submit(page.form("/link"), username="nogroup", password="not-this-one")
    unknown = browser.submit(wrong.form("/link"), username="nobody.here", password="not-this-one")
    assert unknown.status == wrong.status == 200 and unknown.text == wrong.text.replace("nogroup", "nobody.here")
