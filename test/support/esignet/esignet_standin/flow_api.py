"""The JSON API that eSignet's login page calls (oidc-ui -> /v1/esignet/authorization/...).

The stand-in's own pages do not need it; recorded probes and wallets do. CSRF by cookie and
X-XSRF-TOKEN header; oauth-details-key and oauth-details-hash on every later call.
"""
import datetime
import json
import secrets

from . import transactions
from .errors import EsignetError, json_answer, wrapped
from .metadata import SERVICE

LEEWAY_S = 120
HASHED = ("send-otp", "authenticate", "auth-code", "claim-details")


def check_request_time(clock, value):
    """yyyy-MM-dd'T'HH:mm:ss.SSS'Z', within two minutes of now."""
    try:
        given = datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")
        if len(value) != 24:
            raise ValueError("milliseconds")
    except (TypeError, ValueError) as error:
        raise EsignetError(("invalid_request", "requestTime: invalid_request")) from error
    now = datetime.datetime.utcfromtimestamp(clock.now())
    if abs((given - now).total_seconds()) >= LEEWAY_S:
        raise EsignetError(("invalid_request", "requestTime: invalid_request"))


def reader(standin):
    """read(request) -> the `request` member of a wrapped body whose requestTime is right."""
    async def read(request):
        try:
            body = json.loads(await request.text())
            inner = body["request"]
            if not isinstance(inner, dict):
                raise TypeError("request")
        except (ValueError, TypeError, KeyError) as error:
            raise EsignetError(("unknown_error", "JSON parse error")) from error
        check_request_time(standin.clock, body.get("requestTime"))
        return inner
    return read


def csrf_ok(request, sent):
    cookie = request.cookies.get("XSRF-TOKEN")
    return bool(cookie) and bool(sent) and secrets.compare_digest(cookie, sent)


def forbidden(standin):
    """Spring's default error body, no wrapper."""
    return json_answer({"timestamp": int(standin.clock.now() * 1000), "status": 403,
                        "error": "Forbidden", "path": ""}, 403)


def set_csrf_cookie(answer, token):
    answer.set_cookie("XSRF-TOKEN", token, path="/", samesite="Lax")


def routes(app, standin):
    read = reader(standin)

    async def token(request):
        value = request.cookies.get("XSRF-TOKEN") or secrets.token_urlsafe(48)
        answer = json_answer({"parameterName": "_csrf", "token": value, "headerName": "X-XSRF-TOKEN"})
        set_csrf_cookie(answer, value)
        return answer

    def post(name, call):
        async def handle(request):
            if not csrf_ok(request, request.headers.get("X-XSRF-TOKEN")):
                return forbidden(standin)
            try:
                if name.split("/")[-1] in HASHED:
                    check_headers(standin, request, name)
                return wrapped(standin.clock, call(await read(request)))
            except EsignetError as error:
                return wrapped(standin.clock, None, error.pairs)
            except (TypeError, AttributeError, KeyError, ValueError):  # a member of the wrong JSON type
                return wrapped(standin.clock, None, [("unknown_error", "JSON parse error")])
        app.router.add_post(SERVICE + "/" + name, handle)

    async def claim_details(request):
        try:
            check_headers(standin, request, "claim-details")
            found = transactions.claim_details(standin, request.headers["oauth-details-key"])
            return wrapped(standin.clock, found)
        except EsignetError as error:
            return wrapped(standin.clock, None, error.pairs)

    app.router.add_get(SERVICE + "/csrf/token", token)
    app.router.add_get(SERVICE + "/authorization/claim-details", claim_details)
    app.router.add_get(SERVICE + "/authorization/v3/claim-details", claim_details)
    _posts(standin, post)


def _posts(standin, post):
    def authenticate(body):
        transaction = transactions.authenticate(
            standin, body.get("transactionId"), body.get("individualId"), body.get("challengeList") or [])
        return {"transactionId": transaction["id"], "consentAction": transaction["consentAction"]}

    for version in ("", "v2/", "v3/"):
        post("authorization/%soauth-details" % version, lambda b: transactions.start(standin, b)[1])
        post("authorization/%sauthenticate" % version, authenticate)
    post("authorization/par-oauth-details", lambda b: transactions.start_pushed(
        standin, b.get("clientId"), b.get("requestUri"))[1])
    post("authorization/send-otp", lambda b: transactions.send_otp(
        standin, b.get("transactionId"), b.get("individualId")))
    post("authorization/auth-code", lambda b: transactions.auth_code(
        standin, b.get("transactionId"), b.get("acceptedClaims"), b.get("permittedAuthorizeScopes")))
    post("linked-authorization/link-code", lambda b: link_code(standin, b.get("transactionId")))
    post("linked-authorization/v2/link-code", lambda b: link_code(standin, b.get("transactionId")))


def check_headers(standin, request, name):
    later = name.endswith(("auth-code", "claim-details"))
    transaction = transactions.find(standin, request.headers.get("oauth-details-key"), later)
    if transaction["hash"] != request.headers.get("oauth-details-hash"):
        raise EsignetError("invalid_request")


def link_code(standin, transaction_id):
    """A wallet's code; what follows needs Kafka in eSignet and is not here either."""
    transactions.find(standin, transaction_id, False)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    code = "".join(secrets.choice(letters) for _ in range(15))
    return {"transactionId": transaction_id, "linkCode": code, "expireDateTime": standin.clock.iso(60)}
