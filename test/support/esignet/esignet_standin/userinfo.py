"""GET /v1/esignet/oidc/userinfo: who is it, as a signed JWT, or a signed one inside a JWE.

OpenIdConnectServiceImpl and UserInfoResponseHelper of 1.8.0. The identity system signs, so key,
algorithm and iss differ from the id_token's, and there is no iat or exp. Refusals have no body.
"""
from aiohttp import web
from jwcrypto import jwk

from . import dpop, tamper
from .errors import userinfo_refusal
from .jose import at_hash, parse, verify
from .metadata import USERINFO_PATH
from .token_endpoint import accepts

MEDIA_TYPE = "application/jwt;charset=UTF-8"


class Refused(Exception):
    def __init__(self, code, status=401):
        super().__init__(code)
        self.code, self.status = code, status


def check_header(request, proof):
    """The filter in front: exactly `Bearer <JWT>`, case-sensitive, and never a DPoP-bound token."""
    if len(request.headers.getall("Authorization", [])) > 1:
        raise Refused("invalid_request", 400)
    authorization = request.headers.get("Authorization", "")
    parts = authorization.split(" ")
    try:
        if len(parts) != 2:
            raise ValueError("parts")
        cnf = parse(parts[1])[1].get("cnf")
    except Exception as error:
        raise Refused("invalid_token") from error
    if proof:
        dpop.check_userinfo(proof, authorization, cnf)
    elif cnf is not None or parts[0] != "Bearer":
        raise Refused("invalid_token")
    return parts[1]


def check_token(standin, token, proof):
    transaction = standin.userinfo.get(at_hash(token))
    if transaction is None:
        raise Refused("invalid_token")
    if transaction["dpopBound"]:
        dpop.check_nonce(standin, transaction, proof)
    try:
        keys = [key.private for key in standin.keys.rows["oidc"]]
        claims = next(c for c in (_try(token, key) for key in keys) if c)
    except StopIteration as error:
        raise Refused("invalid_token") from error
    if standin.clock.now() > claims["exp"]:
        raise Refused("invalid_token")
    return transaction


def _try(token, key):
    try:
        return verify(token, key, ["PS256"])
    except ValueError:
        return None


def signed(standin, transaction):
    payload = transaction["userinfo"]
    changed = tamper.userinfo(standin, payload)
    return changed or transaction["userinfoJws"]


def wrapped_in_jwe(standin, transaction, compact):
    """Nested JWS; the kid is a certificate thumbprint of eSignet's, not the client's kid."""
    client = standin.clients.rows[transaction["clientId"]]
    key = client.get("encPublicKey")
    if not key or key.get("kty") != "RSA":
        raise Refused("unknown_error")
    header = {"cty": "JWT", "typ": "JWT", "alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": client["encKid"]}
    public = jwk.JWK(kty="RSA", n=key["n"], e=key["e"])
    return tamper.encrypted(standin, compact, public, header, transaction["userinfo"])


def answer(standin, request):
    proof = dpop.check_proof(standin, request, USERINFO_PATH)
    token = check_header(request, proof)
    if request.method != "GET":
        raise Refused("Method Not Allowed", 405)
    if not accepts(request, "application/jwt"):
        raise Refused("Not Acceptable", 406)
    transaction = check_token(standin, token, proof)
    odd = tamper.userinfo_answer(standin, transaction["userinfo"])
    if odd is not None:
        return odd
    compact = signed(standin, transaction)
    kind = standin.config["userinfo_clients"].get(transaction["clientId"]) or standin.config["userinfo"]
    if (kind or transaction["userinfoType"]) == "JWE":
        compact = wrapped_in_jwe(standin, transaction, compact)
    return web.Response(body=compact.encode(), headers={"Content-Type": MEDIA_TYPE})


def routes(app, standin):
    async def handle(request):
        try:
            return answer(standin, request)
        except dpop.ProofRefused as refusal:
            return refusal.userinfo_answer()
        except Refused as refusal:
            return userinfo_refusal(refusal.code, refusal.status)

    app.router.add_route("*", USERINFO_PATH, handle)
