"""Personal access tokens: /api/apiTokens, and `Authorization: ApiToken d2p_…`.

Kept oddities: a token once used is cached for an hour with its owner's rights of that moment
(disabling, expiring or role changes of the owner do not reach it, deletion does at once); the IP
list is satisfied by a caller's own X-Forwarded-For; a mistyped key is 400, not 401.
"""
import secrets
import string
import zlib

import access
import views
from access import Principal
from answer import Refuse, object_reply, refuse, web_message
from model import KLASS, new_uid, stamp
from query import list_reply, object_reply_fields

TOKEN = KLASS["apiToken"]
CACHE_SECONDS = 3600
DEFAULT_LIFE = 30 * 86400
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PROPERTIES = {"id", "type", "expire", "createdBy", "created", "lastUpdated", "attributes"}


def checksum(body):
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        text = ALPHABET[digit] + text
    return text


def new_key():
    body = "".join(secrets.choice(ALPHABET) for _ in range(44))
    return "d2p_" + body + checksum(body)


def well_formed(key):
    return key.startswith("d2p_") and len(key) == 54 and checksum(key[4:48]) == key[48:]


class TokenCache:
    """Per node, in memory: token id -> (principal, first use)."""

    def __init__(self, world):
        self.world, self.cached = world, {}

    def authenticate(self, key, request):
        token = next((t for t in self.world.apiToken.values() if t["key"] == key), None)
        if not token:
            if not well_formed(key):
                raise Refuse(web_message(400, "Checksum validation failed"))
            refuse(401, "The API token does not exists")
        self.check_limits(token, request)
        held = self.cached.get(token["id"])
        if held and self.world.now() - held[1] < CACHE_SECONDS:
            return held[0]
        return self.first_use(token)

    def check_limits(self, token, request):
        if token["expire"] / 1000.0 <= self.world.now():
            refuse(401, "Failed to authenticate API token, token has expired.")
        address = request.headers.get("X-Forwarded-For") or request.remote
        for limit in token["attributes"]:
            if limit.get("type") == "MethodAllowedList" and request.method not in limit["allowedMethods"]:
                refuse(401, "Failed to authenticate API token, request http method is not allowed.")
            if limit.get("type") == "IpAllowedList" and address not in limit["allowedIps"]:
                refuse(401, "Failed to authenticate API token, request ip address is not allowed.")
            if (limit.get("type") == "RefererAllowedList"
                    and request.headers.get("Referer") not in limit["allowedReferrers"]):
                refuse(401, "Failed to authenticate API token, request http referrer is not allowed.")

    def first_use(self, token):
        owner = self.world.users.get(token["owner"])
        if not owner:
            refuse(401, "The API token does not exists")
        if not self.world.usable(owner):
            refuse(401, "The API token is disabled, locked or 2FA is enabled.")
        owner["lastLogin"] = owner["lastUpdated"] = self.world.now()
        principal = Principal(self.world, owner, "pat")
        self.cached[token["id"]] = (principal, self.world.now())
        return principal


def view(world, token):
    return {"id": token["id"], "type": "PERSONAL_ACCESS_TOKEN_V2", "expire": token["expire"],
            "attributes": token["attributes"], "createdBy": views.person(world, token["owner"]),
            "created": stamp(token["created"]), "lastUpdated": stamp(token["lastUpdated"]),
            "lastUpdatedBy": views.person(world, token["owner"]), "translations": [], "favorites": []}


def mine(call, token):
    return call.principal.super or token["owner"] == call.principal.user_id


async def create(call):
    body, world = call.json_body(), call.world
    uid, now = new_uid(), world.now()
    world.apiToken[uid] = {
        "id": uid, "key": new_key(), "owner": call.principal.user_id, "created": now, "lastUpdated": now,
        "expire": body.get("expire") or int((now + DEFAULT_LIFE) * 1000),
        "attributes": body.get("attributes", [])}
    world.save()
    more = {"responseType": "ApiTokenCreationResponse"} if world.old else {}
    report = {"key": world.apiToken[uid]["key"], "klass": TOKEN, "uid": uid, "errorReports": [],
              "responseType": "ObjectReport"}
    return web_message(201, response=dict(report, **more),
                       headers={"Location": "%s/api/apiToken/%s" % (call.origin, uid)})


async def listing(call):
    shown = [view(call.world, t) for t in call.world.apiToken.values() if mine(call, t)]
    return list_reply(call, "apiToken", shown, PROPERTIES, default="id,type")


def need(call, uid):
    import users
    users.need_uid(uid)
    token = call.world.apiToken.get(uid)
    if not token or not mine(call, token):
        refuse(404, "ApiToken with id %s could not be found." % uid, "E1005")
    return token


async def one(call, uid):
    return object_reply_fields(call, view(call.world, need(call, uid)))


async def patch(call, uid):
    need(call, uid)
    refuse(403, access.NO_RIGHT % "update", "E1006")


async def delete(call, uid):
    need(call, uid)
    del call.world.apiToken[uid]
    call.world.save()
    return object_reply(200, TOKEN, uid)


ROUTES = [("POST", "apiTokens?", create), ("GET", "apiTokens?", listing),
          ("GET", r"apiTokens?/([^/]+)", one), ("PATCH", r"apiTokens?/([^/]+)", patch),
          ("DELETE", r"apiTokens?/([^/]+)", delete)]
