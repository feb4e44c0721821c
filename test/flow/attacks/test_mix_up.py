"""Two ID providers, one of them hostile: nothing it says counts for the other, and nothing it sends makes the bridge call
somebody else (CVE-2026-49283, CVE-2018-0114, CVE-2026-27962, CVE-2026-44699, CVE-2020-10770; RFC 9700 §4.4, RFC 9207)."""
import base64
import json

import pytest
from attack_kit import Browser, ask, follow, from_provider, link, nothing_happened, portal, raw, to_provider
from flow_kit import AMINA, links, refusal, sub_of
from hostile_provider import Hostile
from jwcrypto import jwk, jws

OTHER = "other"
OTHER_SECTION = "upstream " + OTHER


@pytest.fixture(scope="module")
def scene(another_ministry):
    with Hostile() as evil:
        m = another_ministry(settings={OTHER_SECTION: evil.settings(id_token_algs="RS256 HS256"), "listen": {"requests_per_second": 10000}})
        link(m, "amina.diallo", AMINA)
        yield m, portal(m), evil


def restart(m):
    assert m.stop("bridge") == 0
    m.start_bridge()


@pytest.fixture
def evil(scene):
    m, app, evil = scene
    kept = dict(evil.__dict__)
    yield evil
    moved = evil.kid != kept["kid"]
    evil.__dict__.update(kept)
    if moved:
        restart(m)  # it holds the key set with the other kid and would not fetch again within a minute


def at_other(app, browser=None, **changes):
    """(browser, the hostile provider's authorize URL)"""
    browser = browser or Browser()
    page = browser.get(app.url(upstream=OTHER, **changes), follow=lambda url: False)
    assert page.location, f"{page.status} {page.text[:300]}"
    return browser, page.location


def signed_in_at_other(app, evil, **changes):
    browser, url = at_other(app)
    return browser.get(evil.answer(url, **changes), follow=app.stays)


def honest(app):
    assert app.answer(follow(app, *from_provider(app, upstream="national-id")))["code"]


def asked_to_link(page):
    """What an honest answer of the other provider leads to: its person is linked to nobody yet."""
    return page.status == 200 and "/link" in [form["action"] for form in page.html.forms]


def test_the_other_provider_works_when_it_is_honest(scene, evil):
    m, app, _ = scene
    assert asked_to_link(signed_in_at_other(app, evil))
    honest(app)


def test_answer_at_another_providers_address_is_refused(scene, evil):
    """RFC 9700 §4.4.2: one redirect URI per provider, and the state knows which."""
    m, app, _ = scene
    browser, url = at_other(app)
    with nothing_happened(m):
        moved = evil.answer(url).replace("/callback/" + OTHER, "/callback/national-id")
        refusal(m, browser.get(moved, follow=app.stays), "upstream_untrusted")
        browser, callback = from_provider(app, upstream="national-id")
        moved = callback.replace("/callback/national-id", "/callback/" + OTHER)
        refusal(m, browser.get(moved, follow=app.stays), "upstream_untrusted")
    honest(app)


def test_code_of_the_honest_provider_never_reaches_the_hostile_one(scene, evil):
    m, app, _ = scene
    before = len(evil.paths)
    browser, callback = from_provider(app, upstream="national-id")
    browser.get(callback.replace("/callback/national-id", "/callback/" + OTHER), follow=app.stays)
    assert "/token" not in evil.paths[before:]
    assert asked_to_link(signed_in_at_other(app, evil)) and "/token" in evil.paths[before:]


@pytest.mark.parametrize("iss", ["honest", "nonsense", None])
def test_iss_of_the_answer_is_checked(scene, evil, iss):
    """RFC 9207 §2.4, also for a provider that announces iss and leaves it out."""
    m, app, _ = scene
    evil.change_metadata = lambda honest: {**honest, "authorization_response_iss_parameter_supported": True}
    restart(m)
    with nothing_happened(m):
        refusal(m, signed_in_at_other(app, evil, iss={"honest": m.esignet, None: None}.get(iss, iss)), "upstream_untrusted")
    assert asked_to_link(signed_in_at_other(app, evil, iss=evil.issuer))


def test_token_that_names_another_issuer_is_refused(scene, evil):
    """Signed rightly by a provider that is trusted for itself only, under a kid that both providers use."""
    m, app, _ = scene
    kid = m.call("GET", m.esignet + "/.well-known/jwks.json")[1]["keys"][0]["kid"]
    evil.kid = kid
    restart(m)
    evil.change_claims = lambda c: {**c, "iss": m.esignet, "sub": sub_of(AMINA), "aud": "ministry-bridge"}
    with nothing_happened(m):
        refusal(m, signed_in_at_other(app, evil), "upstream_untrusted")
    evil.change_claims = lambda c: {**c, "iss": m.esignet, "sub": sub_of(AMINA)}
    with nothing_happened(m):
        refusal(m, signed_in_at_other(app, evil), "upstream_untrusted")
    evil.change_claims = lambda c: c
    assert asked_to_link(signed_in_at_other(app, evil))
    honest(app)


def test_same_sub_or_email_at_another_provider_is_another_person(scene, evil):
    """CVE-2026-9087, CVE-2025-7365, CVE-2026-56223: a link is (iss, sub), never an address or a sub alone."""
    m, app, _ = scene
    before = links(m)
    evil.change_claims = lambda c: {**c, "sub": sub_of(AMINA), "email": "amina.diallo@health.example", "email_verified": True}
    page = signed_in_at_other(app, evil)
    assert asked_to_link(page) and links(m) == before
    honest(app)


@pytest.mark.parametrize("linked", [True, False])
def test_replayed_callback_is_refused_though_the_provider_takes_the_code_twice(scene, evil, linked):
    """The bridge uses up its state itself, at the code and at the form that links."""
    m, app, _ = scene
    sub = "replayed-" + str(linked)
    evil.change_claims = lambda c: {**c, "sub": sub}
    if linked:
        m.run("link", "add", "--upstream", OTHER, "--sub", sub, "--login", "samuel.okoro")
    browser, url = at_other(app)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies().items())
    callback = evil.answer(url)
    page = browser.get(callback, follow=app.stays)
    assert app.answer(page)["code"] if linked else asked_to_link(page)
    with nothing_happened(m):
        got = ask(m, "GET", callback[len(m.issuer):], [("Cookie", cookies)])
        assert got.status >= 400 and b"password" not in got.body and got.get("Location") is None


@pytest.mark.parametrize("sub", ["s" * 256, "s" * 3000, "", "a b", "a\u00e9"])
def test_sub_that_no_store_should_hold_is_refused(scene, evil, sub):
    """OpenID Connect Core §2: at most 255 ASCII characters, even where userinfo says the same."""
    m, app, _ = scene
    evil.change_claims = lambda c: {**c, "sub": sub}
    with nothing_happened(m):
        refusal(m, signed_in_at_other(app, evil), "upstream_untrusted")
    evil.change_claims = lambda c: {**c, "sub": "s" * 255}
    assert asked_to_link(signed_in_at_other(app, evil))


def test_userinfo_of_another_media_type_is_refused(scene, evil):
    """What comes under another type than the configured one is an error page or a trick, never claims."""
    m, app, _ = scene
    for kind in ("text/html", "text/plain", "application/jwt"):
        evil.userinfo_type = kind
        with nothing_happened(m):
            refusal(m, signed_in_at_other(app, evil), "upstream_untrusted")
    evil.userinfo_type = "application/json; charset=utf-8"
    assert asked_to_link(signed_in_at_other(app, evil))


# ---- metadata and keys

@pytest.mark.parametrize("name, change", [
    ("issuer", lambda m, h: {**h, "issuer": m.esignet}),
    ("token_endpoint", lambda m, h: {**h, "token_endpoint": "http://10.0.0.1/token"}),
    ("jwks_uri", lambda m, h: {**h, "jwks_uri": "http://169.254.169.254/latest/meta-data"}),
    ("authorization_endpoint", lambda m, h: {**h, "authorization_endpoint": "javascript:alert(1)"}),
    ("jwks_uri", lambda m, h: {**h, "jwks_uri": "file:///etc/passwd"}),
])
def test_metadata_that_points_elsewhere_is_refused(scene, evil, name, change):
    """OpenID Connect Discovery §4.3 for issuer; https, or loopback as the issuer itself, for every endpoint."""
    m, app, _ = scene
    evil.change_metadata = lambda h: change(m, h)
    restart(m)
    with nothing_happened(m):
        refusal(m, Browser().get(app.url(upstream=OTHER), follow=lambda url: False), "upstream_down")
    evil.change_metadata = lambda h: h
    assert asked_to_link(signed_in_at_other(app, evil))


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")




def test_hmac_with_a_published_key_is_refused(scene, evil):
    """CVE-2026-44699, CVE-2022-29217: even where an administrator listed HS256, an RSA key or a secret that was published
    beside public keys is no HMAC secret."""
    m, app, _ = scene
    secret = b"s" * 32
    evil.kid = "evil-2"
    evil.change_keys = lambda h: {"keys": [*h["keys"], {"kty": "oct", "kid": "published", "k": b64(secret)}]}
    restart(m)
    assert 'key=id_token_algs alg=HS256 why="a provider\'s keys are public' in m.log("bridge")  # and who listed it is told
    for kid, key in (("published", secret), ("evil-2", evil.key.export_to_pem())):
        evil.sign = lambda claims, header=None, kid=kid, key=key: _hs256(claims, kid, key)
        with nothing_happened(m):
            refusal(m, signed_in_at_other(app, evil), "upstream_untrusted")
    del evil.sign
    assert asked_to_link(signed_in_at_other(app, evil))


def _hs256(claims, kid, key):
    token = jws.JWS(json.dumps(claims).encode())
    token.add_signature(jwk.JWK(kty="oct", k=b64(key)), None, json.dumps({"alg": "HS256", "kid": kid}))
    return token.serialize(compact=True)


@pytest.mark.parametrize("member", ["jku", "x5u"])
def test_key_address_in_a_token_is_never_fetched(scene, evil, member):
    m, app, _ = scene
    evil.change_header = lambda h: {**h, member: evil.issuer + "/planted"}
    with nothing_happened(m):
        refusal(m, signed_in_at_other(app, evil), "upstream_untrusted")
    assert "/planted" not in evil.paths
    evil.change_header = lambda h: h
    assert asked_to_link(signed_in_at_other(app, evil))


def test_request_uri_is_never_fetched(scene, evil):
    """CVE-2020-10770, CVE-2023-44469."""
    m, app, _ = scene
    for name in ("request_uri", "jwks_uri", "logo_uri", "sector_identifier_uri", "request"):
        page = Browser().get(app.url(upstream=OTHER, **{name: evil.issuer + "/ssrf"}), follow=lambda url: False)
        if name in ("request", "request_uri"):
            assert app.answer(page)["error"] == name + "_not_supported"
        else:
            assert page.location.startswith(evil.issuer + "/authorize"), "unknown parameters are ignored (RFC 6749 §3.1)"
    assert "/ssrf" not in evil.paths


def test_unknown_provider_has_no_callback(scene):
    m, app, _ = scene
    assert raw(m, b"GET /callback/nobody?code=x&state=y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").status == 404
    browser, url = to_provider(app, upstream="national-id")
    assert url.startswith(m.esignet)
