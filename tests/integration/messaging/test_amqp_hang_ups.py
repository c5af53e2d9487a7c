"""An asker that hangs up or gives up ends the handler of his question within two seconds, and
nobody else's."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from yarl import URL

from devstack.rabbitmq import RabbitMQ
from shared.contracts.aggregations import AggregateQuery
from shared.contracts.recording import Recorded, RecordItems
from shared.contracts.routes import CANCELLATIONS, COMMANDS, QUESTIONS, RECORDS, REPLIES
from shared.errors import DeadlineExceededError, InvalidArgumentError
from shared.messaging.codec import encode
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.delivery import Delivery, Reply
from shared.messaging.hang_ups import BODY_BYTES_MAX
from shared.messaging.intake import split
from shared.messaging.rpc_client import RpcClient
from shared.settings import BrokerSettings
from tests.integration.messaging.amqp import (
    Raw,
    add_user,
    close_all_connections,
    items,
    question,
    until,
)

# Far longer than a test may take: nothing here ends by a deadline unless it says so.
LONG_SECONDS = 60
FREE_SECONDS = 2.0


@dataclass
class Answerer:
    """A handler that sits over each question until it is let go, and notes how each ended."""

    begun: set[str] = field(default_factory=set)
    cancelled: dict[str, float] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, message: AggregateQuery, _delivery: Delivery) -> Reply:
        self.begun.add(message.measure)
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled[message.measure] = time.monotonic()
            raise
        self.answered.add(message.measure)
        return message.measure.encode()


Answering = Callable[..., Awaitable[Consumer]]


@pytest.fixture
async def answering(broker: Broker) -> AsyncIterator[Answering]:
    """Starts a consumer of questions with this handler, on the test's broker or another."""
    started: list[Consumer] = []

    async def start(handler: Any, *, on: Broker = broker, **options: Any) -> Consumer:
        consumer = Consumer(on, QUESTIONS, {AggregateQuery: handler}, **options)
        await consumer.start()
        started.append(consumer)
        return consumer

    yield start
    for consumer in started:
        await consumer.stop(0)


def _ask(rpc: RpcClient, measure: str) -> asyncio.Task[Any]:
    return asyncio.create_task(
        rpc.call(question(measure, LONG_SECONDS), deadline_seconds=LONG_SECONDS)
    )


async def _hang_up(task: asyncio.Task[Any]) -> float:
    """When he did."""
    hung_up = time.monotonic()
    task.cancel()
    await asyncio.wait({task})
    return hung_up


async def _nothing_left(consumer: Consumer, raw: Raw) -> None:
    """Acknowledged, not given back: it is in no queue when its consumer is gone."""
    await until(lambda: not consumer._tasks)
    await consumer.stop(0)
    assert await raw.depth(QUESTIONS.name) == 0


async def _cancel(raw: Raw, body: bytes) -> None:
    await raw.channel.basic_publish(body, exchange=CANCELLATIONS)


async def test_hanging_up_ends_the_handler(rpc: RpcClient, answering: Answering, raw: Raw) -> None:
    sitting = Answerer()
    consumer = await answering(sitting.handle)
    task = _ask(rpc, "1")
    await until(lambda: sitting.begun)
    hung_up = await _hang_up(task)
    await until(lambda: sitting.cancelled)
    assert sitting.cancelled["1"] - hung_up < FREE_SECONDS
    await _nothing_left(consumer, raw)


async def test_giving_up_at_the_deadline_ends_the_handler(
    rpc: RpcClient, answering: Answering, raw: Raw
) -> None:
    sitting = Answerer()
    consumer = await answering(sitting.handle)
    with pytest.raises(DeadlineExceededError):
        await rpc.call(question("1", LONG_SECONDS), deadline_seconds=0.5)
    gave_up = time.monotonic()
    await until(lambda: sitting.cancelled)
    assert sitting.cancelled["1"] - gave_up < FREE_SECONDS
    await _nothing_left(consumer, raw)


async def test_of_a_batch_those_end_whose_askers_left_and_the_others_are_answered(
    rpc: RpcClient, answering: Answering, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[int] = []

    def counted(*arguments: Any) -> list[Any]:
        parts.append(len(found := split(*arguments)))
        return found

    monkeypatch.setattr("shared.messaging.consumer.split", counted)
    sitting = Answerer()
    consumer = await answering(sitting.handle)
    tasks = [_ask(rpc, str(n)) for n in range(5)]
    await until(lambda: len(sitting.begun) == 5)
    assert parts == [5]
    for n in (1, 3):
        await _hang_up(tasks[n])
    await until(lambda: len(sitting.cancelled) == 2, seconds=FREE_SECONDS)
    assert set(sitting.cancelled) == {"1", "3"}
    sitting.let_go.set()
    assert [(await tasks[n]).body for n in (0, 2, 4)] == [b"0", b"2", b"4"]
    await _nothing_left(consumer, raw)


async def test_those_who_hang_up_at_once_are_told_of_in_one_message(
    rpc: RpcClient, answering: Answering, raw: Raw
) -> None:
    sitting = Answerer()
    await answering(sitting.handle)
    await raw.channel.queue_declare("spy", exclusive=True)
    await raw.channel.queue_bind("spy", CANCELLATIONS)
    tasks = [_ask(rpc, str(n)) for n in range(20)]
    await until(lambda: len(sitting.begun) == 20)
    reply_to, numbers = rpc._reply_to, list(rpc._waiting)
    for task in tasks:
        task.cancel()
    found = await raw.take("spy")
    assert orjson.loads(found.body) == {"reply_to": reply_to, "numbers": numbers}
    assert found.header.properties.delivery_mode == 1
    await until(lambda: len(sitting.cancelled) == 20)
    assert await raw.depth("spy") == 0


async def test_an_answered_question_is_not_cancelled(
    rpc: RpcClient, answering: Answering, raw: Raw
) -> None:
    async def refuse(_message: AggregateQuery, _delivery: Delivery) -> Reply:
        raise InvalidArgumentError("no")

    await answering(refuse)
    await raw.channel.queue_declare("spy", exclusive=True)
    await raw.channel.queue_bind("spy", CANCELLATIONS)
    with pytest.raises(InvalidArgumentError):
        await rpc.call(question(), deadline_seconds=LONG_SECONDS)
    rpc._hang_ups.send("marker", "1")
    assert b"marker" in (await raw.take("spy")).body


@pytest.mark.usefixtures("other_replies")
async def test_a_cancelled_question_gets_no_answer(answering: Answering, raw: Raw) -> None:
    sitting = Answerer()
    await answering(sitting.handle)
    await raw.channel.queue_declare("asker", exclusive=True)
    for number in ("1", "2"):
        await raw.publish(
            QUESTIONS.name, encode(question(number)), reply_to="asker", correlation_id=number
        )
    await until(lambda: sitting.begun == {"1", "2"})
    await _cancel(raw, b'{"reply_to": "asker", "numbers": ["1"]}')
    await until(lambda: sitting.cancelled)
    sitting.let_go.set()
    assert (await raw.take("asker")).body == b"2"
    assert await raw.depth("asker") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[]",
        b"{}",
        b'{"reply_to": 1, "numbers": ["1"]}',
        b'{"reply_to": "asker", "numbers": "1"}',
        b'{"reply_to": "asker", "numbers": [1, null, ["1"]]}',
        b'{"reply_to": "asker", "numbers": ["2", "no number at all"]}',
        b'{"reply_to": "another", "numbers": ["1"]}',
        b'{"reply_to": "asker", "numbers": ["1"]' + b" " * BODY_BYTES_MAX + b"}",
    ],
    ids=lambda body: body.decode()[:40].strip() or "empty",
)
@pytest.mark.usefixtures("other_replies")
async def test_what_names_no_question_in_hand_is_harmless(
    body: bytes, answering: Answering, raw: Raw, broker: Broker
) -> None:
    sitting = Answerer()
    await answering(sitting.handle)
    await raw.channel.queue_declare("asker", exclusive=True)
    await raw.publish(QUESTIONS.name, encode(question("1")), reply_to="asker", correlation_id="1")
    await until(lambda: sitting.begun)
    await _cancel(raw, body)
    # One that is understood tells that the one before it has been heard.
    await raw.publish(QUESTIONS.name, encode(question("9")), reply_to="asker", correlation_id="9")
    await until(lambda: len(sitting.begun) == 2)
    await _cancel(raw, b'{"reply_to": "asker", "numbers": ["9"]}')
    await until(lambda: sitting.cancelled)
    assert set(sitting.cancelled) == {"9"}
    assert broker.is_ready
    sitting.let_go.set()
    assert (await raw.take("asker")).body == b"1"


async def test_a_cancellation_that_overtakes_its_question_is_remembered(
    answering: Answering, raw: Raw
) -> None:
    sitting = Answerer()
    consumer = await answering(sitting.handle)
    await _cancel(raw, b'{"reply_to": "asker", "numbers": ["1"]}')
    await until(lambda: consumer._askers._early)
    for number in ("1", "2"):
        await raw.publish(
            QUESTIONS.name, encode(question(number)), reply_to="asker", correlation_id=number
        )
    await until(lambda: sitting.begun)
    assert sitting.begun == {"2"}
    await _cancel(raw, b'{"reply_to": "asker", "numbers": ["2"]}')
    await _nothing_left(consumer, raw)


async def test_who_hangs_up_while_his_question_waits_for_its_turn_never_gets_one(
    rpc: RpcClient, answering: Answering, raw: Raw
) -> None:
    sitting = Answerer()
    consumer = await answering(sitting.handle, concurrency=1)
    first = _ask(rpc, "1")
    await until(lambda: sitting.begun)
    second, third = _ask(rpc, "2"), _ask(rpc, "3")
    await until(lambda: len(consumer._waiting) == 2)
    await _hang_up(second)
    await until(lambda: len(consumer._tasks) == 2, seconds=FREE_SECONDS)
    sitting.let_go.set()
    assert [(await task).body for task in (first, third)] == [b"1", b"3"]
    assert sitting.begun == {"1", "3"}
    await _nothing_left(consumer, raw)


async def test_a_dead_letter_on_its_way_is_not_interrupted(
    answering: Answering, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = await answering(Answerer().handle)
    putting, go_on = asyncio.Event(), asyncio.Event()
    put = consumer._handling._dead_letters.put

    async def slowly(*arguments: Any, **options: Any) -> None:
        putting.set()
        await go_on.wait()
        await put(*arguments, **options)

    monkeypatch.setattr(consumer._handling._dead_letters, "put", slowly)
    await raw.publish(QUESTIONS.name, b"{", reply_to="asker", correlation_id="1")
    await putting.wait()
    await _cancel(raw, b'{"reply_to": "asker", "numbers": ["1"]}')
    await until(lambda: consumer._askers._early)
    go_on.set()
    assert (await raw.take_dead()).body == b"{"
    await _nothing_left(consumer, raw)


async def test_a_record_is_written_though_its_sender_hung_up(
    rpc: RpcClient, broker: Broker
) -> None:
    begun, let_go, written = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def record(message: RecordItems, _delivery: Delivery) -> Recorded:
        begun.set()
        await let_go.wait()
        written.set()
        return Recorded(inserted=len(message.items))

    recorder = Consumer(broker, RECORDS, {RecordItems: record})
    await recorder.start()
    questions = Answerer()
    listening = Consumer(broker, QUESTIONS, {AggregateQuery: questions.handle})
    await listening.start()
    task = asyncio.create_task(rpc.call(items(), deadline_seconds=LONG_SECONDS))
    await begun.wait()
    await _hang_up(task)
    rpc._hang_ups.send("marker", "1")
    await until(lambda: listening._askers._early)
    assert list(listening._askers._early) == [("marker", "1")]
    let_go.set()
    await asyncio.wait_for(written.wait(), FREE_SECONDS)
    await recorder.stop(5)
    await listening.stop(0)


async def test_after_a_lost_connection_it_works_again(
    rpc: RpcClient, answering: Answering, broker: Broker, node: RabbitMQ, vhost: str
) -> None:
    sitting = Answerer()
    await answering(sitting.handle)
    were = broker.consuming.current, broker.publishing.current
    close_all_connections(node, vhost)
    await until(
        lambda: (
            broker.is_ready
            and broker.consuming.current is not were[0]
            and broker.publishing.current is not were[1]
        )
    )
    await _ends_when_hung_up(rpc, sitting)


async def _ends_when_hung_up(rpc: RpcClient, sitting: Answerer) -> None:
    kept = rpc._hang_ups._kept
    assert kept is not None
    # It is optional, and so not waited for by `is_ready`.
    await kept.wait_open_for(FREE_SECONDS)
    task = _ask(rpc, "after")
    await until(lambda: "after" in sitting.begun)
    await _hang_up(task)
    await until(lambda: "after" in sitting.cancelled, seconds=FREE_SECONDS)


async def test_not_hearing_cancellations_is_a_problem_until_they_are_heard_again(
    rpc: RpcClient, answering: Answering, broker: Broker
) -> None:
    sitting = Answerer()
    consumer = await answering(sitting.handle)
    kept = consumer._hang_ups._kept if consumer._hang_ups else None
    assert kept is not None
    await kept.current().close()
    assert any("cancellations" in problem for problem in broker.problems())
    await until(lambda: broker.is_ready)
    await _ends_when_hung_up(rpc, sitting)


@asynccontextmanager
async def _plain_user(node: RabbitMQ, url: str, vhost: str, *rights: str) -> AsyncIterator[Broker]:
    """The broker, as a user with these rights to configure, write and read sees it."""
    name = f"plain-{vhost}-{uuid4().hex[:8]}"
    add_user(node, vhost, name, *rights)
    address = str(URL(url).with_user(name).with_password("secret"))
    settings = BrokerSettings(url=(SecretStr(address),), connect_seconds=5, publish_seconds=2)
    async with Broker.open(settings, "plain") as plain:
        yield plain


REPLY = r"^tallyport\.reply\."


@pytest.mark.parametrize(
    "rights",
    [
        ("^$", ".*", ".*"),
        (r"^tallyport\.cancel\.", r"^tallyport\.replies", ".*"),
        (r"^tallyport\.cancel\.", ".*", r"^tallyport\.(aggregate|cancel)\."),
        (r"^tallyport\.cancel\.", ".*", r"^tallyport\.(aggregate\.|cancellations$)"),
    ],
    ids=["declare", "bind the queue", "bind the exchange", "consume"],
)
async def test_who_may_not_hear_them_says_so_once_and_answers_all_the_same(
    rights: tuple[str, str, str],
    *,
    rpc: RpcClient,
    answering: Answering,
    url: str,
    vhost: str,
    node: RabbitMQ,
) -> None:
    sitting = Answerer()
    sitting.let_go.set()
    async with _plain_user(node, url, vhost, *rights) as plain:
        with capture_logs() as logs:
            consumer = await answering(sitting.handle, on=plain)
            assert plain.problems() == []
            answer = await rpc.call(question("1"), deadline_seconds=LONG_SECONDS)
            await consumer.stop(5)
    assert answer.body == b"1"
    refused = [one for one in logs if one["event"] == "cancellations.refused"]
    assert len(refused) == 1
    assert "ACCESS_REFUSED" in refused[0]["reason"]


async def test_who_may_not_send_them_loses_nothing_else(
    answering: Answering, url: str, vhost: str, node: RabbitMQ, broker: Broker
) -> None:
    sitting = Answerer()
    await answering(sitting.handle)
    write, read = rf"^{re.escape(COMMANDS)}$|{REPLY}", rf"^{re.escape(REPLIES)}$|{REPLY}"
    async with _plain_user(node, url, vhost, REPLY, write, read) as plain:
        rpc = RpcClient(plain)
        await rpc.start()
        stays, leaves = _ask(rpc, "stays"), _ask(rpc, "leaves")
        await until(lambda: len(sitting.begun) == 2)
        lost: list[bool] = []
        assert rpc._hang_ups._kept is not None
        rpc._hang_ups._kept.on_lost.add(lambda: lost.append(True))
        await _hang_up(leaves)
        await until(lambda: lost, what="the refusal")
        assert plain.is_ready
        sitting.let_go.set()
        assert (await stays).body == b"stays"
        await rpc.stop()
