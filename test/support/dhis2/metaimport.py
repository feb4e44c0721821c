"""POST and GET /api/metadata: import (users, groups, roles, org units, routes) and a small export.

Kept oddities: `userGroups` inside a user is ignored; a userGroups object in the payload replaces
members AND sharing; two users with one openId in one payload are both made; a route without
`sharing` becomes public rw. importMode=VALIDATE is a true dry run (dhis2-users.md §2).
"""
import asyncio

import access
import metadata
import users
import validate
from answer import IMPORT_FAILED, error_report, json_reply, refuse, stats, web_message
from model import KLASS, PUBLIC_RW, ids_of, new_uid, stamp

ORDER = ("organisationUnits", "userRoles", "userGroups", "users", "routes")


class Import:
    def __init__(self, call):
        self.call, self.world, self.principal = call, call.world, call.principal
        self.strategy = call.query.get("importStrategy", "CREATE_AND_UPDATE")
        self.all_or_none = call.query.get("atomicMode", "ALL") == "ALL"
        self.dry = call.query.get("importMode", "COMMIT") == "VALIDATE"
        self.plan, self.errors = [], []      # [(store, index, object, saved)], [(store, index, uid, reports)]
        self.names = {}

    def examine(self, store, index, body):
        uid = body.setdefault("id", new_uid())
        saved = self.world.store(store).get(uid)
        if store == "users":
            thing, reports = self.examine_user(body, saved)
        else:
            thing, reports = body, self.examine_other(store, body, saved)
        if reports:
            self.errors.append((store, index, uid, reports))
        else:
            self.plan.append((store, index, thing, saved))

    def examine_user(self, body, saved):
        world = self.world
        user = users.candidate_from(world, users.flat(world, body), body["id"])
        if saved:
            user = users.merged_for_put(world, saved, users.flat(world, body))
        if not self.principal.has("F_USER_ADD", "F_USER_ADD_WITHIN_MANAGED_GROUP"):
            who = "%s [%s] (User)" % (self.principal.name, self.principal.user_id)
            return user, [error_report("E3000", "User `%s` is not allowed to create objects of type %s"
                                       % (who, validate.label(user)), KLASS["users"])]
        if user["username"] and user["username"] in self.names:
            return user, [error_report("E5003", "Property `username` with value `%s` on object %s already "
                                       "exists on object %s" % (user["username"], validate.label(user),
                                                                self.names[user["username"]]),
                                       KLASS["users"], prop="username")]
        self.names[user["username"]] = user["id"]
        return user, validate.user_errors(world, self.principal, user, saved)

    def examine_other(self, store, body, saved):
        if store == "organisationUnits" or self.principal.super:
            return []
        allowed = self.principal.has(*access.ADD_AUTHORITIES[store])
        if saved and not (allowed and access.can_write(self.principal, saved)):
            word, code = "update", "E3001"
        elif not saved and not allowed:
            word, code = "create", "E3000"
        else:
            return []
        who = "%s [%s] (User)" % (self.principal.name, self.principal.user_id)
        what = "%s [%s] (%s)" % (body.get("name"), body["id"], metadata.SINGULAR[store])
        return [error_report(code, "User `%s` is not allowed to %s object %s" % (who, word, what), KLASS[store])]

    def write(self, store, thing, saved):
        world = self.world
        if store == "users":
            self.write_user(thing, saved)
        elif store == "organisationUnits":
            world.add_unit(thing)
        else:
            thing.setdefault("sharing", {}).setdefault("public", PUBLIC_RW)
            thing["managedGroups"] = ids_of(thing.get("managedGroups"))
            world.add_shared(store, thing, self.principal)

    def write_user(self, user, saved):
        if not saved:
            users.insert(self.world, self.principal, user)
            return
        users.store(self.world, self.principal, user)
        if set(user["userRoles"]) != set(saved["userRoles"]):
            self.call.sessions.end_of_user(user["id"])

    def report(self, written):
        reports = []
        for store in ORDER:
            good = [w for w in written if w[0] == store]
            bad = [e for e in self.errors if e[0] == store]
            ignored = len(bad)
            if self.errors and self.all_or_none:
                ignored += len([p for p in self.plan if p[0] == store])
            if not good and not ignored:
                continue
            reports.append({
                "klass": KLASS[store],
                "stats": stats(created=len([g for g in good if not g[3]]),
                               updated=len([g for g in good if g[3]]), ignored=ignored),
                "objectReports": [{"klass": KLASS[store], "index": i, "uid": uid, "errorReports": r}
                                  for _, i, uid, r in bad]})
        total = {k: sum(r["stats"][k] for r in reports) for k in ("created", "updated", "deleted", "ignored")}
        status = "OK" if not self.errors else "ERROR" if self.all_or_none else "WARNING"
        return {"status": status, "typeReports": reports, "stats": stats(**total),
                "responseType": "ImportReport"}


async def post(call):
    job = Import(call)
    payload = call.json_body()
    for store in ORDER:
        for index, body in enumerate(payload.get(store, [])):
            job.examine(store, index, body)
    written = [] if job.errors and job.all_or_none else job.plan
    await asyncio.sleep(users.WRITE_WINDOW)
    if not job.dry:
        for store, _, thing, saved in written:
            job.write(store, thing, saved)
        call.world.save()
    if job.errors:
        return web_message(409, IMPORT_FAILED, level="WARNING", response=job.report(written))
    return web_message(200, response=job.report(written))


async def export(call):
    if call.query.get("users") == "true" and not call.principal.has("F_USER_VIEW"):
        refuse(409, "Exporting user metadata requires the 'F_USER_VIEW' authority.")
    world = call.world
    body = {"system": {"id": "30ee1246-963a-4075-98af-cce2af183147", "rev": "-",
                       "version": "2.41.9.1" if world.old else "2.43.1", "date": stamp(world.now()) + "+0000"}}
    for store in ORDER:
        if call.query.get(store) == "true":
            body[store] = [{"id": t["id"]} for t in world.store(store).values()]
    return json_reply(body)


ROUTES = [("POST", "metadata", post), ("GET", "metadata", export)]
