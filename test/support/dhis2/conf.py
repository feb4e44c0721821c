"""What does this dhis.conf say?

Reads a real dhis.conf (Java properties) once, as DHIS2 does at start-up, and applies the rules of
its GenericOidcProviderConfigParser: required keys, unknown key -> that provider is dropped with an
ERROR in the log, scopes split on blanks with "openid" put in front (unset: "openid " with a trailing
blank), provider ids without a dot and not one of the reserved names.
"""
import logging
import re
from urllib.parse import urlsplit

log = logging.getLogger("dhis2.conf")

REQUIRED = ("client_id", "client_secret", "authorization_uri", "token_uri", "user_info_uri", "jwk_uri")
URLS = ("authorization_uri", "token_uri", "user_info_uri", "jwk_uri", "issuer_uri",
        "end_session_endpoint")
OPTIONAL = ("issuer_uri", "mapping_claim", "redirect_url", "scopes", "client_authentication_method",
            "authorization_grant_type", "enable_pkce", "enable_logout", "end_session_endpoint",
            "display_alias", "login_image", "login_image_padding", "extra_request_parameters",
            "keystore_path", "keystore_password", "key_alias", "key_password", "jwk_set_url")
RESERVED = ("azure", "google", "wso2", "dhis2")
EXT_CLIENT = re.compile(r"ext_client\.(\d+)\.client_id$")
AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none", "private_key_jwt")


class ConfigError(Exception):
    """dhis.conf stops the server at start."""


def unescape(text):
    def one(match):
        char = match.group(1)
        if char[0] == "u":
            return chr(int(char[1:], 16))
        return {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}.get(char, char)
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", one, text)


def parse_properties(text):
    """java.util.Properties.load: continuation lines, '=' ':' or blank as separator, \\ escapes."""
    values, logical = {}, ""
    for line in text.splitlines():
        line = line.lstrip(" \t\f")
        if not logical and (not line or line[0] in "#!"):
            continue
        logical += line
        if len(logical) - len(logical.rstrip("\\")) & 1:
            logical = logical[:-1]
            continue
        match = re.match(r"((?:\\.|[^\\=:\s])*)[ \t\f]*[=:]?[ \t\f]*(.*)$", logical, re.S)
        values[unescape(match.group(1))] = unescape(match.group(2)).rstrip()
        logical = ""
    return values


class Provider:
    """One oidc.provider.<id>.* that passed the rules."""

    def __init__(self, name, keys):
        self.id, self.keys = name, keys
        get = keys.get
        for key in REQUIRED + ("issuer_uri", "redirect_url", "end_session_endpoint",
                               "keystore_path", "key_alias", "jwk_set_url"):
            setattr(self, key, get(key) or None)
        self.mapping_claim = get("mapping_claim") or "email"
        self.auth_method = get("client_authentication_method") or "client_secret_basic"
        self.pkce = is_on(get("enable_pkce"))
        self.logout = is_on(get("enable_logout"))
        scopes = ["openid"] + (get("scopes") or "").split(" ")
        self.scope = " ".join(dict.fromkeys(scopes))
        self.extra = []
        for pair in filter(None, (p.strip() for p in (get("extra_request_parameters") or "").split(","))):
            name, _, value = pair.partition(" ")
            self.extra.append((name, value.strip()))
        self.audiences = {self.client_id} | {v for k, v in keys.items() if EXT_CLIENT.match(k)}
        self.alias = get("display_alias") or self.id
        self.image = get("login_image") or ""
        self.padding = get("login_image_padding") or "0px 0px"


def is_on(value):
    return (value or "").strip().lower() in ("on", "true")


def valid_url(text):
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def make_provider(name, keys):
    """A Provider, or None when DHIS2 would drop it (the reason is logged)."""
    def drop(reason):
        log.error("OIDC provider '%s' dropped: %s", name, reason)

    if name in RESERVED:
        return drop("reserved provider id")
    for key in keys:
        if key not in REQUIRED + OPTIONAL and not EXT_CLIENT.match(key):
            return drop("unknown key '%s'" % key)
    for key in REQUIRED:
        if not keys.get(key):
            return drop("missing key '%s'" % key)
    for key in URLS:
        if keys.get(key) and not valid_url(keys[key]):
            return drop("key '%s' is not a valid URL" % key)
    if (keys.get("client_authentication_method") or AUTH_METHODS[0]) not in AUTH_METHODS:
        return drop("unknown client_authentication_method")
    if keys.get("client_authentication_method") == "private_key_jwt" and not keys.get("keystore_path"):
        return drop("private_key_jwt without keystore_path")
    return Provider(name, keys)


def load_rsa_key(provider):
    """(private key, certificate) from the PKCS#12 key store; RSA only, as in DHIS2."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import pkcs12
    with open(provider.keystore_path, "rb") as source:
        data = source.read()
    password = (provider.keys.get("keystore_password") or "").encode()
    key, certificate, _ = pkcs12.load_key_and_certificates(data, password)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError("key store of provider '%s' holds no RSA key" % provider.id)
    return key, certificate


class Conf:
    """dhis.conf as a whole."""

    def __init__(self, values):
        self.values = values
        self.jwt_bearer = is_on(values.get("oidc.jwt.token.authentication.enabled"))
        self.login_enabled = is_on(values.get("oidc.oauth2.login.enabled"))
        self.redis = is_on(values.get("redis.enabled"))
        self.old_oauth2_server = is_on(values.get("oauth2.authorization.server.enabled") or "on")
        self.logout_redirect = values.get("oidc.logout.redirect_url") or "/"
        self.base_url = values.get("server.base.url") or None
        self.session_timeout = int(values.get("system.session.timeout") or 3600)
        self.route_servers = self.read_allow_list(values.get("route.remote_servers_allowed"))
        self.providers = self.read_providers(values)

    @staticmethod
    def read_allow_list(text):
        """scheme://host[:port] globs; a path, even '/', or ':*' as port stops the server."""
        globs = [item for item in (text or "https://*").split(",") if item]
        for item in globs:
            if not re.match(r"https?://[^/\s:]+(:\d+)?$", item):
                raise ConfigError("route.remote_servers_allowed: bad entry '%s'" % item)
        return globs

    @staticmethod
    def read_providers(values):
        found = {}
        for key, value in values.items():
            match = re.match(r"oidc\.provider\.([^.]+)\.(.+)$", key)
            if match and value != "":
                found.setdefault(match.group(1), {})[match.group(2)] = value
        made = {name: make_provider(name, keys) for name, keys in found.items()}
        return {name: provider for name, provider in made.items() if provider}

    def provider_by_issuer(self, issuer, exact):
        """2.43 ignores a trailing slash in this look-up, 2.41 does not."""
        def norm(text):
            return text if exact else text.rstrip("/")
        for provider in self.providers.values():
            if provider.issuer_uri and norm(provider.issuer_uri) == norm(issuer):
                return provider
        return None


def read(path):
    with open(path, encoding="utf-8") as source:
        return Conf(parse_properties(source.read()))
