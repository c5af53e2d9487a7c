"""`traceparent`: each message has its sender's, a question that travels with others too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from shared import tracing
from shared.contracts.aggregations import AggregateQuery
from shared.contracts.message import Message
from shared.contracts.recording import RecordItems
from shared.contracts.routes import QUESTIONS, RECORDS, Queue
from shared.messaging.batch import CONTENT_TYPE_BATCH, Entry, pack
from shared.messaging.codec import encode
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.delivery import Delivery, Reply
from shared.messaging.intake import split
from shared.messaging.publisher import Publisher
from shared.messaging.rpc_client import RpcClient
from shared.tracing import Kind
from tests.integration.messaging.amqp import Raw, items, question, until

TRACES = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 5)]


class Heard:
    """What handlers were given, by the name of the question: (the delivery's, the current one)."""

    def __init__(self) -> None:
        self.contexts: dict[str, tuple[str | None, str | None]] = {}

    async def question(self, message: AggregateQuery, delivery: Delivery) -> Reply:
        self.contexts[message.measure] = (delivery.traceparent, tracing.traceparent())
        return b"{}"

    async def items(self, _message: RecordItems, delivery: Delivery) -> None:
        self.contexts["items"] = (delivery.traceparent, tracing.traceparent())


@pytest.fixture
async def heard(broker: Broker) -> AsyncIterator[Heard]:
    heard = Heard()
    consumers = [
        Consumer(broker, QUESTIONS, {AggregateQuery: heard.question}),
        Consumer(broker, RECORDS, {RecordItems: heard.items}),
    ]
    for consumer in consumers:
        await consumer.start()
    yield heard
    for consumer in consumers:
        await consumer.stop(0)


async def _ask(rpc: RpcClient, name: str, context: str | None) -> None:
    with tracing.begin("", Kind.SERVER, context):
        await rpc.call(question(name), deadline_seconds=20)


@pytest.fixture
def delivered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many questions each delivery has brought: none, when it came alone."""
    counts: list[int] = []

    def counted(*arguments: Any) -> Sequence[Any]:
        counts.append(len(found := split(*arguments)))
        return found

    monkeypatch.setattr("shared.messaging.consumer.split", counted)
    return counts


async def test_questions_in_one_message_keep_their_own(
    rpc: RpcClient, heard: Heard, delivered: list[int]
) -> None:
    await asyncio.gather(
        _ask(rpc, "a", TRACES[0]), _ask(rpc, "b", TRACES[1]), _ask(rpc, "none", None)
    )
    assert delivered == [3]
    assert heard.contexts == {
        "a": (TRACES[0], TRACES[0]),
        "b": (TRACES[1], TRACES[1]),
        "none": (None, None),
    }


async def test_a_question_alone_has_it_as_a_header_and_none_without(
    rpc: RpcClient, broker: Broker, raw: Raw
) -> None:
    await raw.channel.queue_declare(QUESTIONS.name, durable=True, passive=False)
    for context, expected in ((TRACES[0], TRACES[0]), (None, None)):
        asking = asyncio.create_task(_ask(rpc, "alone", context))
        taken = await raw.take(QUESTIONS.name)
        assert (taken.header.properties.headers or {}).get("traceparent") == expected
        asking.cancel()
        await asyncio.wait([asking])


@pytest.mark.parametrize(
    ("in_header", "in_body", "expected"),
    [
        (TRACES[0], None, TRACES[0]),
        (None, TRACES[1], TRACES[1]),
        (TRACES[0], TRACES[1], TRACES[0]),  # the header is nearer
        ("garbage", TRACES[1], TRACES[1]),
        ("garbage", "00-0-0-0", None),
        (None, None, None),
    ],
)
async def test_a_consumer_takes_the_nearest_that_is_valid(
    in_header: str | None, in_body: str | None, expected: str | None, heard: Heard, raw: Raw
) -> None:
    message = items().model_copy(update={"traceparent": in_body})
    headers = {} if in_header is None else {"traceparent": in_header}
    await raw.publish(RECORDS.name, encode(message), headers=headers)
    await until(lambda: "items" in heard.contexts)
    assert heard.contexts["items"] == (expected, expected)


async def test_what_else_an_entry_claims_is_not_believed(heard: Heard, raw: Raw) -> None:
    """Headers of a broker's own count deliveries: an entry has none of these."""
    headers: dict[str, Any] = {"x-delivery-count": 99, "traceparent": 7}
    entries = [
        Entry(
            str(n),
            encode(question(name)),
            AggregateQuery.KIND,
            "application/json",
            {**headers},
        )
        for n, name in enumerate(("a", "b"))
    ]
    await raw.publish(
        QUESTIONS.name,
        pack(entries),
        content_type=CONTENT_TYPE_BATCH,
        message_id="b",
    )
    await until(lambda: len(heard.contexts) == 2)
    assert heard.contexts == {"a": (None, None), "b": (None, None)}


@pytest.mark.parametrize("queue", [RECORDS], ids=lambda one: one.name)
async def test_what_is_published_is_of_the_trace_that_it_is_published_in(
    queue: Queue, broker: Broker, heard: Heard
) -> None:
    message: Message = items().model_copy(update={"traceparent": TRACES[1]})
    with tracing.begin("", Kind.SERVER, TRACES[0]):
        await Publisher(broker).publish(message, queue=queue)
    await until(lambda: "items" in heard.contexts)
    assert heard.contexts["items"] == (TRACES[0], TRACES[0])
