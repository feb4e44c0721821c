"""Whatever a broken or hostile ID provider sends, nobody is signed in by it. The changes are the tables of the eSignet
stand-in's tamper.py, every one of them; OpenID Connect Core §3.1.3.7 and §5.3.2, RFC 8725, RFC 9207.

Keys: "no more than one JWKS fetch a minute", for an unknown kid and for a known kid with a bad signature.
"""
import json
import time

import pytest
from attack_kit import Browser, follow, from_provider, link, nothing_happened, portal
from esignet_standin import tamper
from flow_kit import AMINA, refusal, users

PEOPLE = 150
PROVIDER = {"upstream national-id": {"acr_accept": "mosip:idp:acr:static-code"}}
SETTINGS = {**PROVIDER, "listen": {"requests_per_second": 10000}}

UNTRUSTED, DOWN = "upstream_untrusted", "upstream_down"
# What is not refused as untrusted, and why; everything else of the tables is.
REASONS = {
    "id_token_acr": "acr_too_low", "id_token_no_acr": "acr_too_low",
    "token_html": DOWN, "token_oversize": DOWN, "userinfo_oversize": DOWN,
    "callback_state": "bad_request", "callback_no_state": "bad_request", "callback_twice": "bad_request",
    "callback_error": "upstream_error",
}
ACCEPTED = {
    "id_token_iat_old": "the time of issue is old, exp still holds and the nonce is ours",
    "id_token_no_kid": "kid is optional (RFC 7515 §4.1.4): every key that fits the alg is tried",
    "id_token_userinfo_key": "a key of the provider's JWKS signs for the provider; eSignet publishes no alg that would tell them apart",
    "userinfo_oidc_key": "likewise",
    "jwe_no_cty": "cty is a hint (RFC 7519 §5.2); what is inside must be a JWS that verifies",
}
NEEDS_MAX_AGE = {"id_token_auth_time_old"}
VALUES = {"id_token_acr": ":urn:weak", "userinfo_oversize": ":3000000", "token_oversize": ":3000000", "jwe_zip": ":3000000"}
PLAIN = sorted((tamper.KNOWN - set(tamper.JWE_CHANGES) - set(ACCEPTED)) - {"callback_no_iss"})


@pytest.fixture(scope="module")
def app(ministry):
    link(ministry, "amina.diallo", AMINA)
    made = portal(ministry)
    made.signed_in = follow(made, *from_provider(made))  # metadata and keys are known from here on
    assert made.answer(made.signed_in)["code"]
    return made


def ordered(app, name, **changes):
    """The page that the browser ends on when the provider's answer is changed so."""
    browser = Browser()
    if name.startswith("callback_"):
        app.m.control("esignet", "tamper", {"what": name + VALUES.get(name, ""), "times": 1})
        return follow(app, *from_provider(app, browser, **changes))
    browser, callback = from_provider(app, browser, **changes)
    app.m.control("esignet", "tamper", {"what": name + VALUES.get(name, ""), "times": 1})
    return follow(app, browser, callback)


@pytest.mark.parametrize("name", PLAIN)
def test_tampered_answer_signs_nobody_in(app, name):
    m = app.m
    changes = {"max_age": "3600"} if name in NEEDS_MAX_AGE else {}
    with nothing_happened(m):
        page = ordered(app, name, **changes)
        refusal(m, page, REASONS.get(name, UNTRUSTED))
        assert page.location is None and not [c for c in page.headers.get_all("Set-Cookie") or [] if "session=" in c]
    # the twin: the same request and an honest answer
    assert app.answer(follow(app, *from_provider(app, **changes)))["code"]


@pytest.mark.parametrize("name", sorted(set(ACCEPTED) - {"jwe_no_cty"}))
def test_harmless_oddity_is_no_obstacle(app, name):
    assert app.answer(ordered(app, name))["code"]


def test_tampered_answer_makes_no_dhis2_user(ministry, app):
    """The same through DHIS2's own login button: no account is made for a token that does not verify."""
    m, person = ministry, "8267411572"
    link(m, "samuel.okoro", person)
    browser, url = m.to_esignet()
    callback = m.control("esignet", "login", {"url": url, "individualId": person})["location"]
    m.control("esignet", "tamper", {"what": "id_token_bad_signature", "times": 1})
    with nothing_happened(m):
        refusal(m, browser.get(callback), UNTRUSTED)
    assert m.login(person).url == m.dhis2 + "/" and "samuel.okoro" in users(m)


# ---- userinfo as JWE

@pytest.fixture(scope="module")
def encrypted(another_ministry):
    m = another_ministry(settings={"upstream national-id": {"userinfo": "jwe", "userinfo_encs": "A256GCM", "jwks_floor": "2s"}, "listen": SETTINGS["listen"]})
    key = json.loads(m.run("upstream", "key", "--encryption", "national-id").stdout)
    m.control("esignet", "config", {"userinfo": "JWE"})
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    status, answer = m.call("PATCH", m.esignet + "/v1/esignet/client-mgmt/client/ministry-bridge", {
        "requestTime": stamp, "request": {"encPublicKey": key}})
    assert status == 200 and not answer.get("errors"), answer
    m.stop("bridge")
    m.start_bridge()  # the new key is read at the next change of the store; at once this way
    link(m, "amina.diallo", AMINA)
    made = portal(m)
    assert made.answer(follow(made, *from_provider(made)))["code"]
    return made


@pytest.mark.parametrize("name", sorted(set(tamper.JWE_CHANGES) - set(ACCEPTED)))
def test_tampered_jwe_signs_nobody_in(encrypted, name):
    m = encrypted.m
    with nothing_happened(m):
        page = ordered(encrypted, name)
        row = refusal(m, page, UNTRUSTED)
        assert name != "jwe_zip" or "zip" in row["detail"]  # by its header, before anything is unpacked
    assert encrypted.answer(follow(encrypted, *from_provider(encrypted)))["code"]


def test_jwe_without_cty_is_no_obstacle(encrypted):
    assert encrypted.answer(ordered(encrypted, "jwe_no_cty"))["code"]


def test_plain_signed_userinfo_is_refused_where_jwe_is_configured(encrypted):
    m = encrypted.m
    m.control("esignet", "config", {"userinfo": "JWS"})
    with nothing_happened(m):
        refusal(m, follow(encrypted, *from_provider(encrypted)), UNTRUSTED)
    m.control("esignet", "config", {"userinfo": "JWE"})
    assert encrypted.answer(follow(encrypted, *from_provider(encrypted)))["code"]


# ---- how often keys are fetched

def fetches(m):
    return len(m.control("esignet", "requests?path_prefix=/.well-known/jwks.json", method="GET"))


@pytest.mark.parametrize("name", ["id_token_unknown_kid", "id_token_bad_signature", "id_token_foreign_key_same_kid"])
def test_forged_tokens_do_not_hammer_the_jwks(app, name):
    m, before = app.m, fetches(app.m)
    for _ in range(4):
        refusal(m, ordered(app, name), UNTRUSTED)
    assert fetches(m) - before <= 1


def test_new_key_is_found_though_fetches_are_rare(encrypted):
    m, before = encrypted.m, fetches(encrypted.m)
    time.sleep(2.1)  # its jwks_floor is 2 s
    m.control("esignet", "rotate", {"key": "oidc", "same_kid": True, "keep_old": False})  # same kid: the signature tells
    for _ in range(3):
        assert encrypted.answer(follow(encrypted, *from_provider(encrypted)))["code"]
    assert fetches(m) == before + 1
