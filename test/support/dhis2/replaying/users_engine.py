"""Replay of users.txt, the lines of the form "[label] who: METHOD path body" and their answers.

The recorder cut long bodies; `complete` and `WHOLE` restore them. Between the lines it changed the
account under test without saying so in the same form: HOOKS does that. Read-backs are compared with
what admin reads at that moment.
"""
import ast
import json
import re

from .compare import as_json, codes_of, covers, is_html, normal, pairs, same_body
from .route_cases import header_pairs, target_shape
from .web_api_cases import retarget
from .world import Browser

REQUEST = re.compile(r"^(?:\[(.*?)\] )?(admin|admin/PAT|prov1|prov1/PAT|prov1/PAT2|x|PAT ip|meta2): "
                     r"(GET|POST|PUT|PATCH|DELETE) (\S+) ?(.*)$")
ANSWER = re.compile(r"^\s+-> (\d\d\d)(?: \d+ms)?(?: Location=\S+)? ?(.*)$", re.S)
LEAST = ["F_USER_ADD", "F_USER_VIEW", "F_USER_GROUPS_READ_ONLY_ADD_MEMBERS", "F_METADATA_EXPORT",
         "F_DATAVALUE_ADD"]
ROOT, CHILD = [{"id": "OuRootAAA01"}], [{"id": "OuChildAA01"}]
GROUP_OF = {"group rw": "GrpPublRWA1", "group r-only": "GrpPublROA1", "group private": "GrpPrivAAA1",
            "managed group": "GrpManagdA1"}
READ = ("?fields=*,dataViewOrganisationUnits~rename(dataViewOU),teiSearchOrganisationUnits"
        "~rename(teiSearchOU)")
OPTIONAL = ("openId", "email", "phoneNumber", "accountExpiry")


def person(uid, username, openid, **more):
    return dict({"id": uid, "username": username, "firstName": "F", "surname": "S", "openId": openid,
                 "externalAuth": True, "userRoles": [{"id": "RoleAuthsA1"}], "organisationUnits": CHILD,
                 "dataViewOrganisationUnits": ROOT, "teiSearchOrganisationUnits": ROOT}, **more)


def group(*ids):
    return [{"id": i} for i in ids]


NOT_NEEDED = (
    (r"tracker|programs|trackedEntit|sharing.type=(?:program|trackedEntityType)", "tracker and break-the-glass: the bridge never writes there"),
    (r"jobConfigurations", "scheduled jobs of DHIS2: not a dependency"),
    (r"auth/impersonate", "impersonation: not a dependency"),
    (r"users/twoFactor|2fa/", "second-factor administration: not a dependency"),
    (r"userRoles/RoleAuthsA1.fields=id,users", "names the 2,000 users of the scale measurement"))

META1, META3 = person("UsrMetaAA01", "meta1", "meta1@x"), person("UsrMetaAA03", "meta3", "meta2@x")
META10 = person("UsrMetaAA10", "meta10", "m10@x")
WHOLE = {     # label, or the beginning of a body, -> what was really sent
    "fill": [{"op": "add", "path": "/email", "value": "p@x.org"},
             {"op": "add", "path": "/phoneNumber", "value": "+4790000000"},
             {"op": "add", "path": "/accountExpiry", "value": "2027-02-02"},
             {"op": "add", "path": "/userGroups", "value": group("GrpPublRWA1")},
             {"op": "replace", "path": "/organisationUnits", "value": CHILD}],
    "PUT full": person("UsrPatcAA01", "patch1", "patch1@x", email="put@x.org", userGroups=group("GrpPublROA1")),
    "create": person("UsrPatcAA01", "patch1", "patch1@x", userGroups=group("GrpPublRWA1")),
    "ALL, one dup openId": {"users": [dict(META1, email="m1@x.org"), META3]},
    "NONE, one dup openId": {"users": [dict(META1, email="m2@x.org"), META3]},
    "two users same openId in ONE payload": {"users": [person("UsrMetaAA05", "meta5", "same@x"),
                                                       person("UsrMetaAA06", "meta6", "same@x")]},
    "two users same username in ONE payload": {"users": [person("UsrMetaAA07", "meta7", "m7@x"),
                                                         person("UsrMetaAA08", "meta7", "m8@x")]},
    "dry run VALIDATE": {"users": [person("UsrMetaAA09", "meta9", "m9@x")]},
    "users + userGroups": {"users": [META10], "userGroups": [
        {"id": "GrpPublRWA1", "name": "Group rw", "users": group("UsrMetaAA10")}]},
    "admin users + userGroups": {"users": [META10], "userGroups": [
        {"id": "GrpPublROA1", "name": "Group r", "users": group("UsrMetaAA10")}]},
    '{"id": "UsrTargAA01"': person("UsrTargAA01", "target1", "target1@x", userGroups=group("GrpPublRWA1")),
    '{"users": [{"id": "UsrMetaAA01"': {"users": [dict(META1, userGroups=group("GrpPublRWA1")),
                                                  person("UsrMetaAA02", "meta2", "meta2@x")]},
    '{"users": [{"id": "UsrBatc0001"': {"users": [
        person("UsrBatc%04d" % (n + 1), "batch%d" % n, "batch%d@x" % n) for n in range(50)]},
}


def complete(label, text):
    """The whole body of a request that the recorder cut."""
    if not text.strip():
        return None
    body = as_json(text)
    if body is not None:
        return body
    for key, whole in WHOLE.items():
        if key == label or text.lstrip().startswith(key):
            return whole
    known = {k: json.loads(v) for k, v in re.findall(r'"(\w+)": ("[^"]*"|true|false|\[[^\]]*\])(?=[,}])', text)}
    for name in ("dataViewOrganisationUnits", "teiSearchOrganisationUnits"):
        known.setdefault(name, ROOT)
    groups = [g for words, g in GROUP_OF.items() if words in (label or "")]
    known.setdefault("userGroups", group(*groups))
    return known


class UsersReplay:
    def __init__(self, tally, bench, origin, name, lines):
        self.tally, self.bench, self.origin, self.name, self.lines = tally, bench, origin, name, lines
        self.admin = Browser(bench, origin, "admin:district")
        self.who = {"admin": self.admin, "prov1": Browser(bench, origin, "prov1:District1234!"),
                    "meta2": Browser(bench, origin, "meta2:District9999!"),
                    "x": Browser(bench, origin, {"Authorization": "ApiToken d2p_mistyped"})}
        self.uid, self.last, self.patterns = None, {}, {}
        self.seen, self.marks = {}, {}

    # -- the account under test -------------------------------------------------------------------

    async def authorities(self, names):
        await self.admin("PUT", "/api/userRoles/RoleProvAA1", {"name": "Prov role", "authorities": names})

    async def share(self, kind, uid, **access):
        await self.admin("PUT", "/api/sharing?type=%s&id=%s" % (kind, uid), {"object": access})

    async def token(self, name, key):
        self.who[name] = Browser(self.bench, self.origin, {"Authorization": "ApiToken " + key})

    async def admin_token(self):
        made = await self.admin("POST", "/api/apiTokens", {})
        await self.token("admin/PAT", made.json["response"]["key"])

    # -- lines --------------------------------------------------------------------------------------

    async def run(self, hooks, start, stop):
        """Lines start <= n < stop in order."""
        number = start
        while number < stop:
            line = self.lines[number]
            for pattern, hook in hooks:
                match = re.match(pattern, line)
                if match:
                    await hook(self, match, number)
            compact = re.match(r"  (S\d) (.*?): (GET|POST|PUT|PATCH) (\S+) -> (\d+) ?(.*)$", line)
            request = REQUEST.match(line)
            if request:
                await self.request(request, number)
            elif compact:
                await self.compact(compact, number)
            elif "read back" in line:
                await self.read_back(line, number)
            number += 1

    async def request(self, match, number):
        label, who, method, path, text = match.groups()
        answer = ANSWER.match(self.lines[number + 1])
        if not answer or self.not_needed(path, number):
            return
        body = complete(label, retarget(text, self.bench.op))
        if label and re.match(r"S0 ", label):
            self.patterns[label[3:]] = (method, path, body)
        path = self.renamed(path)
        headers = {"X-Forwarded-For": "10.1.2.3"} if label and "X-Forwarded-For" in label else None
        reply = await self.who[who](method, path, body, headers=headers)
        if isinstance(body, dict) and body.get("id"):
            self.uid = body["id"]
        elif re.match(r"/api/users/(\w{11})", path):
            self.uid = path.split("/")[3].partition("?")[0]
        elif isinstance(body, dict) and body.get("users"):
            self.uid = body["users"][0]["id"]
        text = answer.group(2)
        if isinstance(body, dict) and "id" not in body and reply.status == 201 and "ApiToken" not in text:
            text = re.sub(r'"uid":"\w{11}"', '"uid":"%s"' % reply.json["response"]["uid"], text)
        self.compare(label or "%s %s %s" % (who, method, path), number, int(answer.group(1)), text, reply)
        await self.remember_token(label, text, reply)

    def renamed(self, path):
        """A made-up uid of the recording -> the one made up here."""
        for old, new in self.seen.items():
            path = path.replace(old, new)
        return path

    async def remember_token(self, label, text, reply):
        if reply.status == 201 and "ApiToken" in text:
            self.seen[re.search(r'"uid":"(\w{11})"', text).group(1)] = reply.json["response"]["uid"]
        name = {"PAT create": "prov1/PAT", "PAT creates next PAT": "prov1/PAT2",
                "IP list mismatch token": "PAT ip"}.get(label)
        if name:
            await self.token(name, reply.json["response"]["key"])

    def mark(self, *numbers):
        for number in numbers:
            self.tally.mark(self.name, number)

    def not_needed(self, path, number):
        """True, and counted, for what the bridge never asks of DHIS2."""
        for pattern, reason in NOT_NEEDED:
            if re.match("/api/(?:%s)" % pattern, path):
                self.mark(number, number + 1)
                self.tally.skip(self.name, reason)
                return True
        return False

    async def compact(self, match, number):
        """S1 … S4: the requests of S0 again, with their own uids."""
        level, label, method, path, status, text = match.groups()
        if label not in self.patterns:
            fields = "id,name,authorities" if label == "roles" else "id,name"
            self.patterns[label] = ("GET", path + "?paging=false&fields=" + fields, None)
        method, path, body = self.patterns[label]
        again = json.dumps(body).replace("UsrNew00", "UsrNew0" + level[1]).replace('"new00', '"new0' + level[1])
        body = json.loads(re.sub(r'"n0(\w)@x"', r'"n%s\1@x"' % level[1], again))
        if isinstance(body, dict) and body.get("id"):
            self.uid = body["id"]
        elif "UsrTarg" in path:
            self.uid = "UsrTargAA01"
        reply = await self.who["prov1"](method, path, body)
        self.compare("%s %s" % (level, label), number, int(status), re.sub(r"^\d+ ", "", text), reply)

    def compare(self, label, number, status, text, reply):
        where = "line %d [%s]" % (number + 1, label)
        self.mark(number, number + 1)
        if not self.tally.check(self.name, where, status, reply.status):
            return
        text = text.strip()
        if not text or text == "|" or is_html(text):
            return
        if text.startswith('{"method"'):
            missing = [p for p in header_pairs(text) if tuple(p) not in target_shape(reply.json)["headers"]]
            self.tally.check(self.name, where + " at the target", [], missing)
        elif text[0] in "[{":
            self.tally.check(self.name, where + " body", None, compare_json(text, reply.text))
        else:
            self.compare_words(where, text, reply)

    def compare_words(self, where, text, reply):
        """'message | CODE message [prop x] ; CODE message'"""
        message, _, rest = text.partition(" | ")
        want = sorted(re.findall(r"(?:^|; )(E\d{4}) ", rest))
        got = sorted(c for c, _ in codes_of(reply.json))
        if want:
            self.tally.check(self.name, where + " codes", want, got)
        have = (reply.json or {}).get("message", "")
        word = message.split(" (…)")[0].strip(" |")[:150]
        self.tally.check(self.name, where + " message", True, word in have or have)
        for code, words in re.findall(r"(E\d{4}) (.*?)(?= \[prop|  ;| ; |$)", rest):
            if code in ("E5002",) and "[Mb49DoyrZeq]" in words:
                continue
            told = [m for c, m in codes_of(reply.json) if c == code]
            self.tally.check(self.name, where + " " + code, True,
                             any(words.strip()[:90] in m for m in told) or told)

    async def read_back(self, line, number):
        match = re.search(r"read back(?: by admin)?:? (\(unchanged\)|\{.*)$", line)
        if not match or not self.uid:
            return
        reply = await self.admin("GET", "/api/users/" + self.uid + READ)
        where = "line %d read back of %s" % (number + 1, self.uid)
        want = self.last.get(self.uid) if match.group(1) == "(unchanged)" else as_json(match.group(1))
        if want is None or "pager" in want or "sharing" in want:
            return self.mark(number)
        self.mark(number)
        self.last[self.uid] = want
        have = reply.json
        if "lastUpdated" in want:
            present = [k for k in OPTIONAL if k in want]
            self.tally.check(self.name, where + " members", present, [k for k in OPTIONAL if k in have])
        want, have = normal(want), normal(have)
        self.tally.check(self.name, where, None, None if covers(want, have) else (want, {k: have.get(k) for k in want}))


def compare_json(text, got):
    """The recorder took httpStatus out of some answers and shortened klass."""
    if as_json(text) is None:
        missing = pairs(text) - pairs(got)
        return (sorted(missing), got[:300]) if missing else None
    return same_body(text, got, loose=True)


# -- the account's changes between the lines -------------------------------------------------------

async def provisioner_role(run, match, number):
    await run.admin("POST", "/api/userRoles", {"id": "RoleProvAA1", "name": "Prov role", "authorities": [],
                                               "sharing": {"public": "--------"}})


async def set_authorities(run, match, number):
    await run.authorities(ast.literal_eval(match.group(1)))


async def full_least(run, match, number):
    await run.authorities(LEAST)
    target = "/api/users/UsrTargAA01"
    await run.admin("PATCH", target, [
        {"op": "add", "path": "/userRoles", "value": group("RoleAuthsA1")},
        {"op": "add", "path": "/organisationUnits", "value": CHILD},
        {"op": "add", "path": "/userGroups", "value": group("GrpPublRWA1")}])
    await run.admin("POST", "/api/users", person("UsrOthrAA01", "otherrole", "otherrole@x",
                                                 userRoles=group("RoleAAAAA01")))
    await run.admin("POST", "/api/users", person("UsrOutOUA01", "outouser", "outou@x",
                                                 organisationUnits=group("OuOtherAA01")))


async def other_role_again(run, match, number):
    await run.admin("PATCH", "/api/users/UsrOthrAA01", [
        {"op": "add", "path": "/userRoles", "value": group("RoleAAAAA01")}])


async def managed(run, match, number):
    await run.admin("POST", "/api/userGroups/GrpManagrA1/users/UsrProvAA01")


async def own_token(run, match, number):
    await run.admin("DELETE", "/api/userGroups/GrpManagrA1/users/UsrProvAA01")
    await run.authorities(LEAST)


async def least(run, match, number):
    await run.authorities(LEAST)


HOOKS = [(r"admin: POST /api/users  \{\"id\": \"UsrProvAA01\"", provisioner_role),
         (r"=== S\d: prov1 authorities (\[.*\])", set_authorities), (r"--- auths (\[.*\])", set_authorities),
         (r"=== FULL least", full_least), (r"=== managed group variant", managed),
         (r"\[disable that user\]", other_role_again),
         (r"=== PAT of the provisioner", own_token)]


def bounds(lines, heading):
    """[start, stop) of a section."""
    start = next(n for n, line in enumerate(lines) if line.startswith("######## " + heading))
    later = [n for n, line in enumerate(lines) if line.startswith("########") and n > start]
    return start, (later or [len(lines)])[0]
