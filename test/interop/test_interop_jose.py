"""Do two independent JOSE libraries agree with the bridge? Every kind of token we make is verified, and every kind we accept
is made, by Debian's jose (C) and by npm's jose: id_token, access token of each profile, our client assertions at ID
providers; client assertions of applications, id_tokens and userinfo (signed, encrypted) of ID providers.
"""
import base64
import json

import pytest
from browser import Browser
from flow_kit import App
from interop_jose import ASSERTION_TYPE, LIBRARIES, Debian, Refused, assertion
from interop_small_provider import SmallProvider
from ministry import DEMO_PASSWORD, free_ports

PERSON, LINK = "8267411571", ("amina.diallo", DEMO_PASSWORD)
ALGS = ("RS256", "PS256", "ES256")
USERINFO = {"RS256": ("jwe", "A256GCM"), "PS256": ("jws", None), "ES256": ("jwe", "A128CBC-HS256")}
NAMES = {f"small-{alg.lower()}": alg for alg in ALGS}
by_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
by_alg = pytest.mark.parametrize("alg", ALGS)


@pytest.fixture(scope="module")
def keys():
    return {alg: Debian().generate({"alg": alg, **({"bits": 2048} if alg != "ES256" else {})}) for alg in ALGS}


@pytest.fixture(scope="module")
def ministry(make_ministry, keys):
    """The sample ministry with a provider for each algorithm beside eSignet."""
    port, = free_ports(1)
    names = {name: {"library": None, "alg": alg, "key": keys[alg][0], "jwk": keys[alg][1], "client_id": f"bridge-{name}",
                    "userinfo": USERINFO[alg][0], "enc": USERINFO[alg][1]} for name, alg in NAMES.items()}
    small = SmallProvider(port, names)
    m = make_ministry(settings={f"upstream {name}": {
        "issuer": small.issuer(name), "client_id": p["client_id"], "auth_method": "private_key_jwt", "assertion_alg": p["alg"],
        "assertion_kid": "on", "id_token_algs": p["alg"], "userinfo": p["userinfo"], "userinfo_algs": p["alg"],
        "userinfo_encs": p["enc"]} for name, p in names.items()})
    for name, p in names.items():
        p["registered"] = json.loads(m.run("upstream", "key", name).stdout)
        if p["enc"]:
            p["encrypt_to"] = json.loads(m.run("upstream", "key", "--encryption", name).stdout)
        m.run("link", "add", "--upstream", name, "--sub", "s-1", "--login", "samuel.okoro")
    m.stop("bridge")
    m.start_bridge()
    m.small = small
    yield m
    small.stop()


@pytest.fixture(scope="module")
def portal(ministry):
    return App(ministry, "portal", audience="https://portal.health.example")


@pytest.fixture(scope="module")
def tokens(ministry, portal):
    """{what it is: token}, one of every kind an application gets."""
    hmis = App(ministry, "hmis-login", grants="authorization_code", options=("--sso", "never", "--dhis2", "hmis", "--profile", "dhis2"))
    route = App(ministry, "route-2", grants="client_credentials", options=("--dhis2", "hmis", "--profile", "route"))
    at_hmis = hmis.tokens(PERSON, LINK, upstream="national-id", scope="openid email")
    at_portal = portal.tokens(PERSON, LINK, upstream="national-id")
    status, at_route, _ = route.post({"grant_type": "client_credentials"})
    assert status == 200, at_route
    return {"id_token": at_portal["id_token"], "dhis2 id_token": at_hmis["id_token"], "dhis2 access token": at_hmis["access_token"],
            "rfc9068 access token": at_portal["access_token"], "route token": at_route["access_token"]}


KINDS = {"id_token": ("RS256", "portal"), "dhis2 id_token": ("RS256", "hmis-login"), "dhis2 access token": ("RS256", "hmis-login"),
         "rfc9068 access token": ("ES256", "https://portal.health.example"), "route token": ("ES256", None)}


def published(ministry, kid):
    _, jwks = ministry.call("GET", ministry.issuer + "/jwks")
    return next(key for key in jwks["keys"] if key["kid"] == kid)


def header_of(token):
    part = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@by_library
@pytest.mark.parametrize("kind", KINDS)
def test_our_tokens_verify_elsewhere(ministry, tokens, library, kind):
    token, (alg, audience) = tokens[kind], KINDS[kind]
    header = header_of(token)
    assert header["alg"] == alg and header["typ"] == ("at+jwt" if alg == "ES256" else "JWT")
    claims = library.verify(token, published(ministry, header["kid"]))
    assert claims["iss"] == ministry.issuer
    assert claims["aud"] == (audience or ministry.issuer + "/verification")
    head, body, signature = token.split(".")
    with pytest.raises(Refused):
        library.verify(f"{head}.{body}.{signature[::-1]}", published(ministry, header["kid"]))


@by_library
def test_kids_are_thumbprints(ministry, library):
    """RFC 7638, computed by somebody else."""
    _, jwks = ministry.call("GET", ministry.issuer + "/jwks")
    assert len(jwks["keys"]) >= 2
    assert [library.thumbprint(key) for key in jwks["keys"]] == [key["kid"] for key in jwks["keys"]]


@by_library
@pytest.mark.parametrize("name", NAMES)
def test_provider_tokens_made_elsewhere_sign_in(ministry, portal, library, name):
    """id_token and userinfo of that library, and our client assertion verified by both."""
    ministry.small.names[name]["library"] = library
    page = Browser().get(portal.url(upstream=name), follow=portal.stays)  # the small provider asks nobody anything
    status, answer, _ = portal.redeem(portal.answer(page)["code"])
    assert status == 200, answer
    assert LIBRARIES[0].verify(answer["id_token"], published(ministry, header_of(answer["id_token"])["kid"]))["name"] == "Samuel Okoro"
    form = next(form for provider, form in reversed(ministry.small.forms) if provider == name)
    assert form["client_assertion_type"] == ASSERTION_TYPE
    registered = ministry.small.names[name]["registered"]
    for judge in LIBRARIES:
        claims = judge.verify(form["client_assertion"], registered)
        assert claims["iss"] == claims["sub"] == f"bridge-{name}" and claims["aud"] == ministry.small.issuer(name) + "/token"
        assert judge.thumbprint(registered) == registered["kid"] == header_of(form["client_assertion"])["kid"]


@by_library
@by_alg
def test_client_assertions_made_elsewhere_are_accepted(ministry, keys, tmp_path, library, alg):
    private, public = keys[alg]
    client_id = f"machine-{library.name}-{alg.lower()}"
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public]}))
    machine = App(ministry, client_id, auth="private_key_jwt", grants="client_credentials", jwks=str(tmp_path / "jwks.json"))

    def ask(**changes):
        audience = changes.pop("audience", ministry.issuer + "/token")
        made = assertion(library, client_id, audience, private, alg, **changes)
        return machine.post({"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": made})

    status, answer, _ = ask()
    assert status == 200 and answer["token_type"] == "Bearer", answer
    assert ask(audience=[ministry.issuer])[0] == 200
    for changes in ({"audience": "https://elsewhere.example"}, {"exp": 1}, {"sub": "portal"}, {"jti": None}):
        status, answer, _ = ask(**changes)
        assert (status, answer["error"]) == (401, "invalid_client"), changes
