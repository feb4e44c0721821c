"""How does DHIS2 call other servers?

One aiohttp client for the ID provider (token, JWKS, userinfo, discovery) with the headers a real
DHIS2 was seen to send, and for the targets of Routes. Redirects are never followed here.
"""
import asyncio
import json
import ssl

import aiohttp
from yarl import URL

USER_AGENT = "Java/17.0.15"
NO_AUTO = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
SECONDS = 30


class Unreachable(Exception):
    """No HTTP answer at all; str() says why."""


class HttpStatus(Exception):
    """An answer that is not 2xx, or is not the JSON it should be."""

    def __init__(self, status, why=""):
        super().__init__("%d %s" % (status, why))
        self.status = status


class Outgoing:
    def __init__(self, ca_file=None):
        self.ca_file, self.session = ca_file, None

    async def open(self):
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        self.session = aiohttp.ClientSession(
            connector=connector, skip_auto_headers=NO_AUTO, cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False, timeout=aiohttp.ClientTimeout(total=SECONDS))

    async def close(self):
        await self.session.close()

    async def send(self, method, url, headers, data=None):
        """(status, content type, body bytes)"""
        headers = dict(headers, **{"User-Agent": USER_AGENT})
        try:
            async with self.session.request(method, URL(url, encoded=True), headers=headers, data=data,
                                            allow_redirects=False) as reply:
                return reply.status, reply.content_type, await reply.read()
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            raise Unreachable("%s: %s" % (type(error).__name__, error)) from None

    async def get_json(self, url, accept="application/json", headers=None):
        status, _, body = await self.send("GET", url, dict({"Accept": accept}, **(headers or {})))
        if status // 100 != 2:
            raise HttpStatus(status)
        return json_object(body, status)


def json_object(body, status=200):
    try:
        data = json.loads(body)
    except ValueError:
        raise HttpStatus(status, "not JSON") from None
    if not isinstance(data, dict):
        raise HttpStatus(status, "not a JSON object")
    return data
