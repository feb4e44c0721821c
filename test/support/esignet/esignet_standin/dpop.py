"""DPoP (RFC 9449) as eSignet 1.8.0 has it: RS256 and PS256 proofs, a server nonce of 15 seconds.

Called by token endpoint, PAR and userinfo (DpopValidationFilter runs before them). ES256 proofs
are refused although the refusal says algs="ES256 PS256".
"""
from jwcrypto import jwk

from .errors import EsignetError, json_answer, userinfo_refusal
from .jose import b64u_sha256, parse, verify
from .metadata import DPOP_ALGS
from .transactions import identifier

SKEW_S = 10
NONCE_S = 15


class ProofRefused(Exception):
    """invalid_dpop_proof or use_dpop_nonce; `nonce` goes out in DPoP-Nonce."""

    def __init__(self, code, nonce=None):
        super().__init__(code)
        self.code, self.nonce = code, nonce

    def oauth_answer(self):
        if self.nonce:
            text = "Authorization server requires nonce in DPoP proof"
            headers = {"DPoP-Nonce": self.nonce, "Access-Control-Expose-Headers": "DPoP-Nonce, WWW-Authenticate"}
            return json_answer({"error": self.code, "error_description": text}, 400, headers)
        return json_answer({"error": self.code, "error_description": self.code}, 400, self._challenge(),
                           "application/json;charset=UTF-8")

    def userinfo_answer(self):
        if self.nonce:
            return userinfo_refusal("", 401, {
                "WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": self.nonce,
                "Access-Control-Expose-Headers": "DPoP-Nonce, WWW-Authenticate"})
        if self.code == "invalid_token":
            return userinfo_refusal("", 401, {"WWW-Authenticate": 'DPoP error="invalid_token"'})
        return userinfo_refusal("", 400, self._challenge())

    def _challenge(self):
        text = 'DPoP error="%s", error_description="%s", algs="ES256 PS256"' % (self.code, self.code)
        return {"WWW-Authenticate": text}


def check_proof(standin, request, path):
    """{jkt, nonce, ath} of the request's proof, None without the header, or ProofRefused."""
    headers = request.headers.getall("DPoP", [])
    if not headers:
        return None
    try:
        if len(headers) != 1:
            raise ValueError("two proofs")
        return _checked(standin, headers[0], request.method, standin.issuer + path)
    except Exception as error:
        raise ProofRefused("invalid_dpop_proof") from error


def _checked(standin, compact, method, uri):
    header, _ = parse(compact)
    if header.get("typ") != "dpop+jwt" or header.get("alg") not in DPOP_ALGS:
        raise ValueError("header")
    key = jwk.JWK(**header["jwk"])
    if key.has_private:
        raise ValueError("private key")
    claims = verify(compact, key, [header["alg"]])
    fresh = abs(standin.clock.now() - claims["iat"]) <= SKEW_S
    if claims["htm"] != method or claims["htu"] != uri or not fresh:
        raise ValueError("claims")
    if not claims["jti"] or standin.jtis.seen("dpop " + claims["jti"]):
        raise ValueError("replay")
    return {"jkt": key.thumbprint(), "nonce": claims.get("nonce"), "ath": claims.get("ath")}


def same_key(expected, proof):
    if expected is not None and expected != proof["jkt"]:
        raise ProofRefused("invalid_dpop_proof")
    return proof["jkt"]


def check_nonce(standin, transaction, proof):
    """The nonce handed out last, within its 15 seconds; a new one otherwise."""
    good, deadline = transaction.get("dpopNonce", (None, 0))
    if proof["nonce"] is None or proof["nonce"] != good or standin.clock.now() > deadline:
        nonce = identifier()
        transaction["dpopNonce"] = (nonce, standin.clock.now() + NONCE_S)
        raise ProofRefused("use_dpop_nonce", nonce)


def bind(standin, transaction, proof):
    """At the token endpoint: a proof binds even where the client was not registered for DPoP."""
    if proof is None and not transaction["dpopBound"]:
        return
    if proof is None:
        raise EsignetError("invalid_request")
    transaction["dpopJkt"] = same_key(transaction["dpopJkt"], proof)
    check_nonce(standin, transaction, proof)
    transaction["dpopBound"] = True


def check_userinfo(proof, authorization, cnf):
    """The proof belongs to this very access token (ath) and to the key it is bound to (cnf)."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme != "DPoP" or not token:
        raise ProofRefused("invalid_token")
    if proof["ath"] is None or (cnf or {}).get("jkt") != proof["jkt"]:
        raise ProofRefused("invalid_dpop_proof")
    if proof["ath"] != b64u_sha256(token):
        raise ProofRefused("invalid_token")
