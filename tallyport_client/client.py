"""The client, for asyncio.

Comes in: the service's address and a token. Goes out: `AsyncClient`, whose parts are the families
of calls.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import aiohttp

from tallyport_client.numbers import AsyncNumbers
from tallyport_client.recording import AsyncItems, AsyncRecords
from tallyport_client.registers import AsyncRegisters
from tallyport_client.reports import AsyncReports
from tallyport_client.transport import Limits, Reply, Transport, check_address, counting_connections


class AsyncClient:
    """`async with AsyncClient(url, token) as tallyport: ...`

    `store_id` is for a service token: the store that it acts for. Raises ValueError for an address
    that is none. Nothing is sent before the first call.
    """

    numbers: AsyncNumbers
    registers: AsyncRegisters
    items: AsyncItems
    records: AsyncRecords
    reports: AsyncReports

    def __init__(
        self, url: str, token: str, *, store_id: int | None = None, limits: Limits | None = None
    ) -> None:
        limits = limits or Limits()
        check_address(url)
        headers = {"Authorization": f"Bearer {token}"}
        if store_id is not None:
            headers["Tallyport-Store"] = str(store_id)
        self._session = aiohttp.ClientSession(
            headers=headers,
            trace_configs=[counting_connections()],
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=limits.connect_seconds, sock_read=limits.answer_seconds
            ),
        )
        self._transport = Transport(self._session, url, limits)
        self.numbers = AsyncNumbers(self._transport)
        self.registers = AsyncRegisters(self._transport)
        self.items = AsyncItems(self._transport)
        self.records = AsyncRecords(self._transport)
        self.reports = AsyncReports(self._transport)

    async def request(self, method: str, path: str, /, **options: Any) -> Reply:
        """Any call, with the same retries and errors; the options are those of `Transport.call`.
        Its body is as it came."""
        return await self._transport.call(method, path, **options)

    async def close(self) -> None:
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()
