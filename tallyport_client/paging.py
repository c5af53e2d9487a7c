"""Pages, one after the other, by the links that the service gives and by nothing else.

Comes in: the first page's path and parameters. Goes out: the parsed content of each page.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from tallyport_client.transport import Params, Transport

_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')


async def pages_by_header(transport: Transport, path: str, params: Params) -> AsyncIterator[Any]:
    """By `Link: <...>; rel="next"`."""
    reply = await transport.call("GET", path, params=params)
    while True:
        yield reply.json()
        following = _NEXT.search(reply.headers.get("Link", ""))
        if following is None:
            return
        reply = await transport.call("GET", following[1])


async def pages_by_hal(transport: Transport, path: str, params: Params) -> AsyncIterator[Any]:
    """By `_links.next`."""
    content = (await transport.call("GET", path, params=params)).json()
    while True:
        yield content
        following = content["_links"].get("next")
        if following is None:
            return
        content = (await transport.call("GET", following["href"])).json()
