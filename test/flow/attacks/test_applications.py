"""What a registered application, or somebody who knows its name, may not do: more scope than it has, somebody else's session
level, our threads, another's place in line."""
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, App, Browser, claims_of
from jwcrypto import jwk, jwt

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Silent:
    """A host that takes connections and never answers; counts them."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url, self.held = "http://127.0.0.1:%d/jwks.json" % self.socket.getsockname()[1], []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        try:
            while True:
                self.held.append(self.socket.accept()[0])
        except OSError:
            pass

    def end(self):
        for one in [self.socket, *self.held]:
            one.close()


class Published:
    """A client's key set over HTTP; counts what is fetched."""

    def __init__(self):
        self.key, self.fetched = jwk.JWK.generate(kty="EC", crv="P-256", kid="k1", alg="ES256", use="sig"), 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d/jwks.json" % self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        body = json.dumps({"keys": [json.loads(self.key.export_public())]}).encode()
        try:
            while True:
                one, _ = self.socket.accept()
                one.recv(65536)
                self.fetched += 1
                one.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                            % (len(body), body))
                one.close()
        except OSError:
            pass


def forged(client_id, key=None, audience=""):
    key = key or jwk.JWK.generate(kty="EC", crv="P-256", kid="k1")
    now = int(time.time())
    token = jwt.JWT(header={"alg": "ES256", "kid": "k1"}, claims={"iss": client_id, "sub": client_id, "aud": audience, "iat": now,
                                                                  "exp": now + 60, "jti": "j%d" % time.monotonic_ns()})
    token.make_signed_token(key)
    return {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": token.serialize()}


def post_token(m, form):
    return Browser(timeout=60).once("POST", m.issuer + "/token", form=form)


def test_a_silent_jwks_uri_holds_nobody_else(ministry):
    m, silent = ministry, Silent()
    m.run("client", "add", "silent", "--auth-method", "private_key_jwt", "--jwks-uri", silent.url, "--grant-types", "client_credentials")
    try:
        with ThreadPoolExecutor(12) as pool:
            waiting = [pool.submit(post_token, m, forged("silent")) for _ in range(12)]
            time.sleep(1)
            started = time.monotonic()
            for _ in range(5):
                assert m.call("GET", m.issuer + "/userinfo", headers={"Authorization": "Bearer x"})[0] == 401
            assert time.monotonic() - started < 3, "the threads that answer everybody wait for one client's host"
            silent.end()
            assert {one.result().status for one in waiting} <= {401, 503}
    finally:
        silent.end()


def test_forged_assertions_neither_fetch_nor_lock_out(ministry):
    m, published = ministry, Published()
    m.run("client", "add", "signer", "--auth-method", "private_key_jwt", "--jwks-uri", published.url, "--grant-types", "client_credentials")
    honest = forged("signer", published.key, m.issuer + "/token")
    assert post_token(m, honest).status == 200 and published.fetched == 1
    with ThreadPoolExecutor(4) as pool:
        refused = list(pool.map(lambda _: post_token(m, forged("signer", audience=m.issuer + "/token")).status, range(200)))
    assert set(refused) == {401} and published.fetched <= 1 + 4  # one fetch a minute; each of the four may have raced for it
    assert post_token(m, forged("signer", published.key, m.issuer + "/token")).status == 200


def test_who_is_not_proved_hears_nothing_about_grants(ministry):
    """RFC 6749 §3.2.1: authenticated first. With keys at a jwks_uri the proof comes after a fetch."""
    m, published = ministry, Published()
    m.run("client", "add", "late", "--auth-method", "private_key_jwt", "--jwks-uri", published.url, "--redirect-uri", "http://127.0.0.1:9/cb")
    for key, status, error in ((None, 401, "invalid_client"), (published.key, 400, "unauthorized_client")):
        answer = post_token(m, forged("late", key, m.issuer + "/token"))  # client_credentials, which it does not have
        assert (answer.status, json.loads(answer.body)["error"]) == (status, error)
    for form in ({"grant_type": "password"}, {"grant_type": "authorization_code", "code": "x"}):
        answer = post_token(m, {**forged("late", audience=m.issuer + "/token"), **form})
        assert json.loads(answer.body)["error"] == "invalid_client"


def test_scope_is_what_the_client_is_registered_for(ministry):
    m = ministry
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    app = App(m, "narrow", scopes="openid email")
    tokens = app.tokens(AMINA, scope="openid email profile admin:everything dhis2:superuser")
    assert set(tokens["scope"].split()) == set(claims_of(tokens["access_token"])["scope"].split()) == {"openid", "email"}
    assert "name" not in claims_of(tokens["access_token"])
    none = App(m, "no-openid", scopes="profile")
    page = Browser().get(none.url(), follow=none.stays)
    assert none.answer(page)["error"] == "invalid_scope"


@pytest.mark.parametrize("words, says", [
    (("--profile", "route", "--dhis2", "hmis", "--auth-method", "none"), "proves nothing"),
    (("--redirect-uri", "http://apps.example.org/cb"), "https"),
    (("--redirect-uri", "http://127.0.0.1:9/cb", "--auth-method", "none", "--require-pkce", "--grant-types",
      "authorization_code client_credentials"), "proves nothing"),
])
def test_registrations_that_would_be_a_hole_are_refused(ministry, words, says):
    said = ministry.run("client", "add", "hole", *words, check=False)
    assert said.returncode == 1 and says in said.stderr


def test_a_client_id_is_never_a_person_id(ministry):
    m = ministry
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    person = m.run("link", "list", "amina.diallo").stdout.split("person=")[1].split()[0]
    said = m.run("client", "add", person, "--grant-types", "client_credentials", check=False)
    assert said.returncode == 1 and "person id" in said.stderr


def test_a_session_does_not_answer_for_a_stronger_sign_in(ministry):
    m = ministry
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    app, browser = App(m, "silent-portal", options=("--sso", "silent")), Browser()
    assert app.answer(app.login(AMINA, browser=browser))["code"]
    page = browser.get(app.url(), follow=app.stays)
    assert app.answer(page)["code"]  # the twin: the same level needs no sign-in
    for asked in ({"acr_values": "mosip:idp:acr:biometrics"}, {"prompt": "select_account"}):
        page = browser.get(app.url(**asked), follow=lambda url: not url.startswith(m.esignet) and app.stays(url))
        assert page.location.startswith(m.esignet), (asked, page.location)
