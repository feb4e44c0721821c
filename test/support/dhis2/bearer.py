"""JWT bearer tokens on the Web API (oidc.jwt.token.authentication.enabled=on).

The decoder of an issuer is built once, from DISCOVERY of the token's iss (not from the jwk_uri of
dhis.conf), and pins the algorithms its JWKS held at that moment. Refusals are JSON plus
WWW-Authenticate; a few unforeseen shapes are HTTP 500 (dhis2.md §11B; 2.41: dhis2-2.41.md §2).
"""
import datetime
import logging
import re
from urllib.parse import urlsplit

from aiohttp import web

from access import Principal
from answer import Refuse, refuse_html, web_message
from jose import BadToken, Jwt, KeySource, algorithms_of, verify
from outgoing import HttpStatus, Unreachable

log = logging.getLogger("dhis2.bearer")
SKEW = 60
SCHEME = re.compile(r"(?i)bearer(\s|$)")
TOKEN = re.compile(r"(?i)^bearer ([a-zA-Z0-9\-._~+/]+=*)$")
DECODE = "An error occurred while attempting to decode the Jwt: %s"
NO_USER = "Found no matching DHIS2 user for the mapping claim: '%s' with the value: '%s'"
ERROR_URI = "https://tools.ietf.org/html/rfc6750#section-3.1"


def invalid(text):
    challenge = 'Bearer error="invalid_token", error_description="%s", error_uri="%s"' % (text, ERROR_URI)
    raise Refuse(web_message(401, "invalid_token", dev=text, headers={"WWW-Authenticate": challenge}))


def old_opaque_filter():
    """2.41 while oauth2.authorization.server.enabled is not off: takes every bearer token."""
    text = "Invalid access token"
    body = ("<InvalidTokenException><error>invalid_token</error><error_description>%s"
            "</error_description></InvalidTokenException>" % text)
    challenge = 'Bearer realm="oauth", error="invalid_token", error_description="%s"' % text
    raise Refuse(web.Response(status=401, text=body, content_type="application/xml",
                              headers={"WWW-Authenticate": challenge}))


class Decoder:
    def __init__(self, source, algorithms):
        self.source, self.algorithms = source, algorithms


class Bearer:
    def __init__(self, world, outgoing):
        self.world, self.outgoing, self.decoders = world, outgoing, {}

    def applies(self, header, path):
        """Is this header looked at? When not, the request goes on as if it had none."""
        if not SCHEME.match(header) or (self.world.old and not path.startswith("/api")):
            return False
        if self.world.old and self.world.conf.old_oauth2_server:
            return True
        return self.world.conf.jwt_bearer

    async def authenticate(self, header):
        if self.world.old and self.world.conf.old_oauth2_server:
            old_opaque_filter()
        match = TOKEN.match(header)
        if not match:
            invalid("Bearer token is malformed")
        try:
            token = Jwt(match.group(1))
        except BadToken as error:
            invalid(str(error))
        provider = self.provider_of(token.claims)
        decoder = await self.decoder_of(token.claims["iss"])
        await self.check(token, decoder)
        self.check_audience(provider, token.claims)
        return Principal(self.world, self.user_of(provider, token.claims), "bearer")

    def provider_of(self, claims):
        issuer = claims.get("iss")
        if issuer is None:
            invalid("Missing issuer")
        if issuer == "" or not isinstance(issuer, str):
            refuse_html(500)
        return (self.world.conf.provider_by_issuer(issuer, exact=self.world.old)
                or invalid("Invalid issuer"))

    async def decoder_of(self, issuer):
        """Discovery once per issuer; nothing is remembered of a failure."""
        if issuer not in self.decoders:
            try:
                metadata = await self.discover(issuer)
                source = KeySource(self.world, self.outgoing.get_json, metadata["jwks_uri"])
                algorithms = algorithms_of(await source.load())
            except (HttpStatus, Unreachable, KeyError) as error:
                log.error("discovery of the token issuer failed: %s", error)
                refuse_html(500)
            if not algorithms:
                refuse_html(500)
            self.decoders[issuer] = Decoder(source, algorithms)
        return self.decoders[issuer]

    async def discover(self, issuer):
        """OpenID discovery, then the two forms of RFC 8414, the next one only after a 4xx."""
        parts = urlsplit(issuer)
        origin, path = "%s://%s" % (parts.scheme, parts.netloc), parts.path.rstrip("/")
        problem = None
        for url in (origin + path + "/.well-known/openid-configuration",
                    origin + "/.well-known/openid-configuration" + path,
                    origin + "/.well-known/oauth-authorization-server" + path):
            try:
                metadata = await self.outgoing.get_json(url)
                break
            except HttpStatus as error:
                problem = error
                if error.status // 100 != 4:
                    raise
        else:
            raise problem
        if metadata.get("issuer") != issuer:
            raise HttpStatus(200, "the metadata's issuer is not the token's iss")
        return metadata

    async def check(self, token, decoder):
        try:
            await verify(token, decoder.source, decoder.algorithms)
        except BadToken as error:
            text = str(error)
            invalid(text if text.startswith("Unsupported algorithm") else DECODE % text)
        except (HttpStatus, Unreachable):
            refuse_html(500)
        self.check_times(token.claims)
        if not token.claims.get("sub"):
            refuse_html(500)

    def check_times(self, claims):
        now, exp, nbf = self.world.now(), claims.get("exp"), claims.get("nbf")
        iat = claims.get("iat")
        if exp is not None and iat is not None and exp <= iat:
            invalid(DECODE % "expiresAt must be after issuedAt")
        if exp is not None and exp < now - SKEW:
            invalid(DECODE % ("Jwt expired at " + instant(exp)))
        if nbf is not None and nbf > now + SKEW:
            invalid(DECODE % ("Jwt used before " + instant(nbf)))

    @staticmethod
    def check_audience(provider, claims):
        audience = claims.get("aud")
        if audience is None:
            refuse_html(500)
        audience = [audience] if isinstance(audience, str) else audience
        if not provider.audiences & set(audience):
            invalid("Invalid audience")

    def user_of(self, provider, claims):
        """2.43: claim email = openId, claim username = username (disabled users too!); 2.41: any
        claim = openId."""
        name = provider.mapping_claim
        if not self.world.old and name not in ("email", "username"):
            invalid("Invalid mapping claim")
        value = claims.get(name)
        if value is not None and not isinstance(value, str):
            refuse_html(500)
        if name == "username" and not self.world.old:
            user = self.world.user_by_name(value)
        else:
            user = self.world.user_by_openid(value) if value else None
        return user or invalid(NO_USER % (name, "null" if value is None else value))


def instant(seconds):
    moment = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
