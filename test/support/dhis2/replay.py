#!/usr/bin/python3
"""Does the stand-in answer as the real DHIS2 was recorded to?

Starts stand-ins and a misbehaving OpenID provider on loopback, replays every recorded case that
concerns something the bridge depends on, prints each difference, what is deliberately not replayed,
and `N passed, N failed`. Recordings are read in place (IDBRIDGE_RECORDINGS). Ends with 1 on any
difference, with 77 where there are no recordings.
"""
import ast
import asyncio
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from replaying import (bearer_cases, coverage, login_cases, more_cases, route_cases,     # noqa: E402
                       stale_cases, users_engine, users_hooks, users_rights, users_sessions, users_values, version_cases,
                       web_api_cases, world)
from replaying.mini_op import MiniOp   # noqa: E402
from replaying.script import Script    # noqa: E402

SKIPPED = 77
NEW, OLD = "dhis2-2.43.1/", "dhis2-2.41/"


async def suite_login(bench, tally):
    bench.op.reset()
    origin = await bench.start("login", prefix="bt")
    logins = login_cases.Logins(bench, origin)
    await login_cases.replay_file(tally, logins, NEW + "login.txt")
    bench.op.reset()
    await login_cases.replay_requests(tally, logins, NEW + "login.txt")


async def suite_login_flag(bench, tally):
    """oidc.oauth2.login.enabled=off does not switch login off in 2.43."""
    bench.op.reset()
    origin, name = await bench.start("login-flag", prefix="bt", oidc__oauth2__login__enabled="off"), NEW + "id-token-algorithms.txt"
    lines = world.recorded(name)
    listed = (await world.Browser(bench, origin)("GET", "/api/loginConfig")).json["oidcProviders"]
    tally.check(name, "providers listed", sorted(ast.literal_eval(lines[1].split(" ", 2)[2])), sorted(p["id"] for p in listed))
    await login_cases.replay_file(tally, login_cases.Logins(bench, origin), name, lines[:3])


async def suite_login_old(bench, tally):
    bench.op.reset()
    origin = await bench.start("login-old", "2.41")
    logins = login_cases.Logins(bench, origin)
    await login_cases.replay_file(tally, logins, OLD + "login.txt")
    bench.op.reset()
    await login_cases.replay_requests(tally, logins, OLD + "login.txt")


async def suite_bearer(bench, tally):
    bench.op.reset()
    origin = await bench.start("bearer", prefix="bt")
    bearers = bearer_cases.Bearers(bench, origin)
    await web_api_cases.replay(tally, bench, origin, NEW + "web-api.txt", only="/api/routes")
    await bearer_cases.replay_file(tally, bearers, NEW + "bearer.txt")
    await bearer_cases.replay_algorithms(tally, bearers, NEW + "id-token-algorithms.txt")


async def suite_bearer_old(bench, tally):
    bench.op.reset()
    origin = await bench.start("bearer-old", "2.41")
    bearers = bearer_cases.Bearers(bench, origin)
    await web_api_cases.replay(tally, bench, origin, OLD + "web-api.txt", only="/api/routes")
    await bearer_cases.replay_file(tally, bearers, OLD + "bearer.txt")
    await bearer_cases.replay_algorithms(tally, bearers, OLD + "bearer-algorithms.txt")


async def suite_web_api(bench, tally):
    """Builds the recorded world from nothing but admin."""
    for name, version, where in (("api", "2.43", NEW), ("api-old", "2.41", OLD)):
        bench.op.reset()
        seed = world.replay_seed()
        seed.update(organisationUnits=[], userGroups=[], users=[dict(seed["users"][0], organisationUnits=[])],
                    userRoles=seed["userRoles"][:1])
        origin = await bench.start(name, version, seed)
        await web_api_cases.replay(tally, bench, origin, where + "web-api.txt")


async def suite_routes(bench, tally):
    for name, version, file in (("routes", "2.43", "on-2.43.1-"), ("routes-old", "2.41", "")):
        bench.op.reset()
        origin = await bench.start(name, version)
        await route_cases.replay(Script(tally, OLD + file + "routes.txt"), bench, origin, version == "2.41")
        await route_cases.replay_sharing_after_put(
            Script(tally, OLD + file + "route-sharing-after-put.txt"), bench, origin)


async def suite_users(bench, tally):
    """users.txt, the request lines: least privilege, PATCH, PUT, import, groups, routes."""
    bench.op.reset()
    origin, name = await bench.start("users"), NEW + "users.txt"
    lines = world.recorded(name)
    run = users_engine.UsersReplay(tally, bench, origin, name, lines)
    for section in ("0 set-up", "1 least", "1b role", "2 PATCH"):
        await run.run(users_engine.HOOKS, *users_engine.bounds(lines, section))
    for section in ("3b sessions", "6 comma"):
        await run.run(users_hooks.BEFORE, *users_engine.bounds(lines, section))
    for section in ("7/8", "3d/9", "10 rest", "11 the", "12 three"):
        await run.run(users_hooks.HOOKS, *users_engine.bounds(lines, section))


async def suite_sessions(bench, tally):
    """users.txt, sections 3, 3b, 13, and 3d on a second stand-in with Redis."""
    bench.op.reset()
    name = NEW + "users.txt"
    lines = world.recorded(name)
    run = users_sessions.SessionReplay(tally, bench, await bench.start("sessions"), name, lines)
    await run.world()
    await run.section_three()
    await run.by_kind("3b sessions", "")
    await run.section_thirteen()
    rights = users_rights.RightsReplay(tally, bench, await bench.start("rights"), name, lines)
    await rights.world()
    await rights.run()
    values = users_values.ValueReplay(tally, bench, await bench.start("values"), name, lines)
    await values.world()
    await values.run()
    redis = users_sessions.SessionReplay(tally, bench, await bench.start("redis", redis__enabled="on"), name, lines)
    await redis.world()
    await redis.by_kind("3d/9", "redis ")


async def suite_versions(bench, tally):
    """The same script on both versions."""
    for name, version, file in (("both", "2.43", "on-2.43.1-users.txt"), ("both-old", "2.41", "users-sessions-pat.txt")):
        bench.op.reset()
        origin = await bench.start(name, version)
        await version_cases.VersionReplay(Script(tally, OLD + file), bench, origin, version == "2.41").run()
    await version_cases.replay_twins(Script(tally, OLD + "openid-twins.txt"), bench, await bench.start("twins", "2.41"))
    flags = {"oauth2__authorization__server__enabled": "on", "oidc__oauth2__login__enabled": "off"}
    await version_cases.replay_flags(Script(tally, OLD + "flags.txt"), bench, await bench.start("flags", "2.41", **flags))


async def suite_more(bench, tally):
    """Sessions, groups and OIDC variants; routes and more."""
    for name, version, file in (("more", "2.43", "on-2.43.1-"), ("more-old", "2.41", "")):
        bench.op.reset()
        script = Script(tally, OLD + file + "sessions-groups-oidc-variants.txt")
        origin = await bench.start(name, version)
        await more_cases.MoreReplay(script, bench, origin, version == "2.41").variants()
    for name, version, file in (("stale", "2.43", "on-2.43.1-"), ("stale-old", "2.41", "")):
        bench.op.reset()
        script = Script(tally, OLD + file + "stale-oidc-session.txt")
        await stale_cases.StaleReplay(script, bench, await bench.start(name, version)).run()
    for name, version, file in (("extra", "2.43", NEW + "routes-and-more.txt"), ("extra-old", "2.41", OLD + "extra.txt")):
        bench.op.reset()
        origin = await bench.start(name, version)
        await more_cases.MoreReplay(Script(tally, file), bench, origin, version == "2.41").more()


async def suite_kid_reuse(bench, tally):
    bench.op.reset()
    origin = await bench.start("kid")
    await login_cases.replay_kid_reuse(tally, login_cases.Logins(bench, origin),
                                       bearer_cases.Bearers(bench, origin), bearer_cases.LINE)


SUITES = [suite_login, suite_login_flag, suite_login_old, suite_bearer, suite_bearer_old, suite_web_api,
          suite_routes, suite_users, suite_sessions, suite_versions, suite_more, suite_kid_reuse]


async def run(names):
    tally, op = world.Tally(), MiniOp()
    await op.open()
    async with world.Bench(op) as bench:
        for suite in SUITES:
            if names and suite.__name__ not in names:
                continue
            started = time.time()
            before = tally.passed, len(tally.failed)
            await suite(bench, tally)
            print("%-28s %4d passed %4d failed %6.1f s" % (
                suite.__name__[6:], tally.passed - before[0], len(tally.failed) - before[1],
                time.time() - started), flush=True)
    await op.close()
    if not names:
        coverage.leftovers(tally)
    return tally


def main():
    if not world.recordings():
        print("skipped: the recordings are missing; set IDBRIDGE_RECORDINGS")
        return SKIPPED
    tally = asyncio.run(run(sys.argv[1:]))
    for text in tally.failed:
        print("DIFFERENT " + text)
    print("not replayed, with the reason:")
    for (reason, source), count in sorted(tally.skipped.items()):
        print("  %-60s %s (%d lines)" % (reason, source, count))
    print("%d passed, %d failed" % (tally.passed, len(tally.failed)))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
