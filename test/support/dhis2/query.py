"""How does DHIS2 select fields, filter, order and page a list?

Called by metadata.py, users.py and routes.py for every GET. `fields` knows nesting, `:owner`,
`:all`, `*`, `!x` and `~rename(x)`. Filters keep DHIS2's oddity that a value is cut at a comma
(outside `in:[…]`), so an openId holding a comma is never found.
"""
import re
from urllib.parse import urlencode

from answer import json_reply, refuse, web_message, Refuse

PRESETS = (":owner", ":all", "*", ":identifiable", ":nameable", ":simple")
PERSON_FIELDS = ("id", "code", "name", "displayName", "username")


def split_top(text, separator=","):
    """Split at the separator, not inside brackets or parentheses."""
    parts, depth, current = [], 0, ""
    for char in text:
        if char in "[(":
            depth += 1
        elif char in "])":
            depth -= 1
        if char == separator and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += char
    return [p for p in parts + [current] if p]


def parse_fields(text):
    """"a,b[c,d],!e,f~rename(g)" -> [(name, output name, nested or None)], {excluded}."""
    chosen, excluded = [], set()
    for item in split_top(text):
        item = item.strip()
        if item.startswith("!"):
            excluded.add(item[1:])
            continue
        match = re.match(r"([^\[~]+)((?:~\w+(?:\([^)]*\))?)*)(?:\[(.*)\])?((?:~\w+(?:\([^)]*\))?)*)$", item, re.S)
        if not match:
            refuse(400, "Invalid field expression: " + item)
        name, before, nested, after = match.groups()
        rename = re.search(r"~rename\((\w+)\)", (before or "") + (after or ""))
        chosen.append((name, rename.group(1) if rename else name, nested))
    return chosen, excluded


def project(view, text):
    """view: full dict of an object (values None are left out); text: the fields parameter."""
    chosen, excluded = parse_fields(text)
    out = {}
    for name, shown, nested in chosen:
        if name in PRESETS:
            out.update({k: v for k, v in view.items() if v is not None})
            continue
        value = view.get(name)
        if value is not None:
            out[shown] = nest(value, nested)
    return {k: v for k, v in out.items() if k not in excluded}


def nest(value, nested):
    """Nested selection; a user seen from another object always shows the same five fields."""
    if isinstance(value, list):
        return [nest(item, nested) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("_person"):
        return {k: value.get(k) for k in PERSON_FIELDS}
    plain = {k: v for k, v in value.items() if k != "_more"}
    if nested is None:
        return plain
    return project(dict(value.get("_more", {}), **plain), nested)


def strip_private(value):
    """Take the helper keys out before the JSON is written."""
    if isinstance(value, list):
        return [strip_private(v) for v in value]
    if isinstance(value, dict):
        return {k: strip_private(v) for k, v in value.items() if not k.startswith("_")}
    return value


# -- filters ---------------------------------------------------------------------------------

def text_of(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def values_at(view, path):
    """All values at a dotted path such as userGroups.id; a list fans out."""
    found = [view]
    for part in path.split("."):
        step = []
        for item in found:
            value = item.get(part) if isinstance(item, dict) else None
            if value is None and isinstance(item, dict):
                value = item.get("_more", {}).get(part)
            step.extend(value if isinstance(value, list) else [value])
        found = step
    return found


OPERATORS = {
    "eq": lambda v, w: v == w, "neq": lambda v, w: v != w, "ne": lambda v, w: v != w,
    "!eq": lambda v, w: v != w, "ieq": lambda v, w: v.lower() == w.lower(),
    "like": lambda v, w: w in v, "ilike": lambda v, w: w.lower() in v.lower(),
    "$like": lambda v, w: v.startswith(w), "$ilike": lambda v, w: v.lower().startswith(w.lower()),
    "like$": lambda v, w: v.endswith(w), "token": lambda v, w: w.lower() in v.lower(),
    "!like": lambda v, w: w not in v, "!ilike": lambda v, w: w.lower() not in v.lower(),
    "gt": lambda v, w: v > w, "ge": lambda v, w: v >= w, "lt": lambda v, w: v < w,
    "le": lambda v, w: v <= w,
}


def parse_filter(text, properties):
    """One filter parameter -> predicate over a view."""
    path, _, rest = text.partition(":")
    if path.split(".")[0] not in properties:
        refuse(400, "Unknown path property: " + path, "E1003")
    operator, _, value = rest.partition(":")
    if operator in ("null", "!null"):
        wanted = operator == "null"
        return lambda view: (values_at(view, path) in ([None], [])) is wanted
    if operator in ("in", "!in"):
        options = value.strip("[]").split(",")
        inside = operator == "in"
        return lambda view: any(text_of(v) in options for v in values_at(view, path)) is inside
    if operator not in OPERATORS:
        refuse(400, "Operator `%s` is not supported" % operator, "E1003")
    word = value.split(",")[0]
    if "," in value and not word and operator != "eq":
        raise Refuse(web_message(500))
    test = OPERATORS[operator]
    return lambda view: any(v is not None and test(text_of(v), word) for v in values_at(view, path))


def matching(views, call, properties):
    tests = [parse_filter(f, properties) for f in call.query.getall("filter", []) if f]
    if not tests:
        return views
    either = call.query.get("rootJunction", "AND").upper() == "OR"
    choose = any if either else all
    return [v for v in views if choose(t(v) for t in tests)]


# -- lists -----------------------------------------------------------------------------------

def ordered(views, call):
    for item in reversed(call.query.getall("order", [])):
        for one in reversed(item.split(",")):
            name, _, direction = one.partition(":")
            fold = str.lower if direction.startswith("i") else str
            views = sorted(views, key=lambda v: fold(text_of(v.get(name))),
                           reverse=direction.endswith("desc"))
    return views


def number(call, name, default):
    text = call.query.get(name, "")
    return int(text) if text.isdigit() and int(text) > 0 else default


def list_reply(call, collection, views, properties, default="id,displayName", path=None):
    """The whole of a GET of a collection: filter, order, page, fields."""
    views = ordered(matching(views, call, properties), call)
    body = {}
    if call.query.get("paging", "true") != "false" and call.query.get("skipPaging") != "true":
        size, page, total = number(call, "pageSize", 50), number(call, "page", 1), len(views)
        pages = -(-total // size)
        body["pager"] = {"page": page, "total": total, "pageSize": size, "pageCount": pages}
        for key, other in (("nextPage", page + 1), ("prevPage", page - 1)):
            if 0 < other <= pages and other != page:
                body["pager"][key] = page_url(call, path or collection, other)
        views = views[(page - 1) * size:page * size]
    fields = ",".join(call.query.getall("fields", [])) or default
    body[collection] = [strip_private(project(v, fields)) for v in views]
    return json_reply(body)


def page_url(call, path, page):
    query = [("page", page)]
    if call.query.get("pageSize"):
        query.append(("pageSize", call.query["pageSize"]))
    query += [(k, v) for k, v in call.query.items() if k not in ("page", "pageSize")]
    return "%s/api/%s?%s" % (call.origin, path, urlencode(query))


def object_reply_fields(call, view, default="*"):
    fields = ",".join(call.query.getall("fields", [])) or default
    return json_reply(strip_private(project(view, fields)))
