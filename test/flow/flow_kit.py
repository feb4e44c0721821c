"""What flow tests share: who is who, an application of any kind, and reading what the bridge, DHIS2 and eSignet noted."""
import base64
import hashlib
import json
import re
import secrets
import time
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from browser import Browser
from ministry import DEMO_PASSWORD

__all__ = ["AMINA", "IDS", "OBRIEN", "App", "Browser", "DEMO_PASSWORD", "arrived", "claims_of", "directory_is_back", "dn_of",
           "jwt_parts", "links", "log_rows", "new_log", "provisioning", "refusal", "sub_of", "uid_of", "user", "users",
           "wait_until"]

# uid in the directory -> individual id at the eSignet stand-in
IDS = {uid: str(8267411571 + n) for n, uid in enumerate((
    "amina.diallo", "samuel.okoro", "dina.disabled", "emil.expired", "nora.notyet", "lars.locked", "paul.badpasswords",
    "olga.oldpassword", "mara.mustchange", "nina.nogroup", 'o\'brien, "ann" + (r1) *\\;<>=#', "nimal.perera", "abebe.bekele",
    "fatima.zahra", "twin.one"))}
AMINA = IDS["amina.diallo"]
OBRIEN = 'o\'brien, "ann" + (r1) *\\;<>=#'
MINISTRY_PAGE_MOST = 20 * 1024


def sub_of(individual_id):
    """The sub that eSignet gives this person for the ministry: pairwise by relyingPartyId."""
    digest = hashlib.sha3_256((individual_id + "health-ministry").encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def wait_until(what, seconds=20):
    """What the callable gives once it is true."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got or time.monotonic() > end:
            assert got, f"not within {seconds} s"
            return got
        time.sleep(0.02)


def arrived(m, which, path):
    """How many requests for that path reached a stand-in; one that is delayed or hangs there counts from its arrival."""
    return sum(row["path"].startswith(path) for row in m.control(which, "requests", method="GET"))


def directory_is_back(m):
    """The bridge tries a server that failed by itself, less and less often: within five seconds it notices."""
    wait_until(lambda: m.log("bridge").rfind("event=directory_server_up") > m.log("bridge").rfind("event=directory_server_down"))


# ---- what was noted

def log_rows(text):
    """logfmt lines as dictionaries."""
    rows = []
    for line in text.splitlines():
        rows.append({key: json.loads(value) if value.startswith('"') else value
                     for key, value in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)})
    return rows


class new_log:
    """with new_log(m) as log: …; log() gives the rows since."""

    def __init__(self, m):
        self.m = m

    def __enter__(self):
        self.start = len(self.m.log("bridge"))
        return lambda: log_rows(self.m.log("bridge")[self.start:])

    def __exit__(self, *_):
        pass


def refusal(m, page, reason, status=None):
    """Asserts that the page is the refusal for `reason`; the log's row for it. Every refusal is a page with a code."""
    rows = [row for row in log_rows(m.log("bridge")) if row.get("event") == "refused" and row["id"] in page.text]
    assert rows, f"no refusal with a code of the log: {page.status} {page.url} {page.text[:400]}"
    assert rows[-1]["reason"] == reason, (rows[-1], page.text)
    assert status is None or page.status == status, page.status
    assert len(page.body.encode()) < MINISTRY_PAGE_MOST
    csp = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in csp and "frame-ancestors 'none'" in csp
    assert page.headers["X-Content-Type-Options"] == "nosniff" and page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "<script" not in page.body.lower()
    return rows[-1]


def users(m):
    """DHIS2's users that came from the bridge, by username."""
    return {u["username"]: u for u in m.control("dhis2", "users", method="GET") if u["openId"]}


def user(m, uid):
    """One user as DHIS2's own API shows it, names instead of ids."""
    status, answer = m.admin("GET", f"/api/users?filter=username:eq:{quote(uid)}&fields=id,username,openId,externalAuth,disabled,"
                                    "firstName,surname,email,userRoles[name],userGroups[code],organisationUnits[code],"
                                    "dataViewOrganisationUnits[code],teiSearchOrganisationUnits[code]")
    assert status == 200, answer
    return answer["users"][0] if answer["users"] else None


def provisioning(m, since=0):
    """What the bridge asked of DHIS2: (method, path) of the calls with its token."""
    return [(row["method"], row["path"]) for row in m.control("dhis2", "requests", method="GET")[since:]
            if any(name.lower() == "authorization" and value.startswith("ApiToken") for name, value in row["headers"])]


def links(m, *login):
    """`link list` as dictionaries with iss and sub."""
    rows = []
    for line in m.run("link", "list", *login).stdout.splitlines():
        iss, sub, rest = line.split(" ", 2)
        rows.append({"iss": iss, "sub": sub, **dict(re.findall(r"(\w+)=(\S+)", rest))})
    return rows


def uid_of(m, login):
    return links(m, login)[0]["person"]


def dn_of(m, uid):
    escaped = "".join("\\%02x" % b if chr(b) in "*()\\\0" else chr(b) for b in uid.encode()) if uid.isascii() else uid
    return m.slapd.search(f"(uid={escaped})", "dn")[0]["dn"][0]


# ---- tokens

def jwt_parts(token):
    return [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")[:2]]


def claims_of(token):
    return jwt_parts(token)[1]


class App:
    """An application at the bridge: registered with `client add`, walks logins and calls the token endpoint."""

    def __init__(self, m, client_id="portal", auth="client_secret_basic", redirect_uri="http://127.0.0.1:9/cb", grants=
                 "authorization_code refresh_token", options=("--sso", "never"), **add):
        self.m, self.client_id, self.auth, self.redirect_uri = m, client_id, auth, redirect_uri
        words = ["client", "add", client_id, "--auth-method", auth, "--redirect-uri", redirect_uri, "--grant-types", grants, *options]
        for key, value in add.items():
            words += ["--" + key.replace("_", "-"), value]
        self.printed = m.run(*words).stdout
        found = re.search(r"client_secret = (\S+)", self.printed)
        self.secret = found and found[1]
        self.verifier = secrets.token_urlsafe(48)

    def url(self, **changes):
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked = {"response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri, "scope":
                 "openid profile email", "state": "app-state", "nonce": "app-nonce", "code_challenge_method": "S256",
                 "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="), **changes}
        return f"{self.m.issuer}/authorize?" + urlencode({k: v for k, v in asked.items() if v is not None}, quote_via=quote)

    def stays(self, url):
        return not url.startswith(self.redirect_uri)

    def login(self, individual_id, link=None, browser=None, **changes):
        """The last page: page.location is the redirect back to the application."""
        return self.m.login(individual_id, link=link, browser=browser, start=self.url(**changes), follow=self.stays)

    def answer(self, page):
        assert page.location and page.location.startswith(self.redirect_uri), f"{page.status} {page.text[:300]}"
        return {key: values[0] for key, values in parse_qs(urlsplit(page.location).query).items()}

    def code(self, individual_id, link=None, **changes):
        return self.answer(self.login(individual_id, link, **changes))["code"]

    def authorization(self):
        pair = f"{quote(self.client_id, safe='')}:{quote(self.secret, safe='')}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def post(self, form, headers=None, path="/token"):
        """(status, JSON or text, headers) of a POST with this client's authentication unless `headers` is given."""
        if headers is None:
            headers = self.authorization() if self.auth == "client_secret_basic" else {}
            if self.auth == "client_secret_post":
                form = {**form, "client_id": self.client_id, "client_secret": self.secret}
            if self.auth == "none":
                form = {**form, "client_id": self.client_id}
        page = Browser(headers={"Accept": "application/json", **headers}).once("POST", self.m.issuer + path, form=form)
        try:
            return page.status, json.loads(page.body), page.headers
        except ValueError:
            return page.status, page.body, page.headers

    def redeem(self, code, headers=None, **changes):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri, "code_verifier":
                self.verifier, **changes}
        return self.post({k: v for k, v in form.items() if v is not None}, headers)

    def tokens(self, individual_id, link=None, **changes):
        status, answer, _ = self.redeem(self.code(individual_id, link, **changes))
        assert status == 200, answer
        return answer

    def refresh(self, token, headers=None):
        return self.post({"grant_type": "refresh_token", "refresh_token": token}, headers)

    def userinfo(self, access_token):
        page = Browser(headers={"Authorization": "Bearer " + access_token}).get(self.m.issuer + "/userinfo")
        return page.status, page.body
