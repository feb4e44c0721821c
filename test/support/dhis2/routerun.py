"""Running a Route: what reaches the target, and what comes back.

dhis2.md §4 and §11C, dhis2-2.41.md §4. Header allow-lists both ways, route headers ADDED,
X-Forwarded-User appended, the caller's credentials never forwarded; bodies chunked (2.43) or with a
length (2.41); the query is decoded and not (2.43) or badly (2.41) encoded again; redirects are
followed by 2.41 alone, credentials included.
"""
import asyncio
import base64
import re
from urllib.parse import quote, unquote, unquote_plus, urljoin

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

import access
from answer import Refuse, refuse, reason_of, web_message
from login import form_encode
from outgoing import HttpStatus, Unreachable, json_object
from routes import by_code, permitted

TO_TARGET = ("accept", "accept-encoding", "accept-language", "x-requested-with", "user-agent",
             "cache-control", "content-type", "if-match", "if-modified-since", "if-none-match", "if-range",
             "if-unmodified-since", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
             "x-forwarded-proto", "x-forwarded-prefix", "forwarded")
TO_CALLER = ("Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "Expires",
             "Cache-Control", "Last-Modified", "ETag")
ILLEGAL = re.compile(r'[\x00-\x20"<>\\^`{|}]')
BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
WHOLE_SECONDS = 300
AUTH_FAILED = "An error occurred during authentication"


class QuietRequest(aiohttp.ClientRequest):
    """Without aiohttp's own "Content-Length: 0" on a DELETE: DHIS2 2.43 sends none."""

    def update_transfer_encoding(self):
        if self.method == "DELETE" and not self.body:
            return
        super().update_transfer_encoding()


class RouteRunner:
    def __init__(self, world, outgoing):
        self.world, self.outgoing = world, outgoing
        self.tokens, self.session = {}, None

    async def open(self):
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), request_class=QuietRequest, auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=WHOLE_SECONDS),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"))

    async def close(self):
        await self.session.close()

    def forget(self, route):
        """PUT or DELETE of a route drops its cached token."""
        auth = route.get("auth") or {}
        self.tokens.pop((auth.get("clientId"), auth.get("tokenUri")), None)

    # -- the run -------------------------------------------------------------------------------

    async def run(self, call, name, sub):
        route = self.allowed_route(call, name)
        if not permitted(self.world, route["url"]):
            refuse(502, "An unexpected error occurred")
        url = self.path_of(route, sub)
        headers = self.headers_for(call, route)
        query = await self.credentials(route, headers)
        url = self.with_query(url, call.raw_query, query)
        body = self.body_of(call)
        if self.world.old:
            return await self.run_buffered(call, route, url, headers, body)
        return await self.run_streamed(call, route, url, headers, body)

    def allowed_route(self, call, name):
        route = self.world.routes.get(by_code(call, name))
        if not route or route["disabled"]:
            text = "Route %s not found" if self.world.old else "Route not found: '%s'"
            refuse(404, text % name, "E1005")
        if not access.can_read(call.principal, route) and not (
                set(route["authorities"]) & call.principal.authorities):
            text = "User not authorized" + ("" if self.world.old else " to execute route")
            refuse(403, text, "E1006")
        return route

    def path_of(self, route, sub):
        url = route["url"]
        base, mark, query = url.partition("?")
        if base.endswith("/**"):
            part = unquote(sub or "")
            part = quote(part, safe="/:@!$&'()*+,;=-._~") if self.world.old else part
            url = base[:-2] + part + mark + query
            self.legal(url, "path", len(base) - 2)
        elif sub:
            number = sum(ord(c) for c in route["id"])
            text = "Route '%d' does not allow sub-paths" % number
            refuse(*((400, text, "E1003") if self.world.old else (502, text)))
        return url

    def legal(self, url, where, start):
        """java.net.URI: 2.43 hands it the decoded text."""
        bad = ILLEGAL.search(url, start)
        if bad:
            refuse(400, "Illegal character in %s at index %d: %s" % (where, bad.start(), url))
        bad = BAD_ESCAPE.search(url, start)
        if bad:
            refuse(400, "Malformed escape pair at index %d: %s" % (bad.start(), url))

    def with_query(self, url, raw, extra):
        decoded = unquote_plus(raw)
        pairs = [p for p in decoded.split("&") if p] + extra
        if not pairs:
            return url
        if self.world.old:
            pairs = [quote(p, safe="=&/?:@!$'()*+,;#-._~") for p in pairs]
        start = len(url)
        url += ("&" if "?" in url else "?") + "&".join(pairs)
        self.legal(url, "query", start)
        return url.partition("#")[0]

    # -- headers, credentials, body --------------------------------------------------------------

    def headers_for(self, call, route):
        headers = CIMultiDict()
        for name, value in call.request.headers.items():
            if name.lower() in TO_TARGET:
                headers.add(name.lower() if self.world.old else name, value)
        for name, value in (route.get("headers") or {}).items():
            same = next((n for n in headers if n.lower() == name.lower()), name)
            headers.add(same, value)
        headers.add("X-Forwarded-User", call.principal.username)
        return headers

    async def credentials(self, route, headers):
        """Adds the auth header; returns query parameters to append."""
        auth = route.get("auth") or {}
        kind = auth.get("type")
        if kind == "http-basic" and auth.get("password") is not None:
            pair = "%s:%s" % (auth.get("username"), auth["password"])
            headers.add("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
        elif kind == "api-token" and auth.get("token"):
            headers.add("Authorization", "ApiToken " + auth["token"])
        elif kind == "api-headers":
            for name, value in (auth.get("headers") or {}).items():
                headers.add(name, value)
        elif kind == "api-query-params":
            return self.query_credentials(auth)
        elif kind == "oauth2-client-credentials":
            headers.add("Authorization", "Bearer " + await self.token(auth))
        return []

    def query_credentials(self, auth):
        pairs = ["%s=%s" % item for item in (auth.get("queryParams") or {}).items()]
        if any(ILLEGAL.search(p) or "&" in p for p in pairs):
            if self.world.old:
                raise Refuse(web_message(500))
            refuse(502, AUTH_FAILED)
        return pairs

    async def token(self, auth):
        """Client credentials, no scope; cached per clientId and tokenUri, renewed below 60 s."""
        key = (auth.get("clientId"), auth.get("tokenUri"))
        held = self.tokens.get(key)
        if held and held[1] - self.world.now() >= 60:
            return held[0]
        pair = "%s:%s" % (form_encode(auth["clientId"]), form_encode(auth.get("clientSecret") or ""))
        headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
                   "Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
        try:
            status, _, body = await self.outgoing.send("POST", auth["tokenUri"], headers,
                                                       b"grant_type=client_credentials")
            answer = json_object(body, status) if status == 200 else {}
        except (Unreachable, HttpStatus):
            answer = {}
        if not answer.get("access_token") or str(answer.get("token_type", "")).lower() != "bearer":
            refuse(502, AUTH_FAILED)
        life = answer.get("expires_in", 1)
        self.tokens[key] = (answer["access_token"], self.world.now() + life)
        return answer["access_token"]

    @staticmethod
    def body_of(call):
        """An HTML form is read as parameters by the servlet container: nothing is left of a POST."""
        if call.request.method == "POST" and call.request.content_type == "application/x-www-form-urlencoded":
            return b""
        return call.body

    # -- sending -------------------------------------------------------------------------------

    async def send(self, method, url, headers, data, seconds):
        request = self.session.request(method, URL(url, encoded=True), headers=headers, data=data,
                                       allow_redirects=False)
        return await asyncio.wait_for(request, seconds)

    async def run_streamed(self, call, route, url, headers, body):
        """2.43: reactor-netty, body chunked, answer handed on as it comes."""
        method, data = call.request.method, body or None
        if method in ("POST", "PUT", "PATCH"):
            data = in_chunks(body)
        try:
            answer = await self.send(method, url, headers, data, route["responseTimeoutSeconds"])
        except asyncio.TimeoutError:
            return web.Response(status=504)
        except aiohttp.ClientConnectorCertificateError:
            refuse(500, "PKIX path building failed: unable to find valid certification path to requested target")
        except (aiohttp.ClientError, OSError) as error:
            refuse(500, "io_uring connect(..) failed with error(-111): Connection refused"
                   if isinstance(error, aiohttp.ClientConnectorError) else str(error))
        try:
            response = web.StreamResponse(status=answer.status, reason=reason_or_none(answer))
            response.headers.update(returned_headers(answer))
            if method == "HEAD" or answer.status in (204, 304):
                return web.Response(status=answer.status, headers=response.headers)
            call.prepare(response)
            await response.prepare(call.request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response
        finally:
            answer.release()

    async def run_buffered(self, call, route, url, headers, body):
        """2.41: Apache HttpClient, whole body both ways, GET redirects followed with credentials."""
        method = call.request.method
        headers.add("Connection", "Keep-Alive")
        if "Content-Type" not in headers:
            headers.add("Content-Type", "application/octet-stream")
        data = body if method not in ("GET", "HEAD") else None
        if data is not None:
            headers["Content-Length"] = str(len(data))
        try:
            for _ in range(5):
                answer = await self.send(method, url, headers, data or None, route["responseTimeoutSeconds"])
                content = await answer.read()
                location = answer.headers.get("Location")
                if method != "GET" or answer.status not in (301, 302, 303, 307, 308) or not location:
                    break
                url = urljoin(url, location)
        except (asyncio.TimeoutError, aiohttp.ClientError, OSError) as error:
            why = "Read timed out" if isinstance(error, asyncio.TimeoutError) else "Connection refused"
            refuse(503, 'I/O error on %s request for "%s": %s' % (method, url.partition("?")[0], why))
        kept = returned_headers(answer)
        kept.pop("Content-Length", None)
        if kept.pop("Content-Encoding", None) == "gzip":
            import gzip
            content = gzip.decompress(content)
        return web.Response(status=answer.status, body=content, headers=kept)


def returned_headers(answer):
    kept = CIMultiDict()
    for name in TO_CALLER:
        if name in answer.headers:
            kept[name] = answer.headers[name]
    kind = kept.get("Content-Type", "")
    if kind in ("application/json", "text/plain", "text/html"):
        kept["Content-Type"] = kind + ";charset=UTF-8"
    return kept


def reason_or_none(answer):
    try:
        return reason_of(answer.status)
    except ValueError:
        return None


async def in_chunks(body):
    for start in range(0, len(body), 65536):
        yield body[start:start + 65536]
