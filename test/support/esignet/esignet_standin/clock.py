"""What time is it for the stand-in, and what has expired?

Every lifetime of eSignet (transaction, code, nonce, jti, block) is kept in a Cache, the
counterpart of eSignet's Redis caches. Tests move the clock with POST /__standin/clock
instead of waiting.
"""
import datetime
import time


class Clock:
    """Seconds since the epoch, plus an offset that tests may set."""

    def __init__(self):
        self.offset_s = 0

    def now(self):
        return time.time() + self.offset_s

    def seconds(self):
        return int(self.now())

    def iso(self, offset_s=0):
        """eSignet's UTC_DATETIME_PATTERN: yyyy-MM-dd'T'HH:mm:ss.SSS'Z'."""
        stamp = datetime.datetime.utcfromtimestamp(self.now() + offset_s)
        return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (stamp.microsecond // 1000)


class Cache:
    """Key to value with one time to live in seconds, bounded in size (oldest dropped)."""

    LIMIT = 20000

    def __init__(self, clock, ttl):
        self._clock, self._ttl, self._rows = clock, ttl, {}

    def put(self, key, value):
        self._rows.pop(key, None)
        while len(self._rows) >= self.LIMIT:
            self._rows.pop(next(iter(self._rows)))
        self._rows[key] = (self._clock.now() + self._ttl, value)

    def get(self, key):
        deadline, value = self._rows.get(key, (0, None))
        return value if self._clock.now() < deadline else None

    def take(self, key):
        value = self.get(key)
        self._rows.pop(key, None)
        return value

    def drop(self, key):
        self._rows.pop(key, None)

    def seen(self, key):
        """True when the key was there already; marks it otherwise (jti, nonce)."""
        if self.get(key) is not None:
            return True
        self.put(key, True)
        return False

    def clear(self):
        self._rows.clear()
