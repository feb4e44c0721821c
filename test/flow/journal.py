"""The client's side of the kill -9 test: what was the bridge heard to say, and does it still hold? One Worker is one person's
browser and application in turn: signs in, links, refreshes, signs out, and writes down every answer. A request whose answer got
lost may or may not have happened; asked again it must fit one of the two. What was answered must hold, always."""
import http.client
import json
import random
import re
import threading
import time
from urllib.parse import urlencode

from browser import Page
from ministry import DEMO_PASSWORD
from loadrig import FORM, VERIFIER, Kept, individual_id

LOST = (http.client.HTTPException, OSError)
UP_LIMIT_S = 20


class Broken(AssertionError):
    """Something the bridge had answered does not hold any more."""


class Journal:
    """Shared by the workers; lists only grow."""

    def __init__(self):
        self.lock = threading.Lock()
        self.linked, self.revoked, self.redeemed = {}, [], []  # uid -> person; refresh tokens; (code, refresh token)
        self.count = dict.fromkeys(("logins", "links", "redeemed", "refreshes", "logouts", "sessions", "lost"), 0)

    def add(self, what, n=1):
        with self.lock:
            self.count[what] += n


class Worker:
    def __init__(self, rig, journal, people, seed):
        self.rig, self.journal, self.people = rig, journal, people
        self.random, self.stopping, self.fault = random.Random(seed), threading.Event(), None
        self.next_person = 0
        self.thread = threading.Thread(target=self.run, daemon=True)

    # ---- asking, with lost answers

    def ask(self, method, url, body=None, headers=None):
        """(status, headers, text), or None when the answer got lost. A refused connection is no question asked: tried again."""
        for _ in range(UP_LIMIT_S * 100):
            try:
                return Kept(timeout=15).ask(method, url, body, headers)
            except ConnectionRefusedError:
                time.sleep(0.01)
            except LOST:
                self.journal.add("lost")
                return None
        raise Broken("the bridge did not come back")

    def post(self, path, form, headers=None):
        return self.ask("POST", self.rig.issuer + path, urlencode(form), {"Content-Type": FORM, **(headers or {})})

    def token(self, **form):
        """(status, answer), or None."""
        got = self.post("/token", form, self.rig.basic())
        if got is None:
            return None
        if got[0] >= 500:
            raise Broken(f"/token answered {got[0]}: {got[2][:300]}")
        return got[0], json.loads(got[2])

    # ---- one life: sign in, refresh, sign out

    def login(self, person):
        """A code, or None when an answer on the way got lost."""
        got = self.ask("GET", self.rig.authorize_url(prompt="login"))
        if got is None:
            return None
        cookie = got[1]["Set-Cookie"].split(";")[0]
        asked = json.dumps({"url": got[1]["Location"], "individualId": individual_id(person)})
        back = Kept().ask("POST", self.rig.esignet + "/__standin/login", asked, {"Content-Type": "application/json"})
        url = json.loads(back[2])["location"]
        got = self.ask("GET", url, None, {"Cookie": cookie})
        if got is not None and got[0] == 200:
            if person["uid"] in self.journal.linked:
                raise Broken(f"the link of {person['uid']} is gone: the bridge asks for the password again")
            got = self.link(url, got, cookie, person)
        return self.arrived(got, person)

    def link(self, url, got, cookie, person):
        form = Page(url, got[0], got[1], got[2]).form("/link")
        got = self.post("/link", {**form["fields"], "username": person["uid"], "password": DEMO_PASSWORD}, {"Cookie": cookie})
        if got is not None and got[0] == 303:
            self.journal.add("links")
        return got

    def arrived(self, got, person):
        if got is None:
            return None
        code = re.search(r"[?&]code=([^&]+)", got[1]["Location"] or "")
        if got[0] != 303 or code is None:
            raise Broken(f"login of {person['uid']} ended with {got[0]}: {got[2][-500:]}")
        self.journal.linked[person["uid"]] = person
        self.journal.add("logins")
        self.session = next((c.split(";")[0] for c in got[1].get_all("Set-Cookie") or [] if "idb-session=" in c and "=;" not in c), None)
        return code.group(1)

    def redeem(self, code):
        """Tokens; or None when the first answer got lost and the code turns out to be used."""
        for lost in (False, True):
            got = self.token(grant_type="authorization_code", code=code, redirect_uri=self.rig.redirect_uri,
                             code_verifier=VERIFIER)
            if got is None:
                continue
            if got[0] == 200:
                self.journal.add("redeemed")
                return got[1]
            if lost and got[1].get("error") == "invalid_grant":
                return None
            raise Broken(f"a code that was handed out does not redeem: {got}")
        return None

    def refresh(self, token):
        """The next token. Asking again after a lost answer gives the same successor (the grace)."""
        for _ in range(10):
            got = self.token(grant_type="refresh_token", refresh_token=token)
            if got is None:
                continue
            if got[0] != 200:
                raise Broken(f"a refresh token that was handed out is refused: {got}")
            self.journal.add("refreshes")
            return got[1]
        raise Broken("ten answers in a row got lost")

    def still_signed_in(self):
        """sso = silent: the session answers without the ID provider."""
        got = self.ask("GET", self.rig.authorize_url(), None, {"Cookie": self.session})
        if got is None:
            return
        if not (got[1]["Location"] or "").startswith(self.rig.redirect_uri):
            raise Broken(f"the browser's session is gone: {got[0]} {got[1]['Location']}")
        self.journal.add("sessions")

    def logout(self, tokens, refresh_token):
        got = self.ask("GET", self.rig.issuer + "/logout?" + urlencode({"id_token_hint": tokens["id_token"]}))
        if got is None:
            return
        if got[0] != 200:
            raise Broken(f"/logout answered {got[0]}")
        self.journal.add("logouts")
        self.check_revoked(refresh_token)
        self.journal.revoked.append(refresh_token)

    def check_revoked(self, token):
        got = self.token(grant_type="refresh_token", refresh_token=token)
        if got is not None and got[1].get("error") != "invalid_grant":
            raise Broken(f"a revoked refresh token works again: {got[0]}")

    def once(self):
        person = self.people[self.next_person % len(self.people)]
        self.next_person += 1
        code = self.login(person)
        tokens = self.redeem(code) if code else None
        if tokens is None:
            return
        token = tokens["refresh_token"]
        for _ in range(self.random.randrange(1, 4)):
            token = self.refresh(token)["refresh_token"]
            if self.session and self.random.random() < 0.3:
                self.still_signed_in()
        if self.random.random() < 0.4:
            self.logout(tokens, token)
        else:
            self.journal.redeemed.append((code, token))
        if self.journal.revoked and self.random.random() < 0.2:
            self.check_revoked(self.random.choice(self.journal.revoked))

    def run(self):
        try:
            while not self.stopping.is_set():
                self.once()
        except Exception as fault:  # the test raises it
            self.fault = fault
