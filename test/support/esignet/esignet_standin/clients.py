"""Which applications are registered, and what may be registered?

POST, PUT and PATCH /v1/esignet/client-mgmt/client, and the older oidc-client and oauth-client
(ClientManagementServiceImpl and the ClientDetail*Request DTOs of 1.8.0). The stock product asks
for a token here; its "local" profile and this stand-in do not.
"""
import hashlib
import re

from . import urls
from .errors import EsignetError, wrapped
from .jose import b64u, public_key, unb64u
from .metadata import ACR_FACTORS, CLAIMS

CONFIG_TYPES = {
    "userinfo_response_type": lambda v: v in ("JWS", "JWE"),
    "purpose": lambda v: v is None or _purpose_ok(v),
    "signup_banner_required": lambda v: isinstance(v, bool),
    "forgot_pwd_link_required": lambda v: isinstance(v, bool),
    "consent_expire_in_mins": lambda v: _number(v) and v >= 10,
    "require_pushed_authorization_requests": lambda v: isinstance(v, bool),
    "dpop_bound_access_tokens": lambda v: isinstance(v, bool),
    "require_pkce": lambda v: isinstance(v, bool),
}
# field, error code, most entries, may be empty, validator of one entry
LISTS = [
    ("userClaims", "invalid_claim", 30, True, lambda v: v in CLAIMS),
    ("authContextRefs", "invalid_acr", 30, False, lambda v: v in ACR_FACTORS),
    ("redirectUris", "invalid_redirect_uri", 5, False, urls.valid),
    ("grantTypes", "unsupported_grant_type", 3, False, lambda v: v == "authorization_code"),
    ("clientAuthMethods", "invalid_client_auth", 3, False, lambda v: v == "private_key_jwt"),
]
KEPT = ["clientName", "logoUri", "clientNameLangMap", "status"] + [row[0] for row in LISTS]


def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _purpose_ok(value):
    texts = lambda m: m is None or (
        isinstance(m, dict) and "@none" in m and all(isinstance(v, str) for v in m.values())
    )
    return (
        isinstance(value, dict) and value.get("type") in ("none", "verify", "link", "login")
        and not set(value) - {"type", "title", "subTitle"}
        and texts(value.get("title")) and texts(value.get("subTitle"))
    )


def _config_ok(value):
    """additional_config_request_schema.json: known members only; null is allowed."""
    if value is None:
        return True
    return isinstance(value, dict) and all(
        name in CONFIG_TYPES and CONFIG_TYPES[name](member) for name, member in value.items()
    )


def _list_errors(name, code, most, may_be_empty, entry_ok, value):
    if not isinstance(value, list) or len(value) > most or (not value and not may_be_empty):
        return [(code, "request.%s: %s" % (name, code))]
    return [
        (code, "request.%s[%d]: %s" % (name, index, code))
        for index, entry in enumerate(value) if not entry_ok(entry)
    ]


def _names_ok(value):
    return value is None or (
        isinstance(value, dict)
        and all(re.match(r"[a-z]{3}\Z", k) and isinstance(v, str) and 0 < len(v) <= 50 for k, v in value.items())
    )


def _url_ok(value):
    return isinstance(value, str) and bool(re.match(r"[a-z]+://[^\s/]+", value))


def _common_errors(request, partial):
    """partial: PATCH validates only what is there."""
    errors = []
    check = lambda name, code, ok: errors.extend([] if ok else [(code, "request.%s: %s" % (name, code))])
    there = lambda name: not partial or request.get(name) is not None
    if there("clientName"):
        name = request.get("clientName")
        check("clientName", "invalid_client_name", isinstance(name, str) and 0 < len(name) <= 256)
    for row in LISTS:
        if there(row[0]):
            errors.extend(_list_errors(*row, request.get(row[0])))
    if there("logoUri"):
        check("logoUri", "invalid_uri", _url_ok(request.get("logoUri")))
    check("clientNameLangMap", "invalid_language_code", _names_ok(request.get("clientNameLangMap")))
    check("additionalConfig", "invalid_additional_config", _config_ok(request.get("additionalConfig")))
    return errors


def _identifier_ok(value):
    return isinstance(value, str) and bool(re.match(r"\S{1,100}\Z", value))


def check_public_key(members):
    """jose4j and the JDK decide: RSA of 512 bits or more, or EC P-256; blank use or alg refused."""
    try:
        if any(isinstance(members.get(m), str) and not members[m].strip() for m in ("use", "alg")):
            raise ValueError("blank member")
        if members["kty"] == "RSA" and int.from_bytes(unb64u(members["n"]), "big").bit_length() < 512:
            raise ValueError("short")
        if members["kty"] == "EC" and members["crv"] != "P-256":
            raise ValueError("curve")
        public_key(members)
    except Exception as error:
        raise EsignetError("invalid_public_key") from error


def key_hash(members):
    """Only the key material counts: the same key under another kid is a duplicate."""
    parts = [members["n"]] if members["kty"] == "RSA" else [members["x"], members["y"]]
    return b64u(hashlib.sha256("".join(parts).encode()).digest())


class Clients:
    """client_id to registration; the public key never changes."""

    def __init__(self, clock, rows, save):
        self._clock, self.rows, self._save = clock, rows, save

    def active(self, client_id):
        row = self.rows.get(client_id)
        if not row or row["status"] != "ACTIVE":
            raise EsignetError("invalid_client_id")
        return row

    def create(self, request, with_config):
        errors = [] if _identifier_ok(request.get("clientId")) else [
            ("invalid_client_id", "request.clientId: invalid_client_id")]
        if not isinstance(request.get("publicKey"), dict) or not request["publicKey"]:
            errors.append(("invalid_public_key", "request.publicKey: invalid_public_key"))
        if not _identifier_ok(request.get("relyingPartyId")):
            errors.append(("invalid_rp_id", "request.relyingPartyId: invalid_rp_id"))
        errors += _common_errors(request, partial=False)
        if errors:
            raise EsignetError(*errors)
        if request["clientId"] in self.rows:
            raise EsignetError("duplicate_client_id")
        check_public_key(request["publicKey"])
        hashed = key_hash(request["publicKey"])
        if any(row["keyHash"] == hashed for row in self.rows.values()):
            raise EsignetError("duplicate_public_key")
        row = {name: request.get(name) for name in KEPT + ["clientId", "publicKey", "relyingPartyId"]}
        row.update(status="ACTIVE", keyHash=hashed, encPublicKey=None, encKid=None)
        row["additionalConfig"] = request.get("additionalConfig") if with_config else None
        return self._store(row)

    def update(self, client_id, request, with_config):
        """PUT: everything but key and relying party is replaced."""
        errors = _common_errors(request, partial=False)
        if request.get("status") not in ("ACTIVE", "INACTIVE"):
            errors.append(("invalid_status", "request.status: invalid_status"))
        if errors:
            raise EsignetError(*errors)
        row = dict(self._known(client_id), **{name: request.get(name) for name in KEPT})
        if with_config:
            row["additionalConfig"] = request.get("additionalConfig")
        return self._store(row)

    def patch(self, client_id, request):
        """The only way to an encPublicKey in 1.8.0; a publicKey member is ignored."""
        errors = _common_errors(request, partial=True)
        if request.get("status") not in (None, "ACTIVE", "INACTIVE"):
            errors.append(("invalid_status", "request.status: invalid_status"))
        if errors:
            raise EsignetError(*errors)
        row = dict(self._known(client_id))
        names = KEPT + ["additionalConfig"]
        row.update({name: request[name] for name in names if request.get(name) is not None})
        if request.get("encPublicKey") is not None:
            check_public_key(request["encPublicKey"])
            row["encPublicKey"] = request["encPublicKey"]
            # eSignet wraps the key in a certificate of its own and shows that thumbprint as kid.
            row["encKid"] = b64u(hashlib.sha256(("certificate of " + client_id).encode()).digest())
        return self._store(row)

    def _known(self, client_id):
        if client_id not in self.rows:
            raise EsignetError("invalid_client_id")
        return self.rows[client_id]

    def _store(self, row):
        self.rows[row["clientId"]] = row
        self._save()
        return {"clientId": row["clientId"], "status": row["status"]}


def config_of(client, name, default):
    value = (client.get("additionalConfig") or {}).get(name)
    return default if value is None else value


def routes(app, standin, read_wrapped):
    """Registers the endpoints; read_wrapped(request) gives the checked `request` member."""

    def handler(call):
        async def handle(request):
            try:
                body = await read_wrapped(request)
                return wrapped(standin.clock, call(request, body))
            except EsignetError as error:
                return wrapped(standin.clock, None, error.pairs)
        return handle

    for path, config in (("client", True), ("oauth-client", False), ("oidc-client", False)):
        base = "/v1/esignet/client-mgmt/" + path
        app.router.add_post(base, handler(
            lambda r, b, config=config: standin.clients.create(b, config)))
        app.router.add_put(base + "/{id}", handler(
            lambda r, b, config=config: standin.clients.update(r.match_info["id"], b, config)))
    app.router.add_patch("/v1/esignet/client-mgmt/client/{id}", handler(
        lambda r, b: standin.clients.patch(r.match_info["id"], b)))
