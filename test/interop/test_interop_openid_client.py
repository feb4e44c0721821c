"""Does an application on npm openid-client work with the bridge? Discovery, code flow with PKCE, every client authentication
(its client assertions are made by npm jose in RS256, PS256, ES256), userinfo, refresh with rotation, client credentials and
RP-initiated logout. The library itself checks iss, aud, nonce, at_hash, azp, signature, RFC 9207 iss, and sub of userinfo.
"""
import json

import pytest
from browser import Browser
from interop_node import NodeServer, jose
from ministry import DEMO_PASSWORD, free_ports

PERSON, LINK = "8267411571", ("amina.diallo", DEMO_PASSWORD)
KEYED = {"key-rs": "RS256", "key-ps": "PS256", "key-es": "ES256"}
METHODS = {"basic": "client_secret_basic", "post": "client_secret_post", "public": "none", **dict.fromkeys(KEYED, "private_key_jwt")}
GRANTS = "authorization_code refresh_token"


def register(ministry, folder, name, origin, keys):
    """`idbridge client add`; what openid-client needs to know of it."""
    words, given = [], {}
    if name in KEYED:
        pair = keys[KEYED[name]]
        (folder / f"{name}.json").write_text(json.dumps({"keys": [pair["public"]]}))
        words = ["--jwks", str(folder / f"{name}.json")]
        given = {"jwks": {"keys": [pair["private"]]}}
    if name == "public":
        words = ["--require-pkce"]
    printed = ministry.run("client", "add", f"app-{name}", "--name", f"Portal {name}", "--redirect-uri", f"{origin}/callback",
                           "--post-logout-redirect-uri", f"{origin}/bye", "--auth-method", METHODS[name], "--sso", "silent",
                           "--audience", "https://portal.health.example", *words, "--grant-types",
                           GRANTS + ("" if name == "public" else " client_credentials")).stdout
    secret = next((line.split(" = ")[1] for line in printed.splitlines() if line.startswith("client_secret = ")), None)
    metadata = {"client_id": f"app-{name}", "token_endpoint_auth_method": METHODS[name]}
    if secret:
        metadata["client_secret"] = secret
    if name in KEYED:
        metadata["token_endpoint_auth_signing_alg"] = KEYED[name]
    return {"metadata": metadata, **given}


@pytest.fixture(scope="module")
def setting(make_ministry, tmp_path_factory):
    """(ministry, origin of the application)"""
    folder = tmp_path_factory.mktemp("relying_party")
    ministry = make_ministry()
    port, = free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    keys = dict(zip(KEYED.values(), jose([{"do": "generate", "alg": alg} for alg in KEYED.values()])))
    server = NodeServer("relying_party.mjs", folder, {
        "port": port, "issuer": ministry.issuer,
        "clients": {name: register(ministry, folder, name, origin, keys) for name in METHODS}})
    yield ministry, origin
    server.stop()


def got(page):
    assert page.status == 200, (page.url, page.body[:2000])
    return json.loads(page.body)


def test_discovery(setting):
    ministry, origin = setting
    metadata = got(Browser().get(origin + "/metadata"))
    assert metadata["issuer"] == ministry.issuer
    assert set(METHODS.values()) <= set(metadata["token_endpoint_auth_methods_supported"])
    assert metadata["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize("name", METHODS)
def test_login_userinfo_and_refresh(setting, name):
    ministry, origin = setting
    page = ministry.login(PERSON, link=LINK, start=f"{origin}/login?name={name}")
    came = got(page)
    assert came["claims"]["aud"] == f"app-{name}" and came["claims"]["acr"] and came["params"]["iss"] == ministry.issuer
    assert came["userinfo"]["name"] == came["claims"]["name"] == "Amina Diallo"
    assert came["userinfo"]["preferred_username"] == "amina.diallo"
    after = got(page.browser.get(origin + "/refresh"))
    assert after["tokens"]["refresh_token"] != after["before"]["refresh_token"]
    assert after["claims"]["sub"] == came["claims"]["sub"] == after["userinfo"]["sub"]


def test_used_refresh_token_ends_the_family(setting):
    """After the grace time a refresh token that comes twice revokes what came of the login (RFC 9700 §4.14.2)."""
    ministry, origin = setting
    page = ministry.login(PERSON, link=LINK, start=f"{origin}/login?name=basic")
    first = got(page)["tokens"]["refresh_token"]
    page.browser.get(origin + "/refresh")
    page.browser.get(origin + "/refresh")  # the first one is two generations old now: no lost answer
    reused = page.browser.get(f"{origin}/refresh-again?token={first}")
    assert reused.status == 500 and json.loads(reused.body)["error"] == "invalid_grant"
    dead = page.browser.get(origin + "/refresh")
    assert dead.status == 500 and json.loads(dead.body)["error"] == "invalid_grant"


@pytest.mark.parametrize("name", [name for name in METHODS if name != "public"])
def test_client_credentials(setting, name):
    _, origin = setting
    tokens = got(Browser().get(f"{origin}/machine?name={name}"))
    assert tokens["token_type"] == "Bearer" and "id_token" not in tokens and "refresh_token" not in tokens


def test_silent_second_login_and_logout(setting):
    ministry, origin = setting
    page = ministry.login(PERSON, link=LINK, start=f"{origin}/login?name=basic")
    browser = page.browser
    browser.hops.clear()
    assert got(browser.get(f"{origin}/login?name=post"))["claims"]["aud"] == "app-post"
    assert not [url for _, url, _, _ in browser.hops if url.startswith(ministry.esignet)], "sso=silent asks nobody"
    page = browser.get(f"{origin}/logout?state=s1")
    assert got(page) == {"state": "s1"} and page.url.startswith(origin + "/bye")
    _, url = ministry.to_esignet(browser, f"{origin}/login?name=post")
    assert url.startswith(ministry.esignet), "after the logout the ID provider is asked again"
    dead = browser.get(origin + "/refresh")
    assert dead.status == 500 and json.loads(dead.body)["error"] == "invalid_grant"


def test_logout_without_a_registered_address_ends_on_a_page_with_a_way_back(setting):
    ministry, origin = setting
    page = ministry.login(PERSON, link=LINK, start=f"{origin}/login?name=basic")
    hint = got(page)["tokens"]["id_token"]
    page = page.browser.get(f"{ministry.issuer}/logout?id_token_hint={hint}&post_logout_redirect_uri=https://elsewhere.example/")
    assert page.status == 200 and page.url.startswith(ministry.issuer) and "You may still be signed in at: Portal basic" in page.text
    assert page.html.links == [origin + "/bye"] and "Back to Portal basic" in page.text
