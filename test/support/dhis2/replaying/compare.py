"""When is an answer of the stand-in the recorded one?

Whole JSON is compared after taking out what differs from run to run (times, made-up uids, keys of
tokens) and sorting sets; of a body cut by the recorder every complete "name":value pair must be in
the answer. HTML pages count as equal to HTML pages.
"""
import json
import re

VOLATILE = ("created", "lastUpdated", "lastLogin", "passwordLastUpdated", "key", "date", "serverDate", "expire")
LOOSE = ("args", "errorProperties", "mainKlass", "errorKlass", "mainId", "errorProperty", "value")
PAIR = re.compile(r'"(\w+)":("(?:[^"\\]|\\.)*"|true|false|null|-?\d+)(?=[,}\]])')
IMPORTANT = ("httpStatusCode", "status", "message", "devMessage", "errorCode", "username", "openId", "disabled",
             "total", "externalAuth", "email", "loginStatus", "redirectUrl")
ORIGIN = re.compile(r"http://127\.0\.0\.1:\d+")


def normal(value):
    """Drop, mask and sort what may differ."""
    if isinstance(value, list):
        items = [normal(v) for v in value]
        return sorted(items, key=lambda v: json.dumps(v, sort_keys=True))
    if not isinstance(value, dict):
        if not isinstance(value, str):
            return value
        value = re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m.group(1), 16)), value)
        value = value.partition(" are in unnamed module")[0]
        return re.sub(r"\n? at \[Source: .*$", "", ORIGIN.sub("<origin>", value), flags=re.S)
    kept = {}
    for key, item in value.items():
        if key in VOLATILE:
            continue
        if key == "klass":
            item = re.sub(r"^.*[.…]", "", item)
        kept[key] = normal(item)
    if kept.get("klass") == "ApiToken":
        kept.pop("uid", None)
    return kept


def flattened(value):
    """One recorder lifted errorReports out of response and left httpStatus away."""
    if isinstance(value, dict) and "response" in value and "errorReports" not in value:
        reports = value["response"].get("errorReports") or [
            e for t in value["response"].get("typeReports", []) for o in t.get("objectReports", [])
            for e in o["errorReports"]]
        return {"httpStatusCode": value["httpStatusCode"], "status": value["status"],
                "message": value.get("message"), "errorReports": reports}
    return value


def pairs(text):
    return {(k, v) for k, v in PAIR.findall(text) if k in IMPORTANT}


def is_html(text):
    return text.lower().startswith(("<!doctype", "<html"))


def same_body(recorded, got, loose=False):
    """None when equal, else (recorded, got) as compared."""
    recorded = recorded.strip()
    if not recorded or is_html(recorded):
        return None if not recorded or is_html(got) else (recorded[:60], got[:200])
    for text in (recorded, recorded.replace("\\'", "'"), recorded.replace("\\\\u", "\\u")):
        try:
            want = json.loads(text)
            break
        except ValueError:
            want = None
    have = as_json(got)
    if want is None or have is None:
        missing = pairs(recorded) - pairs(got)
        return (sorted(missing), got[:400]) if missing else None
    if isinstance(want, dict) and "errorReports" in want and "httpStatus" not in want:
        have = flattened(have)
    want, have = normal(want), normal(have)
    if loose:
        want, have = without(want, LOOSE), without(have, LOOSE)
    if want == have or covers(want, have):
        return None
    return want, have


def covers(want, have):
    """The recorder cut members out of some objects: all it shows must be there."""
    if isinstance(want, dict) and isinstance(have, dict):
        return all(k in have and covers(v, have[k]) for k, v in want.items())
    if isinstance(want, list) and isinstance(have, list):
        return len(want) == len(have) and all(covers(w, h) for w, h in zip(want, have))
    return want == have


def without(value, names):
    if isinstance(value, list):
        return [without(v, names) for v in value]
    if isinstance(value, dict):
        return {k: without(v, names) for k, v in value.items() if k not in names}
    return value


def as_json(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def codes_of(answer):
    """[(errorCode, message)] of an answer, wherever they stand."""
    value = flattened(answer) if isinstance(answer, dict) else {}
    reports = value.get("errorReports")
    if reports:
        return [(r["errorCode"], r["message"]) for r in reports]
    return [(value["errorCode"], value.get("message"))] if value.get("errorCode") else []
