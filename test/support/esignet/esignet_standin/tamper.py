"""What a broken or hostile ID provider would send: tests order it with POST /__standin/tamper.

Each `what` is one row of a table: a change of header, claims or signature of the id_token or of
the userinfo answer. Nothing here happens unless ordered, and an order lasts `times` answers.
"""
import hashlib
import secrets

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from jwcrypto import jwk

from .errors import dump
from .jose import b64u, encrypt, sign

# what -> change of the claims (in place); `s` is the stand-in, `v` the text after the colon.
ID_TOKEN_CLAIMS = {
    "id_token_aud": lambda c, s, v: c.update(aud=v or "another-client"),
    "id_token_aud_list": lambda c, s, v: c.update(aud=[c["aud"], "another-client"]),
    "id_token_iss": lambda c, s, v: c.update(iss=v or s.issuer + "/other"),
    "id_token_nonce": lambda c, s, v: c.update(nonce="another-nonce"),
    "id_token_no_nonce": lambda c, s, v: c.pop("nonce", None),
    "id_token_expired": lambda c, s, v: c.update(iat=c["iat"] - 7200, exp=c["iat"] - 3600),
    "id_token_iat_future": lambda c, s, v: c.update(iat=c["iat"] + 7200, exp=c["iat"] + 10800),
    "id_token_iat_old": lambda c, s, v: c.update(iat=c["iat"] - 864000),
    "id_token_nbf_future": lambda c, s, v: c.update(nbf=c["iat"] + 7200),
    "id_token_no_exp": lambda c, s, v: c.pop("exp"),
    "id_token_no_iat": lambda c, s, v: c.pop("iat"),
    "id_token_no_sub": lambda c, s, v: c.pop("sub"),
    "id_token_no_aud": lambda c, s, v: c.pop("aud"),
    "id_token_no_iss": lambda c, s, v: c.pop("iss"),
    "id_token_empty_sub": lambda c, s, v: c.update(sub=""),
    "id_token_long_sub": lambda c, s, v: c.update(sub="s" * 300),
    "id_token_sub": lambda c, s, v: c.update(sub=v or "another-subject"),
    "id_token_sub_number": lambda c, s, v: c.update(sub=4711),
    "id_token_exp_string": lambda c, s, v: c.update(exp=str(c["exp"])),
    "id_token_at_hash": lambda c, s, v: c.update(at_hash=b64u(hashlib.sha256(b"other").digest()[:16])),
    "id_token_azp": lambda c, s, v: c.update(azp=v or "another-client"),
    "id_token_acr": lambda c, s, v: c.update(acr=v),
    "id_token_no_acr": lambda c, s, v: c.pop("acr"),
    "id_token_auth_time_old": lambda c, s, v: c.update(auth_time=c["auth_time"] - 864000),
}
ID_TOKEN_HEADERS = {
    "id_token_crit": lambda h, s, v: h.update(crit=["https://example.org/must"], **{"https://example.org/must": True}),
    "id_token_unknown_kid": lambda h, s, v: h.update(kid=b64u(secrets.token_bytes(32))),
    "id_token_no_kid": lambda h, s, v: h.pop("kid"),
    "id_token_typ": lambda h, s, v: h.update(typ=v or "at+jwt"),
    "id_token_jku": lambda h, s, v: h.update(jku=s.issuer + "/evil/jwks.json"),
}
ID_TOKEN_SIGNATURES = [
    "id_token_alg_none", "id_token_hs256", "id_token_rs256", "id_token_bad_signature", "id_token_no_signature",
    "id_token_foreign_key_same_kid", "id_token_jwk_header", "id_token_userinfo_key", "id_token_garbage",
]
USERINFO_CLAIMS = {
    "userinfo_sub": lambda c, s, v: c.update(sub=v or "another-subject"),
    "userinfo_no_sub": lambda c, s, v: c.pop("sub"),
    "userinfo_aud": lambda c, s, v: c.update(aud=v or "another-client"),
    "userinfo_no_aud": lambda c, s, v: c.pop("aud"),
    "userinfo_iss": lambda c, s, v: c.update(iss=v or s.issuer),
    "userinfo_no_iss": lambda c, s, v: c.pop("iss"),
    "userinfo_expired": lambda c, s, v: c.update(exp=s.clock.seconds() - 3600, iat=s.clock.seconds() - 7200),
    "userinfo_nbf_future": lambda c, s, v: c.update(nbf=s.clock.seconds() + 7200),
    "userinfo_oversize": lambda c, s, v: c.update(picture="data:image/jpeg;base64," + "A" * int(v or 8 << 20)),
}
USERINFO_SIGNATURES = [
    "userinfo_bad_signature", "userinfo_alg_none", "userinfo_hs256", "userinfo_unknown_kid",
    "userinfo_foreign_key_same_kid", "userinfo_oidc_key",
]
# what -> (header changes, what happens to key or text); where the answer is a JWE
JWE_CHANGES = [
    "jwe_alg", "jwe_enc", "jwe_foreign_key", "jwe_broken_tag", "jwe_plain_json", "jwe_no_cty", "jwe_zip", "jwe_nested",
]
USERINFO_ANSWERS = ["userinfo_plain_json", "userinfo_html", "userinfo_empty"]
TOKEN_ANSWERS = ["token_html", "token_no_id_token", "token_oversize", "token_type", "token_no_access_token"]
CALLBACKS = ["callback_iss", "callback_no_iss", "callback_state", "callback_no_state", "callback_error", "callback_twice"]
KNOWN = set(ID_TOKEN_CLAIMS) | set(ID_TOKEN_HEADERS) | set(ID_TOKEN_SIGNATURES) | set(USERINFO_CLAIMS)
KNOWN |= set(JWE_CHANGES) | set(USERINFO_SIGNATURES) | set(USERINFO_ANSWERS) | set(TOKEN_ANSWERS) | set(CALLBACKS)


class Orders:
    """What was ordered and how often it is still due."""

    def __init__(self):
        self.rows = []

    def add(self, what, times):
        """what: a known name, with `:value` where the table takes one. ValueError when unknown."""
        name, _, value = what.partition(":")
        if name not in KNOWN:
            raise ValueError("unknown tampering: " + name)
        self.rows.append({"name": name, "value": value, "times": times})

    def take(self, names):
        """Those due among names, each counted down once; [(name, value)]."""
        due = [row for row in self.rows if row["name"] in names]
        for row in due:
            row["times"] -= 1
        self.rows = [row for row in self.rows if row["times"] > 0]
        return [(row["name"], row["value"]) for row in due]


def escaped(payload):
    """json-smart, which eSignet signs with, writes every slash as \\/ ."""
    return dump(payload).replace("/", "\\/")


def _foreign_key():
    return jwk.JWK.generate(kty="RSA", size=2048)


def _broken(compact):
    head, _, signature = compact.rpartition(".")
    return head + "." + ("B" if signature[9] == "A" else "A").join((signature[:9], signature[10:]))


def _unsigned(header, text):
    return "%s.%s." % (b64u(dump(dict(header, alg="none")).encode()), b64u(text.encode()))


def _hs256(header, text, key):
    """RFC 8725 section 2.1: the public key's PEM as HMAC secret."""
    secret = jwk.JWK(kty="oct", k=b64u(key.export_to_pem()))
    return sign(dict(header, alg="HS256"), text, secret)


def _signed(kind, header, text, standin, own, other):
    """kind: the name without id_token_ or userinfo_; own: the right key, other: the other one."""
    if kind == "alg_none":
        return _unsigned(header, text)
    if kind == "hs256":
        return _hs256(header, text, own.private)
    if kind == "rs256":
        return sign(dict(header, alg="RS256"), text, own.private)
    if kind == "garbage":
        return "not.a.token"
    if kind in ("userinfo_key", "oidc_key"):
        return sign(dict(header, kid=other.kid), text, other.private)
    if kind == "unknown_kid":
        return sign(dict(header, kid=b64u(secrets.token_bytes(32))), text, own.private)
    if kind in ("foreign_key_same_kid", "jwk_header"):
        key = _foreign_key()
        extra = {"jwk": key.export_public(as_dict=True)} if kind == "jwk_header" else {}
        return sign(dict(header, **extra), text, key)
    compact = sign(header, text, own.private)
    return compact[: compact.rindex(".") + 1] if kind == "no_signature" else _broken(compact)


def id_token(standin, payload):
    """The tampered id_token, or None when nothing is due."""
    names = set(ID_TOKEN_CLAIMS) | set(ID_TOKEN_HEADERS) | set(ID_TOKEN_SIGNATURES)
    due = standin.orders.take(names)
    if not due:
        return None
    own, other = standin.keys.current("oidc"), standin.keys.current("userinfo")
    header, payload, kind = {"kid": own.kid, "alg": "PS256"}, dict(payload), None
    for name, value in due:
        if name in ID_TOKEN_CLAIMS:
            ID_TOKEN_CLAIMS[name](payload, standin, value)
        elif name in ID_TOKEN_HEADERS:
            ID_TOKEN_HEADERS[name](header, standin, value)
        else:
            kind = name[len("id_token_"):]
    text = escaped(payload)
    if kind:
        return _signed(kind, header, text, standin, own, other)
    return _sign_any_header(header, text, own.private)


def _sign_any_header(header, text, key):
    """jwcrypto refuses to sign an unknown crit: sign the text with the key itself."""
    if "crit" not in header:
        return sign(header, text, key)
    head = b64u(dump(header).encode()) + "." + b64u(text.encode())
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return head + "." + b64u(key.get_op_key("sign").sign(head.encode(), pss, hashes.SHA256()))


def userinfo(standin, payload):
    """The tampered userinfo JWS, or None."""
    due = standin.orders.take(set(USERINFO_CLAIMS) | set(USERINFO_SIGNATURES))
    if not due:
        return None
    own, other = standin.keys.current("userinfo"), standin.keys.current("oidc")
    header, payload, kind = {"alg": "RS256", "kid": own.kid}, dict(payload), None
    for name, value in due:
        if name in USERINFO_CLAIMS:
            USERINFO_CLAIMS[name](payload, standin, value)
        else:
            kind = name[len("userinfo_"):]
    if kind:
        return _signed(kind, header, dump(payload), standin, own, other)
    return sign(header, dump(payload), own.private)


def encrypted(standin, compact, key, header, payload):
    """The JWE of compact, changed as ordered; RFC 8725 section 3 is what a client must have read."""
    for name, value in standin.orders.take(JWE_CHANGES):
        if name == "jwe_alg":
            header = dict(header, alg=value or "RSA-OAEP")
        elif name == "jwe_enc":
            header = dict(header, enc=value or "A128GCM")
        elif name == "jwe_foreign_key":
            key = _foreign_key()
        elif name == "jwe_plain_json":
            compact = dump(payload)
        elif name == "jwe_no_cty":
            header = {k: v for k, v in header.items() if k != "cty"}
        elif name == "jwe_zip":  # about a thousand times its own size when unpacked
            header, compact = dict(header, zip="DEF"), compact + " " * int(value or 20 << 20)
        elif name == "jwe_nested":
            compact = encrypt(compact, key, header)
        else:
            return _broken_tag(encrypt(compact, key, header))
    return encrypt(compact, key, header)


def _broken_tag(compact):
    head, _, tag = compact.rpartition(".")
    return head + "." + ("B" if tag[0] == "A" else "A") + tag[1:]


def userinfo_answer(standin, payload):
    """An answer that is no JWT at all, or None."""
    for name, _ in standin.orders.take(USERINFO_ANSWERS):
        if name == "userinfo_plain_json":
            return web.Response(text=dump(payload), content_type="application/json")
        text = "" if name == "userinfo_empty" else "<!doctype html><title>Maintenance</title><p>Back soon."
        return web.Response(text=text, content_type="text/html")
    return None


def token_answer(standin, answer):
    """(answer as changed, or a web.Response)."""
    for name, value in standin.orders.take(TOKEN_ANSWERS):
        if name == "token_html":
            return web.Response(text="<!doctype html><title>Maintenance</title>", content_type="text/html")
        if name == "token_oversize":
            answer = dict(answer, padding="A" * int(value or 8 << 20))
        if name == "token_type":
            answer = dict(answer, token_type=value or "mac")
        if name.startswith("token_no_"):
            answer = {k: v for k, v in answer.items() if k != name[len("token_no_"):]}
    return answer


def callback(standin, rows):
    """rows: the query of the success redirect as [(name, value)]; changed as ordered."""
    for name, value in standin.orders.take(CALLBACKS):
        kept = lambda gone: [row for row in rows if row[0] != gone]
        if name == "callback_iss":
            rows = kept("iss") + [("iss", value or "http://attacker.invalid")]
        elif name == "callback_state":
            rows = kept("state") + [("state", value or "another-state")]
        elif name == "callback_twice":
            rows = rows + [row for row in rows if row[0] == "code"]
        elif name == "callback_error":
            state = dict(rows).get("state", "null")
            rows = [("error_description", value), ("state", state), ("error", value or "unknown_error")]
        else:
            rows = kept(name[len("callback_no_"):])
    return rows
