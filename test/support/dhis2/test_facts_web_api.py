"""Every fact about DHIS2 that the bridge depends on, shown on the stand-in: sessions, tokens, users."""
import pytest

fact = pytest.mark.fact
PROV = "prov1:District1234!"
NOEXT = "oidcnoext:District1234!"
USER = "/api/users/UsrNewAAA01"
ME = "/api/me?fields=username,authorities"


def add(name, value, op="add"):
    return [{"op": op, "path": "/" + name, "value": value}]


def refs(*ids):
    return [{"id": i} for i in ids]


def nurse(uid="UsrNewAAA01", username="nurse1", openid="person-1", **more):
    body = {"id": uid, "username": username, "firstName": "F", "surname": "S", "openId": openid, "externalAuth": True,
            "userRoles": refs("RoleAuthsA1"), "organisationUnits": refs("OuChildAA01")}
    return {k: v for k, v in dict(body, **more).items() if v is not None}


def codes(reply):
    return [r["errorCode"] for r in reply.json["response"]["errorReports"]]


@pytest.fixture
def made(dhis2):
    """One person made by the provisioner."""
    assert dhis2.call(PROV, "POST", "/api/users", nurse()).status == 201
    return dhis2


def read(side, fields, uid="UsrNewAAA01"):
    return side.admin("GET", "/api/users/%s?fields=%s" % (uid, fields)).json


# -- sessions and tokens -------------------------------------------------------------------------------

@fact("dhis2.session.rights-frozen")
def test_rights_are_those_of_the_login(dhis2):
    dhis2.admin("POST", "/api/routes", {"name": "r", "code": "r", "url": dhis2.op.origin + "/echo/x",
                                        "authorities": ["F_METADATA_EXPORT"]})
    browser = dhis2.login({})[0]
    dhis2.admin("PATCH", "/api/users/UsrAAAAAA01", add("userRoles", refs("RolePlainA1")))
    assert dhis2.call(browser, "GET", ME).json["authorities"] == []
    assert dhis2.call(browser, "GET", "/api/routes/r/run").status == 200
    assert dhis2.call(dhis2.login({})[0], "GET", "/api/routes/r/run").status == 403


@fact("dhis2.session.not-ended")
def test_oidc_session_cannot_be_ended(dhis2):
    browser = dhis2.login({})[0]
    dhis2.admin("POST", "/api/users/UsrAAAAAA01/disabled")
    dhis2.admin("POST", "/api/users/UsrAAAAAA01/expired?date=2020-01-01")
    dhis2.admin("DELETE", "/api/sessions/oidcuser")
    assert dhis2.call(browser, "GET", ME).status == 200


@fact("dhis2.session.deleted-user")
def test_session_of_a_deleted_user(dhis2):
    browser = dhis2.login({})[0]
    assert dhis2.admin("DELETE", "/api/users/UsrAAAAAA01").status == 200
    assert dhis2.call(browser, "GET", ME).status == 500
    assert dhis2.call(browser, "GET", "/api/organisationUnits").status == 200


@fact("dhis2.session.redis-ends")
def test_with_redis_it_ends(lab):
    side = lab.side("redis", redis__enabled="on")
    browser = side.login({})[0]
    side.admin("POST", "/api/users/UsrAAAAAA01/disabled")
    assert side.call(browser, "GET", ME).location == "/dhis-web-commons-security/logout.action"
    assert side.call(browser, "GET", ME).location.endswith("/login/")


@fact("dhis2.session.form-ended")
def test_form_session_ends(dhis2):
    browser = dhis2.client(jar=True)
    dhis2.call(browser, "POST", "/api/auth/login", {"username": "oidcnoext", "password": "District1234!"})
    assert dhis2.call(browser, "GET", ME).status == 200
    dhis2.admin("PATCH", "/api/users/UsrAAAAAA02", add("userRoles", refs("RolePlainA1")))
    assert dhis2.call(browser, "GET", ME).status == 302


@fact("dhis2.session.idle")
def test_idle_time_out(lab):
    side = lab.side("short", system__session__timeout="120")
    browser = side.login({})[0]
    side.clock(100)
    assert side.call(browser, "GET", ME).status == 200
    side.clock(230)
    assert side.call(browser, "GET", ME).status == 302


def token_of(side, who, **limits):
    made = side.call(who, "POST", "/api/apiTokens", limits).json["response"]
    return {"Authorization": "ApiToken " + made["key"]}, made["uid"]


@fact("dhis2.pat.cache")
def test_used_token_is_cached_for_an_hour(dhis2):
    used, _ = token_of(dhis2, NOEXT)
    unused, _ = token_of(dhis2, NOEXT)
    assert dhis2.call(dhis2.client(used), "GET", ME).status == 200
    dhis2.admin("POST", "/api/users/UsrAAAAAA02/disabled")
    assert dhis2.call(dhis2.client(used), "GET", ME).status == 200
    assert dhis2.call(dhis2.client(unused), "GET", ME).status == 401
    dhis2.clock(3700)
    assert dhis2.call(dhis2.client(used), "GET", ME).status == 401


@fact("dhis2.pat.delete")
@fact("dhis2.pat.own")
def test_own_token_and_its_deletion(dhis2):
    headers, uid = token_of(dhis2, NOEXT)
    client = dhis2.client(headers)
    listed = dhis2.call(client, "GET", "/api/apiTokens?fields=id").json["apiToken"]
    assert [t["id"] for t in listed] == [uid]
    assert dhis2.call(client, "DELETE", "/api/apiTokens/" + uid).status == 200
    assert dhis2.call(client, "GET", ME).json["message"] == "The API token does not exists"


@fact("dhis2.pat.cookie")
def test_cookie_of_a_token_call(dhis2):
    headers, uid = token_of(dhis2, NOEXT)
    jar = dhis2.client(jar=True)
    dhis2.call(jar, "GET", ME, headers=headers)
    dhis2.admin("DELETE", "/api/apiTokens/" + uid)
    assert dhis2.call(jar, "GET", ME).status == 200


@fact("dhis2.pat.limits")
def test_method_and_ip_lists(dhis2):
    headers, _ = token_of(dhis2, NOEXT, attributes=[{"type": "MethodAllowedList", "allowedMethods": ["POST"]}])
    assert dhis2.call(dhis2.client(headers), "GET", ME).status == 401
    headers, _ = token_of(dhis2, NOEXT, attributes=[{"type": "IpAllowedList", "allowedIps": ["10.1.2.3"]}])
    assert dhis2.call(dhis2.client(headers), "GET", ME).status == 401
    assert dhis2.call(dhis2.client(headers), "GET", ME, headers={"X-Forwarded-For": "10.1.2.3"}).status == 200


@fact("dhis2.pat.checksum")
def test_mistyped_token(dhis2):
    assert dhis2.call(dhis2.client({"Authorization": "ApiToken d2p_x"}), "GET", ME).status == 400


@fact("dhis2.login.twins")
@fact("dhis2.users.enabled-unchecked")
def test_two_enabled_twins(dhis2):
    dhis2.admin("POST", "/api/users", nurse("UsrTwinAA01", "twin1", "twin", disabled=True))
    dhis2.admin("POST", "/api/users", nurse("UsrTwinAA02", "twin2", "twin"))
    dhis2.login({}, email="twin")
    assert dhis2.admin("PATCH", "/api/users/UsrTwinAA01", add("disabled", False)).status == 409
    assert dhis2.admin("POST", "/api/users/UsrTwinAA01/enabled").status == 204
    assert dhis2.call(dhis2.login({}, email="twin")[0], "GET", ME).json["username"] == "twin2"


# -- users ---------------------------------------------------------------------------------------------

@fact("dhis2.users.least-privilege")
@fact("dhis2.users.endpoints")
def test_least_privilege(made):
    assert made.call(PROV, "PATCH", USER, add("email", "a@example.org")).status == 200
    for what in ("disabled", "enabled", "expired?date=2030-01-01", "unexpired"):
        assert made.call(PROV, "POST", USER + "/" + what).status == 204
    assert made.call(PROV, "DELETE", USER).status == 403
    assert made.call(PROV, "POST", "/api/users/UsrNopeAA01/disabled").status == 500


@fact("dhis2.users.view")
def test_reading_users_needs_an_authority(dhis2):
    reply = dhis2.call(NOEXT, "GET", "/api/users")
    assert (reply.status, reply.json["errorCode"]) == (403, "E1006")


# (fact, changes of the new user, error codes)
REFUSED = [
    ("dhis2.users.e3003", {"userRoles": refs("RoleAAAAA01")}, ["E3003"]),
    ("dhis2.users.e3003", {"userRoles": refs("RoleProvAA1")}, ["E3003"]),
    ("dhis2.users.e5008", {"userRoles": refs("RolePriv0A1")}, ["E5008"]),
    ("dhis2.users.e5002", {"userRoles": refs("RoleNopeAA1")}, ["E5002"]),
    ("dhis2.users.e4055", {"userRoles": []}, ["E4055"]),
    ("dhis2.users.e4054", {"openId": "oidc.user@example.org"}, ["E4054"]),
    ("dhis2.users.e4054", {"username": "oidcuser"}, ["E4054"]),
    ("dhis2.users.e4049", {"username": "a+b@c"}, ["E4049"]), ("dhis2.users.e4049", {"username": "abc"}, ["E4049"]),
    ("dhis2.users.e4049", {"username": "søren"}, ["E4049"]), ("dhis2.users.e4049", {"username": "a..b"}, ["E4049"]),
    ("dhis2.users.e5000", {"id": "UsrAAAAAA01"}, ["E5000"]),
    ("dhis2.users.e7617", {"organisationUnits": refs("OuOtherAA01")}, ["E7617"]),
    ("dhis2.users.e7617", {"teiSearchOrganisationUnits": refs("OuOtherAA01")}, ["E7617"]),
]


@pytest.mark.parametrize("changes,want", [pytest.param(c, w, marks=fact(f)) for f, c, w in REFUSED])
def test_create_refused(dhis2, changes, want):
    reply = dhis2.call(PROV, "POST", "/api/users", dict(nurse(), **changes))
    assert reply.status == 409 and codes(reply) == want
    if want == ["E4054"]:
        assert reply.json["response"]["errorReports"][0]["errorProperty"] == "username"


@fact("dhis2.users.e4056")
def test_username_is_for_ever(made):
    assert codes(made.call(PROV, "PATCH", USER, add("username", "other1"))) == ["E4056"]


@fact("dhis2.users.e3041")
def test_all_is_out_of_reach(dhis2):
    reply = dhis2.call(PROV, "PATCH", "/api/users/M5zQapPyTZI", add("email", "x@x.org"))
    assert sorted(codes(reply)) == ["E3003", "E3041"]
    assert dhis2.call(PROV, "POST", "/api/users/M5zQapPyTZI/disabled").status == 409


@fact("dhis2.users.e1004-group")
def test_create_with_a_forbidden_group(dhis2):
    for gid in ("GrpPrivAAA1", "GrpNopeAAA1"):
        reply = dhis2.call(PROV, "POST", "/api/users", nurse(userGroups=refs(gid)))
        assert (reply.status, reply.json["errorCode"]) == (409, "E1004")
    assert dhis2.call(PROV, "POST", "/api/users", nurse(userGroups=refs("GrpPublROA1"))).status == 201


@fact("dhis2.users.unknown-ou")
def test_unknown_org_unit(dhis2):
    assert dhis2.call(PROV, "POST", "/api/users", nurse(organisationUnits=refs("OuNopeAAA01"))).status == 500


@fact("dhis2.users.groups-add")
@fact("dhis2.users.groups-skipped")
def test_groups_by_add(made):
    assert made.call(PROV, "PATCH", USER, add("userGroups", refs("GrpPublROA1", "GrpPrivAAA1", "GrpNopeAAA1"))).status == 200
    assert read(made, "userGroups") == {"userGroups": refs("GrpPublROA1")}
    made.call(PROV, "PATCH", USER, add("userGroups", []))
    assert read(made, "userGroups") == {"userGroups": []}


@fact("dhis2.users.groups-replace")
def test_groups_by_replace(made):
    made.call(PROV, "PATCH", USER, add("userGroups", refs("GrpPublROA1")))
    patch = add("email", "kept@example.org") + add("userGroups", [], "replace")
    assert made.call(PROV, "PATCH", USER, patch).status == 500
    assert made.call(PROV, "PATCH", USER, add("userGroups/-", refs("GrpAAAAAA01")[0])).status == 500
    assert made.call(PROV, "PATCH", USER, [{"op": "remove", "path": "/userGroups"}]).status == 200
    assert read(made, "email,userGroups") == {"email": "kept@example.org", "userGroups": refs("GrpPublROA1")}


@fact("dhis2.users.groups-removed")
def test_unreadable_group_is_removed(made):
    made.admin("PATCH", USER, add("userGroups", refs("GrpPrivAAA1")))
    made.call(PROV, "PATCH", USER, add("userGroups", refs("GrpPublROA1")))
    assert read(made, "userGroups") == {"userGroups": refs("GrpPublROA1")}


@fact("dhis2.users.patch-refusals")
def test_patch_refusals(made):
    assert made.call(PROV, "PATCH", USER, [{"op": "test", "path": "/disabled", "value": False}]).status == 400
    assert made.call(PROV, "PATCH", USER, add("nonsense", 1)).status == 400
    assert made.call(PROV, "PATCH", USER, add("email", "a@b.org"), kind="application/json").status == 415
    assert made.call(PROV, "PATCH", "/api/users/UsrNopeAA01", add("email", "a@b.org")).status == 404
    assert made.call(PROV, "PATCH", "/api/users/xyz", add("email", "a@b.org")).status == 400


@fact("dhis2.users.patch-absent")
def test_patch_of_absent_values(made):
    before = read(made, "lastUpdated")["lastUpdated"]
    assert made.call(PROV, "PATCH", USER, add("accountExpiry", "2030-01-31", "replace")).status == 200
    assert made.call(PROV, "PATCH", USER, [{"op": "remove", "path": "/email"}]).status == 200
    assert made.call(PROV, "PATCH", USER, []).status == 200
    after = read(made, "lastUpdated,accountExpiry")
    assert after["accountExpiry"] == "2030-01-31T00:00:00.000" and after["lastUpdated"] > before


@fact("dhis2.users.lost-update")
def test_parallel_patches_lose_one(made):
    both = made.at_once((PROV, "PATCH", USER, add("email", "a@example.org")), (PROV, "PATCH", USER, add("phoneNumber", "+1")))
    assert [r.status for r in both] == [200, 200]
    assert len(read(made, "email,phoneNumber")) == 1


@fact("dhis2.users.race-openid")
def test_parallel_creates_with_one_openid(dhis2):
    bodies = [nurse("UsrRaceAA0%d" % n, "race%d" % n, "race") for n in range(3)]
    assert [r.status for r in dhis2.at_once(*((PROV, "POST", "/api/users", b) for b in bodies))] == [201] * 3


@fact("dhis2.users.race-username")
def test_parallel_creates_with_one_username(dhis2):
    bodies = [nurse("UsrRaceAA0%d" % n, "race", "race%d" % n) for n in range(3)]
    replies = dhis2.at_once(*((PROV, "POST", "/api/users", b) for b in bodies))
    assert sorted(r.status for r in replies) == [201, 409, 409]
    assert any("uk_userinfo_username" in r.text for r in replies)


@fact("dhis2.users.twins")
def test_disabled_twins(dhis2):
    status = [dhis2.call(PROV, "POST", "/api/users", nurse("UsrTwinAA0%d" % n, "twin%d" % n, "twin", disabled=disabled)).status
              for n, disabled in ((1, True), (2, True), (3, False), (4, False), (5, True))]
    assert status == [201, 201, 201, 409, 409]


@fact("dhis2.users.put-clears")
def test_put_clears(made):
    made.call(PROV, "PATCH", USER, add("email", "a@example.org") + add("userGroups", refs("GrpPublROA1")))
    body = {"username": "nurse1", "firstName": "F", "surname": "S", "userRoles": refs("RoleAuthsA1")}
    assert made.call(PROV, "PUT", USER, body).status == 200
    assert read(made, "openId,externalAuth,email,organisationUnits,userGroups") == {
        "externalAuth": False, "organisationUnits": [], "userGroups": []}


@fact("dhis2.users.import")
def test_import(dhis2):
    path = "/api/metadata?importStrategy=CREATE_AND_UPDATE&atomicMode=ALL"
    body = {"users": [nurse(userGroups=refs("GrpPublROA1")), nurse("UsrNewAAA02", "nurse2")]}
    tried = dhis2.call(PROV, "POST", path + "&importMode=VALIDATE", body)
    assert tried.json["response"]["stats"]["created"] == 2 and dhis2.admin("GET", USER).status == 404
    assert dhis2.call(PROV, "POST", path, body).json["response"]["stats"]["created"] == 2
    one = {"users": [nurse("UsrNewAAA03", "nurse3", "person-3")]}
    assert dhis2.call(PROV, "POST", path, one).json["response"]["stats"]["created"] == 1
    assert dhis2.call(PROV, "POST", path, one).json["response"]["stats"]["updated"] == 1
    assert read(dhis2, "userGroups") == {"userGroups": []}


@fact("dhis2.users.comma")
@fact("dhis2.users.filter")
def test_filters(dhis2):
    for number, openid in enumerate(("p,q", "Case", "case", "a:b/c+d e")):
        assert dhis2.call(PROV, "POST", "/api/users", nurse("UsrOidAAA0%d" % number, "oid%02d" % number, openid)).status == 201

    def found(expression):
        reply = dhis2.call(PROV, "GET", "/api/users?paging=false&fields=username&filter=openId:" + expression)
        return sorted(u["username"] for u in reply.json["users"])
    assert found("eq:p%2Cq") == [] and found("eq:Case") == ["oid01"]
    assert found("in:[Case,case]") == ["oid01", "oid02"] and found("eq:a%3Ab%2Fc%2Bd%20e") == ["oid03"]
    assert "oid00" in found("!null")
    pager = dhis2.call(PROV, "GET", "/api/users?pageSize=2&page=2&fields=id").json
    assert pager["pager"]["page"] == 2 and len(pager["users"]) == 2
    unknown = dhis2.call(PROV, "GET", "/api/users?filter=twoFactorType:eq:x")
    assert (unknown.status, unknown.json["errorCode"]) == (400, "E1003")


@fact("dhis2.users.can-issue")
def test_can_issue(dhis2):
    listed = dhis2.call(PROV, "GET", "/api/userRoles?canIssue=true&fields=id&paging=false").json["userRoles"]
    assert sorted(r["id"] for r in listed) == ["RoleAuthsA1", "RolePlainA1"]


@fact("dhis2.users.last-login")
def test_last_login(dhis2):
    assert "lastLogin" not in read(dhis2, "lastLogin", "UsrAAAAAA01")
    dhis2.bearer()
    assert "lastLogin" not in read(dhis2, "lastLogin", "UsrAAAAAA01")
    dhis2.login({})
    both = read(dhis2, "lastLogin,lastUpdated", "UsrAAAAAA01")
    assert both["lastLogin"] == both["lastUpdated"]


@fact("dhis2.users.changed-since")
def test_group_endpoint_moves_nothing(made):
    before = read(made, "lastUpdated"), made.admin("GET", "/api/userGroups/GrpAAAAAA01?fields=lastUpdated").json
    assert made.admin("POST", "/api/userGroups/GrpAAAAAA01/users/UsrNewAAA01").status == 200
    assert before == (read(made, "lastUpdated"), made.admin("GET", "/api/userGroups/GrpAAAAAA01?fields=lastUpdated").json)


@fact("dhis2.users.no-etag")
def test_no_etag(made):
    headers = made.admin("GET", USER).headers
    assert "ETag" not in headers and "Last-Modified" not in headers


@fact("dhis2.users.case")
def test_usernames_are_case_sensitive(made):
    assert made.call(PROV, "POST", "/api/users", nurse("UsrNewAAA02", "NURSE1", "person-2")).status == 201
