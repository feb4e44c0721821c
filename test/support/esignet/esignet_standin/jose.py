"""JWS, JWE and hashes, on python3-jwcrypto only.

Callers: token_endpoint, userinfo, dpop, tamper. Nothing here decides; it signs, verifies and
encrypts what it is told.
"""
import base64
import hashlib
import json

from jwcrypto import jwe, jwk, jws
from jwcrypto.common import JWException

ASSERTION_ALGS = ["RS256", "PS256", "ES256"]


def b64u(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b64u_sha256(text):
    return b64u(hashlib.sha256(text.encode()).digest())


def b64u_sha3_256(text):
    return b64u(hashlib.sha3_256(text.encode()).digest())


def at_hash(access_token):
    """OpenID Connect Core section 3.1.3.6: left half of the SHA-256."""
    return b64u(hashlib.sha256(access_token.encode()).digest()[:16])


def sign(header, payload, key):
    """header: members in the order to send; payload: text; key: jwk.JWK."""
    token = jws.JWS(payload.encode())
    token.allowed_algs = [header["alg"]]
    token.add_signature(key, alg=header["alg"], protected=json.dumps(header, separators=(",", ":")))
    return token.serialize(compact=True)


def parse(compact):
    """(header, claims) without verifying; ValueError when it is not a JWT."""
    parts = compact.split(".")
    if len(parts) != 3:
        raise ValueError("not a compact JWS")
    header, claims = (json.loads(unb64u(part)) for part in parts[:2])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("not a JWT")
    return header, claims


def verify(compact, key, algs):
    """Claims of a JWS that verifies; ValueError otherwise."""
    token = jws.JWS()
    token.allowed_algs = algs
    try:
        token.deserialize(compact)
        token.verify(key)
        return json.loads(token.payload)
    except (JWException, ValueError, TypeError, KeyError) as error:
        raise ValueError("signature") from error


def public_key(members):
    """A verification key of a registered JWK: key material only, so that no library rule about
    use, alg or key_ops hides eSignet's own."""
    wanted = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}[members["kty"]]
    return jwk.JWK(**{name: members[name] for name in wanted})


def encrypt(compact, key, header):
    token = jwe.JWE(compact.encode(), json.dumps(header, separators=(",", ":")))
    token.allowed_algs = [header["alg"], header["enc"]]
    token.add_recipient(key)
    return token.serialize(compact=True)
