"""What an application does with a token at DHIS2 itself. Issue text: "a bearer token (`dhis2` profile) that `/api/me` and
`/api/routes/{code}/run` accept; client credentials for Routes' `oauth2-client-credentials`"."""
import json

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, App, Browser

LINK = ("amina.diallo", DEMO_PASSWORD)
RUN = "/api/routes/national-id/run"


@pytest.fixture(scope="module")
def dhis2_app(ministry):
    """The registration DHIS2 logs in with; an Android app of the same ministry would use it as DHIS2 does."""
    m, app = ministry, App.__new__(App)
    conf = dict(line.split(" = ", 1) for line in (m.folder / "dhis.conf").read_text().splitlines() if " = " in line)
    app.m, app.client_id, app.auth = m, "dhis2-login", "client_secret_basic"
    app.secret, app.redirect_uri = conf["oidc.provider.bridge.client_secret"], m.dhis2 + "/oauth2/code/bridge"
    app.verifier = "v" * 64
    return app


def ask(m, path, token):
    page = Browser(headers={"Authorization": "Bearer " + token, "Accept": "application/json"}).get(m.dhis2 + path)
    return page.status, json.loads(page.body) if page.body.startswith("{") else page.body


def test_api_me_and_the_route_accept_the_token(dhis2_app):
    m = dhis2_app.m
    token = dhis2_app.tokens(AMINA, LINK, scope="openid email")["access_token"]
    status, me = ask(m, "/api/me?fields=username", token)
    assert (status, me["username"]) == (200, "amina.diallo")
    status, answer = ask(m, RUN, token)
    assert status == 200 and answer["ready"] is True and answer["user"] == "amina.diallo", answer
    assert (answer["dhis2"], answer["route"]) == ("hmis", "route-verify")


def test_a_portals_token_is_worth_nothing_at_dhis2(ministry):
    m = ministry
    token = App(m, "portal").tokens(AMINA, LINK)["access_token"]
    assert ask(m, "/api/me", token)[0] == 401
    assert ask(m, RUN, token)[0] == 401


def test_the_routes_credential_can_be_taken_back(dhis2_app):
    m = dhis2_app.m
    token = dhis2_app.tokens(AMINA, LINK, scope="openid email")["access_token"]
    assert ask(m, RUN, token)[0] == 200
    m.run("client", "remove", "route-verify")
    assert ask(m, "/api/me", token)[0] == 200
    status, answer = ask(m, RUN, token)  # at once, though DHIS2 still holds a token for the Route
    assert status != 200, answer
    assert "amina" not in json.dumps(answer)
