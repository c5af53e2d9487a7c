"""Items, customers, transactions and subscriptions go in; items come out again.

Comes in: records of any number. Goes out: what was inserted, replaced, and there already. A batch
that got no answer is sent again: every record is known by its key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from tallyport_client.batches import Records, batches
from tallyport_client.errors import RefusedError
from tallyport_client.exact import instant, to_json
from tallyport_client.models import Item, Recorded
from tallyport_client.paging import pages_by_header
from tallyport_client.records import Customer, NewItem, Subscription, Transaction
from tallyport_client.transport import Stream, Transport

LINES = {"Content-Type": "application/x-ndjson"}
PAGE = 1_000


class AsyncItems:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def record(self, register_id: int, items: Records[NewItem]) -> Recorded:
        """Append items, read while they are sent, 2,000 at a time: each such batch is committed
        whole or not at all. Raises `RefusedError` with the index of a bad one over all of them, and
        with what was committed before it."""
        return await _post(self._transport, f"/registers/{register_id}/items", items)

    async def record_stream(self, register_id: int, stream: Stream) -> Recorded:
        """One body as it is: `text/csv` with a header, or NDJSON; its bytes are not looked at."""
        reply = await self._transport.call(
            "POST", f"/registers/{register_id}/items", stream=stream, repeatable=True
        )
        return Recorded.of(reply.json())

    async def void(self, register_id: int, unique_key: str) -> Recorded:
        """Add the reverse of an item. Twice is once."""
        reply = await self._transport.call(
            "POST",
            f"/registers/{register_id}/items/void",
            content=to_json({"unique_key": unique_key}),
            repeatable=True,
        )
        return Recorded.of(reply.json())

    async def list(
        self,
        register_id: int,
        *,
        start_at: datetime | str | None = None,
        end_at: datetime | str | None = None,
        meta: Mapping[str, str | Sequence[str]] | None = None,
        page: int = PAGE,
    ) -> AsyncIterator[Item]:
        """The items of a range, all as of the first page. `meta`: a label's value, or several of
        which it is one; "" is a missing one."""
        params = [("limit", str(page))]
        if start_at is not None:
            params.append(("start_at", instant(start_at)))
        if end_at is not None:
            params.append(("end_at", instant(end_at)))
        for label, values in (meta or {}).items():
            wanted = [values] if isinstance(values, str) else values
            params += [(f"meta[{label}]", value) for value in wanted]
        path = f"/registers/{register_id}/items"
        async for content in pages_by_header(self._transport, path, params):
            for one in content["items"]:
                yield Item(
                    one["unique_key"],
                    Decimal(one["amount"]),
                    datetime.fromisoformat(one["originated_at"]),
                    one["description"],
                    one["units"],
                    one["meta"],
                )


class AsyncRecords:
    """The store's own records, inserted or replaced by id."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def customers(self, customers: Records[Customer]) -> Recorded:
        return await _post(self._transport, "/customers", customers)

    async def transactions(self, transactions: Records[Transaction]) -> Recorded:
        """Their lines are posted to the sales register in the same database transaction."""
        return await _post(self._transport, "/transactions", transactions)

    async def subscriptions(self, subscriptions: Records[Subscription]) -> Recorded:
        return await _post(self._transport, "/subscriptions", subscriptions)


async def _post(transport: Transport, path: str, records: Records[Any]) -> Recorded:
    recorded = Recorded()
    async for batch in batches(cast("Records[Mapping[str, Any]]", records)):
        try:
            reply = await transport.call(
                "POST", path, content=batch.lines(), headers=LINES, repeatable=True
            )
        except RefusedError as error:
            raise _over_all(error, batch.first, recorded) from None
        recorded += Recorded.of(reply.json())
    return recorded


def _over_all(error: RefusedError, first: int, before: Recorded) -> RefusedError:
    """The same refusal, told of all the records and not of the batch."""
    counted = before + Recorded.of(error.recorded)
    problems = tuple(
        problem if problem.index is None else replace(problem, index=problem.index + first)
        for problem in error.problems
    )
    return type(error)(
        error.status,
        # It names an index of the batch.
        error.message if not first else f"{error.message} (counted from record {first})",
        problems,
        recorded=counted.counts(),
        retry_after=error.retry_after,
        request_id=error.request_id,
        attempts=error.attempts,
        body=error.body,
    )
