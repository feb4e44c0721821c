"""What the recorder changed between the lines of users.txt sections 7 to 12, without writing it down."""
from .users_engine import CHILD, LEAST, ROOT, group, least, person, set_authorities

PROVISIONER = {"id": "UsrProvAA01"}
GROUPLESS = [a for a in LEAST if a != "F_USER_GROUPS_READ_ONLY_ADD_MEMBERS"]
TARGET = "/api/users/UsrTargAA01"


async def section_seven(run, match, number):
    await run.admin_token()
    await run.authorities(LEAST)
    op = run.bench.op
    for code, public in (("echo", "rw------"), ("echocc", "r-------")):
        await run.admin("POST", "/api/routes", {"id": "RouteAAAA0%d" % (1 + len(code) // 6), "name": code, "code": code,
                                                "url": op.origin + "/echo/x", "sharing": {"public": public}})
    await run.admin("POST", "/api/routes", {"id": "RouteEffA01", "name": "eff", "code": "eff",
                                            "url": op.origin + "/echo/eff"})
    await run.share("userGroup", "GrpPublROA1", publicAccess="r-------")
    await run.admin("POST", "/api/userRoles", {"id": "RoleSessAA1", "name": "Sess role", "authorities": []})


async def private_group(run, match, number):
    await run.admin("POST", "/api/userGroups", {"id": "GrpPrivBBB1", "name": "Group private B",
                                                "sharing": {"public": "--------"}})
    await run.admin("PATCH", TARGET, [
        {"op": "add", "path": "/userRoles", "value": group("RoleAuthsA1")},
        {"op": "add", "path": "/organisationUnits", "value": CHILD},
        {"op": "add", "path": "/dataViewOrganisationUnits", "value": ROOT},
        {"op": "add", "path": "/userGroups", "value": group("GrpPrivBBB1", "GrpPublROA1")}])


async def group_admin(run, match, number):
    await run.authorities(GROUPLESS + ["F_USERGROUP_PUBLIC_ADD"])


async def shared_rw(run, match, number):
    await run.authorities(GROUPLESS)
    await run.share("userGroup", "GrpPrivBBB1", publicAccess="--------",
                    userAccesses=[dict(PROVISIONER, access="rw------")])


async def shared_r(run, match, number):
    await run.authorities(LEAST)
    await run.share("userGroup", "GrpPrivBBB1", publicAccess="--------",
                    userAccesses=[dict(PROVISIONER, access="r-------")])


async def private_role_shared(run, match, number):
    await run.share("userRole", "RolePriv0A1", publicAccess="--------",
                    userAccesses=[dict(PROVISIONER, access="r-------")])


async def own_role(run, match, number):
    await run.share("userRole", "RoleProvAA1", publicAccess="--------",
                    userAccesses=[dict(PROVISIONER, access="r-------")])


async def second_try(run, match, number):
    """The same PATCH twice: the setting is switched on between the two."""
    if run.marks.get("own role"):
        await run.admin("POST", "/api/systemSettings/keyCanGrantOwnUserAuthorityGroups?value=true")
    run.marks["own role"] = True


async def setting_off(run, match, number):
    run.marks.pop("own role", None)
    await run.admin("POST", "/api/systemSettings/keyCanGrantOwnUserAuthorityGroups?value=false")


async def no_authority(run, match, number):
    await run.admin("PATCH", "/api/users/UsrProvAA01", [{"op": "add", "path": "/disabled", "value": False}])
    await run.share("userRole", "RoleProvAA1", publicAccess="--------", userAccesses=[])
    await run.share("userRole", "RolePriv0A1", publicAccess="--------", userAccesses=[])
    await run.share("userGroup", "GrpPrivBBB1", publicAccess="--------", userAccesses=[])
    await run.authorities([])


async def three(run, match, number):
    await run.authorities(LEAST[:3])


async def nothing_at_all(run, match, number):
    await run.authorities([])


async def effr_user(run, match, number):
    await run.authorities(GROUPLESS)
    await run.share("userGroup", "GrpPrivBBB1", publicAccess="--------", userAccesses=[])
    await run.admin("POST", "/api/users", person("UsrEffRA001", "effr1", "effr1@x", userGroups=group(
        "GrpPrivBBB1", "GrpPublROA1")))


async def readable_added(run, match, number):
    await run.authorities(LEAST)


async def keeps_private_role(run, match, number):
    await run.authorities(LEAST)
    await run.admin("PATCH", "/api/users/UsrEffRA001", [
        {"op": "add", "path": "/userRoles", "value": group("RoleAuthsA1", "RolePriv0A1")}])


async def token_of_admin(run, match, number):
    await run.admin_token()


BEFORE = [(r"######## 6", token_of_admin)]
HOOKS = [
    (r"######## 7/8", section_seven), (r"admin put target into the private group", private_group),
    (r"--- with F_USERGROUP_PUBLIC_ADD", group_admin), (r"--- shared rw with the provisioner", shared_rw),
    (r"--- private group shared r to", shared_r), (r"--- private role shared r", private_role_shared),
    (r"--- grant own role", own_role), (r".*\"/userRoles\", \"value\": \[\{\"id\": \"RoleProvAA1\"\}\]", second_try),
    (r"--- provisioner changes ITSELF", setting_off), (r"--- minimal reading", no_authority),
    (r"--- auth (\[.*?\])", set_authorities), (r"=== authorities, rest", least),
    (r"prov1: POST /api/metadata.*UsrMetaZZ01", nothing_at_all),
    (r"--- view-only in managed group", nothing_at_all),
    (r"=== PATCH userGroups by an account WITHOUT", effr_user), (r"   after \[\] without", readable_added),
    (r"=== PATCH by a user when target keeps", keeps_private_role), (r"=== 2FA flags", least), (r"######## 12 three", three)]
