"""Walks through a recorded file in its own order.

`Script.expect(needle, reply)` finds the next line that holds the needle and compares the status and
body in it with an answer of the stand-in. What the walk never touched can be counted and named.
"""
import re

from .compare import as_json, same_body
from .route_cases import header_pairs, target_shape
from .world import recorded

STATUS = re.compile(r'(?:^|[^\w."/])([1-5]\d\d)(?= |$|,|\))')


class Script:
    def __init__(self, tally, name, lines=None):
        self.tally, self.name = tally, name
        self.lines = lines if lines is not None else recorded(name)
        self.at, self.used = 0, set()

    def find(self, needle):
        """The next line holding the needle; None when there is none."""
        for number in range(self.at, len(self.lines)):
            if needle in self.lines[number]:
                self.at = number + 1
                self.used.add(number)
                self.tally.mark(self.name, number)
                return self.lines[number]
        return None

    def peek(self, needle):
        return next((line for line in self.lines[self.at:] if needle in line), None)

    def section(self, heading):
        return self.find(heading) is not None

    def expect(self, needle, reply, body=True, loose=False):
        line = self.find(needle)
        if line is None:
            return self.tally.check(self.name, needle, "a recorded line", None)
        rest = line[line.index(needle) + len(needle):]
        status = int(STATUS.search(rest).group(1)) if STATUS.search(rest) else None
        same = self.tally.check(self.name, needle.strip(), status, reply.status)
        if same and body:
            self.compare_body(needle, rest, reply, loose)
        return reply

    def compare_body(self, needle, rest, reply, loose):
        text = body_part(rest)
        if text is None:
            return
        if text.startswith('{"method"'):
            return self.compare_target(needle, text, reply)
        self.tally.check(self.name, needle.strip() + " body", None, same_body(text, reply.text, loose))

    def compare_target(self, needle, text, reply):
        want = as_json(text.replace('\\\\"', '\\"')) or as_json(text)
        have = target_shape(as_json(reply.text) or {"method": None, "path": None, "headers": []})
        if isinstance(want, dict):
            shape = target_shape(want)
            if want.get("body", "").endswith("…") or "boundary" in text:
                shape.pop("body"), have.pop("body")
            self.tally.check(self.name, needle + " at the target", shape, have)
        else:
            missing = [p for p in header_pairs(text) if p not in [list(h) for h in have["headers"]]
                       and not ("boundary" in text and p[0] in ("content-type", "content-length"))]
            self.tally.check(self.name, needle + " at the target (cut)", [], missing)

    def skip(self, text, reason):
        count = 0
        for number, line in enumerate(self.lines):
            if text in line and number not in self.used:
                self.used.add(number)
                self.tally.mark(self.name, number)
                count += 1
        if count:
            self.tally.skip(self.name, reason, count)


def body_part(rest):
    """The quoted or bare body in the rest of a line."""
    match = re.search(r"[1-5]\d\d '(.*?)'?(?: hdr=.*| Location=.*| WWW-Authenticate=.*| cookies=.*)?$", rest, re.S)
    if match:
        return match.group(1)
    match = re.search(r"[\[{].*$", rest)
    return match.group(0) if match else None
