"""OpenID Connect login: DHIS2 as relying party.

/oauth2/authorization/{id} starts, /oauth2/code/{id} ends (GET and form_post), logout.action leaves.
Strict and odd as Spring Security 6.5 (2.43) and 5.8 (2.41) are: dhis2.md §1 and §11A. Every failure
is a redirect to the login page without a reason; some oddities are HTTP 500.
"""
import base64
import hashlib
import logging
import secrets
import time
import uuid
from urllib.parse import quote, quote_plus, urlencode, urlsplit

from jwcrypto import jwk, jwt as jwcrypto_jwt

import conf as conf_module
from access import Principal
from answer import html_error, json_reply, redirect
from jose import BadToken, Jwt, KeySource, verify
from outgoing import HttpStatus, Unreachable, json_object

log = logging.getLogger("dhis2.login")
SKEW = 60
USERINFO_SCOPES = {"profile", "email", "address", "phone"}
FORM = "application/x-www-form-urlencoded;charset=UTF-8"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Failed(Exception):
    """The login ends at the login page; the text goes to the DEBUG log only."""


class Broken(Exception):
    """The login ends with HTTP 500."""


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def form_encode(text):
    """java.net.URLEncoder, which Spring applies to both halves of Basic credentials."""
    return quote_plus(text, safe="*").replace("~", "%7E")


def load_client_keys(configuration):
    """Key stores are read once, at start: {provider id: (private JWK, certificate)}."""
    keys = {}
    for provider in configuration.providers.values():
        if provider.auth_method == "private_key_jwt":
            key, certificate = conf_module.load_rsa_key(provider)
            keys[provider.id] = (jwk.JWK.from_pyca(key), certificate)
    return keys


class Login:
    """All OIDC providers of one dhis.conf."""

    def __init__(self, world, outgoing, client_keys):
        self.world, self.outgoing, self.client_keys = world, outgoing, client_keys
        self.sources = {p.id: KeySource(world, outgoing.get_json, p.jwk_uri) for p in world.conf.providers.values()}

    @property
    def failure_url(self):
        return "/dhis-web-login?oidcFailure=true" if self.world.old else "/login/?oidcFailure=true"

    # -- start ---------------------------------------------------------------------------------

    async def start(self, call, name):
        """302 to the authorization endpoint; query parameters of the caller are not passed on."""
        if self.world.old and not self.world.conf.login_enabled:
            return html_error(404)
        provider = self.world.conf.providers.get(name)
        if not provider:
            return html_error(500)
        session = call.session or call.sessions.create("anonymous")
        pending = {"provider": name, "state": b64(secrets.token_bytes(32)) + "=",
                   "nonce": b64(secrets.token_bytes(96)), "verifier": b64(secrets.token_bytes(96)),
                   "redirect_uri": provider.redirect_url or "%s/oauth2/code/%s" % (call.origin, name)}
        session.authorization = pending
        response = redirect(self.authorize_url(provider, pending))
        call.sessions.set_cookie(response, session)
        return response

    @staticmethod
    def authorize_url(provider, pending):
        nonce = b64(hashlib.sha256(pending["nonce"].encode()).digest())
        query = [("response_type", "code"), ("client_id", provider.client_id), ("scope", provider.scope),
                 ("state", pending["state"]), ("redirect_uri", pending["redirect_uri"]), ("nonce", nonce)]
        if provider.pkce:
            query += [("code_challenge", b64(hashlib.sha256(pending["verifier"].encode()).digest())),
                      ("code_challenge_method", "S256")]
        query += provider.extra
        text = "&".join("%s=%s" % (quote(k), quote(v, safe="/:,")) for k, v in query)
        return provider.authorization_uri + ("&" if "?" in provider.authorization_uri else "?") + text

    # -- callback ------------------------------------------------------------------------------

    async def callback(self, call, name):
        params = call.form() if call.request.method == "POST" else call.query
        try:
            user, provider, id_token = await self.identify(call, params)
        except Failed as reason:
            log.debug("oidcFailure: %s", reason)
            return redirect(self.failure_url)
        except Broken as reason:
            log.debug("HTTP 500 at login: %s", reason)
            return html_error(500)
        return self.signed_in(call, user, provider, id_token)

    async def identify(self, call, params):
        pending = call.session.authorization if call.session else None
        if not pending or params.get("state") != pending["state"]:
            raise Failed("authorization_request_not_found")
        call.session.authorization = None
        provider = self.world.conf.providers[pending["provider"]]
        if params.get("error") or not params.get("code"):
            raise Failed("error from the provider")
        answer = await self.exchange(provider, pending, params["code"])
        claims = await self.check_id_token(provider, pending, answer.get("id_token"))
        userinfo = await self.userinfo(provider, answer, claims)
        return self.find_user(provider, dict(userinfo, **claims)), provider, answer["id_token"]

    async def exchange(self, provider, pending, code):
        form = [("grant_type", "authorization_code"), ("code", code),
                ("redirect_uri", pending["redirect_uri"])]
        headers = {"Accept": "application/json;charset=UTF-8", "Content-Type": FORM}
        method = provider.auth_method
        if method == "client_secret_basic":
            pair = "%s:%s" % (form_encode(provider.client_id), form_encode(provider.client_secret))
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form.append(("client_id", provider.client_id))
        if method == "client_secret_post":
            form.append(("client_secret", provider.client_secret))
        if provider.pkce:
            form.append(("code_verifier", pending["verifier"]))
        if method == "private_key_jwt":
            form += [("client_assertion_type", ASSERTION_TYPE),
                     ("client_assertion", self.client_assertion(provider))]
        try:
            status, _, body = await self.outgoing.send("POST", provider.token_uri, headers,
                                                       urlencode(form).encode())
            if status // 100 != 2:
                raise Failed("token endpoint says %d" % status)
            answer = json_object(body)
        except (Unreachable, HttpStatus) as error:
            raise Failed("token endpoint: %s" % error) from None
        self.check_token_answer(answer)
        return answer

    def check_token_answer(self, answer):
        kind = answer.get("token_type")
        if not answer.get("access_token") or not kind:
            raise Failed("token response without access_token or token_type")
        if self.world.old and str(kind).lower() != "bearer":
            raise Failed("token_type %s" % kind)
        if not answer.get("id_token"):
            raise Failed("token response without id_token")

    def client_assertion(self, provider):
        key, certificate = self.client_keys[provider.id]
        from cryptography.hazmat.primitives import hashes
        now = int(time.time())
        header = {"x5t#S256": b64(certificate.fingerprint(hashes.SHA256())), "kid": provider.key_alias,
                  "alg": "RS256"}
        if provider.jwk_set_url:
            header["jku"] = provider.jwk_set_url
        claims = {"sub": provider.client_id, "aud": provider.token_uri, "iss": provider.client_id,
                  "exp": now + 60, "iat": now, "jti": str(uuid.uuid4())}
        token = jwcrypto_jwt.JWT(header=header, claims=claims)
        token.make_signed_token(key)
        return token.serialize()

    async def check_id_token(self, provider, pending, raw):
        try:
            token = Jwt(raw)
            await verify(token, self.sources[provider.id], ("RS256",))
        except BadToken as error:
            raise Failed("id_token: %s" % error) from None
        except (Unreachable, HttpStatus) as error:
            raise Failed("JWKS: %s" % error) from None
        self.check_claims(provider, token.claims)
        nonce = b64(hashlib.sha256(pending["nonce"].encode()).digest())
        if token.claims.get("nonce") != nonce:
            raise Failed("invalid_nonce")
        return token.claims

    def check_claims(self, provider, claims):
        now, audience = self.world.now(), claims.get("aud")
        audience = [audience] if isinstance(audience, str) else audience
        for name in ("iss", "sub", "aud", "exp", "iat"):
            if not claims.get(name):
                raise Failed("id_token without %s" % name)
        if not urlsplit(str(claims["iss"])).scheme:
            raise Failed("iss is no URL")
        if provider.issuer_uri and claims["iss"] != provider.issuer_uri:
            raise Failed("iss differs")
        azp = claims.get("azp")
        if (provider.client_id not in audience or (len(audience) > 1 and not azp)
                or (azp and azp != provider.client_id)):
            raise Failed("aud or azp")
        if claims["exp"] <= claims["iat"] or claims["exp"] < now - SKEW or claims["iat"] > now + SKEW:
            raise Failed("exp or iat")

    async def userinfo(self, provider, answer, claims):
        scope = answer.get("scope")
        if scope and not USERINFO_SCOPES & set(str(scope).split(" ")):
            return {}
        headers = {"Accept": "application/json", "Authorization": "Bearer " + answer["access_token"]}
        try:
            status, kind, body = await self.outgoing.send("GET", provider.user_info_uri, headers)
            if status != 200 or not (kind == "application/json" or kind.endswith("+json")):
                raise Failed("userinfo: %d %s" % (status, kind))
            info = json_object(body)
        except (Unreachable, HttpStatus) as error:
            raise Failed("userinfo: %s" % error) from None
        if info.get("sub") is None:
            raise Broken("userinfo without sub")
        if info["sub"] != claims["sub"]:
            raise Failed("userinfo of another sub")
        return info

    def find_user(self, provider, attributes):
        """Always by openId, whatever the claim is called; enabled, external and not expired only."""
        value = attributes.get(provider.mapping_claim)
        if value is not None and not isinstance(value, str):
            raise Broken("mapping claim is no string")
        user = self.world.user_by_openid(value) if value else None
        if not user or not user["externalAuth"] or self.world.expired(user):
            raise Failed("could_not_map_oidc_user_to_dhis2_user")
        return user

    def signed_in(self, call, user, provider, id_token):
        """A new session whose rights are those of this moment."""
        target = call.session.saved_url or "/"
        if call.session.saved_url and not self.world.old:
            target += ("&" if "?" in target else "?") + "continue"
        call.sessions.drop(call.session)
        user["lastLogin"] = user["lastUpdated"] = self.world.now()
        principal = Principal(self.world, user, "oidc")
        principal.provider, principal.id_token = provider.id, id_token
        session = call.sessions.create("oidc", principal)
        self.world.save()
        response = redirect(target)
        call.sessions.set_cookie(response, session)
        return response

    # -- the rest ------------------------------------------------------------------------------

    async def logout(self, call):
        session, target = call.session, "/"
        if session and session.principal:
            provider = self.world.conf.providers.get(session.principal.provider or "")
            if provider and provider.logout and provider.end_session_endpoint \
                    and self.world.conf.login_enabled:
                target = "%s?id_token_hint=%s&post_logout_redirect_uri=%s" % (
                    provider.end_session_endpoint, session.principal.id_token,
                    self.world.conf.logout_redirect)
        if session:
            call.sessions.drop(session)
        return redirect(target)

    async def public_keys(self, call, name):
        if name not in self.client_keys:
            return html_error(404)
        key = self.client_keys[name][0].export_public(as_dict=True)
        key.update(kid=self.world.conf.providers[name].key_alias, alg="RS256", use="sig")
        return json_reply({"keys": [key]})

    async def login_config(self, call):
        providers = [{"id": p.id, "icon": p.image, "iconPadding": p.padding, "loginText": p.alias,
                      "url": "/oauth2/authorization/" + p.id} for p in self.world.conf.providers.values()]
        version = "2.41.9.1" if self.world.old else "2.43.1"
        return json_reply({"apiVersion": version, "applicationTitle": "DHIS2 stand-in",
                           "oidcProviders": providers})
