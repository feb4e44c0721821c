"""Is this authorization request one that eSignet takes, and what does it resolve to?

Called for the authorize page, the UI's API and PAR. Order of the checks: bean validation of
OAuthDetailRequestV3, then AuthorizationServiceImpl.getOauthDetailsV2. A refusal raises
EsignetError; nothing here ever redirects.
"""
import json
from urllib.parse import unquote

from . import urls
from .clients import config_of
from .errors import EsignetError
from .metadata import ACR_FACTORS, AUTHORIZE_SCOPES, DISPLAYS, OPENID_SCOPES, PROMPTS, SCOPE_CLAIMS

# parameter of the authorize URL and of PAR -> member of the UI's JSON
PARAMETERS = {
    "nonce": "nonce", "state": "state", "client_id": "clientId", "redirect_uri": "redirectUri",
    "response_type": "responseType", "scope": "scope", "acr_values": "acrValues",
    "claims": "claims", "claims_locales": "claimsLocales", "display": "display",
    "max_age": "maxAge", "prompt": "prompt", "ui_locales": "uiLocales",
    "code_challenge": "codeChallenge", "code_challenge_method": "codeChallengeMethod",
    "id_token_hint": "idTokenHint", "dpop_jkt": "dpopJkt",
}


def from_parameters(parameters):
    """What the page makes of its query; `claims` is JSON after one more percent-decoding."""
    wanted = {PARAMETERS[name]: value for name, value in parameters.items() if name in PARAMETERS}
    if wanted.get("claims"):
        try:
            wanted["claims"] = json.loads(unquote(wanted["claims"]))
        except ValueError as error:
            raise EsignetError("parsing_error_msg") from error
    return wanted


# eSignet keeps the claims in a Java HashMap: this is its order, and the order the page shows.
HASH_ORDER = [
    "birthdate", "address", "gender", "updated_at", "name", "phone_number_verified", "phone_number",
    "email", "picture", "registration_type", "individual_id",
]


def _words(text):
    return (text or "").split()


def scope_ok(scope):
    """Unknown scopes are dropped; any OpenID scope needs openid; at least one known one."""
    known = [s for s in _words(scope) if s in OPENID_SCOPES]
    other = [s for s in _words(scope) if s in AUTHORIZE_SCOPES]
    return bool(known or other) and (not known or "openid" in known)


def _element_ok(value, choices=False):
    if value is None:
        return True
    if not isinstance(value, dict):
        return False
    purpose = value.get("purpose")
    ok = purpose is None and "purpose" not in value or isinstance(purpose, str) and 3 <= len(purpose) <= 300
    return ok and isinstance(value.get("essential", False), bool)


def _verified_ok(value):
    for row in value if isinstance(value, list) else [value]:
        if not isinstance(row, dict) or set(row) != {"verification", "claims"}:
            return False
        verification, claims = row["verification"], row["claims"]
        if not isinstance(verification, dict) or "trust_framework" not in verification:
            return False
        if claims is not None and not (isinstance(claims, dict) and claims):
            return False
        if not all(_element_ok(member) for member in (claims or {}).values()):
            return False
    return True


def claims_ok(claims):
    """claims_request_schema.json, as far as a request can break it."""
    if not isinstance(claims, dict):
        return False
    userinfo, id_token = claims.get("userinfo") or {}, claims.get("id_token") or {}
    if not isinstance(userinfo, dict) or not isinstance(id_token, dict):
        return False
    return all(
        _verified_ok(value) if name == "verified_claims" else _element_ok(value)
        for name, value in userinfo.items()
    )


def check_shape(wanted, prefix="request."):
    """Bean validation: every broken member at once; the page shows the first."""
    if wanted.get("maxAge") is not None and not str(wanted["maxAge"]).lstrip("-").isdigit():
        raise EsignetError(("unknown_error", "JSON parse error: Cannot deserialize value of type `java.lang.Integer`"))
    method, challenge = wanted.get("codeChallengeMethod"), wanted.get("codeChallenge")
    rows = [
        ("clientId", "invalid_client_id", bool((wanted.get("clientId") or "").strip())),
        ("scope", "invalid_scope", scope_ok(wanted.get("scope"))),
        ("responseType", "invalid_response_type", wanted.get("responseType") == "code"),
        ("redirectUri", "invalid_redirect_uri", urls.valid(wanted.get("redirectUri"))),
        ("display", "invalid_display", wanted.get("display") in [None] + DISPLAYS),
        ("prompt", "invalid_prompt", wanted.get("prompt") in [None] + PROMPTS),
        ("claims", "invalid_claim", wanted.get("claims") is None or claims_ok(wanted["claims"])),
        ("codeChallengeMethod", "unsupported_pkce_challenge_method", method in (None, "S256")),
        ("", "invalid_pkce_challenge", bool(challenge) == bool(method)),
    ]
    broken = [(code, "%s: %s" % ((prefix + name).rstrip("."), code)) for name, code, ok in rows if not ok]
    if broken:
        raise EsignetError(*broken)


def check_nonce(standin, nonce):
    """A nonce is good once in 24 hours, for all clients together."""
    if standin.config["nonce_check"] and nonce and nonce.strip() and standin.nonces.seen(nonce.strip()):
        raise EsignetError("invalid_request")


def check_client(standin, wanted, pushed):
    """pushed: PAR checked redirect_uri and nonce already."""
    if wanted.get("idTokenHint") is not None:
        raise EsignetError("invalid_id_token_hint")  # good only for eSignet's own signup flow
    client = standin.clients.active(wanted["clientId"])
    if not pushed:
        if config_of(client, "require_pushed_authorization_requests", False):
            raise EsignetError("invalid_request")
        check_redirect(client, wanted["redirectUri"])
        check_nonce(standin, wanted.get("nonce"))
    return client


def check_redirect(client, redirect_uri):
    if not any(urls.matches(registered, redirect_uri) for registered in client["redirectUris"]):
        raise EsignetError("invalid_redirect_uri")


def resolve_acr(client, wanted):
    """claims.id_token.acr.values, else acr_values, else EVERY registered one: silently weaker."""
    registered = client["authContextRefs"]
    asked = ((wanted.get("claims") or {}).get("id_token") or {}).get("acr")
    if asked is not None:
        if not isinstance(asked, dict) or not isinstance(asked.get("values"), list):
            raise EsignetError(("unknown_error", "Cannot read the array length because \"array\" is null"))
        kept = [acr for acr in asked["values"] if acr in registered]
        if kept:
            return kept
    kept = [acr for acr in _words(wanted.get("acrValues")) if acr in registered]
    return kept or list(registered)


def factors(acrs):
    """Display form: BIO counts one device, the rest nought."""
    kinds = [ACR_FACTORS[acr] for acr in acrs]
    return [[{"type": kind, "count": 1 if kind == "BIO" else 0, "subTypes": None}] for kind in kinds]


def verified_requests(wanted):
    """[{verification, claims}] of claims.userinfo.verified_claims; [] when not asked."""
    value = ((wanted.get("claims") or {}).get("userinfo") or {}).get("verified_claims")
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def resolve_claims(client, wanted):
    """claim -> list of details. Only claims registered for the client count."""
    asked = (wanted.get("claims") or {}).get("userinfo") or {}
    scopes = _words(wanted.get("scope"))
    if asked and "openid" not in scopes:
        raise EsignetError("invalid_scope")
    by_scope = {claim for scope in scopes for claim in SCOPE_CLAIMS.get(scope, [])}
    resolved = {}
    for claim in (c for c in HASH_ORDER if c in client["userClaims"]):
        if claim in asked:
            resolved[claim] = [asked[claim]] if asked[claim] is not None else []
        elif claim in by_scope:
            resolved[claim] = []
        verified = [
            dict(row["claims"][claim] or {}, verification=row["verification"])
            for row in verified_requests(wanted) if claim in (row["claims"] or {})
        ]
        if verified:
            resolved[claim] = verified
    return resolved


def essential(resolved):
    return [c for c, details in resolved.items() if any(d.get("essential") for d in details)]


def check_pkce(client, wanted):
    if config_of(client, "require_pkce", False) and not wanted.get("codeChallenge"):
        raise EsignetError("use_pkce")
