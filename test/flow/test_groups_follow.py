"""DHIS2 user groups follow the directory: what the bridge gave goes when the membership or the rule goes, and what somebody
added by hand in DHIS2 stays."""
from flow_kit import AMINA, DEMO_PASSWORD, user, wait_until
from slapd import SUFFIX

TEAM = f"cn=hiv-r1-d1,ou=groups,{SUFFIX}"
PERSON = f"uid=amina.diallo,ou=people,{SUFFIX}"


def codes(m):
    return {group["code"] for group in user(m, "amina.diallo")["userGroups"]}


def add_by_hand(m, code):
    """An administrator of DHIS2 puts the person into one more group."""
    status, answer = m.admin("GET", f"/api/userGroups?filter=code:eq:{code}&fields=id")
    assert status == 200 and answer["userGroups"], answer
    status, answer = m.admin("POST", f"/api/userGroups/{answer['userGroups'][0]['id']}/users/{user(m, 'amina.diallo')['id']}")
    assert status == 200, answer


def test_a_group_goes_with_the_membership_and_one_added_by_hand_stays(ministry):
    m = ministry
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    assert codes(m) == {"HIV-R1"}
    add_by_hand(m, "EPI")  # a group that no rule could give
    m.slapd.modify(f"dn: {TEAM}\nchangetype: modify\ndelete: member\nmember: {PERSON}\n")
    assert m.login(AMINA).url == m.dhis2 + "/"
    assert codes(m) == {"EPI"}
    m.slapd.modify(f"dn: {TEAM}\nchangetype: modify\nadd: member\nmember: {PERSON}\n")
    m.login(AMINA)
    assert codes(m) == {"EPI", "HIV-R1"}


def test_a_group_goes_with_its_rule(ministry):
    m = ministry
    m.run("map", "add", "choir", "--group", "nurses", "--user-group", "code:MALARIA-R3")
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))

    def given():
        m.login(AMINA)
        return "MALARIA-R3" in codes(m)
    wait_until(given)
    m.run("map", "remove", "choir")
    m.run("map", "remove", "malaria-r3")  # no rule is left that could give it: what was held tells

    def taken():
        m.login(AMINA)
        return "MALARIA-R3" not in codes(m)
    wait_until(taken)
