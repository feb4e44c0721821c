"""Does the bridge serve the Apache modules that administrators already run? libapache2-mod-auth-openidc as application
(discovery, code flow with PKCE, client secret by header and by body, userinfo, logout) and libapache2-mod-oauth2 as
resource server that verifies our access tokens against our JWKS (profile rfc9068).
"""
import base64
import json
from urllib.parse import quote

import pytest
from browser import Browser
from flow_kit import App
from interop_apache import Apache
from ministry import DEMO_PASSWORD, free_ports

PERSON, LINK = "8267411571", ("amina.diallo", DEMO_PASSWORD)
AUDIENCE = "https://register.health.example"
SEEN = ("sub", "name", "email", "preferred_username", "acr")


@pytest.fixture(scope="module")
def ministry(make_ministry):
    return make_ministry()


def registered(ministry, auth, origin):
    """The client, and the directives by which the module proves to be it. (Debian 12's module crashes on private_key_jwt.)"""
    client_id = "apache-" + auth.replace("_", "-")
    printed = ministry.run("client", "add", client_id, "--name", "Register", "--redirect-uri", f"{origin}/app/redirect", "--sso", "silent",
                           "--post-logout-redirect-uri", f"{origin}/left.txt", "--auth-method", auth).stdout
    secret = next(line.split(" = ")[1] for line in printed.splitlines() if line.startswith("client_secret = "))
    return f"OIDCClientID {client_id}\nOIDCProviderTokenEndpointAuth {auth}\nOIDCClientSecret {secret}"


@pytest.fixture(scope="module", params=["client_secret_basic", "client_secret_post"])
def application(request, ministry):
    """mod_auth_openidc in front of /app/; what it learned stands in headers of the answer."""
    port, = free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    shown = "\n".join(f'Header set X-{name.replace("_", "-")} "%{{OIDC_CLAIM_{name}}}e"' for name in SEEN)
    server = Apache(port, f"""
OIDCProviderMetadataURL {ministry.issuer}/.well-known/openid-configuration
{registered(ministry, request.param, origin)}
OIDCRedirectURI {origin}/app/redirect
OIDCCryptoPassphrase any-passphrase-of-the-test
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCRemoteUserClaim preferred_username
OIDCPassClaimsAs environment
<Location /app/>
    AuthType openid-connect
    Require valid-user
    {shown}
</Location>
""", {"app/page.txt": "the register", "left.txt": "you left"}, ["auth_openidc"])
    yield server
    server.stop()


def test_application_behind_mod_auth_openidc(ministry, application):
    browser = Browser(headers={"Accept": "text/html"})  # without it the module takes the request for a script's: 401
    page = ministry.login(PERSON, link=LINK, browser=browser, start=application.origin + "/app/page.txt")
    assert (page.status, page.body) == (200, "the register"), application.log.read_text()[-3000:]
    assert page.headers["X-name"] == "Amina Diallo" and page.headers["X-preferred-username"] == "amina.diallo"
    assert page.headers["X-sub"] and page.headers["X-acr"]
    browser.hops.clear()
    assert browser.get(application.origin + "/app/page.txt").body == "the register"
    assert len(browser.hops) == 1, "its own session answers"
    page = browser.get(f"{application.origin}/app/redirect?logout={quote(application.origin + '/left.txt', safe='')}")
    assert page.body == "you left", (page.url, page.text)
    assert any(url.startswith(ministry.issuer + "/logout") for _, url, _, _ in browser.hops)
    _, url = ministry.to_esignet(browser, application.origin + "/app/page.txt")
    assert url.startswith(ministry.esignet), "neither the application nor the bridge keeps a session"


@pytest.fixture(scope="module")
def resource(ministry):
    """mod_oauth2 in front of /api/: our JWKS, our issuer, one audience."""
    port, = free_ports(1)
    server = Apache(port, f"""
<Location /api/>
    AuthType oauth2
    OAuth2TokenVerify jwks_uri {ministry.issuer}/jwks jwks_uri.ssl_verify=false
    <RequireAll>
        Require oauth2_claim iss:{ministry.issuer}
        Require oauth2_claim aud:{AUDIENCE}
    </RequireAll>
    Header set X-Sub "%{{OAUTH2_CLAIM_sub}}e"
    Header set X-Client "%{{OAUTH2_CLAIM_client_id}}e"
</Location>
""", {"api/data.txt": "the data"}, ["oauth2"])
    yield server
    server.stop()


def call(resource, token):
    return Browser(headers={"Authorization": "Bearer " + token}).get(resource.origin + "/api/data.txt")


def test_resource_server_behind_mod_oauth2(ministry, resource):
    portal = App(ministry, "caller", grants="authorization_code client_credentials", audience=AUDIENCE)
    of_person = portal.tokens(PERSON, LINK)["access_token"]
    page = call(resource, of_person)
    assert (page.status, page.body) == (200, "the data"), resource.log.read_text()[-3000:]
    claims = json.loads(base64.urlsafe_b64decode(of_person.split(".")[1] + "=="))
    assert page.headers["X-Sub"] == claims["sub"] and page.headers["X-Client"] == "caller"
    _, answer, _ = portal.post({"grant_type": "client_credentials"})
    page = call(resource, answer["access_token"])
    assert (page.status, page.headers["X-Sub"]) == (200, "caller"), "a machine's token: sub is the client (RFC 9068 §2.2)"


def test_resource_server_refuses_what_is_not_for_it(ministry, resource):
    elsewhere = App(ministry, "elsewhere", grants="client_credentials", audience="https://elsewhere.example")
    _, answer, _ = elsewhere.post({"grant_type": "client_credentials"})
    token = answer["access_token"]
    assert call(resource, token).status in (401, 403)
    here = App(ministry, "here", grants="client_credentials", audience=AUDIENCE)
    _, answer, _ = here.post({"grant_type": "client_credentials"})
    head, body, signature = answer["access_token"].split(".")
    assert call(resource, f"{head}.{body}.{signature}").status == 200
    assert call(resource, f"{head}.{token.split('.')[1]}.{signature}").status == 401
    assert call(resource, f"{head}.{body}.{signature[:-8]}AAAAAAAA").status == 401
    assert Browser().get(resource.origin + "/api/data.txt").status == 401


def test_resource_server_follows_a_key_rotation(ministry, resource):
    here = App(ministry, "rotated", grants="client_credentials", audience=AUDIENCE)

    def kid_and_status():
        _, answer, _ = here.post({"grant_type": "client_credentials"})
        head = json.loads(base64.urlsafe_b64decode(answer["access_token"].split(".")[0] + "=="))
        return head["kid"], call(resource, answer["access_token"]).status
    before, status = kid_and_status()
    assert status == 200
    ministry.run("key", "rotate", "--emergency")
    ministry.stop("bridge")
    ministry.start_bridge()
    after, status = kid_and_status()
    assert after != before and status == 200
