"""A browser without JavaScript, for tests and the demo: cookies, redirects one by one, forms. Standard library only.

    b = Browser(); page = b.get(url)                  follows redirects to a page; b.hops lists the way
    page = b.submit(page.form("/link"), username="x", password="y")
    b.get(url, follow=lambda location: not location.startswith(esignet))   stops before a redirect: page.location is set
"""
import html.parser
import http.client
import http.cookiejar
import time
import urllib.request
from urllib.parse import urlencode, urljoin, urlsplit

MOST_HOPS = 20


class _Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.forms, self.text, self.lang, self.dir, self.links = [], [], None, None, []
        self._skip = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "html":
            self.lang, self.dir = attrs.get("lang"), attrs.get("dir")
        elif tag in ("style", "script"):
            self._skip += 1
        elif tag == "a":
            self.links.append(attrs.get("href"))
        elif tag == "form":
            self.forms.append({"action": attrs.get("action", ""), "method": attrs.get("method", "get").lower(), "fields": {}})
        elif tag in ("input", "button") and self.forms and attrs.get("name") and tag == "input":
            self.forms[-1]["fields"][attrs["name"]] = attrs.get("value", "")

    def handle_endtag(self, tag):
        if tag in ("style", "script"):
            self._skip -= 1

    def handle_data(self, data):
        if not self._skip and data.strip():
            self.text.append(data.strip())


class Page:
    """What came at the end: status, url, headers, body, text; `location` when the walk stopped before a redirect."""

    def __init__(self, url, status, headers, body):
        self.url, self.status, self.headers, self.body = url, status, headers, body
        self.location = urljoin(url, headers["Location"]) if headers.get("Location") else None
        self.html = _Page(body) if "html" in (headers.get("Content-Type") or "") else None

    @property
    def text(self):
        return " ".join(self.html.text) if self.html else self.body

    def form(self, action_part):
        """The form whose action holds `action_part`, with its absolute action."""
        for form in self.html.forms if self.html else []:
            if action_part in form["action"]:
                return {**form, "action": urljoin(self.url, form["action"])}
        raise LookupError(f"no form for {action_part} on {self.url} ({self.status}): {self.text[:300]}")


class _Asked(urllib.request.Request):
    """What http.cookiejar wants to know of a request."""


class Browser:
    def __init__(self, timeout=30, headers=None):
        self.jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(rfc2965=False))
        self.timeout, self.headers = timeout, dict(headers or {})
        self.hops = []  # (method, url, status, seconds)

    def once(self, method, url, form=None, headers=None):
        """One request, no redirect followed."""
        body = None if form is None else urlencode(form).encode()
        asked = _Asked(url, data=body, method=method, headers={**self.headers, **(headers or {})})
        if form is not None:
            asked.add_header("Content-Type", "application/x-www-form-urlencoded")
        self.jar.add_cookie_header(asked)
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname, parts.port, timeout=self.timeout)
        started = time.monotonic()
        try:
            target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
            connection.request(method, target, body, dict(asked.header_items()))
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        self.hops.append((method, url, answer.status, time.monotonic() - started))
        self.jar.extract_cookies(_Answer(answer), asked)
        return Page(url, answer.status, answer.headers, text)

    def get(self, url, follow=lambda location: True):
        return self._walk(self.once("GET", url), follow)

    def submit(self, form, follow=lambda location: True, **values):
        return self._walk(self.once("POST", form["action"], {**form["fields"], **values}), follow)

    def _walk(self, page, follow):
        for _ in range(MOST_HOPS):
            if page.location is None or page.status not in (301, 302, 303, 307, 308) or not follow(page.location):
                return page
            page = self.once("GET", page.location)
        raise RuntimeError("more than %d redirects, the last to %s" % (MOST_HOPS, page.location))

    def cookies(self):
        return {cookie.name: cookie.value for cookie in self.jar}


class _Answer:
    def __init__(self, answer):
        self._headers = answer.headers

    def info(self):
        return self._headers
