"""Facts about the authorize page, authentication, consent and the redirect back."""
import pytest

from rig import PIN_ACR, query_of
from ui_session import Refused, UiSession, request_of
from walk import Browser, Forms, WalkError, walk

ME, PIN = "8267411571", "111111"
OTP_ACR, PWD_ACR = "mosip:idp:acr:generated-code", "mosip:idp:acr:password"
fact = pytest.mark.fact


def page(rig, url):
    return rig.http("GET", url[len(rig.issuer):])


def code_on_page(rig, url):
    """The error code that the authorize page shows; None for a login page."""
    answer = page(rig, url)
    assert answer.status == 200 and "Location" not in answer.headers
    shown = Forms(answer.text)
    assert shown.code or shown.forms
    return shown.code


def kinds(rig, app, **changes):
    """The login forms a request is offered."""
    shown = Forms(page(rig, app.url(**changes)).text)
    return [form["id"] for form in shown.forms]


def refusal(rig, request):
    with pytest.raises(Refused) as caught:
        UiSession(rig).details(request)
    return caught.value.codes[0]


@fact("esignet.authorize.errors-stay")
def test_errors_stay(rig, app):
    rows = [
        ({"client_id": "nobody"}, "invalid_client_id"), ({"client_id": None}, "invalid_client_id"),
        ({"redirect_uri": "http://localhost:9999/other"}, "invalid_redirect_uri"),
        ({"scope": "profile"}, "invalid_scope"), ({"response_type": "token"}, "invalid_response_type"),
        ({"display": "hologram"}, "invalid_display"), ({"prompt": "maybe"}, "invalid_prompt"),
        ({"claims": "{not json"}, "parsing_error_msg"),
    ]
    for changes, code in rows:
        assert code_on_page(rig, app.url(**changes)) == code, changes


@fact("esignet.authorize.scope")
def test_scope(rig, app):
    assert code_on_page(rig, app.url(scope="openid unheard-of")) is None
    assert code_on_page(rig, app.url(scope="unheard-of")) == "invalid_scope"
    assert code_on_page(rig, app.url(scope="email Manage-VID")) == "invalid_scope"
    assert code_on_page(rig, app.url(scope="Manage-VID")) is None


@fact("esignet.authorize.redirect-exact")
def test_redirect_uri(rig, app):
    assert code_on_page(rig, app.url(redirect_uri=app.redirect_uri + "?x=1")) == "invalid_redirect_uri"
    wild = rig.register(redirectUris=["https://bridge.gov.sl/cb/*"])
    for uri, code in (("/cb/a", None), ("/cb/a?x=1", None), ("/cb/a/b", "invalid_redirect_uri"), ("/cb", "invalid_redirect_uri")):
        assert code_on_page(rig, wild.url(redirect_uri="https://bridge.gov.sl" + uri)) == code, uri


@fact("esignet.authorize.nonce-once")
def test_nonce_once(rig, app):
    other = rig.register()
    assert code_on_page(rig, app.url(nonce="n1")) is None
    assert code_on_page(rig, other.url(nonce="n1")) == "invalid_request"
    rig.control("clock", {"offset_s": 86401})
    assert code_on_page(rig, app.url(nonce="n1")) is None


@fact("esignet.authorize.nonce-optional")
def test_nonce_optional(rig, app):
    query = query_of(walk(app.url(nonce=None, state=None), ME, PIN))
    assert set(query) == {"code", "iss"}
    assert "nonce" not in rig.verify(app.token(query["code"]).json()["id_token"], 0, "PS256")


@fact("esignet.authorize.pkce")
def test_pkce(rig, app):
    assert code_on_page(rig, app.url(code_challenge="x" * 43)) == "invalid_pkce_challenge"
    plain = app.url(code_challenge="x" * 43, code_challenge_method="plain")
    assert code_on_page(rig, plain) == "unsupported_pkce_challenge_method"


@fact("esignet.authorize.pkce-required")
def test_pkce_required(rig):
    app = rig.register(additionalConfig={"require_pkce": True})
    assert code_on_page(rig, app.url()) == "use_pkce"


@fact("esignet.authorize.acr-widened")
@fact("esignet.idtoken.acr-used")
def test_acr_widened(rig, app):
    everything = ["login-pin", "login-otp", "login-pwd"]
    assert kinds(rig, app, acr_values="urn:unknown:high") == everything == kinds(rig, app)
    url = app.url(acr_values="urn:unknown:high")
    code = query_of(walk(url, ME, "111111", factor="OTP"))["code"]
    assert rig.verify(app.token(code).json()["id_token"], 0, "PS256")["acr"] == OTP_ACR


@fact("esignet.authorize.acr-order")
def test_acr_order(rig, app):
    assert kinds(rig, app, acr_values="%s x %s" % (PWD_ACR, PIN_ACR)) == ["login-pwd", "login-pin"]
    claims = {"id_token": {"acr": {"values": [OTP_ACR]}}}
    assert kinds(rig, app, acr_values=PIN_ACR, claims=claims) == ["login-otp"]


@fact("esignet.authorize.acr-value")
def test_acr_value(rig, app):
    claims = {"id_token": {"acr": {"value": PIN_ACR}}}
    assert code_on_page(rig, app.url(claims=claims)) == "unknown_error"


@fact("esignet.authorize.claims-schema")
def test_claims_schema(rig, app):
    for detail in (True, {"purpose": "ab"}, {"purpose": "x" * 301}, {"essential": "yes"}, "text"):
        assert code_on_page(rig, app.url(claims={"userinfo": {"name": detail}})) == "invalid_claim", detail
    for detail in (None, {}, {"essential": True, "purpose": "to know you"}):
        assert code_on_page(rig, app.url(claims={"userinfo": {"name": detail}})) is None, detail


@fact("esignet.authorize.claims-registered")
def test_claims_registered(rig):
    app = rig.register(userClaims=["name"])
    asked = {"userinfo": {"email": {"essential": True}, "name": None, "unheard_of": None}}
    details = UiSession(rig).details(request_of(app, claims=asked))
    assert (details["essentialClaims"], details["voluntaryClaims"]) == ([], ["name"])


@fact("esignet.authorize.prompt-ignored")
def test_prompt(rig, app):
    walk(app.url(), ME, PIN)
    assert kinds(rig, app, prompt="none", acr_values=PIN_ACR) == ["login-pin"]


@fact("esignet.authorize.max-age")
def test_max_age(rig, app):
    assert code_on_page(rig, app.url(max_age="1")) is None
    assert code_on_page(rig, app.url(max_age="soon")) == "unknown_error"


@fact("esignet.authorize.id-token-hint")
def test_hint(rig, app):
    assert code_on_page(rig, app.url(id_token_hint="e30.e30.x")) == "invalid_id_token_hint"


@fact("esignet.redirect.success")
def test_success(rig, app):
    query = query_of(walk(app.url(state="a b&c=d"), ME, PIN))
    assert set(query) == {"state", "code", "iss"}
    assert (query["state"], query["iss"]) == ("a b&c=d", rig.issuer)


@fact("esignet.redirect.question-mark")
def test_question_mark(rig):
    app = rig.register(redirectUris=["http://localhost:9999/cb?x=1"])
    assert walk(app.url(), ME, PIN).startswith("http://localhost:9999/cb?x=1?state=")


@fact("esignet.redirect.error")
@fact("esignet.redirect.access-denied")
def test_access_denied(app):
    query = query_of(walk(app.url(state="s1"), ME, PIN, consent=False))
    assert set(query) == {"error_description", "state", "error"}
    assert (query["error"], query["state"]) == ("access_denied", "s1")


@fact("esignet.redirect.error-state-null")
def test_state_null(rig, app):
    assert query_of(walk(app.url(state=None), ME, PIN, consent=False))["state"] == "null"
    pushed = app.push(state="kept").json()["request_uri"]
    url = "%s/authorize?client_id=%s&request_uri=%s" % (rig.issuer, app.client_id, pushed)
    query = query_of(walk(url, ME, PIN, consent=False))
    assert (query["error"], query["state"]) == ("access_denied", "null")


@fact("esignet.redirect.details-rejected")
def test_details_rejected(app):
    wanted = {"verification": {"trust_framework": {"value": "nobody"}}, "claims": {"name": {"essential": True}}}
    query = query_of(walk(app.url(claims={"userinfo": {"verified_claims": wanted}}), ME, PIN))
    assert query["error"] == "consent_details_rejected"


class Waiting:
    """A browser that lets time pass before it sends the form of one page."""

    def __init__(self, rig, path, seconds):
        self.inner, self.rig, self.path, self.seconds = Browser(), rig, path, seconds

    def send(self, method, url, form=None):
        if method == "POST" and url.endswith(self.path):
            self.rig.control("clock", {"offset_s": self.seconds})
        return self.inner.send(method, url, form)


@fact("esignet.redirect.timeout")
@fact("esignet.lifetime.login")
@fact("esignet.lifetime.consent")
def test_lifetimes(rig, app):
    for path, seconds, error in (("/login", 301, True), ("/login", 290, False), ("/consent", 121, True), ("/consent", 110, False)):
        rig.control("reset", {})
        query = query_of(walk(app.url(state="s"), ME, PIN, browser=Waiting(rig, path, seconds)))
        assert (query.get("error") == "transaction_timeout" and query["state"] == "s") == error, (path, seconds)


@fact("esignet.login.attempts")
@fact("esignet.login.blocked")
def test_attempts(rig, app):
    session = UiSession(rig, ME, "999999")
    session.details(request_of(app))
    seen = []
    for pin in ("999999", "999999", "999999", PIN):
        with pytest.raises(Refused) as caught:
            session.authenticate(pin)
        seen += caught.value.codes
    assert seen == ["auth_failed"] * 3 + ["no_attempts_left"]
    with pytest.raises(WalkError) as stopped:
        walk(app.url(), ME, PIN)
    assert stopped.value.code == "individual_id_blocked"
    rig.control("clock", {"offset_s": 601})
    assert "code" in query_of(walk(app.url(), ME, PIN))


def consent_action(rig, app, **changes):
    session = UiSession(rig)
    details = session.details(request_of(app, **changes))
    action = session.authenticate()["consentAction"]
    session.auth_code(details["voluntaryClaims"] + details["essentialClaims"])
    return action


@fact("esignet.consent.remembered")
def test_consent_remembered(rig, app):
    assert [consent_action(rig, app), consent_action(rig, app)] == ["CAPTURE", "NOCAPTURE"]
    assert consent_action(rig, app, prompt="consent") == "CAPTURE"
    assert consent_action(rig, app, claims={"userinfo": {"name": {"essential": True}}}) == "CAPTURE"
    assert consent_action(rig, app, scope="openid") == "NOCAPTURE"  # nothing is asked for


@fact("esignet.consent.expires")
def test_consent_expires(rig, app):
    assert consent_action(rig, app) == "CAPTURE"
    rig.control("clock", {"offset_s": 20 * 60 + 1})
    assert consent_action(rig, app) == "CAPTURE"


@fact("esignet.consent.essential")
def test_consent_essential(rig, app):
    asked = {"userinfo": {"name": {"essential": True}, "email": None}}
    for accepted in ([], ["email"], ["name", "birthdate"]):
        session = UiSession(rig)
        session.details(request_of(app, scope="openid", claims=asked))
        session.authenticate()
        with pytest.raises(Refused) as caught:
            session.auth_code(accepted)
        assert caught.value.codes == ["invalid_accepted_claim"]
    assert refusal(rig, request_of(app, scope="Manage-VID", claims=asked)) == "invalid_scope"


@fact("esignet.consent.denied-absent")
def test_denied_absent(rig, app):
    asked = {"userinfo": {"name": {"essential": True}, "email": None}}
    url = app.url(scope="openid", claims=asked)
    code = query_of(walk(url, ME, PIN, consent="essential"))["code"]
    access = app.token(code).json()["access_token"]
    assert set(rig.verify(app.userinfo(access).text, 1, "RS256")) == {"name", "sub", "iss", "aud"}
