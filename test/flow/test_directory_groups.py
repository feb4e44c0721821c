"""Which groups is a person in? All of them or an error, never a shorter list: nested groups and how long they are remembered,
answers that are cut, slow, huge or no text, and names that try to be more than a name. The well-behaved server is OpenLDAP; what no
real server does on request a scripted one does. Asked through test/unit/directory/test_asked.c."""
import contextlib
import os
import subprocess

import pytest
from asked import PROGRAM, Asked, names
from ldap_standin import (ADMIN_LIMIT, PAGED_RESULTS, PARTIAL_RESULTS, REFERRAL, SIZE_LIMIT, TIME_LIMIT, Close, Done, Entry, Hang,
                          LdapStandin, Raw, Reference, Wait, from_entries, integer, parts, text, tlv)
from slapd import READER, READER_PASSWORD, SAMPLE, SUFFIX, Slapd, must

BASE = "dc=x"
PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"
AMINA = f"uid=amina,{PEOPLE}"


def person(name="amina", **more):
    return (f"uid={name},{PEOPLE}", {"objectClass": ["person"], "uid": [name], "cn": [name], "entryUUID": [f"id-{name}"], **more})


def group(name, *members, **more):
    return (f"cn={name},{GROUPS}", {"cn": [name], "member": list(members), **more})


def dn(name):
    return f"cn={name},{GROUPS}"


def to_standin(folder, server, **keys):
    return Asked(folder, **{"type": "openldap", "urls": server.url, "people_base": PEOPLE, "groups_base": GROUPS, **keys})


@contextlib.contextmanager
def standin(folder, entries=None, answer=None, **keys):
    with LdapStandin(entries, answer) as server, to_standin(folder, server, **keys) as directory:
        yield server, directory


# ---- what is remembered ---------------------------------------------------------------------------------------------------

def count(server, act):
    before = len(server.searches)
    answer = act()
    return answer, len(server.searches) - before


def nested():
    return [person(), group("nurses", AMINA), group("staff", dn("nurses")), group("everybody", dn("staff"))]


def test_a_second_login_asks_for_the_person_and_the_own_groups_only(tmp_path):
    with standin(tmp_path, nested()) as (server, directory):
        first, cold = count(server, lambda: directory.login("amina"))
        second, warm = count(server, lambda: directory.login("amina"))
        assert names(first) == names(second) == ["everybody", "nurses", "staff"]
        assert {g["name"]: g["direct"] for g in second["groups"]} == {"nurses": True, "staff": False, "everybody": False}
        assert (cold, warm) == (5, 2)  # person, own groups; three levels, the last of which is in no group


def test_with_member_of_one_search_is_enough(tmp_path):
    entries = [person(memberOf=[dn("nurses"), "cn=elsewhere,dc=y"]), *nested()[1:]]
    with standin(tmp_path, entries, group_mode="member_of") as (server, directory):
        assert names(directory.login("amina")) == ["everybody", "nurses", "staff"]
        again, warm = count(server, lambda: directory.login("amina"))
        assert names(again) == ["everybody", "nurses", "staff"] and warm == 1


def test_a_nested_membership_ends_within_a_minute_a_direct_one_at_once(tmp_path):
    entries = nested()
    with standin(tmp_path, entries) as (server, directory):
        directory.login("amina")
        entries[3][1]["member"].clear()  # staff leaves everybody
        directory.clock(59)
        assert names(directory.login("amina")) == ["everybody", "nurses", "staff"]
        directory.clock(2)
        assert names(directory.login("amina")) == ["nurses", "staff"]
        entries[1][1]["member"].clear()  # amina leaves nurses
        answer, asked = count(server, lambda: directory.login("amina"))
        assert names(answer) == [] and asked == 2


def test_that_a_group_is_in_no_group_is_remembered_too_and_as_long(tmp_path):
    entries = nested()[:2]
    with standin(tmp_path, entries) as (server, directory):
        assert names(directory.login("amina")) == ["nurses"]
        entries += nested()[2:]
        directory.clock(59)
        answer, asked = count(server, lambda: directory.login("amina"))
        assert names(answer) == ["nurses"] and asked == 2
        directory.clock(2)
        assert names(directory.login("amina")) == ["everybody", "nurses", "staff"]


def test_group_cache_0_asks_every_time(tmp_path):
    entries = nested()
    with standin(tmp_path, entries, group_cache="0") as (server, directory):
        assert count(server, lambda: directory.login("amina"))[1] == count(server, lambda: directory.login("amina"))[1] == 5
        entries[3][1]["member"].clear()
        assert names(directory.login("amina")) == ["nurses", "staff"]


def test_an_error_is_not_remembered(tmp_path):
    broken = []
    entries = from_entries(nested())

    def answer(search):
        yield from entries(search)
        yield Done(code=broken[0] if broken and "nurses" in search.filter else 0)
    with standin(tmp_path, answer=answer) as (_, directory):
        broken.append(TIME_LIMIT)
        assert directory.login("amina")["result"] != "ok"
        broken.clear()
        assert names(directory.login("amina")) == ["everybody", "nurses", "staff"]


def test_eleven_levels_are_an_error_remembered_or_not(tmp_path):
    chain = [person(), group("g0", AMINA), *(group(f"g{n}", dn(f"g{n - 1}")) for n in range(1, 10))]
    with standin(tmp_path, chain) as (_, directory):
        assert len(names(directory.login("amina"))) == len(names(directory.login("amina"))) == 10
        directory.clock(61)
        chain.append(group("g10", dn("g9")))
        for _ in range(2):
            said = directory.login("amina")
            assert said["result"] == "invalid" and "nested more than 10 deep" in said["detail"] and said["groups"] == []


def test_one_group_too_many_is_an_error(tmp_path):
    def answer(search):
        yield from from_entries([person()])(search) if "uid=amina)" in search.filter else (
            (Entry(*group(f"g{n}", AMINA)) for n in range(2001)) if "member=uid" in search.filter else ())
    with standin(tmp_path, answer=answer) as (_, directory):
        said = directory.login("amina")
        assert said["result"] == "invalid" and "more than 2000 groups" in said["detail"] and said["groups"] == []


# ---- answers that are cut ----------------------------------------------------------------------------------------------------

WHICH = {"the person": "uid=amina)", "the person's groups": "member=uid=amina", "a group's groups": "member=cn=nurses"}
CUT = {"time limit": Done(TIME_LIMIT), "size limit": Done(SIZE_LIMIT), "administrative limit": Done(ADMIN_LIMIT),
       "partial results": Done(PARTIAL_RESULTS), "a referral": Done(REFERRAL, referral=["ldap://other.example/dc=x"]),
       "a reference": Reference(["ldap://other.example/ou=groups,dc=x"]), "busy": Done(51), "unwilling": Done(53),
       "the end of the connection": Close()}


@pytest.mark.parametrize("which", WHICH)
def test_a_part_of_an_answer_is_an_error(tmp_path, which):
    """Everything that was found comes first, so that who did not look would take it for the whole answer."""
    cut = []
    whole = from_entries(nested())

    def answer(search):
        yield from whole(search)
        if WHICH[which] in search.filter:
            yield cut[0]
    for n, (how, step) in enumerate(CUT.items()):
        if which == "the person" and how == "size limit":
            continue  # that limit is ours: two are enough to know that it is not one
        if which != "the person's groups" and how in ("busy", "the end of the connection"):
            continue  # these cost the wait for another server
        cut[:] = [step]
        with standin(tmp_path / str(n), answer=answer, search_timeout="1s") as (_, directory):
            said = directory.login("amina")
            assert said["result"] in ("unavailable", "timeout"), (how, said)
            assert said["groups"] == [] and said["detail"] and "amina" not in said["detail"], (how, said)
            # no grace may cover an answer; a server that only breaks off may be tried again by now and be well
            assert how in ("busy", "the end of the connection") or not said["unreachable"], (how, said)


def test_a_server_that_is_gone_is_unreachable(tmp_path):
    with LdapStandin(nested()) as server, to_standin(tmp_path, server, search_timeout="1s") as directory:
        assert directory.login("amina")["unreachable"] is False
        server.__exit__()
        said = directory.login("amina")
        assert said["result"] == "unavailable" and said["unreachable"] is True


def test_what_is_more_than_the_server_says_at_once_comes_page_by_page(tmp_path):
    many = [group(f"g{n}", AMINA) for n in range(1200)]
    pages = []

    def answer(search):
        if "member=cn" in search.filter:
            return
        found = list(from_entries([person(), *many])(search))
        if "member=uid" not in search.filter:
            yield from found
            return
        if PAGED_RESULTS not in search.controls:
            yield from [*found[:1000], Done(SIZE_LIMIT)]
            return
        from ldap_standin import parts
        (_, inside), = parts(search.controls[PAGED_RESULTS])
        size, cookie = parts(inside)
        start, size = int(cookie[1] or b"0"), int.from_bytes(size[1], "big")
        pages.append(start)
        yield from found[start:start + size]
        more = str(start + size).encode() if start + size < len(found) else b""
        yield Done(controls=[(PAGED_RESULTS, tlv(0x30, integer(0) + text(more)))])
    with standin(tmp_path, answer=answer) as (_, directory):
        assert len(names(directory.login("amina"))) == 1200
        assert pages == [0, 500, 1000]


# ---- slow, endless, huge, no text ------------------------------------------------------------------------------------------------

def drip(search):
    for n in range(1000):
        yield Entry(*group(f"g{n}", AMINA))
        yield Wait(0.2)


def half(search):
    yield Raw(tlv(0x30, b"x" * 300)[:100])
    yield Hang()


def nothing(search):
    yield Hang()


@pytest.mark.parametrize("way", [drip, half, nothing], ids=lambda way: way.__name__)
def test_a_slow_answer_ends_in_time(tmp_path, way):
    def answer(search):
        return from_entries([person()])(search) if "uid=amina)" in search.filter else way(search)
    with standin(tmp_path, answer=answer, search_timeout="1s") as (_, directory):
        said = directory.login("amina")
        assert said["result"] == "timeout" and said["groups"] == []
        assert said["us"] < 12_000_000 and said["cpu_us"] < 3_000_000


def test_many_levels_each_just_in_time_are_too_slow_together(tmp_path):
    chain = [person(), group("g0", AMINA), *(group(f"g{n}", dn(f"g{n - 1}")) for n in range(1, 10))]

    def answer(search):
        yield Wait(0.7 if "member=" in search.filter else 0)
        yield from from_entries(chain)(search)
    with standin(tmp_path, answer=answer, search_timeout="1s") as (_, directory):
        said = directory.login("amina")
        assert said["result"] == "timeout" and "longer than 4 searches" in said["detail"]


def with_groups(*groups):
    def answer(search):
        yield from from_entries([person()])(search) if "uid=amina)" in search.filter else iter(groups if "uid=amina" in search.filter else ())
    return answer


NO_TEXT = {
    "a DN that is not UTF-8": Entry(b"cn=\xff\xfe," + GROUPS.encode(), {"cn": ["x"]}),
    "a DN that hides bytes": Entry(f"cn=\\ff\\fe,{GROUPS}", {"objectClass": ["x"]}),
    "a name that is not UTF-8": Entry(f"ou=\\ff,{GROUPS}", {"cn": [b"\xc3\x28"]}),
    "a DN with a NUL": Entry(b"cn=a\x00b," + GROUPS.encode(), {"cn": ["a"]}),
    "no DN": Entry("nurses", {"cn": ["nurses"]}),
    "an empty DN": Entry("", {"cn": ["nurses"]}),
    "a name of 2 MB": Entry(f"cn=x,{GROUPS}", {"cn": ["x" * (2 << 20)]}),
    "a DN of 2 MB": Entry("cn=" + "x" * (2 << 20) + "," + GROUPS, {"cn": ["x"]}),
    "a message of 8 MB": Entry(f"cn=x,{GROUPS}", {"cn": ["x"], "description": ["x" * (8 << 20)]}),
}


@pytest.mark.parametrize("what", NO_TEXT)
def test_a_group_that_cannot_be_shown_to_a_rule_is_an_error(tmp_path, what):
    with standin(tmp_path, answer=with_groups(Entry(*group("nurses", AMINA)), NO_TEXT[what]), search_timeout="1s") as (_, directory):
        said = directory.login("amina")
        assert said["result"] == "unavailable" and said["groups"] == [] and said["detail"], said


def test_memory_stays_bounded_whatever_is_sent(tmp_path):
    def endless(search):
        yield from from_entries([person()])(search)
        while "member=" in search.filter:
            yield from (Entry(dn("x" * 100), {"cn": ["y" * 100]}) for _ in range(500))

    def endless_large(search):
        yield from from_entries([person()])(search)
        while "member=" in search.filter:
            yield Entry(dn("x"), {"cn": ["y" * (2 << 20)]})
    def everybody(search):
        while True:
            yield from (Entry(*person(f"p{n}")) for n in range(500))
    with standin(tmp_path / "c", answer=everybody) as (_, directory):
        said = directory.login("amina")
        assert said["result"] == "invalid" and "more than 100 entries" in said["detail"]
    with standin(tmp_path / "a", answer=endless) as (_, directory):
        said, before = directory.login("amina"), directory.memory_kb()
        assert said["result"] == "invalid" and "more than 2001 entries" in said["detail"]
        directory.login("amina")
        assert directory.memory_kb() - before < 60_000
    with standin(tmp_path / "b", answer=endless_large) as (_, directory):
        said = directory.login("amina")
        assert said["result"] == "unavailable" and "larger than 16 MB" in said["detail"]
        assert directory.memory_kb() < 300_000  # with the sanitizers' own


# ---- memberOf in ranges, members by login name ---------------------------------------------------------------------------------

def in_ranges(*parts_of):
    """memberOf as Active Directory sends it: the first part with the person, each later one asked for."""
    def answer(search):
        asked = next((name for name in search.attributes if name.startswith("memberOf;range=")), None)
        if asked is not None:
            first = int(asked.split("=")[1].split("-")[0])
            yield Entry(AMINA, dict(p for p in parts_of if int(p[0].split("=")[1].split("-")[0]) == first))
        elif "uid=amina)" in search.filter:
            name, attributes = person()
            yield Entry(name, {**attributes, "memberOf": [], parts_of[0][0]: parts_of[0][1]})
    return answer


def numbered(first, last):
    return [dn(f"g{n}") for n in range(first, last + 1)]


def test_all_ranges_of_memberof_are_read(tmp_path):
    ranges = in_ranges(("memberOf;range=0-99", numbered(0, 99)), ("memberOf;range=100-199", numbered(100, 199)),
                       ("memberOf;range=200-*", numbered(200, 249)))
    with standin(tmp_path, answer=ranges, group_mode="member_of") as (_, directory):
        assert names(directory.login("amina")) == sorted(f"g{n}" for n in range(250))


@pytest.mark.parametrize("second", [("memberOf;range=1000-*", ()), ("memberOf;range=20-*", numbered(20, 30)), ("memberOf;range=9-x", ()),
                                    ("memberOf;range=9-8", ())])
def test_a_range_that_breaks_off_is_an_error(tmp_path, second):
    with standin(tmp_path, answer=in_ranges(("memberOf;range=0-8", numbered(0, 8)), second), group_mode="member_of") as (_, directory):
        said = directory.login("amina")
        assert said["result"] == "unavailable" and "middle of the values of memberOf" in said["detail"]


def test_memberuid_holds_login_names(tmp_path):
    entries = [person(uid=["amina", "a.diallo"]), ("cn=one," + GROUPS, {"cn": ["one"], "memberUid": ["amina"]}),
               ("cn=two," + GROUPS, {"cn": ["two"], "memberUid": ["a.diallo", "x"]}), ("cn=no," + GROUPS, {"cn": ["no"], "memberUid": ["x"]})]
    with standin(tmp_path, entries, member_attribute="memberUid") as (server, directory):
        assert names(directory.login("amina")) == ["one", "two"]
        assert len(server.searches) == 2


# ---- OpenLDAP ---------------------------------------------------------------------------------------------------------------

class Limited(Slapd):
    """The bridge's account may have 400 entries at once, more only page by page; groups of login names are known."""

    def _configure(self):
        super()._configure()
        text_ = self._conf.read_text().replace("size=unlimited", "size.soft=400 size.hard=400 size.prtotal=unlimited")
        self._conf.write_text(text_.replace("include /etc/ldap/schema/cosine.schema",
                                            "include /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/nis.schema"))


STRANGE = ["*)(uid=*", "a*", "\\2a", "x,ou=people", "back\\slash", "amina.diallo)(|(uid=*)", "uid=samuel.okoro,ou=people," + SUFFIX]


def in_dn(value):
    return "".join(f"\\{ord(c):02x}" if c in ',+"\\<>;=#*()' else c for c in value)


def made_people():
    for name in ("many", "selfish", "posix", *STRANGE):
        yield f"dn: uid={in_dn(name)},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: person\nsn: person\nemployeeNumber: {name}\n"


def made_groups():
    base = f"ou=groups,{SUFFIX}"
    huge = "".join(f"member: uid=nobody{n},ou=people,{SUFFIX}\n" for n in range(10_000))
    yield f"dn: cn=huge,{base}\nobjectClass: groupOfNames\ncn: huge\nmember: uid=many,ou=people,{SUFFIX}\n{huge}"
    for n in range(1100):
        yield f"dn: cn=m{n},{base}\nobjectClass: groupOfNames\ncn: m{n}\nmember: uid=many,ou=people,{SUFFIX}\n"
    for n in range(600):  # 600 groups in one answer to "what is m0 in?"
        yield f"dn: cn=o{n},{base}\nobjectClass: groupOfNames\ncn: o{n}\nmember: cn=m0,{base}\n"
    yield (f"dn: cn=selfish,{base}\nobjectClass: groupOfNames\ncn: selfish\nmember: uid=selfish,ou=people,{SUFFIX}\n"
           f"member: cn=selfish,{base}\n")
    for n, name in enumerate(STRANGE):
        yield f"dn: cn={in_dn(name)},{base}\nobjectClass: groupOfNames\ncn: {name}\nmember: uid={in_dn(name)},ou=people,{SUFFIX}\n"
        yield f"dn: cn=above{n},{base}\nobjectClass: groupOfNames\ncn: above{n}\nmember: cn={in_dn(name)},{base}\n"
    yield f"dn: ou=posix,{SUFFIX}\nobjectClass: organizationalUnit\nou: posix\n"
    yield f"dn: cn=wheel,ou=posix,{SUFFIX}\nobjectClass: posixGroup\ncn: wheel\ngidNumber: 10\nmemberUid: posix\n"
    yield f"dn: ou=split,{SUFFIX}\nobjectClass: organizationalUnit\nou: split\n"
    yield f"dn: cn=here,ou=split,{SUFFIX}\nobjectClass: groupOfNames\ncn: here\nmember: uid=many,ou=people,{SUFFIX}\n"
    yield (f"dn: ou=elsewhere,ou=split,{SUFFIX}\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\n"
           f"ref: ldap://127.0.0.9/ou=elsewhere,ou=split,{SUFFIX}\n")


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    sample = must("/usr/bin/python3", SAMPLE / "generate.py", "--ordinary", 150)
    server = Limited(tmp_path_factory.mktemp("groups"))
    try:
        yield server.start(ldif="\n".join([sample.rstrip() + "\n", *made_people(), *made_groups()]), timeout=30)
    finally:
        server.stop()


def ministry(folder, server, **keys):
    return Asked(folder, READER_PASSWORD, **{
        "type": "openldap", "urls": server.url, "bind_dn": READER, "people_base": f"ou=people,{SUFFIX}",
        "groups_base": f"ou=groups,{SUFFIX}", "claim_filter": "(employeeNumber={claim.employee_number})", "search_timeout": "8s", **keys})


def test_more_groups_than_the_server_s_size_limit_and_a_group_of_10000(slapd, tmp_path):
    with ministry(tmp_path, slapd) as directory:
        first, second = directory.login("many"), directory.login("many")
        assert len(names(first)) == 1101 + 600 and names(first) == names(second)
        assert "huge" in names(second) and "o599" in names(second)
        assert sum(g["direct"] for g in second["groups"]) == 1101


def test_member_of_of_openldap_is_followed_like_a_search(slapd, tmp_path):
    with ministry(tmp_path / "a", slapd) as by_search, ministry(tmp_path / "b", slapd, group_mode="member_of") as by_member_of:
        for name in ("amina.diallo", "samuel.okoro", "nina.nogroup"):
            for _ in range(2):
                assert names(by_search.login(name)) == names(by_member_of.login(name))


def test_a_group_in_itself(slapd, tmp_path):
    with ministry(tmp_path, slapd) as directory:
        for _ in range(2):
            assert names(directory.login("selfish")) == ["selfish"]


def test_posix_groups(slapd, tmp_path):
    with ministry(tmp_path, slapd, member_attribute="memberUid", groups_base=f"ou=posix,{SUFFIX}") as directory:
        assert names(directory.login("posix")) == ["wheel"] and names(directory.login("many")) == []


def test_groups_of_which_a_part_is_on_another_server(slapd, tmp_path):
    with ministry(tmp_path, slapd, groups_base=f"ou=split,{SUFFIX}") as directory:
        said = directory.login("many")
        assert said["result"] == "unavailable" and "referrals are not followed" in said["detail"]


def test_names_and_claims_are_never_more_than_values(slapd, tmp_path):
    """People whose names are pieces of filters and DNs are found by exactly those, with exactly their groups."""
    with ministry(tmp_path, slapd) as directory:
        for n, name in enumerate(STRANGE):
            typed = directory.login(name.replace("\\", "\\x5c"))
            claimed = directory.claims({"employee_number": name})
            for said in (typed, claimed):
                assert said["status"] == "ok" and names(said) == sorted([name, f"above{n}"]), (name, said)
            assert directory.ask("key " + typed["key"])["dn"] == typed["dn"]
        for name in ("*", "amina.*", "amina.diallo)(uid=*", "(uid=*)", "amina.diallo,ou=people", "amina.diallo\\x5c00", "amina\\x5c2ediallo",
                     ")(objectClass=*", "amina.diallo)(!(uid=x", f"uid=amina.diallo,ou=people,{SUFFIX}"):
            said = directory.login(name)
            assert said["status"] == "unknown" and said["groups"] == [], (name, said)
        for value in ("*", "900100)(uid=*", "900100\u0000", "\u0000", "90010*"):
            said = directory.claims({"employee_number": value})
            assert said["groups"] == [], (value, said)
            assert said["result"] == "not_found" if "\0" in value else said["status"] == "unknown", (value, said)


# ---- what cannot work is said at start -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("keys, says", [
    ({"member_attribute": "memberUid", "group_mode": "member_of"}, "needs group_mode = search"),
    ({"group_mode": "token_groups"}, "is for type = ad"), ({"group_mode": "in_chain"}, "is for type = ad"),
    ({"group_cache": "61s"}, "group_cache"),
])
def test_a_configuration_that_would_find_too_little_is_refused(tmp_path, keys, says):
    asked = Asked(tmp_path, type="openldap", urls="ldap://127.0.0.1:9", people_base=PEOPLE, groups_base=GROUPS, **keys)
    done = subprocess.run([str(PROGRAM)], env={**os.environ, "IDBRIDGE_LIVE_CONFIG": str(asked.file)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and says in done.stdout + done.stderr
