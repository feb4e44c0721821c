#!/usr/bin/python3
"""How do tests get a directory server that does what no real one does when asked: answer a part, slowly, too much, or bytes that are
no text?

    with LdapStandin(entries=[("uid=a,ou=people,dc=x", {"uid": ["a"]})]) as server:     answers from a list of entries
    with LdapStandin(answer=lambda search: [Entry(...), Done(code=4)]) as server:       answers what a function says, per search

`server.searches` lists what was asked: Search with base, scope, filter (RFC 4515 text), attributes, size_limit and controls. `answer`
returns or yields Entry, Reference, Done, Raw, Wait, Hang and Close; without a Done the search ends with success. Values are str or
bytes, DNs too. Every bind is taken, unless `bind(dn, password)` gives such steps for it; `server.binds` lists both. Loopback, plain LDAP, one thread per connection. Protocol: RFC 4511, BER as X.690 has it."""
import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

BIND, UNBIND, SEARCH, ABANDON, EXTENDED = 0x60, 0x42, 0x63, 0x50, 0x77
SUCCESS, TIME_LIMIT, SIZE_LIMIT, REFERRAL, ADMIN_LIMIT, PARTIAL_RESULTS, NO_SUCH_OBJECT, BUSY = 0, 3, 4, 10, 11, 9, 32, 51
PAGED_RESULTS = "1.2.840.113556.1.4.319"


@dataclass
class Search:
    base: str
    scope: int
    size_limit: int
    filter: str
    attributes: list
    controls: dict  # OID -> value
    connection: int


@dataclass
class Entry:
    dn: object
    attributes: dict = field(default_factory=dict)


@dataclass
class Reference:
    urls: list


@dataclass
class Done:
    code: int = SUCCESS
    text: str = ""
    controls: list = field(default_factory=list)  # (OID, value)
    referral: list = field(default_factory=list)


@dataclass
class Raw:
    data: bytes


@dataclass
class Wait:
    seconds: float


class Hang:
    """Says nothing more on this connection until the other side ends it."""


class Close:
    """Ends the connection in the middle."""


# ---- BER ------------------------------------------------------------------------------------------------------------------

def as_bytes(value):
    return value.encode() if isinstance(value, str) else value


def tlv(tag, content):
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def integer(value, tag=0x02):
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def text(value, tag=0x04):
    return tlv(tag, as_bytes(value))


def parts(data):
    """[(tag, content)] of what stands one after the other."""
    found, at = [], 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at:at + count], "big"), at + count
        found.append((tag, data[at:at + size]))
        at += size
    return found


def number(content):
    return int.from_bytes(content, "big")


def escaped(value):
    return "".join(chr(b) if 0x20 <= b < 0x7F and b not in b"()*\\" else f"\\{b:02x}" for b in value)


def filter_text(tag, content):
    kind = tag & 0x1F
    if kind in (0, 1, 2):
        return "(" + "&|!"[kind] + "".join(filter_text(*part) for part in parts(content)) + ")"
    if kind == 7:
        return f"({content.decode()}=*)"
    if kind == 9:
        rule, name, value = "", "", b""
        for part, inside in parts(content):
            rule, name, value = ((inside.decode(), name, value) if part == 0x81 else (rule, inside.decode(), value) if part == 0x82 else
                                 (rule, name, inside) if part == 0x83 else (rule, name, value))
        return f"({name}:{rule}:={escaped(value)})"
    (_, name), (_, value) = parts(content)[:2]
    return f"({name.decode()}{ {3: '=', 5: '>=', 6: '<=', 8: '~='}.get(kind, '=') }{escaped(value)})"


def read_search(content, controls, connection):
    base, scope, _, size, _, _, asked, names = parts(content)
    return Search(base[1].decode(errors="replace"), number(scope[1]), number(size[1]), filter_text(*asked),
                  [name.decode() for _, name in parts(names[1])], controls, connection)


def read_controls(content):
    found = {}
    for _, one in parts(content):
        inside = parts(one)
        found[inside[0][1].decode()] = inside[-1][1] if inside[-1][0] == 0x04 and len(inside) > 1 else b""
    return found


def message(number_, op, controls=()):
    packed = b"".join(tlv(0x30, text(oid) + text(value)) for oid, value in controls)
    return tlv(0x30, integer(number_) + op + (tlv(0xA0, packed) if packed else b""))


def result(tag, code, told="", referral=()):
    more = tlv(0xA3, b"".join(map(text, referral))) if referral else b""
    return tlv(tag, integer(code, 0x0A) + text("") + text(told) + more)


def entry_op(entry):
    attributes = b"".join(tlv(0x30, text(name) + tlv(0x31, b"".join(map(text, values)))) for name, values in entry.attributes.items())
    return tlv(0x64, text(entry.dn) + tlv(0x30, attributes))


# ---- answering from a list of entries -----------------------------------------------------------------------------------------

def matches(asked, dn, attributes):
    """The few kinds of filter the bridge sends: and, or, presence, equality."""
    if asked[1] in "&|":
        inside, depth, start = [], 0, 2
        for at in range(2, len(asked) - 1):
            depth += (asked[at] == "(") - (asked[at] == ")")
            if depth == 0:
                inside.append(asked[start:at + 1])
                start = at + 1
        return (all if asked[1] == "&" else any)(matches(one, dn, attributes) for one in inside)
    name, _, value = asked[1:-1].partition("=")
    values = [escaped(as_bytes(one)).lower() for key, list_ in attributes.items() if key.lower() == name.lower() for one in list_]
    return bool(values) if value == "*" else value.lower() in values


def from_entries(entries):
    def answer(search):
        for dn, attributes in entries:
            plain = dn if isinstance(dn, str) else dn.decode(errors="replace")
            below = plain.lower().endswith(search.base.lower()) if search.scope == 2 else plain.lower() == search.base.lower()
            if below and matches(search.filter, plain, attributes):
                wanted = [name.lower() for name in search.attributes]
                # RFC 4511 §4.5.1.8: who asks for title gets title;lang-fr too
                yield Entry(dn, {k: v for k, v in attributes.items() if not wanted or {k.lower(), k.lower().split(";")[0]} & set(wanted)})
    return answer


class LdapStandin:
    def __init__(self, entries=None, answer=None, host="127.0.0.1", bind=None):
        self.bind, self.binds = bind or (lambda dn, password: ()), []
        self.answer = answer or from_entries(entries or [])
        self.searches, self.connections = [], 0
        self._listener = socket.create_server((host, 0))
        self._open, self._ending = set(), False
        self.url = f"ldap://{host}:{self._listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._ending = True
        for one in (self._listener, *list(self._open)):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self):
        while not self._ending:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(client)
            threading.Thread(target=self._serve, args=(client, self.connections), daemon=True).start()

    def _serve(self, client, connection):
        with contextlib.suppress(OSError, EOFError), client, client.makefile("rb") as stream:
            while self._one(client, stream, connection):
                pass
        self._open.discard(client)

    def _one(self, client, stream, connection):
        head = stream.read(2)
        if len(head) < 2:
            return False
        size = head[1]
        if size & 0x80:
            size = number(stream.read(size & 0x7F))
        (_, id_), (op, content), *more = parts(stream.read(size))
        id_ = number(id_)
        if op == BIND:
            _, (_, dn), (_, password) = parts(content)
            self.binds.append((dn.decode(), password.decode()))
            return self._say(client, id_, self.bind(*self.binds[-1]), 0x61)
        elif op == EXTENDED:
            client.sendall(message(id_, result(0x78, 2, "no extended operations here")))
        elif op == SEARCH:
            controls = read_controls(more[0][1]) if more else {}
            search = read_search(content, controls, connection)
            if search.base == "" and search.scope == 0:  # the root DSE: is this connection alive?
                client.sendall(message(id_, entry_op(Entry(""))) + message(id_, result(0x65, SUCCESS)))
                return True
            self.searches.append(search)
            return self._say(client, id_, self.answer(search), 0x65)
        return op != UNBIND

    def _say(self, client, id_, steps, done):
        for step in steps or ():
            if isinstance(step, Entry):
                client.sendall(message(id_, entry_op(step)))
            elif isinstance(step, Reference):
                client.sendall(message(id_, tlv(0x73, b"".join(map(text, step.urls)))))
            elif isinstance(step, Raw):
                client.sendall(step.data)
            elif isinstance(step, Wait):
                time.sleep(step.seconds)
            elif isinstance(step, Hang):
                while client.recv(65536):
                    pass
                return False
            elif isinstance(step, Close):
                return False
            else:
                client.sendall(message(id_, result(done, step.code, step.text, step.referral), step.controls))
                return True
        client.sendall(message(id_, result(done, SUCCESS)))
        return True
