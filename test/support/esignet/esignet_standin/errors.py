"""How does eSignet say no?

Three dialects (esignet-service ExceptionHandlerAdvice): the wrapper of the UI and client
management APIs (always HTTP 200), OAuth errors of /oauth/ (always 400, four codes known,
the rest invalid_request), and /oidc/userinfo (empty body, WWW-Authenticate without scheme).
"""
import json

from aiohttp import web

OAUTH_CODES = {"invalid_client", "unsupported_grant_type", "invalid_scope", "invalid_grant"}

# Spring Security's headers, on every answer of the service except userinfo and 401.
SERVICE_HEADERS = {
    "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "0",
    "Cache-Control": "no-cache, no-store, max-age=0, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
    "X-Frame-Options": "DENY",
}


class EsignetError(Exception):
    """One or more eSignet error codes: [(code, message), ...]; message defaults to the code."""

    def __init__(self, *pairs):
        super().__init__(pairs)
        self.pairs = [p if isinstance(p, tuple) else (p, p) for p in pairs]

    @property
    def code(self):
        return self.pairs[0][0]


def dump(value, ascii_only=False):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only)


def json_answer(value, status=200, headers=None, content_type="application/json"):
    """A chunked JSON answer, as Tomcat behind nginx sends it."""
    answer = web.Response(
        body=dump(value).encode(), status=status, headers={**SERVICE_HEADERS, **(headers or {})}
    )
    answer.headers["Content-Type"] = content_type
    answer.enable_chunked_encoding()
    return answer


def wrapped(clock, response, errors=()):
    """The wrapper of UI and client management answers; HTTP 200 also for errors."""
    rows = [{"errorCode": code, "errorMessage": message} for code, message in errors]
    return json_answer({"responseTime": clock.iso(), "response": response, "errors": rows})


def oauth_error(error, status=400):
    """RFC 6749 section 5.2 as eSignet understands it: 400 always, description repeats the code."""
    code, message = error.pairs[0]
    shown = code if code in OAUTH_CODES or code.startswith(("use_dpop", "invalid_dpop")) else "invalid_request"
    # The advice sets its own Cache-Control, so Spring Security's is not added.
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return json_answer({"error": shown, "error_description": message}, status, headers)


def userinfo_refusal(code, status=401, headers=None):
    """Empty body; WWW-Authenticate names no scheme (RFC 6750 section 3 wants one)."""
    return web.Response(
        status=status, headers={"WWW-Authenticate": 'error="%s"' % code, **(headers or {})}
    )


def problem(status, title, detail, instance=""):
    """RFC 9457 as Spring writes it (404 and 415)."""
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "properties": None,
    }
    return json_answer(body, status, content_type="application/problem+json")
