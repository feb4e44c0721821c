"""Bridge to ID provider, as configured: keys that rotate, three forms of userinfo, three signatures of assertions, several
sections side by side. Issue text: "Discovery, JWKS with rotation, … private_key_jwt (RS256, PS256, ES256) … userinfo as JSON,
as signed JWT, or as JWE of a signed JWT …; two client_ids side by side allow the roll-over eSignet cannot do in place."
"""
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, App, Browser, jwt_parts, links, refusal, sub_of, uid_of, wait_until
from jwcrypto import jwk
from ministry import ACR

LINK = ("amina.diallo", DEMO_PASSWORD)
PASSWORD_ACR = "mosip:idp:acr:password"
FORMS = {"es": {"assertion_alg": "ES256"}, "ps": {"assertion_alg": "PS256"}, "jwe": {"userinfo": "jwe"},
         "plain": {"userinfo": "json"}, "none": {"userinfo": "none"}, "patient": {"jwks_floor": "1h"}, "aged": {"metadata_life": "2s"},
         "strict": {"acr_accept": f"{ACR} {PASSWORD_ACR}", "acr_values": f"{ACR} {PASSWORD_ACR}"}}


def SETTINGS(m):
    usual = m._sections()["upstream national-id"]
    sections = {"upstream " + name: {**usual, "client_id": "bridge-" + name, "label": "ID " + name, "jwks_floor": "1s",
                                     **keys}
                for name, keys in FORMS.items()}
    return {"upstream national-id": {"jwks_floor": "1s"}, **sections}


@pytest.fixture(scope="module")
def world(ministry):
    """Every section registered at eSignet, one application for each."""
    m = ministry
    for name in FORMS:
        m.register_at_esignet("bridge-" + name, name)
    jwk = json.loads(m.run("upstream", "key", "--encryption", "jwe").stdout)
    assert (jwk["alg"], jwk["use"]) == ("RSA-OAEP-256", "enc") and "d" not in jwk
    status, answer = m.call("PATCH", m.esignet + "/v1/esignet/client-mgmt/client/bridge-jwe", {
        "requestTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), "request": {"encPublicKey": jwk, "additionalConfig": {
            "userinfo_response_type": "JWE"}}})
    assert status == 200 and not answer.get("errors"), answer
    m.apps = {name: App(m, "app-" + name, options=("--upstream", name, "--sso", "never")) for name in [*FORMS, "national-id"]}
    wait_until(lambda: not [name for name in FORMS if "no client key" in m.run("doctor", check=False).stdout])
    time.sleep(2.1)  # the running bridge takes in keys made by the command line within two seconds
    return m


def requests_at(m, path):
    return m.call("GET", f"{m.esignet}/__standin/requests?path_prefix={path}")[1]


@pytest.mark.parametrize("name, alg", [("es", "ES256"), ("ps", "PS256"), ("national-id", "RS256")])
def test_client_assertions_of_every_kind(world, name, alg):
    tokens = world.apps[name].tokens(AMINA, LINK)
    assert tokens["id_token"]
    form = requests_at(world, "/v1/esignet/oauth")[-1]["form"]
    sent = form["client_assertion"] if isinstance(form["client_assertion"], str) else form["client_assertion"][0]
    head, claims = jwt_parts(sent)
    assert head["alg"] == alg and len(claims["jti"]) >= 16 and claims["exp"] - claims["iat"] <= 300
    assert claims["iss"] == claims["sub"]


def test_userinfo_as_jwe(world):
    before = len(requests_at(world, "/v1/esignet/oidc/userinfo"))
    assert world.apps["jwe"].tokens(AMINA, LINK)["id_token"]
    assert len(requests_at(world, "/v1/esignet/oidc/userinfo")) == before + 1
    world.control("esignet", "config", {"userinfo": "JWS", "client_id": "bridge-jwe"})  # what is not encrypted is refused
    refusal(world, world.apps["jwe"].login(AMINA, LINK), "upstream_untrusted", 403)
    world.control("esignet", "config", {"userinfo": None, "client_id": "bridge-jwe"})
    assert world.apps["jwe"].tokens(AMINA)["id_token"]


@pytest.mark.parametrize("changes, reason", [({}, None), ({"sub": "somebody-else"}, "upstream_untrusted"), ({"sub": None}, "upstream_untrusted")],
                         ids=["right", "another sub", "no sub"])
def test_userinfo_as_json(world, changes, reason):
    body = {"sub": sub_of(AMINA), "name": "Amina Diallo", "birthdate": "1985-02-15", **changes}
    world.control("esignet", "fault", {"path_prefix": "/v1/esignet/oidc/userinfo", "status": 200, "content_type": "application/json",
                                       "body": json.dumps({k: v for k, v in body.items() if v is not None})})
    page = world.apps["plain"].login(AMINA, LINK)
    if reason is None:
        assert world.apps["plain"].answer(page)["code"]
        headers = dict(requests_at(world, "/v1/esignet/oidc/userinfo")[-1]["headers"])
        assert {name.lower(): value for name, value in headers.items()}["accept"] == "application/json"
    else:
        refusal(world, page, reason, 403)


def test_without_userinfo(world):
    before = len(requests_at(world, "/v1/esignet/oidc/userinfo"))
    assert world.apps["none"].tokens(AMINA, LINK)["id_token"]
    assert len(requests_at(world, "/v1/esignet/oidc/userinfo")) == before


# ---- keys that rotate

def test_a_new_key_at_the_provider_is_found(world):
    app = world.apps["national-id"]
    assert app.tokens(AMINA, LINK)
    time.sleep(1.1)
    world.control("esignet", "rotate", {"key": "oidc"})
    assert app.tokens(AMINA)["id_token"]


def test_a_new_key_under_the_same_kid_is_found_after_the_floor(world):
    """Every eSignet set up on one day has the same kids."""
    app = world.apps["national-id"]
    time.sleep(1.1)
    for key in ("oidc", "userinfo"):
        world.control("esignet", "rotate", {"key": key, "same_kid": True, "keep_old": False})
        time.sleep(1.1)
        assert app.tokens(AMINA, LINK)["id_token"]


def test_a_withdrawn_key_stops_counting(world):
    """OpenID Connect Core §10.1.1: what the provider takes out of its key set is trusted no longer than the copy lives."""
    m = world
    assert m.apps["aged"].tokens(AMINA, LINK)["id_token"] and m.apps["patient"].tokens(AMINA)["id_token"]
    path = urlsplit(m.call("GET", m.esignet + "/.well-known/openid-configuration")[1]["jwks_uri"]).path
    keys = m.call("GET", m.esignet + path)[1]["keys"]
    other = jwk.JWK.generate(kty="RSA", size=2048, kid="somebody-else", use="sig").export_public(as_dict=True)
    m.control("esignet", "fault", {"path_prefix": path, "status": 200, "content_type": "application/json", "times": 0,
                                   "body": json.dumps({"keys": [other]})})
    assert m.call("GET", m.esignet + path)[1]["keys"] != keys
    time.sleep(3.1)  # metadata_life is over, and the second it ended in
    refusal(m, m.apps["aged"].login(AMINA), "upstream_untrusted", 403)
    assert m.apps["patient"].tokens(AMINA)["id_token"]  # its copy lives for hours: the twin that shows what refused
    m.control("esignet", "fault", method="DELETE")
    page = wait_until(lambda: (page := m.apps["aged"].login(AMINA)).location and page)  # jwks_floor is a second
    assert m.apps["aged"].answer(page)["code"]


def test_garbage_does_not_make_us_hammer_the_provider(world):
    app = world.apps["patient"]
    assert app.tokens(AMINA, LINK)
    before = jwks_fetches(world)
    for _ in range(4):
        world.control("esignet", "tamper", {"what": "id_token_unknown_kid"})
        refusal(world, app.login(AMINA), "upstream_untrusted", 403)
    assert jwks_fetches(world) == before


def jwks_fetches(m):
    return len([row for row in requests_at(m, "/") if row["path"].endswith("/jwks.json")])


# ---- several providers, several client_ids

def test_nobody_chooses_between_two_clients_of_one_provider(world):
    """Sections of one issuer are one provider to a person; the page with a choice is for others (test_interop_pages.py)."""
    _, url = world.to_esignet()
    assert parse_qs(urlsplit(url).query)["client_id"] == ["ministry-bridge"]  # the first section
    assert world.login(AMINA, link=LINK).url == world.dhis2 + "/"
    app = App(world, "any", options=("--sso", "never"))
    assert app.answer(app.login(AMINA, upstream="ps"))["code"]  # and an application may name another
    assert requests_at(world, "/authorize")[-1]["query"]["client_id"] in ("bridge-ps", ["bridge-ps"])


def test_a_second_client_id_takes_over_without_a_new_link(world):
    """eSignet cannot exchange a client's key: the new key is a second client_id, and its sub is the same."""
    first = world.apps["national-id"].tokens(AMINA, LINK)
    rows = links(world, "amina.diallo")
    second = world.apps["es"].tokens(AMINA)
    assert jwt_parts(first["id_token"])[1]["sub"] == jwt_parts(second["id_token"])[1]["sub"] == uid_of(world, "amina.diallo")
    assert [(row["iss"], row["sub"]) for row in links(world, "amina.diallo")] == [(row["iss"], row["sub"]) for row in rows]
    listed = world.run("upstream", "list").stdout
    assert f"redirect_uri={world.issuer}/callback/es" in listed and "client_id=bridge-es" in listed
    again = [world.run("upstream", "key", "es").stdout for _ in range(2)]
    world.run("key", "rotate")
    assert again == [world.run("upstream", "key", "es").stdout] * 2  # never touched by the rotation of our own keys


# ---- what is asked for, and what came back

def test_what_is_sent_is_what_is_configured(world):
    _, url = world.to_esignet(start=world.apps["national-id"].url(ui_locales="fr"))
    asked = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
    assert json.loads(asked["claims"])["userinfo"]["name"] == {"essential": True}
    assert (asked["acr_values"], asked["claims_locales"], asked["ui_locales"]) == (ACR, "eng", "fr")
    assert asked["scope"] == "openid profile email" and asked["response_type"] == "code"


@pytest.mark.parametrize("tamper", ["id_token_acr:urn:weaker", "id_token_no_acr"])
def test_a_weaker_acr_is_refused(world, tamper):
    world.control("esignet", "tamper", {"what": tamper})
    refusal(world, world.apps["national-id"].login(AMINA, LINK), "acr_too_low", 403)


def test_an_application_may_ask_for_more(world):
    app = App(world, "careful", options=("--upstream", "strict", "--sso", "never", "--acr-values", PASSWORD_ACR))
    _, url = world.to_esignet(start=app.url())
    assert parse_qs(urlsplit(url).query)["acr_values"] == [PASSWORD_ACR]
    browser, url = world.to_esignet(start=app.url())
    page = browser.get(world.at_esignet(url, AMINA, "Esignet-Demo-1", factor="PWD"), follow=app.stays)
    if page.location is None:
        page = browser.submit(page.form("/link"), username=LINK[0], password=LINK[1], follow=app.stays)
    assert jwt_parts(app.redeem(app.answer(page)["code"])[1]["id_token"])[1]["acr"] == PASSWORD_ACR
    world.control("esignet", "tamper", {"what": f"id_token_acr:{ACR}"})
    browser, url = world.to_esignet(start=app.url())
    refusal(world, browser.get(world.at_esignet(url, AMINA, "Esignet-Demo-1", factor="PWD"), follow=app.stays), "acr_too_low", 403)


def test_claims_kept_with_the_link_reach_the_rules(world):
    """name#eng and the like come out plain; the rule sees them on every later login."""
    world.run("map", "add", "by-claim", "--group", "nurses", "--claim", "gender=Female", "--user-group", "code:EPI")
    told = wait_until(lambda: world.apps["national-id"].tokens(AMINA, LINK) and
                      json.loads(world.run("explain", "--json", "amina.diallo").stdout))
    assert ("group", "EPI") in {(grant["kind"], grant["ref"]) for grant in told["grants"]}
    world.run("map", "remove", "by-claim")
