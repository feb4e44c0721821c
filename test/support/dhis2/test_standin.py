"""The stand-in's own interface: control calls, pages, state kept between runs, bad configuration."""
import asyncio
import json
import os
import subprocess
import time

import aiohttp
import pytest

import conf

HERE = os.path.dirname(os.path.abspath(__file__))
PROV = "prov1:District1234!"


def fault(side, **values):
    assert side.call(None, "POST", "/__standin/fault", values).status == 200


def test_journal(dhis2):
    dhis2.call(None, "DELETE", "/__standin/requests")
    dhis2.call(PROV, "GET", "/api/users?query=oidc")
    entries = dhis2.call(None, "GET", "/__standin/requests").json
    assert [(e["method"], e["path"]) for e in entries] == [("GET", "/api/users?query=oidc")]


def test_fault_answers_and_counts(dhis2):
    fault(dhis2, path_prefix="/api/users", method="PATCH", status=500, body="<h1>no</h1>", content_type="text/html", times=2)
    patch = [{"op": "add", "path": "/email", "value": "a@example.org"}]
    statuses = [dhis2.admin("PATCH", "/api/users/UsrAAAAAA01", patch).status for _ in range(3)]
    assert statuses == [500, 500, 200]
    assert dhis2.admin("GET", "/api/users").status == 200


def test_fault_delays(dhis2):
    fault(dhis2, path_prefix="/api/me", delay_ms=300, times=1)
    started = time.time()
    assert dhis2.admin("GET", "/api/me").status == 200
    assert time.time() - started > 0.29


def test_fault_drops_the_connection(dhis2):
    fault(dhis2, path_prefix="/api/me", drop=True, times=1)
    with pytest.raises(aiohttp.ClientError):
        dhis2.admin("GET", "/api/me")
    assert dhis2.admin("GET", "/api/me").status == 200


def test_fault_hangs_until_deleted(dhis2):
    fault(dhis2, path_prefix="/api/me", hang=True)

    async def ask():
        call = asyncio.ensure_future(dhis2.clients["admin"]("GET", "/api/me"))
        done, _ = await asyncio.wait([call], timeout=0.5)
        assert not done
        await dhis2.client()("DELETE", "/__standin/fault")
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(call, 5)
    dhis2.go(ask())


def test_login_page_offers_each_provider(dhis2, old):
    assert 'href="/oauth2/authorization/bridge"' in old.call(None, "GET", "/dhis-web-login/").text
    page = dhis2.call(None, "GET", "/login/?oidcFailure=true").text
    assert 'href="/oauth2/authorization/bridge"' in page and "Log in with national ID" in page and "Login failed" in page


def test_start_page_shows_the_rights_of_the_session(dhis2):
    browser = dhis2.login({})[0]
    page = dhis2.call(browser, "GET", "/").text
    assert "stand-in" in page and "Bridge tester" in page and "Bridge group" in page and "Testland" in page


def test_dumps_hold_no_password(dhis2):
    text = dhis2.call(None, "GET", "/__standin/users").text
    assert '"username":"prov1"' in text and "District1234!" not in text


CONF = "".join("oidc.provider.x.%s = http://127.0.0.1:9/%s\n" % (k, k) for k in
               ("authorization_uri", "token_uri", "user_info_uri", "jwk_uri")) + \
    "oidc.provider.x.client_id = c\noidc.provider.x.client_secret = s\\u003d\\\n  t\n"


def test_properties_syntax():
    values = conf.parse_properties("# c\n! d\na=b\nc : d e \n e\\ f g\\\n   h\n" + CONF)
    assert (values["a"], values["c"], values["e f"]) == ("b", "d e", "gh")
    assert conf.Conf(values).providers["x"].client_secret == "s=t"


@pytest.mark.parametrize("servers", ["https://a/", "http://127.0.0.1:*", "a.example.org"])
def test_bad_allow_list_stops_the_server(tmp_path, servers):
    path = tmp_path / "dhis.conf"
    path.write_text(CONF + "route.remote_servers_allowed = %s\n" % servers)
    ended = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "standin.py"), "--dhis-conf", str(path)],
                           capture_output=True, timeout=20, text=True)
    assert ended.returncode == 1 and "route.remote_servers_allowed" in ended.stderr


def start(folder, ready):
    process = subprocess.Popen(
        ["/usr/bin/python3", os.path.join(HERE, "standin.py"), "--dhis-conf", str(folder / "dhis.conf"),
         "--state", str(folder), "--ready-file", str(ready)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        if ready.exists():
            return process, "http://127.0.0.1:%s" % ready.read_text().strip()
        time.sleep(0.05)
    process.kill()
    raise AssertionError("the stand-in did not start")


def test_state_outlives_the_process_and_default_seed_is_usable(tmp_path, lab):
    (tmp_path / "dhis.conf").write_text(CONF)
    with open(os.path.join(HERE, "seed.json"), encoding="utf-8") as source:
        key = json.load(source)["apiTokens"][0]["key"]
    headers = {"Authorization": "ApiToken " + key, "Content-Type": "application/json"}
    body = {"id": "UsrStateA01", "username": "kept1", "firstName": "K", "surname": "T", "openId": "kept",
            "externalAuth": True, "userRoles": [{"id": "RoleClinic1"}], "userGroups": [{"id": "GrpMalaria1"}],
            "organisationUnits": [{"id": "OuFacil0001"}]}

    async def ask(origin, method, path, data=None):
        async with lab.bench.http.request(method, origin + path, headers=headers,
                                          data=json.dumps(data).encode() if data else None) as reply:
            return reply.status
    for number, (method, path, data, want) in enumerate((("POST", "/api/users", body, 201),
                                                         ("GET", "/api/users/UsrStateA01", None, 200))):
        process, origin = start(tmp_path, tmp_path / ("ready%d" % number))
        try:
            assert lab.go(ask(origin, method, path, data)) == want
        finally:
            process.terminate()
            assert process.wait(10) == 0
