"""Where is a login between the authorize request and its code?

preauth (300 s) -> authenticated (120 s) -> code (300 s) -> userinfo (3600 s), as the caches of
AuthorizationServiceImpl. The HTML pages and the UI's JSON API both call these functions.
"""
import hashlib
import secrets

from . import authorize
from .clients import config_of
from .errors import EsignetError, dump
from .identity import STORED, check_challenge, subject, verification_matches
from .jose import b64u, b64u_sha256, b64u_sha3_256
from .metadata import ACR_FACTORS, AUTHORIZE_SCOPES

ATTEMPTS = 3
FACTOR_ACRS = {factor: acr for acr, factor in ACR_FACTORS.items()}


def identifier():
    return b64u(hashlib.sha3_256(secrets.token_bytes(32)).digest())


def start(standin, wanted, pushed=False):
    """A transaction for a valid request; (transaction, response of oauth-details)."""
    if not pushed:
        authorize.check_shape(wanted)
    client = authorize.check_client(standin, wanted, pushed)
    resolved = authorize.resolve_claims(client, wanted)
    acrs = authorize.resolve_acr(client, wanted)
    authorize.check_pkce(client, wanted)
    must = authorize.essential(resolved)
    may = [claim for claim in resolved if claim not in must]
    scopes = [s for s in (wanted.get("scope") or "").split() if s in AUTHORIZE_SCOPES]
    transaction = {
        "id": identifier(), "clientId": client["clientId"], "redirectUri": wanted["redirectUri"],
        "nonce": wanted.get("nonce"), "state": wanted.get("state"), "acrs": acrs,
        "resolved": resolved, "essential": must, "voluntary": may, "scopes": scopes,
        "verified": authorize.verified_requests(wanted), "prompt": wanted.get("prompt"),
        "locales": (wanted.get("claimsLocales") or "").split(),
        "challenge": wanted.get("codeChallenge"), "dpopJkt": wanted.get("dpopJkt"),
        "dpopBound": bool(config_of(client, "dpop_bound_access_tokens", False)),
        "userinfoType": config_of(client, "userinfo_response_type", "JWS"),
        "consentMinutes": config_of(client, "consent_expire_in_mins", 0),
        "attempts": 0, "claimDetailCalls": 0, "startedAt": standin.clock.now(),
    }
    response = _response(standin, client, transaction)
    transaction["hash"] = b64u_sha256(dump(response))
    standin.preauth.put(transaction["id"], transaction)
    standin.remembered.put(transaction["id"], transaction)
    return transaction, response


def _response(standin, client, transaction):
    names = dict(client.get("clientNameLangMap") or {}, **{"@none": client["clientName"]})
    return {
        "transactionId": transaction["id"],
        "logoUrl": client["logoUri"],
        "authFactors": authorize.factors(transaction["acrs"]),
        "authorizeScopes": transaction["scopes"],
        "essentialClaims": transaction["essential"],
        "voluntaryClaims": transaction["voluntary"],
        "configs": dict(standin.ui_config, clientAdditionalConfig=client["additionalConfig"]),
        "redirectUri": transaction["redirectUri"],
        "clientName": names,
        "credentialScopes": [],
    }


def start_pushed(standin, client_id, request_uri):
    """PAR: request_uri is good once and for 60 s, and only for its client."""
    wanted = standin.pushed.take(request_uri)
    if wanted is None or wanted["clientId"] != client_id:
        raise EsignetError("invalid_request")
    return start(standin, wanted, pushed=True)


def _preauth(standin, transaction_id):
    transaction = standin.preauth.get(transaction_id)
    if transaction is None:
        raise EsignetError("invalid_transaction")
    return transaction


def _authenticated(standin, transaction_id):
    transaction = standin.authenticated.get(transaction_id)
    if transaction is None:
        raise EsignetError("invalid_transaction")
    return transaction


def find(standin, transaction_id, authenticated):
    return (_authenticated if authenticated else _preauth)(standin, transaction_id)


def send_otp(standin, transaction_id, individual_id):
    _preauth(standin, transaction_id)
    if standin.blocked.get(individual_id):
        raise EsignetError("individual_id_blocked")
    email, mobile = standin.identity.otp_channels(individual_id)
    return {"transactionId": transaction_id, "maskedEmail": email, "maskedMobile": mobile}


def count_attempt(standin, transaction):
    """HeaderValidationFilter: the fourth call of authenticate blocks the person of the third,
    whatever PIN it carries."""
    transaction["attempts"] += 1
    if transaction["attempts"] > ATTEMPTS:
        if transaction.get("individualId"):
            standin.blocked.put(transaction["individualId"], True)
        raise EsignetError("no_attempts_left")


def authenticate(standin, transaction_id, individual_id, challenges):
    """Moves the transaction on; returns it with consentAction set."""
    transaction = _preauth(standin, transaction_id)
    count_attempt(standin, transaction)
    for index, challenge in enumerate(challenges):
        check_challenge(challenge, index)
    transaction["individualId"] = individual_id
    if standin.blocked.get(individual_id):
        raise EsignetError("individual_id_blocked")
    used = [FACTOR_ACRS[c["authFactorType"]] for c in challenges]
    proven = [acr for acr in transaction["acrs"] if acr in used]
    if not proven:
        raise EsignetError("auth_factor_mismatch")
    for challenge in challenges:
        standin.identity.authenticate(individual_id, challenge)
    client = standin.clients.active(transaction["clientId"])
    transaction.update(
        sub=subject(individual_id, client["relyingPartyId"]), authTime=standin.clock.seconds(),
        acr=" ".join(proven), authenticatedAt=standin.clock.now())
    _decide_consent(standin, transaction)
    standin.preauth.drop(transaction_id)
    standin.authenticated.put(transaction_id, transaction)
    return transaction


def consent_hash(transaction):
    """Consent is asked again when claims, their details, the ACRs or the scopes change."""
    ordered = {claim: transaction["resolved"][claim] for claim in sorted(transaction["resolved"])}
    return b64u_sha3_256(dump([ordered, sorted(transaction["acrs"]), sorted(transaction["scopes"])]))


def _decide_consent(standin, transaction):
    transaction["consentAction"] = "CAPTURE"
    if not (transaction["resolved"] or transaction["scopes"]):
        transaction.update(consentAction="NOCAPTURE", accepted=[], permitted=[])
        return
    row = standin.consents.get("%s %s" % (transaction["clientId"], transaction["sub"]))
    if row is None or transaction["prompt"] == "consent" or row["hash"] != consent_hash(transaction):
        return
    if row["expires"] is None or row["expires"] > standin.clock.now():
        transaction.update(consentAction="NOCAPTURE", accepted=row["accepted"], permitted=row["permitted"])


def claim_details(standin, transaction_id):
    """Which requested claims are there and verified? Callable once per transaction."""
    transaction = _authenticated(standin, transaction_id)
    transaction["claimDetailCalls"] += 1
    if transaction["claimDetailCalls"] > 1:
        raise EsignetError("no_attempts_left")
    asked = any("verification" in d for details in transaction["resolved"].values() for d in details)
    # The mock is asked for its metadata only when a verified claim was requested.
    stored = standin.identity.claim_metadata(transaction["individualId"]) if asked else {}
    person = standin.identity.person(transaction["individualId"]) if asked else {}
    rows = [_claim_status(standin, claim, details, stored, person)
            for claim, details in transaction["resolved"].items()]
    verified = {row["claim"]: row["verified"] for row in rows}
    update = any(d.get("essential") and "verification" in d and not verified[claim]
                 for claim, details in transaction["resolved"].items() for d in details)
    return {
        "transactionId": transaction_id, "consentAction": transaction["consentAction"],
        "profileUpdateRequired": update, "claimStatus": rows,
    }


def _claim_status(standin, claim, details, stored, person):
    available = bool(person.get(STORED.get(claim, claim)))
    wanted = [d["verification"] for d in details if "verification" in d]
    matching = [m for m in stored.get(claim, []) if not wanted or any(verification_matches(w, m) for w in wanted)]
    return {"claim": claim, "verified": bool(matching), "available": available}


def auth_code(standin, transaction_id, accepted, permitted):
    """Consent given: {nonce, state, code, redirectUri}. Dropping an essential claim or adding one
    that was not asked for is refused."""
    transaction = _authenticated(standin, transaction_id)
    if transaction["consentAction"] == "NOCAPTURE":
        accepted, permitted = transaction["accepted"], transaction["permitted"]
    accepted, permitted = accepted or [], permitted or []
    if set(transaction["essential"]) - set(accepted) or set(accepted) - set(transaction["resolved"]):
        raise EsignetError("invalid_accepted_claim")
    if set(permitted) - set(transaction["scopes"]):
        raise EsignetError("invalid_permitted_scope")
    transaction.update(accepted=accepted, permitted=permitted)
    if transaction["consentAction"] == "CAPTURE":
        minutes = transaction["consentMinutes"]
        standin.consents["%s %s" % (transaction["clientId"], transaction["sub"])] = {
            "hash": consent_hash(transaction), "accepted": accepted, "permitted": permitted,
            "expires": standin.clock.now() + minutes * 60 if minutes else None,
        }
        standin.save()
    code = identifier()
    standin.authenticated.drop(transaction_id)
    standin.codes.put(code, transaction)
    return {"nonce": transaction["nonce"], "state": transaction["state"], "code": code,
            "redirectUri": transaction["redirectUri"]}
