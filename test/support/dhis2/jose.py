"""Is this JWT signed by a key of that JWKS, in the way Nimbus (DHIS2's library) judges it?

Called by login.py (id_token) and bearer.py (access token). The JWKS is cached for five minutes and
fetched once more for a kid it does not hold; a NEW key under an OLD kid therefore fails until the
five minutes are over. typ must be JWT in any case, or absent.
"""
import base64
import json

from jwcrypto import jwk, jws
from jwcrypto.common import JWException

JWKS_SECONDS = 300
RSA_FAMILY = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EC_FAMILY = ("ES256", "ES384", "ES512")
FAMILY = {"RSA": RSA_FAMILY, "EC": EC_FAMILY}
NO_KEY = "Signed JWT rejected: Another algorithm expected, or no matching key(s) found"


class BadToken(Exception):
    """str() is Nimbus's sentence."""


class Jwt:
    def __init__(self, raw):
        self.raw = raw
        parts = raw.split(".")
        if len(parts) < 2:
            raise BadToken("Invalid JWT serialization: Missing dot delimiter(s)")
        self.header, self.claims = self.part(parts[0]), self.part(parts[1])
        self.alg = self.header.get("alg")
        if len(parts) != 3 or not self.alg:
            raise BadToken("Invalid serialized unsecured/JWS/JWE object")

    @staticmethod
    def part(text):
        try:
            data = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except ValueError:
            raise BadToken("Invalid JWT serialization") from None
        if not isinstance(data, dict):
            raise BadToken("Invalid JWT serialization")
        return data


class KeySource:
    """One jwks_uri with Nimbus's cache."""

    def __init__(self, world, fetch_json, url):
        self.world, self.fetch_json, self.url = world, fetch_json, url
        self.keys, self.fetched = None, 0.0

    async def load(self, force=False):
        if force or self.keys is None or self.world.now() - self.fetched >= JWKS_SECONDS:
            body = await self.fetch_json(self.url, "application/json, application/jwk-set+json")
            self.keys = [k for k in body.get("keys", []) if isinstance(k, dict)]
            self.fetched = self.world.now()
        return self.keys

    async def candidates(self, header):
        found = [k for k in await self.load() if fits(k, header)]
        kid = header.get("kid")
        if not found and kid and not any(k.get("kid") == kid for k in self.keys):
            found = [k for k in await self.load(force=True) if fits(k, header)]
        return found


def fits(key, header):
    alg, kid = header["alg"], header.get("kid")
    if alg not in FAMILY.get(key.get("kty"), ()):
        return False
    if kid is not None and key.get("kid") != kid:
        return False
    return key.get("alg") in (None, alg) and key.get("use") in (None, "sig")


def algorithms_of(keys):
    """The algorithms DHIS2's bearer decoder pins at first contact."""
    found = []
    for key in keys:
        if key.get("use") in (None, "sig"):
            found += [key["alg"]] if key.get("alg") else FAMILY.get(key.get("kty"), ())
    return tuple(dict.fromkeys(a for a in found if a in RSA_FAMILY + EC_FAMILY))


def check_type(header):
    typ = header.get("typ")
    if typ is not None and str(typ).lower() != "jwt":
        raise BadToken("JOSE header typ (type) %s not allowed" % typ)


async def verify(token, source, allowed):
    """Raises BadToken unless typ, algorithm, key and signature are right."""
    if token.alg == "none":
        raise BadToken("Unsupported algorithm of none")
    check_type(token.header)
    if token.alg not in allowed:
        raise BadToken(NO_KEY)
    keys = await source.candidates(token.header)
    if not keys:
        raise BadToken(NO_KEY)
    for key in keys:
        if signature_ok(token, key):
            return
    raise BadToken("Signed JWT rejected: Invalid signature")


def signature_ok(token, key):
    try:
        signed = jws.JWS()
        signed.allowed_algs = [token.alg]
        signed.deserialize(token.raw)
        signed.verify(jwk.JWK(**key))
        return True
    except (JWException, ValueError, TypeError):
        return False
