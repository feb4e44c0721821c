"""Is every page of the bridge fit for a small screen, in every language? Headless Chromium at 320 and 1280 pixels: nothing
sticks out, direction and language are right, every field has its label, targets are large enough for a thumb, and the
console stays clean. With IDBRIDGE_SCREENSHOTS=1 the pictures in docs/screenshots/ are made anew.
"""
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from flow_kit import IDS, App, sub_of
from interop_chromium import Chromium
from ministry import DEMO_PASSWORD, PIN

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "screenshots"
LANGUAGES = ("en", "fr", "ar", "pt", "es", "si", "ta", "hi")
PICTURED = {"en": None, "ar": ("link", "refused", "continue"), "fr": ("link",), "si": ("link",), "ta": ("refused",), "hi": ("continue",)}
LONG_NAMES = {"application": "Immunisation-register-of-the-Northern-Province-2026", "provider": "National-Identification-Authority",
              "person": "Kanagaratnam-Wickramasinghe Mudiyanselage Thilakarathna-Bandara", "seconds": "20", "minutes": "15",
              "applications": "Immunisation-register-of-the-Northern-Province-2026, National ID", "ref": "K7QM-3XHT"}
SMALLEST_TARGET = 44
LINK_CHECK = """
    const missing = [...document.querySelectorAll('input:not([type=hidden])')].filter(i => !i.labels.length).map(i => i.name);
    const small = [...document.querySelectorAll('main a, main button, main input:not([type=hidden])')].filter(e =>
        e.getBoundingClientRect().height < arguments[0]).map(e => e.outerHTML.slice(0, 80));
    return {lang: document.documentElement.lang, dir: document.documentElement.dir, h1: document.querySelectorAll('h1').length,
            title: document.querySelector('h1').textContent, missing: missing, small: small, scripts: document.scripts.length}"""


def messages(language):
    return json.loads((ROOT / "broker" / "web" / "messages" / f"{language}.json").read_text())


@pytest.fixture(scope="module")
def ministry(make_ministry):
    other = {"issuer": "https://id.work.example", "client_id": "any", "label": "Staff smart card", "userinfo": "json"}
    ministry = make_ministry(settings={"link": {"tries": "1000", "smtp": "smtp://127.0.0.1:9", "mail_from": "bridge@health.example"},
                                       "directory staff": {"password_login_clients": "clinic"},
                                       "upstream smart-card": other}, client_options=("--upstream", "national-id"))
    ministry.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS["samuel.okoro"]), "--login", "samuel.okoro")
    ministry.run("link", "add", "--upstream", "national-id", "--sub", sub_of(IDS["dina.disabled"]), "--login", "dina.disabled")
    return ministry


@pytest.fixture(scope="module")
def portal(ministry):
    """Its redirect address is a page that shows itself whatever comes with it."""
    return App(ministry, "portal", redirect_uri=ministry.dhis2 + "/login/", name="Health portal", upstream="national-id",
               options=("--sso", "ask"))


@pytest.fixture(scope="module")
def chooser(ministry):
    return App(ministry, "chooser", redirect_uri=ministry.dhis2 + "/login/", name="Stock register", options=("--sso", "ask"))


@pytest.fixture(scope="module")
def clinic(ministry):
    return App(ministry, "clinic", redirect_uri=ministry.dhis2 + "/login/", name="Clinic register", options=("--sso", "ask"))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.stop()


class Walk:
    """One person with one language; look() judges the page that is open."""

    def __init__(self, browser, ministry, language):
        self.browser, self.ministry, self.language = browser, ministry, language
        self.texts, self.english = messages(language), messages("en")
        browser.size(320)
        browser.forget()
        browser.language(language)

    def look(self, name, title):
        assert self.browser.url.startswith(self.ministry.issuer), (name, self.browser.url, self.browser.text)
        for width in (1280, 320):
            self.browser.size(width)
            assert self.browser.overflow() == [], (name, self.language, width)
            if os.environ.get("IDBRIDGE_SCREENSHOTS") == "1":
                self.keep(name, width)
        found = self.browser.driver.execute_script(LINK_CHECK, SMALLEST_TARGET)
        assert found == {"lang": self.language, "dir": "rtl" if self.language == "ar" else "ltr", "h1": 1, "scripts": 0,
                         "title": self.texts[title], "missing": [], "small": []}, (name, found)
        assert self.browser.complaints(self.ministry.issuer) == [], name

    def keep(self, name, width):
        wanted = PICTURED.get(self.language, ())
        if wanted is None or (name in wanted and width == 320):
            PICTURES.mkdir(parents=True, exist_ok=True)
            (PICTURES / f"{name}-{self.language}-{width}.png").write_bytes(self.browser.picture(width))

    def sign_in(self, individual_id):
        assert self.browser.url.startswith(self.ministry.esignet), self.browser.text
        self.browser.fill("#id-PIN", individual_id)
        self.browser.fill("#challenge_pin", PIN)
        self.browser.click("#login-pin button")
        if self.browser.has("button[value=allow_all]"):
            self.browser.click("button[value=allow_all]")


@pytest.fixture(params=LANGUAGES)
def walk(request, chromium, ministry):
    return Walk(chromium, ministry, request.param)


def test_linking_page(walk, portal):
    walk.browser.open(portal.url())
    walk.sign_in(IDS["amina.diallo"])
    walk.look("link", "link.title")
    assert "Amina Diallo" in walk.browser.text and walk.texts["link.told"] in walk.browser.text
    walk.browser.fill("[name=username]", "amina.diallo")
    walk.browser.fill("[name=password]", "wrong")
    walk.browser.click("button.main")
    walk.look("link-wrong", "link.title")
    assert walk.browser.find("[role=alert]").text == walk.texts["link.wrong"]


def test_password_page(walk, clinic):
    """Where the directory's password is a way to sign in: the page that asks which, and the form."""
    walk.browser.open(clinic.url())
    walk.look("choose-password", "choose.title")
    assert walk.texts["password.choice"] in walk.browser.text
    walk.browser.open(clinic.url(upstream="directory:staff"))
    walk.look("password", "password.title")
    walk.browser.fill("[name=username]", "amina.diallo")
    walk.browser.fill("[name=password]", "wrong")
    walk.browser.click("button.main")
    walk.look("password-wrong", "password.title")
    assert walk.browser.find("[role=alert]").text == walk.texts["password.wrong"]


def test_continue_and_logout_pages(walk, portal):
    walk.browser.open(portal.url())
    walk.sign_in(IDS["samuel.okoro"])
    assert walk.browser.url.startswith(portal.redirect_uri), walk.browser.text
    walk.browser.open(portal.url())
    walk.look("continue", "sso.title")
    assert walk.texts["sso.continue"].replace("{person}", "Samuel Okoro") == walk.browser.find("button.main").text
    walk.browser.click("button.main")
    assert walk.browser.url.startswith(portal.redirect_uri), walk.browser.text
    walk.browser.open(walk.ministry.issuer + "/logout")
    walk.look("logout", "logout.title")
    walk.browser.click("button.main")
    walk.look("logged-out", "logout.title")
    walk.browser.open(portal.url())
    assert walk.browser.url.startswith(walk.ministry.esignet), "nobody is signed in any more"


def test_refusal_pages(walk, portal, chooser):
    walk.browser.open(portal.url())
    walk.sign_in(IDS["dina.disabled"])
    walk.look("refused", "error.title")
    assert walk.texts["reason.person_disabled"] in walk.browser.text
    back = walk.browser.find("main a")
    assert back.text == walk.texts["back.link"].replace("{application}", "Health portal")
    assert back.get_property("href") == walk.ministry.dhis2 + "/"
    walk.browser.open(walk.ministry.issuer + "/authorize?client_id=nobody")
    walk.look("unknown-application", "error.title")
    walk.browser.open(walk.ministry.issuer + "/no-such-page")
    walk.look("not-found", "error.title")
    walk.browser.open(chooser.url())
    walk.look("choose", "choose.title")
    walk.browser.forget()
    walk.browser.language(walk.language)
    for app, more in ((portal, {}), (chooser, {"upstream": "national-id"})):
        walk.browser.open(app.url(**more))
    walk.browser.open(f"{walk.ministry.issuer}/callback/national-id?error=access_denied&error_description={quote('any text')}")
    walk.look("several", "error.title")
    assert walk.texts["reason.login_choose.next"] in walk.browser.text
    links = {link.text for link in walk.browser.driver.find_elements("css selector", "main a")}
    assert links == {walk.texts["restart.open"].replace("{application}", name).replace("{minutes}", "1")
                     for name in ("Stock register", "Health portal")}


def test_every_reason_fits(walk):
    """All sentences of the catalogue in their place on the page, with long names in them."""
    walk.browser.open(walk.ministry.issuer + "/no-such-page")
    for key, text in walk.texts.items():
        if not key.startswith("reason.") or key.endswith(".next"):
            continue
        for name, value in LONG_NAMES.items():
            text = text.replace("{%s}" % name, value)
        after = walk.texts[key + ".next"]
        walk.browser.driver.execute_script("const p = document.querySelectorAll('main p'); p[0].textContent = arguments[0]; "
                                           "p[1].textContent = arguments[1]", text, after)
        assert walk.browser.overflow() == [], (walk.language, key)
