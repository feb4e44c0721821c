"""The token endpoint (v2 and the legacy one without PKCE) and pushed authorization requests.

OAuthServiceImpl and TokenServiceImpl of 1.8.0: form only, private_key_jwt only, every refusal
400. A failed assertion or verifier leaves the code usable; success uses it up.
"""
import hashlib

from aiohttp import web

from . import authorize, dpop, tamper, urls
from .errors import EsignetError, dump, json_answer, oauth_error, problem
from .jose import ASSERTION_ALGS, at_hash, b64u, parse, public_key, sign, verify
from .metadata import LEGACY_TOKEN_PATH, PAR_PATH, TOKEN_PATH
from .transactions import identifier

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME_S = 3600
LEEWAY_S = 5


def accepts(request, *types):
    """Would the Accept header take one of these media types?"""
    accept = request.headers.getall("Accept", [])
    if not accept:
        return True
    asked = [part.split(";")[0].strip().lower() for value in accept for part in value.split(",")]
    allowed = {"*/*"} | set(types) | {t.split("/")[0] + "/*" for t in types}
    return any(part in allowed for part in asked)


async def form_of(request):
    """Spring joins a repeated parameter with a comma, which then matches nothing."""
    posted = await request.post()
    return {name: ",".join(map(str, posted.getall(name))) for name in posted}


def check_assertion(standin, client_id, assertion, audiences):
    """RFC 7523 section 3 as Nimbus is configured there; everything wrong is invalid_client."""
    try:
        _verify_assertion(standin, client_id, assertion, audiences)
    except EsignetError:
        raise
    except Exception as error:
        raise EsignetError("invalid_client") from error


def _verify_assertion(standin, client_id, assertion, audiences):
    registered = standin.clients.active(client_id)["publicKey"]
    header, _ = parse(assertion)
    refuse = EsignetError("invalid_client")
    if header.get("alg") not in ASSERTION_ALGS:
        raise refuse
    # Nimbus' key selector: a header kid must be the registered one, a registered alg is the only one.
    if "kid" in header and header["kid"] != registered.get("kid"):
        raise refuse
    if registered.get("alg") not in (None, header["alg"]) or registered.get("use") not in (None, "sig"):
        raise refuse
    if header.get("typ", "JWT").upper() != "JWT":
        raise refuse
    claims = verify(assertion, public_key(registered), [header["alg"]])
    now, exp = standin.clock.now(), claims["exp"]
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    wrong = (
        claims.get("iss") != client_id, claims.get("sub") != client_id,
        now > exp + LEEWAY_S, now < claims.get("nbf", 0) - LEEWAY_S, claims.get("iat", exp - 1) >= exp,
        not set(audience) & set(audiences),
        not isinstance(claims.get("jti"), str) or not claims["jti"].strip(),
    )
    if any(wrong) or standin.jtis.seen(claims["jti"]):
        raise refuse


def check_form(form):
    """Bean validation of TokenRequest."""
    rows = [
        ("unsupported_grant_type", form.get("grant_type") == "authorization_code"),
        ("invalid_grant", bool((form.get("code") or "").strip())),
        ("invalid_redirect_uri", urls.valid(form.get("redirect_uri"))),
        ("invalid_assertion_type", form.get("client_assertion_type") == ASSERTION_TYPE),
        ("invalid_client", bool((form.get("client_assertion") or "").strip())),
    ]
    for code, ok in rows:
        if not ok:
            raise EsignetError(code)


def check_against_transaction(form, transaction, with_pkce):
    if transaction is None:
        raise EsignetError("invalid_grant")
    if form.get("client_id") and form["client_id"] != transaction["clientId"]:
        raise EsignetError("invalid_client_id")
    if form["redirect_uri"] != transaction["redirectUri"]:
        raise EsignetError("invalid_redirect_uri")
    if transaction["challenge"]:
        verifier = form.get("code_verifier") if with_pkce else None
        digest = b64u(hashlib.sha256((verifier or "").encode("ascii", "replace")).digest())
        if not verifier or digest != transaction["challenge"]:
            raise EsignetError("invalid_grant")


def lifetime(transaction):
    minutes = transaction["consentMinutes"]
    return min(LIFETIME_S, minutes * 60) if minutes else LIFETIME_S


def access_token(standin, transaction, now):
    payload = {"sub": transaction["sub"], "aud": transaction["clientId"], "azp": transaction["clientId"]}
    if transaction["permitted"]:
        payload["scope"] = " ".join(transaction["permitted"])
    payload["iss"] = standin.issuer
    if transaction["dpopBound"]:
        payload["cnf"] = {"jkt": transaction["dpopJkt"]}
    payload.update(exp=now + lifetime(transaction), iat=now, client_id=transaction["clientId"])
    return _signed(standin, payload)


def id_token(standin, transaction, access, now):
    payload = {
        "at_hash": at_hash(access), "sub": transaction["sub"], "aud": transaction["clientId"],
        "acr": transaction["acr"], "auth_time": transaction["authTime"], "iss": standin.issuer,
        "exp": now + lifetime(transaction), "iat": now,
    }
    if transaction["nonce"] is not None:
        payload["nonce"] = transaction["nonce"]
    return tamper.id_token(standin, payload) or _signed(standin, payload)


def _signed(standin, payload):
    key = standin.keys.current("oidc")
    return sign({"kid": key.kid, "alg": "PS256"}, tamper.escaped(payload), key.private)


def issue(standin, form, transaction):
    """Tokens for a code that passed every check; freezes the person's data (KYC exchange)."""
    code, now = form["code"], standin.clock.seconds()
    access = access_token(standin, transaction, now)
    answer = {
        "id_token": id_token(standin, transaction, access, now),
        "token_type": "DPoP" if transaction["dpopBound"] else "Bearer",
        "access_token": access,
        "expires_in": LIFETIME_S,
    }
    claims = standin.identity.claims(
        transaction["individualId"], transaction["accepted"], transaction["locales"],
        [r for r in transaction["verified"] if r["claims"]])
    payload = dict(
        claims, sub=transaction["sub"], iss=standin.issuer + "/v1/esignet", aud=transaction["clientId"])
    key = standin.keys.current("userinfo")
    transaction["userinfo"] = payload
    transaction["userinfoJws"] = sign({"alg": "RS256", "kid": key.kid}, dump(payload), key.private)
    standin.codes.drop(code)
    standin.userinfo.put(at_hash(access), transaction)
    return answer


def token_handler(standin, path):
    legacy = path == LEGACY_TOKEN_PATH

    async def handle(request):
        if request.method != "POST":
            return oauth_error(EsignetError(("invalid_request", "Method Not Allowed")), 405)
        if request.content_type != "application/x-www-form-urlencoded":
            kind = request.headers.get("Content-Type", "")
            return problem(415, "Unsupported Media Type", "Content-Type '%s' is not supported." % kind, path)
        if not accepts(request, "application/json"):
            return web.Response(status=406)
        form = await form_of(request)
        try:
            proof = None if legacy else dpop.check_proof(standin, request, TOKEN_PATH)
            check_form(form)
            transaction = standin.codes.get(form["code"])
            check_against_transaction(form, transaction, not legacy)
            dpop.bind(standin, transaction, proof)
            own = standin.issuer + (LEGACY_TOKEN_PATH.replace("/v1/esignet", "") if legacy else TOKEN_PATH)
            check_assertion(standin, transaction["clientId"], form["client_assertion"], [own, standin.issuer])
            answer = tamper.token_answer(standin, issue(standin, form, transaction))
            return json_answer(answer) if isinstance(answer, dict) else answer
        except dpop.ProofRefused as refusal:
            return refusal.oauth_answer()
        except EsignetError as error:
            return oauth_error(error)

    return handle


def par_handler(standin):
    async def handle(request):
        if request.method != "POST":
            return oauth_error(EsignetError(("invalid_request", "Method Not Allowed")), 405)
        form = await form_of(request)
        try:
            proof = dpop.check_proof(standin, request, PAR_PATH)
            wanted = pushed_request(standin, form)
            if proof:
                wanted["dpopJkt"] = dpop.same_key(wanted.get("dpopJkt"), proof)
            request_uri = "urn:ietf:params:oauth:request_uri:" + identifier()
            standin.pushed.put(request_uri, wanted)
            return json_answer({"request_uri": request_uri, "expires_in": 60}, 201)
        except dpop.ProofRefused as refusal:
            return refusal.oauth_answer()
        except EsignetError as error:
            return oauth_error(error)

    return handle


def pushed_request(standin, form):
    """The checks of POST /oauth/par; the authorize page trusts them later."""
    if not (form.get("client_assertion") or "").strip():
        raise EsignetError("invalid_client")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise EsignetError("invalid_assertion_type")
    if form.get("request_uri") is not None:
        raise EsignetError("invalid_request")
    try:
        wanted = authorize.from_parameters(form)
    except EsignetError as error:
        raise EsignetError(("invalid_request", "Property 'claims' threw exception")) from error
    try:
        authorize.check_shape(wanted)
    except EsignetError as error:
        raise EsignetError(error.code) from error
    try:
        client = standin.clients.active(wanted["clientId"])
    except EsignetError as error:
        raise EsignetError("invalid_client") from error
    authorize.check_redirect(client, wanted["redirectUri"])
    authorize.check_nonce(standin, wanted.get("nonce"))
    own = [standin.issuer + PAR_PATH, standin.issuer + TOKEN_PATH, standin.issuer]
    check_assertion(standin, client["clientId"], form["client_assertion"], own)
    return wanted


def routes(app, standin):
    for path in (TOKEN_PATH, LEGACY_TOKEN_PATH):
        app.router.add_route("*", path, token_handler(standin, path))
    app.router.add_route("*", PAR_PATH, par_handler(standin))
