"""Does the bridge work with an ID provider that is not eSignet and that nobody here wrote? npm oidc-provider, certified by
the OpenID Foundation, with every way of client authentication the bridge knows, userinfo as JSON, signed, and encrypted, and
RP-initiated logout. Whole logins into DHIS2, with linking.
"""
import json
import re

import pytest
from browser import Browser
from interop_node import NodeServer, jose
from ministry import DEMO_PASSWORD, free_ports

SECRET = "p%:+ /&=~!\"secret"  # what RFC 6749 §2.3.1 asks to be form-urlencoded before base64
PEOPLE = {"ab-1001": {"name": "Amina Diallo", "birthdate": "1988-04-12", "gender": "female", "email": "a@example.org"},
          "ab-1003": {"name": "Mara Jallow", "birthdate": "1990-02-03", "gender": "female", "email": "m@example.org"},
          "ab-1002": {"name": "Samuel Okoro", "birthdate": "1975-01-31", "gender": "male", "email": "s@example.org"}}
# name of the [upstream]: (auth_method, assertion_alg, id_token alg, userinfo, userinfo_algs, enc)
WAYS = {
    "generic-basic": ("client_secret_basic", None, "RS256", "json", None),
    "generic-post": ("client_secret_post", None, "ES256", "json", None),
    "generic-rs": ("private_key_jwt", "RS256", "RS256", "jws", None),
    "generic-ps": ("private_key_jwt", "PS256", "PS256", "jwe", "A256GCM"),
    "generic-es": ("private_key_jwt", "ES256", "ES256", "jwe", "A128CBC-HS256"),
}


def sections(provider, secret_file):
    for name, (auth, assertion, alg, userinfo, enc) in WAYS.items():
        yield f"upstream {name}", {
            "issuer": provider, "client_id": f"client of {name}", "label": f"Provider {name}", "auth_method": auth,
            "client_secret_file": None if assertion else secret_file, "assertion_alg": assertion, "id_token_algs": alg,
            "userinfo": userinfo, "userinfo_algs": alg, "userinfo_encs": enc, "link_claims": "gender", "logout": "on"}


def client(ministry, name):
    """What an administrator registers there; the keys are those that `upstream key` prints."""
    auth, assertion, alg, userinfo, enc = WAYS[name]
    keys = []
    if assertion:
        keys.append(json.loads(ministry.run("upstream", "key", name).stdout))
    if userinfo == "jwe":
        keys.append(json.loads(ministry.run("upstream", "key", "--encryption", name).stdout))
    return {"client_id": f"client of {name}", "redirect_uris": [f"{ministry.issuer}/callback/{name}"],
            "token_endpoint_auth_method": auth, "id_token_signed_response_alg": alg,
            "post_logout_redirect_uris": [f"{ministry.issuer}/logout/done"],
            **({"jwks": {"keys": keys}} if keys else {}), **({} if assertion else {"client_secret": SECRET}),
            **({"token_endpoint_auth_signing_alg": assertion} if assertion else {}),
            **({"userinfo_signed_response_alg": alg} if userinfo != "json" else {}),
            **({"userinfo_encrypted_response_alg": "RSA-OAEP-256", "userinfo_encrypted_response_enc": enc} if enc else {})}


@pytest.fixture(scope="module")
def ministry(make_ministry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("provider")
    (folder / "secret").write_text(SECRET + "\n")
    port, = free_ports(1)
    ministry = make_ministry(settings=dict(sections(f"http://127.0.0.1:{port}", str(folder / "secret"))))
    keys = [made["private"] for made in jose([{"do": "generate", "alg": alg} for alg in ("RS256", "PS256", "ES256")])]
    server = NodeServer("provider.mjs", folder, {"port": port, "signing": keys, "people": PEOPLE,
                                                 "clients": [client(ministry, name) for name in WAYS]})
    ministry.provider, ministry.provider_log = f"http://127.0.0.1:{port}", server.log
    ministry.stop("bridge")
    ministry.start_bridge()  # the client keys were made after it had started
    yield ministry
    server.stop()


def choose(browser, page, name):
    """The page with a choice offers each provider once; another section of it is named in the request."""
    assert any("upstream=generic-" in link for link in page.html.links), page.text[:300]
    return browser.get(f"{page.url}&upstream={name}")


def sign_in(ministry, browser, name, person):
    """DHIS2's button, the page that asks which ID provider, that provider's own pages; ends back at the bridge."""
    page = browser.get(ministry.dhis2 + "/oauth2/authorization/bridge")
    page = choose(browser, page, name)
    while page.url.startswith(ministry.provider):
        page = browser.submit(page.form("/interaction/"), login=person, password="any")
    return page


def me(ministry, browser):
    return json.loads(browser.get(ministry.dhis2 + "/api/me?fields=username,userRoles[name],openId").body)


def test_whole_login_with_linking_by_client_secret_basic(ministry):
    browser = Browser()
    page = sign_in(ministry, browser, "generic-basic", "ab-1001")
    assert page.html.forms[0]["action"] == "/link" and "Provider generic-basic" in page.text
    page = browser.submit(page.form("/link"), username="amina.diallo", password=DEMO_PASSWORD)
    assert page.url.startswith(ministry.dhis2), page.text
    assert me(ministry, browser)["userRoles"] == [{"name": "Clinic worker"}]
    again = Browser()
    page = sign_in(ministry, again, "generic-basic", "ab-1001")  # now without the linking page
    assert page.url.startswith(ministry.dhis2) and me(ministry, again) == me(ministry, browser)


def test_somebody_else_may_sign_in_at_the_linking_page(ministry):
    """The provider remembers the person before; "Not me" makes it ask again."""
    browser = Browser()
    page = sign_in(ministry, browser, "generic-basic", "ab-1003")
    assert "Mara Jallow" in page.text
    other = next(link for link in page.html.links if "other=1" in link)
    page = browser.get(ministry.issuer + other)
    assert page.url.startswith(ministry.provider) and "password" in page.body, (page.url, page.text)
    while page.url.startswith(ministry.provider):  # between the two people it has a page that scripts send on
        form = page.form("")
        page = browser.submit(form, **({"login": "ab-1002", "password": "any"} if "/interaction/" in form["action"] else {}))
    assert "Mara Jallow" not in page.text and ("Samuel Okoro" in page.text or page.url.startswith(ministry.dhis2))


@pytest.mark.parametrize("name", [name for name in WAYS if name != "generic-basic"])
def test_login_by_every_client_authentication_and_kind_of_userinfo(ministry, name):
    """One link serves: the provider's sub is the same for all its clients, and so is the identity."""
    issuer = f"{ministry.provider}"
    if name == "generic-post":
        ministry.run("link", "add", "--upstream", "generic-post", "--sub", "ab-1002", "--login", "samuel.okoro")
    browser = Browser()
    page = sign_in(ministry, browser, name, "ab-1002")
    assert page.url.startswith(ministry.dhis2), (page.url, page.text, ministry.provider_log.read_text())
    assert me(ministry, browser)["userRoles"] == [{"name": "Supervisor"}]
    assert f"{issuer} ab-1002" in ministry.run("link", "list", "samuel.okoro").stdout.replace("  ", " ")


def test_claims_of_userinfo_are_kept_for_the_rules(ministry):
    """gender comes only by userinfo here; link_claims keeps it, so a rule may use it."""
    rule = {"name": "by-claim", "when": {"claims": {"gender": ["male"]}}, "give": {"groups": ["code:HIV-R2"]}}
    ministry.run("map", "add", "--json", "-", text=json.dumps(rule))
    explained = ministry.run("explain", "samuel.okoro").stdout
    assert re.search(r"code:HIV-R2\s+by rule by-claim", explained), explained
    ministry.run("map", "remove", "by-claim")


def test_cancelling_at_the_provider_is_a_page_of_the_bridge(ministry):
    browser = Browser()
    page = browser.get(ministry.dhis2 + "/oauth2/authorization/bridge")
    page = choose(browser, page, "generic-post")
    abort = next(link for link in page.html.links if link.endswith("/abort"))
    page = browser.get(abort if abort.startswith("http") else ministry.provider + abort)
    assert page.status == 403 and page.url.startswith(ministry.issuer)
    assert "You stopped the sign-in at Provider generic-post" in page.text


def test_logout_ends_the_session_at_the_provider_too(ministry):
    browser = Browser()
    assert sign_in(ministry, browser, "generic-rs", "ab-1002").url.startswith(ministry.dhis2)
    page = browser.get(ministry.dhis2 + "/dhis-web-commons-security/logout.action", follow=lambda url: True)
    assert page.url.startswith(ministry.provider + "/session/end"), (page.url, page.text)
    page = browser.submit(page.form("/session/end/confirm"), logout="yes")
    assert page.url.startswith(ministry.dhis2), (page.url, page.text)
    seen = [url.split("?")[0] for _, url, _, _ in browser.hops]
    way = [ministry.issuer + "/logout", ministry.provider + "/session/end", ministry.issuer + "/logout/done"]
    assert [url for url in seen if url in way] == way
    page = browser.get(ministry.dhis2 + "/oauth2/authorization/bridge")
    page = choose(browser, page, "generic-rs")
    assert page.url.startswith(ministry.provider) and "password" in page.body, "the provider asks for the login again"
