"""What a person reads when the account status refuses them: each status has a sentence of its own, in their language. Here
[directory] refuse names every status; by default the last four stop nobody (test_refusals.py)."""
import json
from pathlib import Path

import pytest
from flow_kit import AMINA, IDS, Browser, refusal, sub_of

MESSAGES = Path(__file__).resolve().parents[2] / "broker" / "web" / "messages"
EVERY = "disabled expired not_yet_valid locked_by_admin locked_by_passwords password_expired must_change logon_hours"
SETTINGS = {"directory staff": {"refuse": EVERY, "password_max_age": "90d"}}
REASONS = {"dina.disabled": "person_disabled", "emil.expired": "person_expired", "nora.notyet": "person_not_yet_valid",
           "lars.locked": "person_locked", "paul.badpasswords": "person_locked_by_passwords", "olga.oldpassword": "person_password_expired",
           "mara.mustchange": "person_must_change"}
WITHOUT_PERSON = ("person_logon_hours", "person_unknown", "person_ambiguous", "directory_down")  # other files come to these


def catalogue(language):
    return json.loads((MESSAGES / f"{language}.json").read_text())


@pytest.mark.parametrize("uid", REASONS)
def test_each_status_has_its_own_page_in_each_language(ministry, uid):
    m, reason = ministry, REASONS[uid]
    m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS[uid]), "--login", uid)
    for language in ("en", "fr", "ar"):
        page = m.login(IDS[uid], browser=Browser(headers={"Accept-Language": language}))
        row = refusal(m, page, reason, 403)
        assert row["detail"] == "account status " + row["detail"].rsplit(" ", 1)[1]
        text = catalogue(language)
        assert text[f"reason.{reason}"] in page.text and text[f"reason.{reason}.next"] in page.text, page.text
        assert page.html.lang == language


def test_who_is_in_order_gets_in(ministry):
    m = ministry
    m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(AMINA), "--login", "amina.diallo")
    assert m.login(AMINA).url == m.dhis2 + "/"


@pytest.mark.parametrize("language", sorted(path.stem for path in MESSAGES.glob("*.json")))
def test_no_two_statuses_share_a_sentence(language):
    text = catalogue(language)
    sentences = [text[f"reason.{reason}"] for reason in (*REASONS.values(), *WITHOUT_PERSON)]
    assert len(set(sentences)) == len(sentences)
    assert all(text[f"reason.{reason}.next"].strip() for reason in (*REASONS.values(), *WITHOUT_PERSON))
