"""What is made of a directory's answers about one person and one password, when they are not what a well-kept server sends:
slow, cut, huge, no text, referrals, a password policy response that is none, an entry that goes away between the search and the bind.
The scripted server says what no real one does on request; groups have a file of their own. Also whose clock counts."""
import contextlib
import time

import pytest
from asked import Asked
from ldap_standin import BUSY, REFERRAL, Close, Done, Hang, LdapStandin, Raw, Reference, Wait, tlv
from slapd import DEMO_PASSWORD, ENVIRONMENT, READER, READER_PASSWORD, SAMPLE, SUFFIX, Slapd, must

BASE = "dc=x"
PEOPLE = f"ou=people,{BASE}"
AMINA = f"uid=amina,{PEOPLE}"
POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # draft-behera-ldap-password-policy §6.2
INVALID_CREDENTIALS, NO_SUCH_OBJECT, OTHER = 49, 32, 80
FAKETIME = "/usr/$LIB/faketime/libfaketimeMT.so.1"  # of the package faketime; ld.so(8) fills in $LIB
SHORT = {"search_timeout": "1s"}  # where the answer is none anyhow; elsewhere a busy machine has its time
MEGABYTES = "x" * (2 << 20)


def person(dn=AMINA, **more):
    return dn, {"objectClass": ["person"], "uid": ["amina"], "cn": ["Amina"], "entryUUID": ["id-amina"], **more}


@contextlib.contextmanager
def standin(folder, entries=None, bind=None, answer=None, **keys):
    with LdapStandin(entries if entries is not None else [person()], answer, bind=bind) as server:
        with Asked(folder, **{"type": "openldap", "urls": server.url, "people_base": PEOPLE, "attributes": "title", "search_timeout": "5s",
                              **keys}) as directory:
            yield server, directory


# ---- the bind

def policy(value):
    return [(POLICY, value)]


def error(number):
    return tlv(0x30, tlv(0x81, bytes([number])))


CONTROLS = {  # the control's value -> with success, with invalidCredentials
    "none": (None, "ok", "wrong_password"),
    "empty sequence": (tlv(0x30, b""), "ok", "wrong_password"),
    "locked": (error(1), "ok", "locked_by_passwords"),
    "expired": (error(0), "password_expired", "password_expired"),
    "must change": (error(2), "must_change", "must_change"),
    "an error nobody knows": (error(99), "ok", "wrong_password"),
    "no BER": (b"\xff\xff\xff\xff", "unreachable", "wrong_password"),
    "cut short": (error(2)[:-1], "unreachable", "wrong_password"),
    "no bytes": (b"", "unreachable", "wrong_password"),
    "a length of 4 GB": (b"\x30\x84\xff\xff\xff\xff\x81\x01\x02", "unreachable", "wrong_password"),
    "1 MB": (tlv(0x30, tlv(0x81, b"\x02" * (1 << 20))), "unreachable", "wrong_password"),
    "65 bytes": (tlv(0x30, tlv(0x81, b"\x02" * 61)), "unreachable", "wrong_password"),
}


@pytest.mark.parametrize("which", CONTROLS)
def test_password_policy_response(tmp_path, which):
    value, after_success, after_refusal = CONTROLS[which]
    code = []
    with standin(tmp_path, bind=lambda dn, _: [Done(code[0], controls=policy(value) if value is not None else [])] if dn == AMINA else []) \
            as (_, directory):
        for code[:], want in (([0], after_success), ([INVALID_CREDENTIALS], after_refusal)):
            said = directory.bind("amina", "secret")
            assert said["status"] == want, said
            assert (said["result"] == "ok") == (want != "unreachable"), said
        assert directory.login("amina")["status"] == "ok"


UNANSWERED = {"hangs": [Hang()], "half an answer": [Raw(b"\x30\x20\x02"), Hang()], "closes": [Close()], "busy": [Done(BUSY)],
              "other": [Done(OTHER, "out of luck")], "a message of 8 MB": [Raw(tlv(0x30, b"x" * (8 << 20)))], "no LDAP": [Raw(b"HTTP/1.1 400 Bad\r\n\r\n"), Hang()],
              "refers elsewhere": None}


@pytest.mark.parametrize("how", UNANSWERED)
def test_a_bind_that_is_not_answered_proves_nothing(tmp_path, how):
    with LdapStandin([person()]) as elsewhere:
        steps = UNANSWERED[how] or [Done(REFERRAL, referral=[f"{elsewhere.url}/{AMINA}"])]
        with standin(tmp_path, bind=lambda dn, _: steps if dn == AMINA else [], **SHORT) as (server, directory):
            said = directory.bind("amina", "secret")
            assert said["status"] == "unreachable" and said["result"] in ("unavailable", "timeout"), said
            assert said["detail"] and "secret" not in said["detail"] and "amina" not in said["detail"]
            assert said["us"] < 12_000_000
            assert len([dn for dn, _ in server.binds if dn == AMINA]) <= 2  # a wrong password must not be sent over and over
        assert elsewhere.connections == 0


def test_the_entry_goes_away_between_search_and_bind(tmp_path):
    with standin(tmp_path, bind=lambda dn, _: [Done(NO_SUCH_OBJECT)] if dn == AMINA else []) as (_, directory):
        assert directory.bind("amina", "secret")["status"] == "wrong_password"


# ---- the entry

NAMES = ("given_name", "display_name", "mail")


def test_values_that_are_no_text_are_left_out(tmp_path):
    entry = person(givenName=[b"\xff\xfe"], sn=[b"Di\x00allo"], displayName=[b"\xc3\x28", "Amina D"], mail=[b"\xed\xa0\x80@x"],
                   title=[b"\xff", "nurse", b"a\x00b"], cn=[b"\xc0\xaf"])
    with standin(tmp_path, [entry]) as (_, directory):
        said = directory.login("amina")
        assert said["result"] == "ok" and said["status"] == "ok", said
        assert [said["names"][n] for n in NAMES] == [None, "Amina D", None]
        assert said["names"]["attributes"] == {"title": ["nurse"]}


@pytest.mark.parametrize("attribute, status", [("pwdEndTime", "expired"), ("pwdStartTime", "not_yet_valid"), ("shadowExpire", "expired")])
@pytest.mark.parametrize("value", [b"\xff\xfe", b"2020\x000101", "", "soon", "x" * (1 << 20)], ids=["bytes", "nul", "empty", "word", "huge"])
def test_a_status_that_cannot_be_read_refuses(tmp_path, attribute, status, value):
    with standin(tmp_path, [person(**{attribute: [value]})]) as (_, directory):
        assert directory.login("amina")["status"] == status


UNUSABLE = {
    "an id that is no text": person(entryUUID=[b"\xff\xfe"]), "no id": person(entryUUID=[]), "two ids": person(entryUUID=["a", "b"]),
    "a DN that is no text": person(dn=b"uid=\xff," + PEOPLE.encode()), "a DN with a NUL": person(dn=b"uid=a\x00b," + PEOPLE.encode()),
    "a name of 2 MB": person(displayName=[MEGABYTES]), "an address of 2 MB": person(mail=[MEGABYTES]), "a cn of 2 MB": person(cn=[MEGABYTES]),
    "a title of 2 MB": person(title=[MEGABYTES]), "titles of 2 MB": person(title=[f"{n} {'x' * 1000}" for n in range(2000)]),
    "a login name of 2 MB": person(uid=["amina", MEGABYTES]), "a message of 8 MB": person(cn=["x" * (8 << 20)]),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_an_entry_that_cannot_be_used_is_nobody(tmp_path, what):
    with standin(tmp_path, [UNUSABLE[what]], **SHORT) as (_, directory):
        said = directory.login("amina")
        assert said["result"] in ("unavailable", "denied", "timeout") and said["status"] == "unreachable", said
        assert said["detail"] and "xxxx" not in said["detail"] and said["groups"] == []
        assert directory.memory_kb() < 300_000  # with the sanitizers' own


def test_what_is_not_used_may_be_as_long_as_it_likes(tmp_path):
    with standin(tmp_path, [person(jpegPhoto=[b"\xff" * (2 << 20)], title=[b"\xff" * (1 << 20), "nurse"])], attributes="title jpegPhoto") as (_, directory):
        assert directory.login("amina")["names"]["attributes"] == {"title": ["nurse"]}


LOCK = {"pwdAccountLockedTime": ["000001010000Z"]}


@pytest.mark.parametrize("languages, status", [(0, "locked_by_admin"), (70, "locked_by_admin"), (600, "unreachable")])
def test_many_languages_push_no_lock_out_of_sight(tmp_path, languages, status):
    """Each "title;lang-x" is an attribute of its own (RFC 3866); what stands behind them counts, or the entry is no answer."""
    tags = {f"title;lang-x{n}": ["nurse"] for n in range(languages)}
    with standin(tmp_path, [person(**tags, **LOCK)]) as (_, directory):
        assert directory.login("amina")["status"] == status


def test_referrals_are_followed_nowhere(tmp_path):
    with LdapStandin([person()]) as elsewhere:
        for n, steps in enumerate(([Reference([f"{elsewhere.url}/{PEOPLE}??sub"])], [Done(REFERRAL, referral=[f"{elsewhere.url}/{PEOPLE}"])])):
            with standin(tmp_path / str(n), answer=lambda _, steps=steps: steps, **SHORT) as (_, directory):
                said = directory.login("amina")
                assert said["result"] != "ok" and said["status"] == "unreachable", said
        assert elsewhere.connections == 0


@pytest.mark.parametrize("how", ["hangs", "half", "drips"])
def test_a_slow_answer_ends_in_time(tmp_path, how):
    steps = {"hangs": [Hang()], "half": [Raw(tlv(0x30, b"x" * 300)[:100]), Hang()], "drips": [s for b in tlv(0x30, b"x" * 300) for s in (Raw(bytes([b])), Wait(0.1))]}
    with standin(tmp_path, answer=lambda _: steps[how], **SHORT) as (_, directory):
        said = directory.login("amina")
        assert said["result"] == "timeout" and said["status"] == "unreachable", said
        assert said["us"] < 12_000_000 and said["cpu_us"] < 3_000_000


# ---- whose clock

DAY = 86400


def after(seconds):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))


CLOCKS = {  # slapd's clock is off by so many days: what ends when -> as read, as bound
    "two days ahead": (2, {"ends tomorrow": ({"pwdEndTime": 1}, "ok", "locked_by_passwords"),
                           "began tomorrow": ({"pwdStartTime": 1}, "not_yet_valid", "ok")}),
    "two days behind": (-2, {"ended yesterday": ({"pwdEndTime": -1}, "expired", "ok"),
                             "began yesterday": ({"pwdStartTime": -1}, "ok", "locked_by_passwords")}),
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_times_in_an_entry_go_by_our_clock_and_a_bind_by_the_servers(tmp_path, clock, monkeypatch):
    """Neither can be let in by the other's mistake: a login by national ID asks the entry, one by password both."""
    days, people = CLOCKS[clock]
    entries = [must("/usr/bin/python3", SAMPLE / "generate.py", "--ordinary", "150")]
    for name, (times, _, _) in people.items():
        uid = name.replace(" ", ".")
        entries.append(f"dn: uid={uid},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\nuserPassword: {DEMO_PASSWORD}\n" +
                       "".join(f"{k}: {after(v * DAY)}\n" for k, v in times.items()))
    monkeypatch.setitem(ENVIRONMENT, "LD_PRELOAD", FAKETIME)
    monkeypatch.setitem(ENVIRONMENT, "FAKETIME", f"{days:+d}d")
    with contextlib.ExitStack() as stack:
        server = Slapd(tmp_path / "slapd", people=150).start(ldif="\n".join(entries))
        stack.callback(server.stop)
        directory = stack.enter_context(Asked(tmp_path, READER_PASSWORD, type="openldap", urls=server.url, bind_dn=READER,
                                              people_base=f"ou=people,{SUFFIX}"))
        for name, (_, read, bound) in people.items():
            uid = name.replace(" ", ".")
            assert (directory.login(uid)["status"], directory.bind(uid, DEMO_PASSWORD)["status"]) == (read, bound), name
