"""The list of attacks is whole: every class has a test or a reason, every test and every guard that it names exists, and no
guard of the code is missing from it."""
import re
from pathlib import Path

import attacks
import pytest

TEST = Path(__file__).resolve().parents[2]
BROKER = TEST.parent / "broker"


def place(test):
    """(path, bare name) of a test of the list"""
    file, name = test.split("::")
    folder = TEST if "/" in file else Path(__file__).resolve().parent
    return folder / file, name.split("[")[0]


@pytest.mark.parametrize("name", sorted(attacks.CLASSES))
def test_class_is_covered_or_does_not_apply(name):
    rows = [row.name for row in attacks.ATTACKS if name in row.covers.split("; ")]
    assert bool(rows) != (name in attacks.NOT_APPLICABLE), rows


def test_list_has_all_classes():
    assert sorted(attacks.CVE) == list(range(1, 37)) and len(attacks.RFC9700) == len(set(attacks.RFC9700)) == 23
    named = {name for row in attacks.ATTACKS for name in row.covers.split("; ")}
    assert named <= set(attacks.CLASSES) and set(attacks.NOT_APPLICABLE) <= set(attacks.CLASSES)
    assert all(len(reason) > 20 for reason in attacks.NOT_APPLICABLE.values())


@pytest.mark.parametrize("row", attacks.ATTACKS, ids=lambda row: row.name)
def test_row_has_tests_that_exist(row):
    assert attacks.tests_of(row)
    for test in attacks.tests_of(row):
        path, name = place(test)
        text = path.read_text()
        pattern = rf"(?m)^def {name}\(" if path.suffix == ".py" else rf"(?m)^static void {name}\(void"
        assert re.search(pattern, text), test


def guards_of_the_code():
    found = {}
    for path in sorted(BROKER.rglob("*.c")):
        for name in re.findall(r"\bGUARD\((\w+),", path.read_text()):
            found.setdefault(name, set()).add(path.relative_to(BROKER).as_posix())
    return found


def test_every_guard_of_the_code_is_in_the_list_once():
    listed = [name for row in attacks.ATTACKS for name in row.guards]
    assert sorted(listed) == sorted(set(listed)), "named twice"
    assert set(listed) == set(guards_of_the_code())
    assert all(len(files) == 1 for files in guards_of_the_code().values()), "one guard, one file: mutants compile one"


def test_every_attack_test_is_in_the_list():
    """A test of this folder that no row names is one that nobody would miss."""
    named = {place(test) for row in attacks.ATTACKS for test in attacks.tests_of(row)}
    twins = re.compile(r"works|is_taken|no_obstacle|is_served|may_pause|is_told|gets_a_page|has_no_callback|costs_no_storage|carries|sees_"
                       r"|makes_no_dhis2_user|gives_no_second_code|wrong_method_is_told|shows_no_secret|client_assertion_of_another")
    for path in sorted(Path(__file__).resolve().parent.glob("test_*.py")):
        for name in re.findall(r"(?m)^def (test_\w+)\(", path.read_text()):
            assert path.name == "test_attack_list.py" or (path, name) in named or twins.search(name), f"{path.name}::{name}"


def test_secrets_are_compared_in_constant_time():
    """CVE-2024-25189: nothing that is compared with a hash, a challenge or a secret uses strcmp, memcmp or text_equal."""
    assert "CRYPTO_memcmp" in (BROKER / "base" / "text.c").read_text()
    secret = re.compile(r"(?<!_)\b(?:text_equal|strcmp|memcmp|strncmp)\(([^;]*?)\)")
    words = re.compile(r"secret_hash|code_challenge|\bhash\b|\bmac\b|digest|verifier|password", re.I)
    for path in (p for folder in ("provider", "login", "token", "upstream", "web") for p in sorted((BROKER / folder).glob("*.c"))):
        for found in secret.finditer(path.read_text()):
            allowed = re.search(r'"[^"]*"|NULL', found[1])  # compared with a constant word: a method's name, no secret
            assert allowed or not words.search(found[1]), f"{path.name}: {found[0]}"
