"""Does Python's Authlib (Debian python3-authlib) work with the bridge as a client library? Code flow with PKCE and its
id_token checks, userinfo, refresh, revocation by logout, client credentials with a secret and with private_key_jwt.
"""
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from browser import Browser
from flow_kit import App
from ministry import DEMO_PASSWORD

PERSON, LINK = "8267411571", ("amina.diallo", DEMO_PASSWORD)
REDIRECT = "http://127.0.0.1:9/cb"
VERIFIER = "a-code-verifier-of-this-test-0123456789-0123456789"
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
LIMIT_S = 20


@pytest.fixture(scope="module")
def ministry(make_ministry):
    return make_ministry()


@pytest.fixture(scope="module")
def metadata(ministry):
    return requests.get(ministry.issuer + "/.well-known/openid-configuration", timeout=LIMIT_S).json()


@pytest.fixture(params=METHODS)
def session(request, ministry, metadata, tmp_path):
    """A registered client, once as the bridge and once as Authlib sees it."""
    method, options = request.param, {"redirect_uri": REDIRECT}
    client_id = f"authlib-{method.replace('_', '-')}"
    if method == "private_key_jwt":
        key = JsonWebKey.generate_key("RSA", 2048, is_private=True)
        (tmp_path / "jwks.json").write_text(json.dumps({"keys": [{**json.loads(key.as_json(is_private=False)), "alg": "RS256"}]}))
        options["jwks"] = str(tmp_path / "jwks.json")
    app = App(ministry, client_id, auth=method, grants="authorization_code refresh_token client_credentials", **options)
    secret = key.as_pem(is_private=True) if method == "private_key_jwt" else app.secret
    made = OAuth2Session(client_id, secret, scope="openid profile email", redirect_uri=REDIRECT, code_challenge_method="S256",
                         token_endpoint_auth_method=method)
    if method == "private_key_jwt":
        made.register_client_auth_method(PrivateKeyJWT(metadata["token_endpoint"]))
    yield made
    made.close()
    ministry.run("client", "remove", client_id)


def judged(id_token, metadata, client_id, nonce):
    """Authlib's own judgement of an id_token: signature, iss, aud, nonce, exp, azp."""
    keys = JsonWebKey.import_key_set(requests.get(metadata["jwks_uri"], timeout=LIMIT_S).json())
    claims = JsonWebToken(["RS256"]).decode(
        id_token, keys, claims_cls=CodeIDToken, claims_options={"iss": {"essential": True, "value": metadata["issuer"]},
                                                                "aud": {"essential": True, "value": client_id}},
        claims_params={"nonce": nonce, "client_id": client_id})
    claims.validate(now=time.time(), leeway=5)
    return claims


def test_code_flow_refresh_and_machine(ministry, metadata, session):
    url, state = session.create_authorization_url(metadata["authorization_endpoint"], nonce="n-0", code_verifier=VERIFIER)
    page = ministry.login(PERSON, link=LINK, start=url, follow=lambda target: not target.startswith(REDIRECT))
    assert parse_qs(urlsplit(page.location).query)["state"] == [state]
    token = session.fetch_token(metadata["token_endpoint"], authorization_response=page.location, code_verifier=VERIFIER,
                                timeout=LIMIT_S)
    claims = judged(token["id_token"], metadata, session.client_id, "n-0")
    assert claims["name"] == "Amina Diallo" and claims["acr"]
    told = session.get(metadata["userinfo_endpoint"], timeout=LIMIT_S).json()
    assert (told["sub"], told["preferred_username"]) == (claims["sub"], "amina.diallo")
    after = session.refresh_token(metadata["token_endpoint"], timeout=LIMIT_S)
    assert after["refresh_token"] != token["refresh_token"] and after["access_token"] != token["access_token"]
    left = Browser().get(f"{metadata['end_session_endpoint']}?id_token_hint={token['id_token']}")
    assert left.status == 200 and "You are signed out here." in left.text
    answer = requests.get(metadata["userinfo_endpoint"], headers={"Authorization": "Bearer " + after["access_token"]}, timeout=LIMIT_S)
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer"), "what came of the login is over"
    machine = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", timeout=LIMIT_S)
    assert machine["token_type"] == "Bearer" and "refresh_token" not in machine


def test_the_judge_is_strict(ministry, metadata, session):
    """The twin of the above: Authlib does refuse what is not meant for it."""
    url, _ = session.create_authorization_url(metadata["authorization_endpoint"], nonce="n-1", code_verifier=VERIFIER)
    page = ministry.login(PERSON, link=LINK, start=url, follow=lambda target: not target.startswith(REDIRECT))
    token = session.fetch_token(metadata["token_endpoint"], authorization_response=page.location, code_verifier=VERIFIER,
                                timeout=LIMIT_S)
    for client_id, nonce in ((session.client_id, "another"), ("another", "n-1")):
        with pytest.raises(Exception, match="invalid_claim"):
            judged(token["id_token"], metadata, client_id, nonce)
