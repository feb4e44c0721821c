"""Secrets and names go in at every input and come out nowhere: not in the log at its most talkative, not on a page, not in the
metrics, not in a byte of the state folder. What the store must keep of them it keeps sealed or as a hash."""
import base64
import json
import re
import sqlite3
from urllib.parse import quote, urlencode

import pytest
from attack_kit import FORM, Browser, ask, follow, from_provider, link, portal
from flow_kit import AMINA, DEMO_PASSWORD, IDS, claims_of
from slapd import READER_PASSWORD

SETTINGS = {"directory staff": {"grace": "1h"}, "bridge": {"log_level": "debug"}, "listen": {"requests_per_second": 10000},
            "upstream national-id": {"link_claims": "name gender birthdate email phone_number"}}
CANARY = "canary-{}-7f3a9c51"


@pytest.fixture(scope="module")
def told(ministry):
    """Everything secret that passed through the bridge, and everything it answered: (app, {what: text}, answers to strangers,
    answers to the person in question, which may name that person)."""
    m, secrets, answers, own = ministry, {}, [], []
    app = portal(m, redirect_uri="http://127.0.0.1:9/cb")
    secrets.update({"client secret": app.secret, "directory password": DEMO_PASSWORD, "reader's password": READER_PASSWORD,
                    "DHIS2 token": (m.folder / "dhis2.token").read_text().strip(), "national id": IDS["samuel.okoro"],
                    "master key": (m.folder / "master.key").read_text().strip()})
    honest_login(m, app, secrets, own)
    dhis2_login(m, answers)
    attacks(m, app, secrets, answers)
    return app, secrets, answers, own


def honest_login(m, app, secrets, answers):
    """First sign-in with the directory password, code, tokens, refresh, userinfo, logout."""
    browser, callback = from_provider(app, person=IDS["samuel.okoro"])
    secrets["provider's code"], secrets["upstream state"] = re.search(r"code=([^&]+)", callback)[1], re.search(r"state=([^&]+)", callback)[1]
    secrets.update({f"cookie {name}": value for name, value in browser.cookies().items()})
    page = follow(app, browser, callback)
    answers.append(page.body.replace(page.form("/link")["fields"]["state"], ""))
    secrets["form"] = page.form("/link")["fields"]["state"]
    wrong = browser.submit(page.form("/link"), username="samuel.okoro", password=CANARY.format("password"), follow=app.stays)
    secrets["wrong password"] = CANARY.format("password")
    answers.append(wrong.body.replace(wrong.form("/link")["fields"]["state"], ""))
    done = browser.submit(wrong.form("/link"), username="samuel.okoro", password=DEMO_PASSWORD, follow=app.stays)
    secrets["code"] = app.answer(done)["code"]
    secrets["session cookie"] = browser.cookies()["idb-session"]
    status, got, _ = app.redeem(secrets["code"])
    assert status == 200
    status, again, _ = app.refresh(got["refresh_token"])
    assert status == 200
    for n, one in enumerate((got, again)):
        secrets.update({f"{name} {n}": one[name] for name in ("access_token", "id_token", "refresh_token")})
    secrets["verifier"] = app.verifier
    assert claims_of(got["id_token"])["name"] == "Samuel Okoro"
    secrets["name"], secrets["address"] = "Samuel Okoro", "samuel.okoro@health.example"
    secrets["surname"] = "Okoro"
    answers.append(browser.get(f"{m.issuer}/logout?id_token_hint={again['id_token']}", follow=lambda u: False).body)


def dhis2_login(m, answers):
    link(m, "amina.diallo", AMINA)
    assert m.login(AMINA).url == m.dhis2 + "/"
    answers.append(m.call("GET", m.metrics + "/metrics")[1])
    answers.append(m.run("explain", "amina.diallo", check=False).stdout.replace("Amina", ""))


def attacks(m, app, secrets, answers):
    """A canary of its own at every input that a stranger has."""
    def at(where):
        secrets["input " + where] = CANARY.format(where)
        return CANARY.format(where)

    def sent(method, target, headers=(), body=None):
        answers.append(ask(m, method, target, headers, body).text)
    for name in ("client_id", "redirect_uri", "nonce", "scope", "login_hint", "id_token_hint", "request", "code_challenge", "prompt", "state"):
        sent("GET", app.url(**{name: at("authorize-" + name)}).removeprefix(m.issuer))
    sent("GET", "/" + at("path") + "?" + at("query") + "=" + at("value"))
    sent(at("method").upper(), "/token")
    secrets["input method"] = at("method").upper()
    sent("GET", f"/callback/national-id?state={at('callback-state')}&code={at('callback-code')}")
    browser, callback = from_provider(app)
    state = re.search(r"state=([^&]+)", callback)[1]
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies().items())
    sent("GET", f"/callback/national-id?state={state}&error={at('error')}&error_description={at('description')}", [("Cookie", cookies)])
    sent("GET", f"/callback/national-id?state={state}&code={at('wrong-code')}", [("Cookie", cookies)])
    sent("GET", "/logout?" + urlencode({"id_token_hint": at("hint"), "post_logout_redirect_uri": at("logout-uri"), "state": at("logout-state")}))
    sent("GET", "/restart?login=" + at("restart"))
    sent("POST", "/link", [FORM], urlencode({"state": at("link-state"), "username": at("link-user"), "password": at("link-password")}))
    sent("POST", "/continue", [FORM], urlencode({"state": at("sso-state"), "answer": at("sso-answer")}))
    basic = base64.b64encode(f"{at('basic-id')}:{at('basic-secret')}".encode()).decode()
    secrets["Basic header"] = basic
    sent("POST", "/token", [("Authorization", "Basic " + basic), FORM], urlencode({"grant_type": at("grant"), "code": at("token-code")}))
    pair = base64.b64encode(f"{app.client_id}:{quote(at('wrong-secret'))}".encode()).decode()
    sent("POST", "/token", [("Authorization", "Basic " + pair), FORM], "grant_type=authorization_code&code=x")
    body = urlencode({"grant_type": "authorization_code", "client_id": "portal", "client_secret": at("post-secret"), "code_verifier": at("verifier")})
    sent("POST", "/token", [FORM], body)
    claims = base64.urlsafe_b64encode(json.dumps({"sub": at("assertion-sub")}).encode()).decode().rstrip("=")
    sent("POST", "/token", [FORM], urlencode({"client_assertion": f"eyJhbGciOiJub25lIn0.{claims}.", "client_assertion_type": at("assertion-type")}))
    sent("POST", "/token", [("Authorization", app.authorization()["Authorization"]), FORM],
         urlencode({"grant_type": "refresh_token", "refresh_token": at("refresh")}))
    for header in ("Authorization", "Cookie", "X-Forwarded-User", "X-Forwarded-For", "User-Agent", "Referer", "Accept-Language", "Host"):
        value = {"Authorization": "Bearer ", "Cookie": "idb-session="}.get(header, "") + at("header-" + header.lower())
        for target in ("/userinfo", "/logout", "/verification/ready", "/nowhere"):
            sent("GET", target, [(header, value)])


def seen_in(secrets, text):
    """Which of the secrets are in the text, plainly or as a form, base64 or hex would carry them."""
    found = []
    for what, secret in secrets.items():
        raw = secret.encode()
        forms = {secret, quote(secret, safe=""), base64.b64encode(raw).decode().rstrip("="), raw.hex(), json.dumps(secret)[1:-1]}
        if any(form in text for form in forms):
            found.append(what)
    return found


def test_no_secret_is_in_the_log(told):
    app, secrets, *_ = told
    log = app.m.log("bridge")
    assert log.count("\n") > 60 and "event=refused" in log and "event=login" in log
    assert seen_in(secrets, log) == []
    assert seen_in({"x": "portal"}, log) == ["x"]  # the twin: what may be there is found


def test_no_secret_is_on_a_page(told):
    app, secrets, answers, own = told
    assert len(answers) > 50 and len(own) == 3 and any("Ministry of Health" in text for text in answers)
    for text in answers:
        assert seen_in(secrets, text) == [], text[:500]
    for text in own:
        assert set(seen_in(secrets, text)) <= {"name", "surname", "address"}, text[:500]


def state_bytes(m):
    return b"".join(path.read_bytes() for path in sorted((m.folder / "state").rglob("*")) if path.is_file()).decode("latin-1")


def test_no_secret_is_in_the_state_folder(told):
    """With the write-ahead log as it is while the bridge runs, and again when it has ended and begun anew."""
    app, secrets, *_ = told
    m = app.m
    assert seen_in(secrets, state_bytes(m)) == []
    assert m.stop("bridge") == 0
    assert seen_in(secrets, state_bytes(m)) == []
    m.start_bridge()
    stored = state_bytes(m)
    assert app.client_id in stored  # the twin: what is no secret is found as it is
    with sqlite3.connect(f"file:{m.folder / 'state' / 'idbridge.db'}?mode=ro", uri=True) as db:
        assert db.execute("SELECT count(*) FROM person").fetchone()[0] >= 1


def test_a_core_dump_cannot_be_made(told):
    m = told[0].m
    limits = open(f"/proc/{m.processes['bridge'].pid}/limits").read()
    assert re.search(r"Max core file size\s+0\s+0", limits)


def test_command_line_shows_no_secret_twice(told):
    """`client list` and `key list` know hashes and public parts only."""
    app, secrets, *_ = told
    m = app.m
    printed = "".join(m.run(*words).stdout for words in (("client", "list"), ("key", "list"), ("link", "list"), ("upstream", "key", "national-id")))
    assert "portal" in printed and seen_in(secrets, printed) == []
    assert '"d"' not in printed and Browser().get(m.issuer + "/jwks").body.count('"d"') == 0
