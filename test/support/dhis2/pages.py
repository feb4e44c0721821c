"""The pages a person sees: the login page and the start page after it.

The real DHIS2 has apps here; the stand-in says what it is and shows who is signed in with which
roles, groups and org units (those of the session, frozen at login).
"""
from html import escape

from aiohttp import web

STYLE = ("body{font-family:sans-serif;margin:0;background:#f4f6f8}header{background:#2c6693;color:#fff;"
         "padding:.8em 1.2em}main{max-width:36em;margin:1.5em auto;background:#fff;padding:1em 1.5em;"
         "border:1px solid #ccd}a.button{display:block;background:#2c6693;color:#fff;padding:.7em;"
         "margin:.6em 0;text-decoration:none;text-align:center}.bad{color:#a00}dt{font-weight:bold;"
         "margin-top:.6em}")


def page(title, body):
    text = ('<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            'content="width=device-width"><title>%s</title><style>%s</style></head><body><header>DHIS2 '
            "stand-in</header><main><h1>%s</h1>%s</main></body></html>" % (escape(title), STYLE,
                                                                          escape(title), body))
    return web.Response(text=text, content_type="text/html", charset="utf-8")


async def login(call):
    failed = call.query.get("oidcFailure") == "true"
    body = '<p class="bad" role="alert">Login failed.</p>' if failed else ""
    for provider in call.world.conf.providers.values():
        label = provider.alias if provider.alias != provider.id else "Log in with national ID"
        body += '<a class="button" id="provider-%s" href="/oauth2/authorization/%s">%s</a>' % (
            escape(provider.id), escape(provider.id), escape(label))
    return page("Log in", body)


def names(store, ids):
    found = [store[i]["name"] for i in ids if i in store]
    return "".join("<li>%s</li>" % escape(n) for n in sorted(found)) or "<li>none</li>"


async def home(call):
    world, principal = call.world, call.principal
    rows = [("User roles", world.userRoles, principal.roles), ("User groups", world.userGroups, principal.groups),
            ("Organisation units", world.organisationUnits, principal.units)]
    body = '<p>Signed in as <strong id="who">%s</strong> (<span id="username">%s</span>)</p><dl>' % (
        escape(principal.name), escape(principal.username))
    for title, store, ids in rows:
        body += "<dt>%s</dt><dd><ul>%s</ul></dd>" % (title, names(store, ids))
    body += '</dl><a class="button" href="/dhis-web-commons-security/logout.action">Log out</a>'
    return page("Dashboard", body)
