"""A login through the JSON API of eSignet's login page, step by step, as the recordings were made.

The pages are walked by walk.py; this is for probes that need the answers between.
"""
import hashlib
import json
import secrets

from rig import SERVICE, b64u

AUTHORIZATION = SERVICE + "/authorization/"


class Refused(Exception):
    """A step answered with errors: (step, codes)."""

    def __init__(self, step, errors):
        super().__init__(step, errors)
        self.step, self.errors = step, errors

    @property
    def codes(self):
        return [row["errorCode"] for row in self.errors]


class UiSession:
    """One browser with its CSRF cookie and, after details(), one transaction."""

    def __init__(self, rig, person="8267411571", pin="111111"):
        self.rig, self.person, self.pin, self.trace = rig, person, pin, []
        answer = rig.http("GET", SERVICE + "/csrf/token")
        self.csrf_answer, self.token = answer.json(), answer.json()["token"]
        self.headers = {"Cookie": "XSRF-TOKEN=" + self.token, "X-XSRF-TOKEN": self.token}

    def post(self, step, request):
        answer = self.rig.wrapped("POST", AUTHORIZATION + step, request, self.headers)
        return self._opened(step, answer)

    def _opened(self, step, answer):
        self.last = answer.json()
        if self.last["errors"]:
            raise Refused(step, self.last["errors"])
        return self.last["response"]

    def details(self, request, step="v3/oauth-details"):
        """oauth-details or par-oauth-details; remembers transaction and hash for the later steps."""
        response = self.post(step, request)
        self.transaction = response["transactionId"]
        text = json.dumps(response, separators=(",", ":"), ensure_ascii=False)
        self.headers["oauth-details-key"] = self.transaction
        self.headers["oauth-details-hash"] = b64u(hashlib.sha256(text.encode()).digest())
        return response

    def authenticate(self, challenge=None, factor="PIN", form="number"):
        row = {"authFactorType": factor, "challenge": challenge or self.pin, "format": form}
        return self.post("v3/authenticate", {
            "transactionId": self.transaction, "individualId": self.person, "challengeList": [row],
            "captchaToken": None})

    def send_otp(self):
        return self.post("send-otp", {
            "transactionId": self.transaction, "individualId": self.person,
            "otpChannels": ["email", "phone"], "captchaToken": None})

    def claim_details(self):
        answer = self.rig.http("GET", AUTHORIZATION + "claim-details", headers=self.headers)
        return self._opened("claim-details", answer)

    def auth_code(self, claims, scopes=()):
        return self.post("auth-code", {
            "transactionId": self.transaction, "acceptedClaims": list(claims),
            "permittedAuthorizeScopes": list(scopes)})


def request_of(application, **changes):
    """The JSON of an oauth-details request; None removes a member."""
    request = {
        "clientId": application.client_id, "scope": "openid profile", "responseType": "code",
        "redirectUri": application.redirect_uri, "nonce": secrets.token_urlsafe(16),
        "state": "st-" + secrets.token_hex(4), "acrValues": "mosip:idp:acr:static-code",
    }
    request.update(changes)
    return {name: value for name, value in request.items() if value is not None}


def log_in(rig, application, person="8267411571", pin="111111", claims=None, **changes):
    """(code, session) after consent to the claims given, or to all."""
    session = UiSession(rig, person, pin)
    details = session.details(request_of(application, **changes))
    session.authenticate()
    asked = details["essentialClaims"] + details["voluntaryClaims"]
    code = session.auth_code(asked if claims is None else claims, details["authorizeScopes"])["code"]
    return code, session
