"""Is this a redirect URI eSignet would register, and does a request match it?

Registration: commons-validator UrlValidator(ALLOW_ALL_SCHEMES + ALLOW_LOCAL_URLS), which knows
the IANA top-level domains. Request: Spring's AntPathMatcher over the whole URI.
"""
import ipaddress
import re
from urllib.parse import urlsplit

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*\Z")
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\Z")
PATH = re.compile(r"(/[-\w:@&?=+,.!/~*'%$;()]*)?\Z")
# Not the whole IANA list: every two-letter domain and the generic ones that ministries use.
GENERIC = set(
    "com org net int edu gov mil info biz name pro aero coop museum jobs mobi travel tel cat asia "
    "post io dev app cloud health care hospital doctor clinic systems services solutions online site "
    "tech digital software network global world africa ngo ong foundation agency support".split()
)


def _host_ok(host):
    if not host:
        return False
    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        pass
    labels = host.split(".")
    if not all(LABEL.match(label) for label in labels):
        return False
    if len(labels) == 1:
        return True
    top = labels[-1].lower()
    return top in GENERIC or bool(re.match(r"[a-z]{2}\Z", top)) or host.lower() == "localhost.localdomain"


def valid(uri):
    """No fragment, no host wildcard, a real top-level domain, an IP address or a dotless host."""
    if not isinstance(uri, str) or not uri.strip() or re.search(r"\s", uri):
        return False
    try:
        parts = urlsplit(uri)
        port_ok = parts.port is None or 0 <= parts.port <= 65535
        host = parts.hostname
    except ValueError:
        return False
    if not SCHEME.match(parts.scheme or "") or parts.fragment or uri.endswith("#"):
        return False
    if not port_ok or not _host_ok(host) or "//" in parts.path:
        return False
    return bool(PATH.match(parts.path)) and "/.." not in parts.path


def _segment(pattern):
    table = {"*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(table.get(char, re.escape(char)) for char in pattern) + r"\Z", re.S)


def _match(pattern, path):
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_match(pattern[1:], path[i:]) for i in range(len(path) + 1))
    if not path or not _segment(pattern[0]).match(path[0]):
        return False
    return _match(pattern[1:], path[1:])


def matches(registered, requested):
    """AntPathMatcher.match: `?` one character, `*` within a segment, `**` any segments."""
    if not valid(registered) or not valid(requested):
        return False
    if not registered.endswith("**") and registered.endswith("/") != requested.endswith("/"):
        return False
    split = lambda text: [token for token in text.split("/") if token]
    return _match(split(registered), split(requested))
