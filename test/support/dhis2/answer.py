"""How does the DHIS2 stand-in phrase an answer?

Every module here builds its HTTP answers through this file: DHIS2's "WebMessage" JSON
(httpStatus, httpStatusCode, status, message, errorCode, devMessage, response), the HTML error
page of its servlet container, and plain JSON. The shapes are those a running DHIS2 2.43.1 gave.
"""
import http
import json

from aiohttp import web

SECURITY_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self';",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "0",
}
IMPORT_FAILED = "One or more errors occurred, please see full details in import report."


class Refuse(Exception):
    """Raised anywhere below a handler: carries the finished answer."""

    def __init__(self, response):
        super().__init__(response.status)
        self.response = response


def json_reply(data, status=200, headers=None):
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    reply = web.Response(text=text, status=status, content_type="application/json",
                         charset="UTF-8", headers=headers)
    reply.headers.setdefault("Cache-Control", "no-cache, private")
    return reply


def reason_of(status):
    return http.HTTPStatus(status).phrase


def web_message(status, message=None, code=None, dev=None, response=None, level=None, headers=None):
    """DHIS2's WebMessage envelope."""
    body = {"httpStatus": reason_of(status), "httpStatusCode": status,
            "status": level or ("OK" if status < 400 else "ERROR")}
    for key, value in (("message", message), ("devMessage", dev), ("errorCode", code),
                       ("response", response)):
        if value is not None:
            body[key] = value
    return json_reply(body, status, headers)


def refuse(status, message=None, code=None, **more):
    raise Refuse(web_message(status, message, code, **more))


def html_error(status):
    """The servlet container's page: what DHIS2 shows when it did not foresee the case."""
    title = "HTTP Status %d – %s" % (status, reason_of(status))
    return web.Response(status=status, content_type="text/html", charset="utf-8",
                        text='<!doctype html><html lang="en"><head><title>%s</title></head>'
                             "<body><h1>%s</h1></body></html>" % (title, title))


def refuse_html(status):
    raise Refuse(html_error(status))


def redirect(location, status=302):
    return web.Response(status=status, headers={"Location": location})


def object_report(klass, uid, errors=(), **more):
    report = dict(more)
    report.update({"klass": klass, "uid": uid, "errorReports": list(errors),
                   "responseType": "ObjectReport"})
    return report


def object_reply(status, klass, uid, errors=(), headers=None, **more):
    """The answer to a write of one object: 201/200, or 409 with errorReports."""
    message = IMPORT_FAILED if errors else None
    return web_message(status, message, response=object_report(klass, uid, errors, **more),
                       headers=headers)


def stats(created=0, updated=0, deleted=0, ignored=0):
    return {"created": created, "updated": updated, "deleted": deleted, "ignored": ignored,
            "total": created + updated + deleted + ignored}


def type_report(**counts):
    """The answer of the membership endpoints (/api/userGroups/{g}/users/{u})."""
    return web_message(200, response={"status": "OK", "objectReports": [], "stats": stats(**counts),
                                      "responseType": "TypeReport"})


def error_report(code, message, klass, args=(), prop=None, **more):
    report = {"message": message, "args": list(args), "mainKlass": klass, "errorCode": code,
              "errorProperties": list(args)}
    if prop:
        report["errorProperty"] = prop
    report.update(more)
    return report
