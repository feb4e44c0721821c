#!/usr/bin/python3
"""Walks a login at the eSignet stand-in as a browser without JavaScript would.

  from walk import walk
  url = walk(authorize_url, "8267411571", "111111")          # the redirect back, not followed

  walk.py URL --id 8267411571 --pin 111111 [--consent all|essential|no] [--factor PIN|OTP|PWD]

It follows redirects, keeps cookies, fills the forms the pages show, and stops at the first
redirect that leaves the stand-in's origin. Only the standard library.
"""
import argparse
import html.parser
import http.client
import http.cookies
import sys
from urllib.parse import urlencode, urljoin, urlsplit

MOST_STEPS = 12


class WalkError(Exception):
    """The walk stopped on a page; `code` is the error code the page shows, if any."""

    def __init__(self, text, code=None, page=""):
        super().__init__(text)
        self.code, self.page = code, page


class Forms(html.parser.HTMLParser):
    """The forms of a page: {id, action, fields [(name, value)], checkboxes}; and an error code."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.code = [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.code = attrs.get("data-error-code") or self.code
        if tag == "form":
            self.forms.append({"id": attrs.get("id"), "action": attrs.get("action"), "fields": {}, "boxes": []})
        elif tag == "input" and self.forms and attrs.get("type") == "hidden":
            self.forms[-1]["fields"][attrs["name"]] = attrs.get("value", "")
        elif tag == "input" and self.forms and attrs.get("type") == "checkbox" and "disabled" not in attrs:
            self.forms[-1]["boxes"].append((attrs["name"], attrs["value"]))

    def find(self, name):
        return next((form for form in self.forms if form["id"] == name), None)


class Browser:
    """One origin, one cookie jar, no scripts."""

    def __init__(self, timeout=20):
        self.cookies, self.timeout = {}, timeout

    def send(self, method, url, form=None):
        """(status, Location or None, text)."""
        parts = urlsplit(url)
        maker = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = maker(parts.hostname, parts.port, timeout=self.timeout)
        headers = {"Cookie": "; ".join("%s=%s" % pair for pair in self.cookies.items()), "Accept": "text/html"}
        body = None
        if form is not None:
            body, headers["Content-Type"] = urlencode(form, doseq=True), "application/x-www-form-urlencoded"
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie") or []:
                for name, morsel in http.cookies.SimpleCookie(line).items():
                    self.cookies[name] = morsel.value
            return answer.status, answer.headers.get("Location"), answer.read().decode()
        finally:
            connection.close()


def _answer_to(page, individual_id, pin, consent, factor, leave):
    """(form, fields) for the page, or WalkError when no form of it can be filled."""
    login, details, asked = page.find("login-" + factor.lower()), page.find("claim-details"), page.find("consent")
    if page.code and page.find("leave") and leave:
        return page.find("leave"), {"leave": page.code}
    if page.code:
        raise WalkError("the page says " + page.code, page.code)
    if login:
        return login, {"individual_id": individual_id, "challenge": pin}
    if details:
        return details, {"decision": "cancel"}
    if asked:
        decision = {True: "allow_all", "all": "allow_all", "essential": "allow"}.get(consent, "cancel")
        return asked, {"decision": decision}
    raise WalkError("no form to fill")


def walk(authorize_url, individual_id, pin, consent=True, factor="PIN", leave=False, browser=None):
    """The redirect back to the application. consent: True (all claims), "essential", False (cancel).

    leave: after a refused login press "Back to the application" instead of raising WalkError."""
    browser = browser or Browser()
    origin = urlsplit(authorize_url)[:2]
    method, url, form = "GET", authorize_url, None
    for _ in range(MOST_STEPS):
        status, location, text = browser.send(method, url, form)
        if status in (302, 303) and location:
            url = urljoin(url, location)
            if urlsplit(url)[:2] != origin:
                return url
            method, form = "GET", None
            continue
        page = Forms(text)
        if status != 200:
            raise WalkError("HTTP status %d" % status, page.code, text)
        chosen, fields = _answer_to(page, individual_id, pin, consent, factor, leave)
        method, url, form = "POST", urljoin(url, chosen["action"]), dict(chosen["fields"], **fields)
    raise WalkError("too many steps")


def main():
    parser = argparse.ArgumentParser(description="log in at the eSignet stand-in, print the redirect URL")
    parser.add_argument("url")
    parser.add_argument("--id", required=True)
    parser.add_argument("--pin", required=True)
    parser.add_argument("--consent", choices=["all", "essential", "no"], default="all")
    parser.add_argument("--factor", choices=["PIN", "OTP", "PWD"], default="PIN")
    parser.add_argument("--leave", action="store_true", help="after a refusal go back to the application")
    options = parser.parse_args()
    try:
        print(walk(options.url, options.id, options.pin, options.consent, options.factor, options.leave))
    except WalkError as error:
        sys.exit("walk: %s" % error)


if __name__ == "__main__":
    main()
