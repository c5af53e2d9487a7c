"""The client, for code without asyncio: the same calls, which block.

Comes in: the service's address and a token. Goes out: `Tallyport`. Each call runs the
asynchronous one in the client's own thread, so that it works inside a running loop too (which it
then holds up). Iterables and callbacks that are given to it are called in that thread.
"""

from __future__ import annotations

from tallyport_client.client import AsyncClient
from tallyport_client.loop_thread import LoopThread, OwningTwin, Twin, twin, twin_iterator
from tallyport_client.numbers import AsyncNumbers
from tallyport_client.recording import AsyncItems, AsyncRecords
from tallyport_client.registers import AsyncRegisters
from tallyport_client.reports import AsyncReports
from tallyport_client.transport import Limits


class Numbers(Twin[AsyncNumbers]):
    count = twin(AsyncNumbers.count)
    sum = twin(AsyncNumbers.sum)
    average = twin(AsyncNumbers.average)
    query = twin(AsyncNumbers.query)


class Registers(Twin[AsyncRegisters]):
    create = twin(AsyncRegisters.create)
    get = twin(AsyncRegisters.get)
    update = twin(AsyncRegisters.update)
    list = twin_iterator(AsyncRegisters.list)
    dimensions = twin(AsyncRegisters.dimensions)
    values = twin_iterator(AsyncRegisters.values)


class Items(Twin[AsyncItems]):
    record = twin(AsyncItems.record)
    record_stream = twin(AsyncItems.record_stream)
    void = twin(AsyncItems.void)
    list = twin_iterator(AsyncItems.list)


class Records(Twin[AsyncRecords]):
    customers = twin(AsyncRecords.customers)
    transactions = twin(AsyncRecords.transactions)
    subscriptions = twin(AsyncRecords.subscriptions)


class Reports(Twin[AsyncReports]):
    create = twin(AsyncReports.create)
    get = twin(AsyncReports.get)
    list = twin_iterator(AsyncReports.list)
    wait = twin(AsyncReports.wait)
    download = twin(AsyncReports.download)
    cancel = twin(AsyncReports.cancel)


class Tallyport(OwningTwin[AsyncClient]):
    """`with Tallyport(url, token) as tallyport: ...`; see `AsyncClient`."""

    def __init__(
        self, url: str, token: str, *, store_id: int | None = None, limits: Limits | None = None
    ) -> None:
        async def opened() -> AsyncClient:
            return AsyncClient(url, token, store_id=store_id, limits=limits)

        thread = LoopThread()
        try:
            inner = thread.run(opened())
        except BaseException:
            thread.stop()
            raise
        super().__init__(inner, thread)
        self.numbers = Numbers(inner.numbers, thread)
        self.registers = Registers(inner.registers, thread)
        self.items = Items(inner.items, thread)
        self.records = Records(inner.records, thread)
        self.reports = Reports(inner.reports, thread)

    request = twin(AsyncClient.request)
