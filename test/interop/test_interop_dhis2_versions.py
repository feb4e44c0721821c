"""Is DHIS2's own configuration as `idbridge client add` prints it accepted as it is, by 2.43 and by 2.41? The parser and the
server are the stand-in's, which follow the recordings of both versions: an unknown key drops the whole provider there. Then
the login, a bearer token at /api/me, and the Route with the credential that each version knows.
"""
import base64
import hashlib
import json
import re
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from browser import Browser
from ministry import DEMO_PASSWORD

PERSON, LINK = "8267411571", ("amina.diallo", DEMO_PASSWORD)
SECOND_REDIRECT = "http://127.0.0.1:9/cb"
VERIFIER = "a-code-verifier-of-this-test-0123456789-0123456789"
ROUTE_AUTH = {"2.43": "oauth2-client-credentials", "2.41": "api-headers"}


@pytest.fixture(scope="module", params=["2.43", "2.41"])
def ministry(request, make_ministry):
    return make_ministry(dhis2_version=request.param, client_options=("--redirect-uri", SECOND_REDIRECT))


@pytest.fixture(scope="module")
def signed_in(ministry):
    page = ministry.login(PERSON, link=LINK)
    assert page.url == ministry.dhis2 + "/", (page.url, page.text)
    return page.browser


def test_printed_lines_are_taken_as_they_are(ministry):
    status, shown = ministry.call("GET", ministry.dhis2 + "/api/loginConfig")
    assert status == 200
    provider, = shown["oidcProviders"]
    assert provider["id"] == "bridge" and provider["loginText"] == "Log in with national ID"
    printed = (ministry.folder / "dhis.conf").read_text()
    assert re.search(r"ERROR|unknown", ministry.log("dhis2"), re.I) is None, ministry.log("dhis2")
    assert all(re.fullmatch(r"(#.*|[\w.]+ = \S.*)?", line) for line in printed.splitlines()), printed


def test_login_and_logout(ministry, signed_in):
    me = json.loads(signed_in.get(ministry.dhis2 + "/api/me?fields=username,userRoles[name]").body)
    assert me == {"username": "amina.diallo", "userRoles": [{"name": "Clinic worker"}]}
    leaving = ministry.login(PERSON, link=LINK).browser
    page = leaving.get(ministry.dhis2 + "/dhis-web-commons-security/logout.action")
    assert page.url.startswith(ministry.dhis2), (page.url, page.text)
    assert any(url.startswith(ministry.issuer + "/logout?id_token_hint=") for _, url, _, _ in leaving.hops)


def bearer(ministry):
    """An access token for DHIS2 itself, as its Android app or a script would get it."""
    lines = (ministry.folder / "dhis.conf").read_text().splitlines()
    conf = dict(line.split(" = ", 1) for line in lines if " = " in line and line[0] != "#")
    client_id, secret = conf["oidc.provider.bridge.client_id"], conf["oidc.provider.bridge.client_secret"]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
    start = f"{ministry.issuer}/authorize?" + urlencode({
        "response_type": "code", "client_id": client_id, "redirect_uri": SECOND_REDIRECT, "scope": "openid email", "state": "s",
        "nonce": "n", "code_challenge": challenge, "code_challenge_method": "S256"})
    page = ministry.login(PERSON, link=LINK, start=start, follow=lambda url: not url.startswith(SECOND_REDIRECT))
    code, = parse_qs(urlsplit(page.location).query)["code"]
    basic = base64.b64encode(f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()).decode()
    answer = Browser(headers={"Authorization": "Basic " + basic}).once("POST", ministry.issuer + "/token", form={
        "grant_type": "authorization_code", "code": code, "redirect_uri": SECOND_REDIRECT, "code_verifier": VERIFIER})
    return json.loads(answer.body)["access_token"]


def test_bearer_token(ministry, signed_in):
    token = bearer(ministry)
    status, me = ministry.call("GET", ministry.dhis2 + "/api/me?fields=username", headers={"Authorization": "Bearer " + token})
    assert (status, me) == (200, {"username": "amina.diallo"})
    head, body, signature = token.split(".")
    status, _ = ministry.call("GET", ministry.dhis2 + "/api/me", headers={"Authorization": f"Bearer {head}.{body}.{signature[::-1]}"})
    assert status == 401


def test_route(ministry, signed_in):
    """Each version's own kind of credential; DHIS2 adds who runs it."""
    auth = json.loads((ministry.folder / "route-auth.json").read_text())
    assert auth["type"] == ROUTE_AUTH[ministry.dhis2_version]
    page = signed_in.get(ministry.dhis2 + "/api/routes/national-id/run")
    answer = json.loads(page.body)
    assert page.status == 200 and answer["ready"] is True and answer["user"] == "amina.diallo", page.body


def test_route_key_opens_the_route_and_nothing_else(ministry, signed_in):
    if "route-key" not in ministry.run("client", "list").stdout:
        printed = ministry.run("client", "add", "route-key", "--profile", "route", "--dhis2", "hmis", "--auth-method", "route_key").stdout
        ministry.route_key = json.loads(next(line for line in printed.splitlines() if line[0] == "{"))["headers"]["X-Route-Key"]
    key, ready = ministry.route_key, ministry.issuer + "/verification/ready"
    client_id, secret = key.rsplit(".", 1)

    def ask(*keys, user="amina.diallo", url=ready):
        return ministry.call("GET", url, headers={"X-Forwarded-User": user, **{"X-Route-Key": k for k in keys}})[0]
    assert ask(key) == 200
    assert ask(key, user="nobody.here") == 403
    for wrong in (key[:-1], f"{client_id}.", f"route-verify.{secret}", f"dhis2-login.{secret}", secret, f".{secret}"):
        assert ask(wrong) == 403, wrong
    assert ask() == 403
    assert ask(key, url=ministry.issuer + "/userinfo") == 401
    basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    answer = Browser(headers={"Authorization": "Basic " + basic}).once("POST", ministry.issuer + "/token",
                                                                      form={"grant_type": "client_credentials"})
    assert answer.status == 401, "it is no client secret"
    done = ministry.run("client", "add", "portal-key", "--redirect-uri", SECOND_REDIRECT, "--auth-method", "route_key", check=False)
    assert done.returncode == 1 and "route_key is for --profile route" in done.stderr
