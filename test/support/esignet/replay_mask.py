"""When are a recorded and a fresh answer the same? Masks what differs by nature, then compares.

Masked: the issuer, times, random identifiers, JWTs (their alg stays), the client_ids the recorder
invented. Everything else, key order of objects included where it was recorded as a list, must match.
"""
import base64
import json
import re

RECORDED_ISSUER = "http://localhost:3000"
JWT = re.compile(r"eyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*")
# The recorded person at the recorded relying party: computed, so the stand-in must compute it too.
KNOWN_SUB = "_51TFXKhV5U82Pcnugs9ok8vpXMSPH-RXsXBNN85tw0"
RULES = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z?"), "<time>"),
    (re.compile(r'"timestamp":\d+'), '"timestamp":<ms>'),
    (re.compile(r"\b1[78]\d{8}\b"), "<epoch>"),
    (re.compile(r"code=(?:[A-Za-z0-9_-]{43}|\.\.\.)"), "code=<id>"),
    (re.compile(r"(?<![A-Za-z0-9_-])(?!%s)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])" % KNOWN_SUB), "<id>"),
    (re.compile(r"(?<![\w-])(?=[a-z_]*[A-Z0-9-])[A-Za-z0-9_-]{22}(?![\w-])"), "<half>"),
    (re.compile(r"\b(?:v|bare|nokid|c)-[0-9a-f]{6,}\b"), "<client>"),
]
IGNORED_HEADERS = {"Server", "Date", "Connection", "Content-Length"}


def mask_text(text, issuer):
    text = JWT.sub(_jwt, text).replace(issuer, "<issuer>").replace(RECORDED_ISSUER, "<issuer>")
    text = text.replace(issuer.replace(":", "%3A").replace("/", "%2F"), "<issuer>")
    text = text.replace(RECORDED_ISSUER.replace(":", "%3A").replace("/", "%2F"), "<issuer>")
    for pattern, shown in RULES:
        text = pattern.sub(shown, text)
    return text


def _jwt(match):
    head = match.group(0).split(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        return "<jwt>"
    return "<jwt %s>" % header["alg"]


def mask(value, issuer):
    if isinstance(value, dict):
        return {mask_text(k, issuer): mask(v, issuer) for k, v in value.items() if k not in IGNORED_HEADERS}
    if isinstance(value, list):
        return [mask(member, issuer) for member in value]
    if isinstance(value, str):
        return mask_text(value, issuer)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 1_700_000_000:
        return "<epoch>"
    return value


def differences(recorded, fresh, scene):
    found = []
    _compare("", mask(recorded, scene.issuer), mask(fresh, scene.issuer), found)
    return found


def _compare(path, recorded, fresh, found):
    if isinstance(recorded, dict) and isinstance(fresh, dict):
        for name in sorted(set(recorded) | set(fresh)):
            if name not in fresh or name not in recorded:
                found.append("%s/%s: only %s" % (path, name, "recorded" if name in recorded else "answered now"))
            else:
                _compare("%s/%s" % (path, name), recorded[name], fresh[name], found)
    elif isinstance(recorded, list) and isinstance(fresh, list) and len(recorded) == len(fresh):
        for index, pair in enumerate(zip(recorded, fresh)):
            _compare("%s/%d" % (path, index), *pair, found)
    elif _is_start(recorded, fresh):
        return
    elif recorded != fresh:
        found.append("%s: recorded %.300r, now %.300r" % (path, recorded, fresh))


def _is_start(recorded, fresh):
    """The recorder cut long bodies inside a JWT, sometimes inside its header."""
    both = isinstance(recorded, str) and isinstance(fresh, str)
    return both and recorded.endswith(("<jwt>", "<jwt PS256>", "<jwt RS256>")) and fresh.startswith(recorded[:-1])
