"""Does a health worker get into DHIS2 in a real browser? Headless Chromium from DHIS2's login button through eSignet's pages
and the linking page into DHIS2; the second login; keyboard alone; cancelling; and no complaint in the browser's console
(Chromium checks form-action on every redirect after the linking form was sent).
"""
import pytest
from interop_chromium import Chromium
from ministry import DEMO_PASSWORD, PIN

LOGIN_BUTTON, ID, CHALLENGE = "#provider-bridge", "#id-PIN", "#challenge_pin"
PIN_BUTTON, ALLOW = "#login-pin button", "button[value=allow_all]"


@pytest.fixture(scope="module")
def ministry(make_ministry):
    return make_ministry()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.stop()


@pytest.fixture
def tablet(ministry, chromium):
    """A small screen nobody used before; at the end the console must be clean."""
    chromium.size(320)
    chromium.forget()
    yield chromium
    assert chromium.complaints(ministry.issuer) == []


def at_esignet(browser, individual_id):
    browser.fill(ID, individual_id)
    browser.fill(CHALLENGE, PIN)
    browser.click(PIN_BUTTON)
    if browser.has(ALLOW):
        browser.click(ALLOW)


def test_first_login_with_linking_then_second_login(ministry, tablet):
    tablet.open(ministry.dhis2 + "/login/")
    tablet.click(LOGIN_BUTTON)
    assert tablet.url.startswith(ministry.esignet)
    at_esignet(tablet, "8267411571")
    assert tablet.url.startswith(ministry.issuer), tablet.text
    tablet.fill("[name=username]", "amina.diallo")
    tablet.fill("[name=password]", "wrong")
    tablet.click("button.main")
    assert tablet.has("[role=alert]") and tablet.find("[name=username]").get_property("value") == "amina.diallo"
    tablet.fill("[name=password]", DEMO_PASSWORD)
    tablet.click("button.main")
    assert tablet.url == ministry.dhis2 + "/", tablet.text
    assert tablet.find("#who").text == "Amina Diallo" and "Clinic worker" in tablet.text
    assert tablet.complaints(ministry.issuer) == []
    tablet.forget()
    tablet.open(ministry.dhis2 + "/login/")
    tablet.click(LOGIN_BUTTON)
    at_esignet(tablet, "8267411571")
    assert tablet.url == ministry.dhis2 + "/" and tablet.find("#who").text == "Amina Diallo"


def test_keyboard_alone(ministry, tablet):
    """Tab, Enter and letters: nothing is clicked, and the focus is seen wherever it goes on our pages."""
    tablet.open(ministry.dhis2 + "/login/")
    tablet.tab_to(LOGIN_BUTTON)
    tablet.enter()
    tablet.tab_to(ID)
    tablet.press("8267411572")
    tablet.tab_to(CHALLENGE)
    tablet.press(PIN)
    tablet.enter()
    if tablet.has(ALLOW):
        tablet.tab_to(ALLOW)
        tablet.enter()
    tablet.tab_to("[name=username]")
    tablet.press("samuel.okoro")
    tablet.tab_to("[name=password]")
    tablet.press(DEMO_PASSWORD)
    tablet.enter()
    assert tablet.url == ministry.dhis2 + "/" and tablet.find("#who").text == "Samuel Okoro", tablet.text
    tablet.tab_to("a[href*=logout]")
    tablet.enter()
    assert tablet.url.startswith(ministry.dhis2)


def test_cancelling_at_esignet_and_starting_again(ministry, tablet):
    tablet.open(ministry.dhis2 + "/login/")
    tablet.click(LOGIN_BUTTON)
    tablet.fill(ID, "8267411573")
    tablet.fill(CHALLENGE, PIN)
    tablet.click(PIN_BUTTON)
    tablet.click("button[value=cancel]")
    assert tablet.url.startswith(ministry.issuer) and "You stopped the sign-in" in tablet.text
    tablet.tab_to("a.main")
    tablet.enter()
    assert tablet.url.startswith(ministry.esignet), "Start again leads to eSignet"


def test_back_button_shows_nothing_typed(ministry, tablet):
    """On a shared tablet the next person pages back: the form is not shown from the cache with what was typed."""
    tablet.open(ministry.dhis2 + "/login/")
    tablet.click(LOGIN_BUTTON)
    at_esignet(tablet, "8267411577")
    tablet.fill("[name=username]", "olga.oldpassword")
    tablet.fill("[name=password]", "wrong")
    tablet.click("button.main")
    tablet.driver.back()
    assert "olga.oldpassword" not in tablet.driver.page_source, "no-store: what was typed is gone"
