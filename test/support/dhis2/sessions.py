"""Who is a browser or client with a JSESSIONID, and when does that end?

Kinds: oidc, form (POST /api/auth/login), basic, pat, bearer, and anonymous (before a login).
Without Redis only form and pat sessions are registered and can be ended from outside; an OIDC or
Basic session goes on with the rights of its login until idle time-out or its own logout. With
redis.enabled=on all kinds end (dhis2-users.md §3).
"""
import secrets
import time
from email.utils import formatdate

REGISTERED = ("form", "pat")


class Session:
    def __init__(self, kind, principal, now):
        self.id = secrets.token_hex(16).upper()
        self.kind, self.principal, self.used = kind, principal, now
        self.ended = False
        self.authorization = None     # the one pending OIDC authorization request
        self.saved_url = None         # the page asked for before the login

    @property
    def authenticates(self):
        return self.principal is not None and self.kind != "bearer"


class Sessions:
    def __init__(self, world):
        self.world, self.live = world, {}

    def get(self, cookie):
        session = self.live.get(cookie or "")
        if not session:
            return None
        now = self.world.now()
        if now - session.used > self.world.conf.session_timeout:
            del self.live[session.id]
            return None
        session.used = now
        return session

    def create(self, kind, principal=None):
        session = Session(kind, principal, self.world.now())
        self.live[session.id] = session
        return session

    def drop(self, session):
        self.live.pop(session.id, None)

    def registered(self):
        return [s for s in self.live.values() if s.kind in REGISTERED and s.principal and not s.ended]

    def end_of_user(self, user_id):
        """A role change, /disabled, /expired, DELETE /api/sessions/{username}."""
        for session in self.live.values():
            if session.principal and session.principal.user_id == user_id:
                if session.kind in REGISTERED or self.world.conf.redis:
                    session.ended = True

    def set_cookie(self, response, session):
        same_site = "" if self.world.old else "; SameSite=Lax"
        response.headers.add("Set-Cookie", "JSESSIONID=%s; Path=/; HttpOnly%s" % (session.id, same_site))
        if self.world.old or not session.principal:
            return
        life, now = self.world.conf.session_timeout, int(time.time())
        response.headers.add(
            "Set-Cookie", "SESSION_EXPIRE=server_time=%d&expiry_time=%d; Path=/; Max-Age=%d; Expires=%s; "
            "SameSite=Lax" % (now, now + life, life, formatdate(now + life, usegmt=True)))
