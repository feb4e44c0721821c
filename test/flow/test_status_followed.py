"""Is the account status looked at on every sign-in and every refresh, by the entry and not by the search alone?

Somebody who may work signs in; the administrator of OpenLDAP, Samba AD or 389-ds ends that; from then on there is no sign-in and
no new token, for them alone; taken back, they are in again. What the policy lets pass does not stop them."""
import json
import tempfile
from pathlib import Path

import account_servers
import pytest
import rooted
from account_table import FAR_AHEAD, KINDS, LONG_AGO, LONG_AGO_FILETIME, NEVER, Way, rows
from flow_kit import AMINA, IDS, App, refusal, sub_of

WORKER, TWIN = ("normal", AMINA), ("twin1", IDS["samuel.okoro"])
CLASSES = ["top", "person", "organizationalPerson", "inetOrgPerson", "inetUser", "shadowAccount"]
REFUSES = {  # kind of server -> reason -> (what the administrator sets, what takes it back)
    "openldap": {"person_disabled": ({"pwdStartTime": LONG_AGO, "pwdEndTime": LONG_AGO}, {"pwdStartTime": None, "pwdEndTime": None}),
                 "person_expired": ({"pwdEndTime": LONG_AGO}, {"pwdEndTime": None}),
                 "person_not_yet_valid": ({"pwdStartTime": FAR_AHEAD}, {"pwdStartTime": None}),
                 "person_locked": ({"pwdAccountLockedTime": "000001010000Z"}, {"pwdAccountLockedTime": None})},
    "ad": {"person_disabled": ({"userAccountControl": "514"}, {"userAccountControl": "512"}),
           "person_expired": ({"accountExpires": LONG_AGO_FILETIME}, {"accountExpires": "0"})},
    "389ds": {"person_disabled": ({"nsAccountLock": "true"}, {"nsAccountLock": None}),
              "person_expired": ({"objectClass": CLASSES, "shadowExpire": "18262"}, {"shadowExpire": "-1"})},
}
PASSES = {"openldap": ({"pwdReset": "TRUE"}, {"pwdReset": None}), "ad": ({"logonHours": NEVER}, {"logonHours": None}),
          "389ds": ({"passwordExpirationTime": LONG_AGO}, {"passwordExpirationTime": FAR_AHEAD})}


@pytest.fixture(scope="module", params=KINDS)
def place(request, make_shared_ministry):
    """(kind, server, application with two linked people who may work)"""
    with tempfile.TemporaryDirectory(prefix="idb", dir="/tmp") as folder:  # short: paths of sockets
        try:
            server, keys, password = account_servers.start(request.param, Path(folder))
        except rooted.Unavailable as reason:
            pytest.skip(f"NO TESTS ON {request.param.upper()}: {reason}")

        def settings(m):
            (m.folder / "their.password").write_text(password + "\n")
            return {"directory staff": {"bind_password_file": "their.password", "birth_date_attribute": None, "attributes": None,
                                        "network_timeout": "3s", **keys}}
        try:
            m = make_shared_ministry(settings=settings)
            for login, individual in (WORKER, TWIN):
                m.run("link", "add", "--upstream", "national-id", "--sub", sub_of(individual), "--login", login)
            yield request.param, server, App(m)
        finally:
            server.stop()


def put(server, attributes):
    done = account_servers.change(server, WORKER[0], attributes)
    assert done.returncode == 0, done.stderr


def ends(app, token, reason):
    status, answer, _ = app.refresh(token)
    assert (status, answer["error"]) == (400, "invalid_grant"), answer
    refusal(app.m, app.login(WORKER[1]), reason, 403)


@pytest.mark.parametrize("reason", sorted({r for kind in REFUSES.values() for r in kind}))
def test_who_may_work_no_longer_gets_no_new_token(place, reason):
    kind, server, app = place
    if reason not in REFUSES[kind]:
        return  # account_table.py says why that server cannot; test_people.py asserts it
    done, undone = REFUSES[kind][reason]
    worker, twin = (app.tokens(individual)["refresh_token"] for _, individual in (WORKER, TWIN))
    put(server, done)
    try:
        ends(app, worker, reason)
        status, answer, _ = app.refresh(twin)
        assert status == 200 and app.refresh(answer["refresh_token"])[0] == 200
    finally:
        put(server, undone)
    assert app.refresh(app.tokens(WORKER[1])["refresh_token"])[0] == 200


def test_what_concerns_the_password_alone_stops_nobody_with_a_national_id(place):
    kind, server, app = place
    done, undone = PASSES[kind]
    token = app.tokens(WORKER[1])["refresh_token"]
    put(server, done)
    try:
        status, answer, _ = app.refresh(token)
        assert status == 200 and app.refresh(answer["refresh_token"])[0] == 200
        assert app.tokens(WORKER[1])["refresh_token"]
    finally:
        put(server, undone)


@pytest.mark.parametrize("command", ["explain", "directory show"])
def test_the_commands_tell_the_status_of_the_server(place, command):
    """The product's own words, for each row of the table that this server can express."""
    kind, _, app = place
    for status, login, way in rows(kind):
        if isinstance(way, Way):
            said = app.m.run(*command.split(), "--json", login, check=False)
            assert json.loads(said.stdout)["status"] == status, (login, said.stdout, said.stderr)
