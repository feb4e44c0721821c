"""The HTML of the stand-in: login, consent, error. No JavaScript; every page says what it is.

Callers: page_flow.py. Real eSignet renders the same steps with React; texts are ours.
"""
from html import escape

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f5f7;color:#1d2733}
h1,p,td{overflow-wrap:anywhere}
main{max-width:30rem;margin:0 auto;padding:1rem}
form,section{background:#fff;border:1px solid #c9d1da;border-radius:6px;padding:1rem;margin:0 0 1rem}
label{display:block;margin:.5rem 0 .2rem}
input[type=text],input[type=password]{width:100%;box-sizing:border-box;font:inherit;padding:.5rem}
button{font:inherit;padding:.5rem 1rem;margin:1rem .5rem 0 0}
.error{border-color:#b00020;color:#b00020}
table{width:100%;border-collapse:collapse;font-size:.9rem}td,th{text-align:left;padding:.15rem .3rem .15rem 0}
.demo{background:#fff7dd;border-color:#d9b84a}
"""
CLAIM_LABELS = {
    "name": "Name", "address": "Address", "gender": "Gender", "birthdate": "Birthdate",
    "picture": "Picture", "email": "Email address", "phone_number": "Phone number",
    "individual_id": "UIN/VID used in login", "phone_number_verified": "Phone number verified",
    "registration_type": "Registration type", "updated_at": "Updated at",
}
FACTOR_LABELS = {"PIN": "PIN", "OTP": "One-time code", "PWD": "Password"}
OTHER_FACTORS = {"BIO": "biometrics", "WLA": "wallet", "KBI": "knowledge", "IDT": "signup"}
# oidc-ui public/locales/en.json, 1.8.0
MESSAGES = {
    "access_denied": "Consent Denied",
    "auth_failed": "PIN authentication failed. Please try again.",
    "consent_details_rejected": "We\u2019re sorry! Your login was unsuccessful as consent was not shared.",
    "individual_id_blocked": "The user has been temporarily blocked. Please contact support for further assistance.",
    "invalid_accepted_claim": "The user claims provided are invalid or not supported. Please try again.",
    "invalid_individual_id": "Please Enter Valid Individual ID.",
    "invalid_request": "Request is invalid. Please try again.",
    "invalid_transaction": "The transaction has expired. Please try again.",
    "no_attempts_left": "The limit for authentication attempts has been reached. Please try again later.",
    "transaction_timeout": "The transaction has timed out. Please try again.",
    "unknown_error": "An unknown error has occurred. Please try again later.",
}


def message(code):
    return MESSAGES.get(code, code)


def page(title, body):
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        "<title>%s - eSignet stand-in (demo)</title><style>%s</style>"
        "<main><header><strong>eSignet stand-in (demo)</strong><br>"
        "<small>Not eSignet: an imitation for tests. The people are invented.</small></header>"
        "<h1>%s</h1>%s</main></html>" % (escape(title), STYLE, escape(title), body)
    )


def _hidden(fields):
    return "".join(
        '<input type=hidden name="%s" value="%s">' % (escape(name), escape(str(value)))
        for name, value in fields.items()
    )


def banner(code):
    return '<section class=error role=alert id=error data-error-code="%s">%s<br><small>%s</small></section>' % (
        escape(code), escape(message(code)), escape(code))


def error(code):
    """A bad request stays here; the application hears nothing."""
    return page("Something went wrong", banner(code))


def login(client_name, fields, factors, persons, refused=None):
    """factors: kinds offered, in order; refused: the code of the attempt before."""
    usable = [kind for kind in factors if kind in FACTOR_LABELS]
    body = banner(refused) if refused else ""
    for kind in usable:
        body += _factor_form(kind, fields)
    unusable = [OTHER_FACTORS[kind] for kind in factors if kind in OTHER_FACTORS]
    if unusable:
        body += "<p><small>Also offered, but not by this stand-in: %s.</small></p>" % escape(", ".join(unusable))
    if refused:
        body += ("<form method=post action=/login id=leave>%s<button name=leave value=\"%s\">"
                 "Back to the application</button></form>" % (_hidden(fields), escape(refused)))
    return page("Login to %s" % client_name, body + _persons(persons))


def _factor_form(kind, fields):
    label, field = FACTOR_LABELS[kind], "challenge_" + kind.lower()
    hint = " <small>(demo: always 111111)</small>" if kind == "OTP" else ""
    return (
        "<form method=post action=/login id=login-%s autocomplete=off>%s"
        "<h2>Login with %s</h2><label for=id-%s>UIN/VID</label>"
        "<input type=text id=id-%s name=individual_id inputmode=numeric required>"
        "<label for=%s>%s%s</label><input type=password id=%s name=challenge required>"
        "<button>Login</button></form>"
        % (kind.lower(), _hidden(dict(fields, factor=kind)), label, kind, kind, field, label, hint, field)
    )


def _persons(persons):
    rows = "".join(
        "<tr><td>%s<td><code>%s</code><td><code>%s</code>"
        % (escape(next(iter(p["name"].values()), "")), escape(p["individualId"]), escape(p.get("pin", "")))
        for p in persons[:20]
    )
    return ("<section class=demo><h2>Who you can be</h2><table><tr><th>Name<th>UIN/VID<th>PIN%s</table>"
            "</section>" % rows)


def consent(client_name, fields, essential, voluntary, scopes):
    def box(name, label, fixed):
        mark = "checked disabled" if fixed else ""
        return '<label><input type=checkbox name=claim value="%s" %s> %s</label>' % (escape(name), mark, escape(label))

    def group(title, names, fixed):
        rows = "".join(box(name, CLAIM_LABELS.get(name, name), fixed) for name in names)
        return "<fieldset><legend>%s</legend>%s</fieldset>" % (title, rows) if names else ""

    scope_rows = "".join(
        '<label><input type=checkbox name=scope value="%s"> %s</label>' % (escape(s), escape(s)) for s in scopes)
    body = (
        "<form method=post action=/consent id=consent>%s<p>%s is requesting access to the following:</p>%s%s%s"
        "<button name=decision value=allow>Allow what is ticked</button>"
        "<button name=decision value=allow_all>Allow all</button>"
        "<button name=decision value=cancel>Cancel</button></form>"
        % (_hidden(fields), escape(client_name), group("Essential claims", essential, True),
           group("Voluntary claims", voluntary, False),
           "<fieldset><legend>Authorize scopes</legend>%s</fieldset>" % scope_rows if scopes else "")
    )
    return page("Consent", body)


def verification_missing(client_name, fields, rows):
    """claim-details: an essential verified claim is not verified; only leaving is possible here."""
    listed = "".join("<li>%s: %s" % (escape(CLAIM_LABELS.get(r["claim"], r["claim"])),
                     "verified" if r["verified"] else "not verified") for r in rows)
    return page("Attributes to verify", (
        "<form method=post action=/claim-details id=claim-details>%s<p>%s needs verified information:</p>"
        "<ul>%s</ul><button name=decision value=cancel>Cancel</button></form>"
        % (_hidden(fields), escape(client_name), listed)))
