"""The browser's way: /authorize, /login, /claim-details, /consent and back to the application.

What oidc-ui does with JavaScript is done here with forms. As there, the redirect back always
appends "?", a success carries state, code and iss, an error carries error_description, state and
error, never iss, and `state` of an error is that of the page's URL: "null" after PAR or without.
"""
import secrets
from urllib.parse import urlencode

from aiohttp import web

from . import authorize, flow_api, pages, tamper, transactions
from .errors import EsignetError
from .identity import FORMATS


def html(text, status=200):
    headers = {
        "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    }
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def see(location):
    return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})


def leave(transaction, code):
    """redirectOnError.js. URLSearchParams turns a missing state into the text null."""
    state = transaction.get("pageState")
    rows = [("error_description", pages.message(code)), ("state", "null" if state is None else state), ("error", code)]
    return see("%s?%s" % (transaction["redirectUri"], urlencode(rows)))


def finish(standin, transaction, accepted, permitted):
    """Consent.js: the code and back; every refusal of auth-code goes back as an error redirect."""
    try:
        given = transactions.auth_code(standin, transaction["id"], accepted, permitted)
    except EsignetError as error:
        return leave(transaction, error.code)
    rows = [("state", given["state"])] if given["state"] else []
    rows = tamper.callback(standin, rows + [("code", given["code"]), ("iss", standin.issuer)])
    return see("%s?%s" % (given["redirectUri"], urlencode(rows)))


class Pages:
    def __init__(self, standin):
        self.standin = standin

    def fields(self, request, transaction):
        return {"transaction_id": transaction["id"], "hash": transaction["hash"], "_csrf": self.csrf(request)}

    def csrf(self, request):
        return request.cookies.get("XSRF-TOKEN") or request.setdefault("csrf", secrets.token_urlsafe(48))

    def client_name(self, transaction):
        return self.standin.clients.rows[transaction["clientId"]]["clientName"]

    def answer(self, request, text):
        reply = html(text)
        flow_api.set_csrf_cookie(reply, self.csrf(request))
        return reply

    async def authorize(self, request):
        """Only GET with a query, as the React page. Repeated parameters: the first counts."""
        query = {name: request.query.getone(name) for name in request.query}
        try:
            if query.get("client_id") and query.get("request_uri"):
                transaction, _ = transactions.start_pushed(self.standin, query["client_id"], query["request_uri"])
                transaction["pageState"] = None
            else:
                transaction, _ = transactions.start(self.standin, authorize.from_parameters(query))
                transaction["pageState"] = query.get("state")
        except EsignetError as error:
            return html(pages.error(error.code))
        return self.answer(request, self.login_page(request, transaction))

    def login_page(self, request, transaction, refused=None):
        kinds = [row[0]["type"] for row in authorize.factors(transaction["acrs"])]
        persons = list(self.standin.identity.persons.values())
        return pages.login(self.client_name(transaction), self.fields(request, transaction), kinds, persons, refused)

    async def form(self, request):
        """(form, transaction) of a posted page, or a web.Response that ends it."""
        form = await request.post()
        transaction = self.standin.remembered.get(form.get("transaction_id", ""))
        if not flow_api.csrf_ok(request, form.get("_csrf")):
            return None, html(pages.error("Forbidden"), 403)
        if transaction is None or form.get("hash") != transaction["hash"]:
            return None, html(pages.error("invalid_transaction"))
        return form, transaction

    async def login(self, request):
        form, transaction = await self.form(request)
        if form is None:
            return transaction
        if "leave" in form:
            return leave(transaction, form["leave"] if form["leave"] in pages.MESSAGES else "access_denied")
        if self.standin.preauth.get(transaction["id"]) is None:
            return leave(transaction, "transaction_timeout")
        kind = form.get("factor", "PIN")
        challenge = {"authFactorType": kind, "challenge": form.get("challenge"), "format": FORMATS.get(kind)}
        try:
            transactions.authenticate(self.standin, transaction["id"], form.get("individual_id", ""), [challenge])
        except EsignetError as error:
            if error.code == "invalid_transaction":
                return leave(transaction, error.code)
            return self.answer(request, self.login_page(request, transaction, error.code))
        return see("/claim-details?transaction_id=" + transaction["id"])

    async def claim_details(self, request):
        """Loaded once; a reload spends the only call of claim-details and ends the login."""
        transaction = self.standin.remembered.get(request.query.get("transaction_id", ""))
        if transaction is None or not request.cookies.get("XSRF-TOKEN"):
            return html(pages.error("invalid_transaction"))
        try:
            details = transactions.claim_details(self.standin, transaction["id"])
        except EsignetError as error:
            return leave(transaction, error.code)
        if details["profileUpdateRequired"]:
            return self.answer(request, pages.verification_missing(
                self.client_name(transaction), self.fields(request, transaction), details["claimStatus"]))
        if transaction["consentAction"] == "NOCAPTURE":
            return finish(self.standin, transaction, None, None)
        return self.answer(request, pages.consent(
            self.client_name(transaction), self.fields(request, transaction),
            transaction["essential"], transaction["voluntary"], transaction["scopes"]))

    async def refuse_details(self, request):
        form, transaction = await self.form(request)
        return transaction if form is None else leave(transaction, "consent_details_rejected")

    async def consent(self, request):
        form, transaction = await self.form(request)
        if form is None:
            return transaction
        if form.get("decision") == "cancel":
            return leave(transaction, "access_denied")
        if self.standin.authenticated.get(transaction["id"]) is None:
            # The page's own timer ends five seconds before the server's 120.
            return leave(transaction, "transaction_timeout")
        accepted, permitted = form.getall("claim", []), form.getall("scope", [])
        if form.get("decision") == "allow_all":
            accepted, permitted = transaction["voluntary"], transaction["scopes"]
        accepted = transaction["essential"] + [c for c in accepted if c not in transaction["essential"]]
        return finish(self.standin, transaction, accepted, permitted)


def routes(app, standin):
    shown = Pages(standin)
    app.router.add_get("/authorize", shown.authorize)
    app.router.add_post("/login", shown.login)
    app.router.add_get("/claim-details", shown.claim_details)
    app.router.add_post("/claim-details", shown.refuse_details)
    app.router.add_post("/consent", shown.consent)
