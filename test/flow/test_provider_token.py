"""The token endpoint: who may call it, codes, refresh tokens, client credentials. RFC 6749 §2.3.1, §4.1.3, §4.4, §5.2, §6;
RFC 7523 §3; RFC 9700 §2.1, §4.14."""
import base64
import http.client
import http.server
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, IDS, App, Browser, claims_of, directory_is_back, jwt_parts
from jwcrypto import jwk, jwt
from slapd import SUFFIX

SETTINGS = {"tokens": {"refresh_grace": "2s"}, "directory staff": {"grace": "0s", "network_timeout": "1s"}}
AMINAS = ("amina.diallo", DEMO_PASSWORD)
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def app(ministry):
    return App(ministry)


def refused(answer, status, error):
    assert answer[0] == status and answer[1]["error"] == error, answer
    assert answer[2]["Cache-Control"] == "no-store" and answer[2]["Content-Type"] == "application/json"


# ---- the client proves who it is

@pytest.mark.parametrize("client_id", ["a:b", "a+b%2", "Gesundheit/ä"])
def test_basic_credentials_are_form_urlencoded_first(ministry, client_id):
    app = App(ministry, client_id)
    assert app.tokens(AMINA, AMINAS)["id_token"]
    if client_id.startswith("G"):
        return  # nothing in it means something else when it is not urlencoded
    raw = {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{app.secret}".encode()).decode()}
    refused(app.redeem("x", headers=raw), 401, "invalid_client")


def test_post_credentials(ministry):
    app = App(ministry, "poster", auth="client_secret_post")
    assert app.tokens(AMINA, AMINAS)["access_token"]
    refused(app.redeem("x", headers=app.authorization()), 401, "invalid_client")  # one method per client
    app.secret += "x"
    refused(app.redeem("x"), 401, "invalid_client")


def test_wrong_secret_and_unknown_client_look_the_same(app):
    basic = {"Authorization": "Basic " + base64.b64encode(b"portal:wrong").decode()}
    wrong = app.redeem("x", headers=basic)
    refused(wrong, 401, "invalid_client")
    assert wrong[2]["WWW-Authenticate"].startswith("Basic ")
    refused(app.redeem("x", headers={"Authorization": "Basic " + base64.b64encode(b"nobody:wrong").decode()}), 401, "invalid_client")
    refused(app.redeem("x", headers={"Authorization": "Basic %%%"}), 401, "invalid_client")
    refused(app.redeem("x", headers={}), 401, "invalid_client")


def test_two_ways_at_once_are_one_too_many(app):
    refused(app.redeem("x", client_secret="y", client_id="portal"), 400, "invalid_request")


def test_a_public_client_proves_itself_by_pkce(ministry):
    app = App(ministry, "public", auth="none", options=("--require-pkce",))
    assert app.tokens(AMINA, AMINAS)["id_token"]
    refused(app.redeem(app.code(AMINA), code_verifier="w" * 64), 400, "invalid_grant")


class KeyServer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        body = json.dumps({"keys": [key.export_public(as_dict=True) for key in self.server.keys]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def key_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), KeyServer)
    server.keys, server.asked = [jwk.JWK.generate(kty="EC", crv="P-256", kid="one", alg="ES256", use="sig")], 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def assertion(app, key, alg, **changes):
    now = int(time.time())
    claims = {"iss": app.client_id, "sub": app.client_id, "aud": app.m.issuer + "/token", "iat": now, "exp": now + 60,
              "jti": str(uuid.uuid4()), **changes}
    token = jwt.JWT(header={"alg": alg, "kid": key.get("kid")}, claims={k: v for k, v in claims.items() if v is not None})
    token.make_signed_token(key)
    return {"client_assertion_type": ASSERTION, "client_assertion": token.serialize()}


def by_assertion(app, form, **changes):
    return app.post({"grant_type": "authorization_code", "redirect_uri": app.redirect_uri, "code_verifier": app.verifier,
                     **form, **changes}, headers={})


@pytest.fixture(scope="module")
def signer(ministry, tmp_path_factory):
    key = jwk.JWK.generate(kty="RSA", size=2048, kid="k", alg="RS256", use="sig")
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    path.write_text(json.dumps({"keys": [key.export_public(as_dict=True)]}))
    return App(ministry, "signer", auth="private_key_jwt", jwks=str(path)), key


def test_private_key_jwt_with_a_registered_key(signer):
    app, key = signer
    proof = assertion(app, key, "RS256")
    status, answer, _ = by_assertion(app, proof, code=app.code(AMINA, AMINAS))
    assert status == 200 and answer["id_token"]
    refused(by_assertion(app, proof, code=app.code(AMINA)), 401, "invalid_client")  # its jti is used up
    assert by_assertion(app, assertion(app, key, "RS256", aud=app.m.issuer), code=app.code(AMINA))[0] == 200


@pytest.mark.parametrize("changes", [{"aud": "https://other.example/token"}, {"iss": "other"}, {"exp": int(time.time()) - 600},
                                     {"exp": None}, {"jti": None}, {"exp": int(time.time()) + 864000}, {"sub": "portal"}],
                         ids=lambda c: next(iter(c)))
def test_private_key_jwt_that_does_not_fit(signer, changes):
    app, key = signer
    refused(by_assertion(app, assertion(app, key, "RS256", **changes), code="x"), 401, "invalid_client")


def test_private_key_jwt_of_a_stranger(signer):
    app, _ = signer
    stranger = jwk.JWK.generate(kty="RSA", size=2048, kid="k")
    refused(by_assertion(app, assertion(app, stranger, "RS256"), code="x"), 401, "invalid_client")
    refused(app.post({"grant_type": "authorization_code", "client_assertion_type": "x", "client_assertion": "y"}, {}), 401, "invalid_client")


def test_private_key_jwt_with_keys_behind_a_url(ministry, key_server):
    app = App(ministry, "far-signer", auth="private_key_jwt", jwks_uri=f"http://127.0.0.1:{key_server.server_port}/jwks")
    key = key_server.keys[0]
    assert by_assertion(app, assertion(app, key, "ES256"), code=app.code(AMINA, AMINAS))[0] == 200
    assert key_server.asked >= 1
    key_server.keys = [jwk.JWK.generate(kty="EC", crv="P-256", kid="two", alg="ES256", use="sig")]
    assert by_assertion(app, assertion(app, key_server.keys[0], "ES256"), code=app.code(AMINA))[0] == 200  # a new key there
    refused(by_assertion(app, assertion(app, key, "ES256"), code="x"), 401, "invalid_client")               # and the old one gone


# ---- codes

def test_a_code_used_twice_ends_what_came_of_it(app):
    code = app.code(AMINA, AMINAS)
    status, answer, _ = app.redeem(code)
    assert status == 200 and app.userinfo(answer["access_token"])[0] == 200
    refused(app.redeem(code), 400, "invalid_grant")
    assert app.userinfo(answer["access_token"])[0] == 401
    refused(app.refresh(answer["refresh_token"]), 400, "invalid_grant")
    assert "code.reuse" in app.m.run("audit", "list").stdout


def test_a_code_redeemed_many_times_at_once_gives_one_answer(app):
    code = app.code(AMINA, AMINAS)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: app.redeem(code)[0], range(8)))
    assert sorted(answers) == [200] + [400] * 7


@pytest.mark.parametrize("changes", [{"code_verifier": "w" * 64}, {"code_verifier": None}, {"redirect_uri": "http://127.0.0.1:9/other"},
                                     {"redirect_uri": None}], ids=["wrong verifier", "no verifier", "redirect_uri", "no redirect_uri"])
def test_a_code_that_does_not_fit_is_used_up(app, changes):
    code = app.code(AMINA, AMINAS)
    refused(app.redeem(code, **changes), 400, "invalid_grant")
    refused(app.redeem(code), 400, "invalid_grant")


def test_another_clients_code(app, ministry):
    other = App(ministry, "other")
    code = app.code(AMINA, AMINAS)
    refused(other.redeem(code, code_verifier=app.verifier), 400, "invalid_grant")


def test_an_expired_code(make_ministry):
    m = make_ministry(settings={"tokens": {"code": "1s"}})
    app = App(m)
    code = app.code(AMINA, AMINAS)
    time.sleep(2.1)
    refused(app.redeem(code), 400, "invalid_grant")


@pytest.mark.parametrize("form, error", [({}, "invalid_request"), ({"grant_type": "password"}, "unsupported_grant_type"),
                                         ({"grant_type": "authorization_code"}, "invalid_request"),
                                         ({"grant_type": "refresh_token"}, "invalid_request"),
                                         ({"grant_type": "client_credentials"}, "unauthorized_client")])
def test_requests_that_are_malformed(app, form, error):
    refused(app.post({"x": "y", **form}), 400, error)


def test_a_parameter_twice_at_the_token_endpoint(app):
    headers = {**app.authorization(), "Content-Type": "application/x-www-form-urlencoded"}
    connection = http.client.HTTPConnection("127.0.0.1", app.m.ports["bridge"], timeout=10)
    connection.request("POST", "/token", "grant_type=authorization_code&code=a&code=b", headers)
    answer = connection.getresponse()
    assert answer.status == 400 and json.loads(answer.read())["error"] == "invalid_request"
    connection.request("POST", "/token", json.dumps({"grant_type": "client_credentials"}), {**app.authorization(), "Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 400 and json.loads(answer.read())["error"] == "invalid_request"
    connection.close()


# ---- refresh

def test_refresh_rotates_and_tells_anew(app):
    first = app.tokens(AMINA, AMINAS)
    status, second, _ = app.refresh(first["refresh_token"])
    assert status == 200 and second["refresh_token"] != first["refresh_token"]
    old, new = claims_of(first["id_token"]), claims_of(second["id_token"])
    for name in ("iss", "sub", "aud", "auth_time"):  # OpenID Connect Core §12.2
        assert new[name] == old[name], name
    assert new["iat"] >= old["iat"] and app.userinfo(second["access_token"])[0] == 200


def test_a_lost_answer_may_be_asked_for_again(app):
    first = app.tokens(AMINA, AMINAS)
    second, again = app.refresh(first["refresh_token"])[1], app.refresh(first["refresh_token"])
    assert again[0] == 200 and again[1]["refresh_token"] == second["refresh_token"]
    assert app.refresh(second["refresh_token"])[0] == 200
    refused(app.refresh(first["refresh_token"]), 400, "invalid_grant")  # the answer had arrived: a replay


def test_reuse_after_the_grace_revokes_the_family(app):
    first = app.tokens(AMINA, AMINAS)
    second = app.refresh(first["refresh_token"])[1]
    time.sleep(3.1)
    refused(app.refresh(first["refresh_token"]), 400, "invalid_grant")
    refused(app.refresh(second["refresh_token"]), 400, "invalid_grant")
    assert app.userinfo(second["access_token"])[0] == 401


def test_refresh_by_another_client(app, ministry):
    other = App(ministry, "thief")
    token = app.tokens(AMINA, AMINAS)["refresh_token"]
    refused(other.refresh(token), 400, "invalid_grant")
    assert app.refresh(token)[0] == 200


def test_refresh_while_the_directory_is_down_blames_nobody(app):
    """DHIS2's Android app throws its session away on any OAuth error."""
    m, token = app.m, app.tokens(AMINA, AMINAS)["refresh_token"]
    m.slapd.stop()
    try:
        status, answer, headers = app.refresh(token)
        assert status == 503 and headers["Retry-After"] and "error" not in answer
    finally:
        m.slapd.start()
    directory_is_back(m)
    assert app.refresh(token)[0] == 200


def test_refresh_of_somebody_disabled_meanwhile(app):
    m, uid = app.m, "samuel.okoro"
    tokens = app.tokens(IDS[uid], (uid, DEMO_PASSWORD))
    dn = f"dn: uid={uid},ou=people,{SUFFIX}\nchangetype: modify\n"
    m.slapd.modify(dn + "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n")
    refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    m.slapd.modify(dn + "delete: pwdAccountLockedTime\n")


# ---- client credentials

def test_a_routes_credentials(ministry):
    m = ministry
    auth = json.loads((m.folder / "route-auth.json").read_text())
    route = App.__new__(App)
    route.m, route.client_id, route.secret, route.auth = m, auth["clientId"], auth["clientSecret"], "client_secret_basic"
    status, answer, _ = route.post({"grant_type": "client_credentials"})
    assert status == 200 and "refresh_token" not in answer and "id_token" not in answer
    head, claims = jwt_parts(answer["access_token"])
    assert head["typ"] == "at+jwt" and claims["sub"] == claims["client_id"] == "route-verify"
    assert claims["aud"] == m.issuer + "/verification"
    assert route.userinfo(answer["access_token"])[0] == 401  # good for its endpoint and nothing else
    m.login(AMINA, link=AMINAS)

    def ready(**headers):
        page = Browser(headers={k.replace("_", "-"): v for k, v in headers.items()}).get(m.issuer + "/verification/ready")
        return page.status, json.loads(page.body).get("reason")
    bearer = "Bearer " + answer["access_token"]
    assert ready(Authorization=bearer, X_Forwarded_User="amina.diallo") == (200, None)
    assert ready(Authorization=bearer, X_Forwarded_User="nobody.here") == (403, "user_unknown")
    assert ready(Authorization=bearer) == (403, "user_header")
    assert ready(X_Forwarded_User="amina.diallo")[1] == "invalid_token"
    refused(route.post({"grant_type": "authorization_code", "code": "x"}), 400, "unauthorized_client")
