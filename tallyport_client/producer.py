"""What can be posted, published: for systems that already speak to the broker.

Comes in: records of any number, or a wish for a report. Goes out: what the service answered,
once it is committed. A message that got no answer is sent again with the same id, which the service
knows. Whoever may publish is trusted with every store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, cast
from uuid import uuid4

from tallyport_client.batches import Batch, Records, batches
from tallyport_client.broker_line import Answer, BrokerLine
from tallyport_client.errors import MessageRefusedError, TimedOutError, UnreachableError
from tallyport_client.exact import from_json, to_json
from tallyport_client.loop_thread import LoopThread, OwningTwin, twin
from tallyport_client.models import Recorded, Report
from tallyport_client.records import Customer, NewItem, Subscription, Transaction
from tallyport_client.refusals import problems_in
from tallyport_client.reports import ReportFormat, ReportName
from tallyport_client.retrying import Deadline, pause_seconds
from tallyport_client.routes import QUEUES

ANSWER_SECONDS = 60.0
# Codes of failures that pass: the same message is sent again while there is time.
PASSING = frozenset({"overloaded", "unavailable"})


class AsyncProducer:
    """`async with AsyncProducer(broker_url, store_id=1) as producer: ...`

    `answer_seconds`: how long a message may take with all its repetitions, until `TimedOutError`.
    """

    def __init__(self, url: str, *, store_id: int, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._url = url
        self._store_id = store_id
        self._answer_seconds = answer_seconds
        self._line: BrokerLine | None = None
        self._connecting = asyncio.Lock()

    async def record_items(self, register_id: int, items: Records[NewItem]) -> Recorded:
        """Append items; a message of up to 2,000 is committed whole or not at all."""
        payload = {"register_id": register_id}
        return await self._record("record.items.v1", "items", items, payload)

    async def void_item(self, register_id: int, unique_key: str) -> Recorded:
        """Add the reverse of an item. Twice is once."""
        payload = {"register_id": register_id, "unique_key": unique_key}
        return Recorded.of(from_json((await self._ask("record.void.v1", payload)).body))

    async def record_customers(self, customers: Records[Customer]) -> Recorded:
        return await self._record("record.customers.v1", "customers", customers)

    async def record_transactions(self, transactions: Records[Transaction]) -> Recorded:
        return await self._record("record.transactions.v1", "transactions", transactions)

    async def record_subscriptions(self, subscriptions: Records[Subscription]) -> Recorded:
        return await self._record("record.subscriptions.v1", "subscriptions", subscriptions)

    async def request_report(
        self,
        user_id: int,
        name: ReportName | str,
        datetime_start: str,
        datetime_end: str,
        *,
        format: ReportFormat | str | None = None,  # noqa: A002 - the service's word
        compress: bool = False,
        idempotency_key: str | None = None,
    ) -> Report:
        """Ask for a report in the name of a member of the store. One call is one report."""
        arguments: dict[str, object] = {
            "name": name,
            "datetime_start": datetime_start,
            "datetime_end": datetime_end,
            "format": format,
            "compress": compress,
        }
        payload: dict[str, object] = {"user_id": user_id, "arguments": arguments}
        if idempotency_key is not None:
            payload["idempotency_key"] = idempotency_key
        return Report.of(from_json((await self._ask("report.request.v1", payload)).body))

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _record(
        self,
        kind: str,
        field: str,
        records: Records[Any],
        payload: Mapping[str, object] | None = None,
    ) -> Recorded:
        recorded = Recorded()
        async for batch in batches(cast("Records[Mapping[str, Any]]", records)):
            try:
                answer = await self._ask(kind, payload or {}, (field, batch))
            except MessageRefusedError as error:
                raise _over_all(error, batch.first, recorded) from None
            recorded += Recorded.of(from_json(answer.body))
        return recorded

    async def _ask(
        self, kind: str, payload: Mapping[str, object], records: tuple[str, Batch] | None = None
    ) -> Answer:
        message_id = str(uuid4())
        envelope = {
            "kind": kind,
            "message_id": message_id,
            "sent_at": datetime.now(UTC),
            "store_id": self._store_id,
        }
        body = to_json({**envelope, **payload})
        if records is not None:
            field, batch = records
            body = body[:-1] + f',"{field}":'.encode() + batch.array() + b"}"
        deadline = Deadline.after(self._answer_seconds)
        attempt = 0
        while True:
            attempt += 1
            try:
                async with asyncio.timeout(deadline.left()):
                    answer = await (await self._up()).ask(kind, QUEUES[kind], body, message_id)
                if answer.kind != "failure.v1":
                    return answer
                failure: MessageRefusedError | UnreachableError = _failure(answer)
            except TimeoutError:
                raise TimedOutError(
                    f"no answer to {kind} within {self._answer_seconds:g} s; it may still be done"
                ) from None
            except UnreachableError as error:
                failure = error
            asked = failure.retry_after if isinstance(failure, MessageRefusedError) else None
            if isinstance(failure, MessageRefusedError) and failure.code not in PASSING:
                raise failure
            if not await deadline.sleeps(pause_seconds(attempt, asked)):
                raise failure

    async def _up(self) -> BrokerLine:
        async with self._connecting:
            if self._line is None or not self._line.is_up:
                self._line = await BrokerLine.made(self._url)
            return self._line


class Producer(OwningTwin[AsyncProducer]):
    """`with Producer(broker_url, store_id=1) as producer: ...`; the same calls, which block."""

    def __init__(self, url: str, *, store_id: int, answer_seconds: float = ANSWER_SECONDS) -> None:
        inner = AsyncProducer(url, store_id=store_id, answer_seconds=answer_seconds)
        super().__init__(inner, LoopThread())

    record_items = twin(AsyncProducer.record_items)
    void_item = twin(AsyncProducer.void_item)
    record_customers = twin(AsyncProducer.record_customers)
    record_transactions = twin(AsyncProducer.record_transactions)
    record_subscriptions = twin(AsyncProducer.record_subscriptions)
    request_report = twin(AsyncProducer.request_report)


def _failure(answer: Answer) -> MessageRefusedError:
    content = from_json(answer.body)
    asked = content.get("retry_after_seconds")
    return MessageRefusedError(
        str(content.get("code")),
        str(content.get("message")),
        problems_in(content.get("details")),
        None if asked is None else float(asked),
    )


def _over_all(error: MessageRefusedError, first: int, before: Recorded) -> MessageRefusedError:
    """The same failure, told of all the records and not of the message."""
    problems = tuple(
        problem if problem.index is None else replace(problem, index=problem.index + first)
        for problem in error.problems
    )
    message = f"{error.message} (counted from record {first})" if first else error.message
    return MessageRefusedError(
        error.code, message, problems, error.retry_after, recorded=before.counts()
    )
