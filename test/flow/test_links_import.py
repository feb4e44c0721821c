"""`idbridge link import` and `link list`: many links at once, out of what administrators have; all lines or none.

Each line that cannot be linked is told with its number and reason; what `link list --csv` prints, `import` reads again.
"""
import json
import time

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, IDS, links, sub_of
from slapd import SUFFIX

PEOPLE = 2000
MANY = 1500
SETTINGS = {"directory staff": {"attributes": "departmentNumber title employeeType employeeNumber"}}


def import_(m, text, *options, check=False):
    return m.run("link", "import", *options, "-", check=check, text=text)


def everybody(m):
    found = m.slapd.search("(uid=*)", "uid", "employeeNumber", base=f"ou=people,{SUFFIX}")
    return {e["uid"][0]: e.get("employeeNumber", [None])[0] for e in found}


@pytest.fixture(autouse=True)
def no_links_left(ministry):
    yield
    for row in links(ministry):
        if row["upstream"] == "national-id" and row["by"] in ("import", "admin"):
            if len(links(ministry)) > 50:  # a test of many: one by one would take minutes
                return
            ministry.run("link", "remove", row["iss"], row["sub"])


def test_csv_as_a_spreadsheet_saves_it(ministry):
    """Semicolons, a byte order mark, CRLF, quotes, columns nobody asked for, a login name in other letters."""
    m = ministry
    text = ('\ufeffsub;login;"full; name"\r\n'
            f'{sub_of(AMINA)};AMINA.Diallo;"Diallo; Amina ""A"""\r\n'
            f'"{sub_of(IDS["samuel.okoro"])}";samuel.okoro;\r\n\r\n')
    done = import_(m, text, "--upstream", "national-id")
    assert done.returncode == 0 and done.stdout == "2 linked, 0 there already\n", done
    assert done.stderr == "column not used: full; name\n"
    assert [r["by"] for r in links(m, "amina.diallo")] == ["import"]
    assert m.login(AMINA).url == m.dhis2 + "/"
    told = m.run("explain", "amina.diallo").stdout
    assert "by an administrator, out of a file" in told and "link.import by cli uid=" in told
    again = import_(m, text, "--upstream", "national-id")
    assert again.returncode == 0 and again.stdout == "0 linked, 2 there already\n"


def test_json_lines_and_an_employee_number(ministry):
    m = ministry
    number = everybody(m)["nimal.perera"]
    rows = [{"iss": m.esignet, "sub": "one", "employeeNumber": number}, {"upstream": "national-id", "sub": "two", "login": "mara.mustchange", "state": "pending"}]
    text = "\n".join(map(json.dumps, rows)) + "\n"
    refused = import_(m, text)
    assert refused.returncode == 1 and "-:1: whose it is must stand in one column: login, person_key" in refused.stderr
    done = import_(m, text, "--by", "employeeNumber")
    assert done.returncode == 0, done
    assert links(m, "nimal.perera")[0]["sub"] == "one" and links(m, "mara.mustchange")[0]["state"] == "pending"
    assert import_(m, text, "--by", "mail").stderr == "idbridge: --by: [directory staff] attributes does not list mail\n"


def test_each_line_that_cannot_be_is_told_and_nothing_is_written(ministry):
    m = ministry
    m.run("link", "add", "--upstream", "national-id", "--sub", "taken-identity", "--login", "abebe.bekele")
    before = links(m)
    lines = [("good", "national-id", "nimal.perera", ""), ("a", "national-id", "nobody.here", ""), ("good", "national-id", "fatima.zahra", ""),
             ("", "national-id", "fatima.zahra", ""), ("b", "nowhere", "fatima.zahra", ""), ("taken-identity", "national-id", "fatima.zahra", ""),
             ("c", "national-id", "abebe.bekele", ""), ("d", "national-id", "nimal.perera", ""), ("e" * 256, "national-id", "fatima.zahra", ""),
             ("f", "national-id", "fatima.zahra", before[0]["person"]), ("g", "national-id", "*", ""), ("h", "national-id", "", "")]
    text = "sub,upstream,login,person_id\n" + "".join(",".join(line) + "\n" for line in lines)
    for options in (("--dry-run",), ()):
        done = import_(m, text, *options)
        assert done.returncode == 1 and done.stdout == "", done
        assert done.stderr.splitlines() == [
            "-:3: the directory has no entry for that login name", "-:4: the same identity as line 2",
            "-:5: no sub",
            "-:6: no ID provider: a column upstream or iss, or --upstream, must name a configured one",
            "-:7: the identity is linked to another entry: see `link list`, `link move`",
            "-:8: the entry is linked to another identity already", "-:9: the entry is linked to another identity already",
            "-:10: sub is longer than 255 characters",
            "-:11: that person is linked to another entry: `link move --same-person` takes them along",
            "-:12: the directory has no entry for that login name",
            "-:13: whose it is must stand in one column: login, person_key",
            "idbridge: 11 lines cannot be linked: nothing was written"]
        assert links(m) == before
    for sub, person_id, why in (("a\tb", "", "a control character"), ("ok", "<script>", "more than letters"), ("ok", "x" * 65, "longer than 64")):
        done = import_(m, f"sub,person_id,login\n{sub},{person_id},nimal.perera\n", "--upstream", "national-id")
        assert done.returncode == 1 and why in done.stderr, done
    done = import_(m, "sub,upstream,login\nabebes-entry,directory:staff,nimal.perera\n")  # who knows its password
    assert done.returncode == 1 and "another entry itself" in done.stderr
    done = import_(m, "sub,upstream,login\ngood,national-id,nimal.perera\n", "--dry-run")
    assert done.returncode == 0 and done.stdout == "1 linked, 0 there already (dry run: nothing was written)\n" and links(m) == before


@pytest.mark.parametrize("text,why", [
    ('sub,login\n"open,x\n', "a quote is not closed"), ('sub,login\na"b,x\n', "line 2:"), ("sub,login\na,b,c\n", "line 2:"),
    ('{"sub": 1}\n', "line 1: a member is no text"), ('{"sub": "a"}\n[1]\n', "line 2: no JSON object"), ('{"sub": "a"\n', "line 1:"),
    ("sub,login\n" + "x" * 5000 + ",y\n", "line 2: a field is too long")])
def test_a_file_that_is_none(ministry, text, why):
    done = import_(ministry, text, "--upstream", "national-id")
    assert done.returncode == 1 and why in done.stderr and not links(ministry), done


def test_two_entries_of_one_number_name_nobody(ministry):
    m = ministry
    numbers = everybody(m)
    assert numbers["twin.one"] == numbers["twin.two"]
    done = import_(m, f"sub,employeeNumber\nx,{numbers['twin.one']}\n", "--upstream", "national-id", "--by", "employeeNumber")
    assert done.returncode == 1 and "-:2: the directory has several entries with that employeeNumber" in done.stderr


def test_no_directory_no_links_and_none_taken_for_gone(ministry):
    m = ministry
    m.run("link", "add", "--upstream", "national-id", "--sub", "x", "--login", "abebe.bekele")
    m.slapd.stop()
    try:
        done = import_(m, "sub,login\na,nimal.perera\n", "--upstream", "national-id")
        assert done.returncode == 1 and "linked" not in done.stdout, done
        done = m.run("link", "list", "--dangling", check=False)
        assert done.returncode == 1 and done.stdout == "", done
    finally:
        m.slapd.start()
    assert len(links(m)) == 1


def test_what_list_prints_import_reads_again(make_ministry):
    """Two identities of one person, one of them waiting; and the person ids, for they are the accounts in DHIS2."""
    m = make_ministry()
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    m.run("link", "add", "--upstream", "national-id", "--sub", 'second, "identity"', "--login", "amina.diallo")
    m.run("link", "add", "--upstream", "national-id", "--sub", "samuel", "--login", "samuel.okoro")
    kept, before = m.run("link", "list", "--csv").stdout, links(m)
    assert len(kept.splitlines()) == 4 and '"second, ""identity"""' in kept
    (m.folder / "links.csv").write_text(kept)
    assert m.run("link", "import", "links.csv").stdout == "0 linked, 3 there already\n"
    m.stop("bridge")
    (m.folder / "state").rename(m.folder / "state.old")  # a store made anew
    (m.folder / "state").mkdir(mode=0o700)
    (m.folder / "master.key").rename(m.folder / "master.old")
    m.run("init")
    assert not links(m)
    assert m.run("link", "import", "links.csv").stdout == "3 linked, 0 there already\n"
    assert [(r["sub"], r["person"], r["key"], r["state"]) for r in links(m)] == [(r["sub"], r["person"], r["key"], r["state"]) for r in before]


def test_many_lines_in_a_short_time(ministry):
    m = ministry
    people = sorted(uid for uid in everybody(m) if not uid.startswith("twin") and "'" not in uid)[-MANY:]
    text = "sub,login\n" + "".join(f"sub-of-{n},{uid}\n" for n, uid in enumerate(people))
    start = time.monotonic()
    done = import_(m, text, "--upstream", "national-id")
    took = time.monotonic() - start
    assert done.stdout == f"{len(people)} linked, 0 there already\n", done.stderr[:500]
    assert took < 40, f"{took:.1f} s for {len(people)} lines"
    assert len(m.run("link", "list", "--upstream", "national-id").stdout.splitlines()) == len(people)
    assert m.run("link", "list", "--dangling").stdout == ""
    assert m.run("audit", "verify").returncode == 0
    print(f"{len(people)} lines in {took:.1f} s")
