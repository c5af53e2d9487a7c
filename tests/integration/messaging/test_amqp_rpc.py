"""Asking: the answer, or an error as soon as it is known, and never a hang."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from devstack.rabbitmq import RabbitMQ
from shared.contracts.aggregations import AggregateQuery
from shared.contracts.failures import FailureCode, FailureDetail
from shared.contracts.recording import Recorded, RecordItems
from shared.contracts.routes import QUESTIONS, RECORDS
from shared.errors import (
    ERRORS,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    TallyportError,
    UnavailableError,
)
from shared.messaging.batch import CONTENT_TYPE_BATCH, ENTRIES_MAX, Entry, pack, unpack
from shared.messaging.codec import encode
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.delivery import Answer, Delivery, Reply
from shared.messaging.rpc_client import RpcClient
from tests.integration.messaging.amqp import (
    Raw,
    close_all_connections,
    items,
    question,
    set_alarm,
    until,
)

ENTRY = Entry("2", b"{", "aggregate.query.v1", "application/json", {})
Answering = Callable[..., Awaitable[Consumer]]


@pytest.fixture
async def answering(broker: Broker) -> AsyncIterator[Answering]:
    """Starts a consumer for questions or records with this handler."""
    started: list[Consumer] = []

    async def start(handler: Any, queue: Any = QUESTIONS, **options: Any) -> Consumer:
        message_class = AggregateQuery if queue is QUESTIONS else RecordItems
        consumer = Consumer(broker, queue, {message_class: handler}, **options)
        await consumer.start()
        started.append(consumer)
        return consumer

    yield start
    for consumer in started:
        await consumer.stop(0)


async def _echo(message: AggregateQuery, _delivery: Delivery) -> Answer:
    return Answer(message.measure.encode(), "text/plain", {"plan": "rollup"})


async def test_bytes_come_back_as_they_were_with_type_and_headers(
    rpc: RpcClient, answering: Answering
) -> None:
    await answering(_echo)
    answer = await rpc.call(question("item_sum"), deadline_seconds=5)
    assert answer == Answer(b"item_sum", "text/plain", {"plan": "rollup"})


@pytest.mark.parametrize(
    ("reply", "body"),
    [(b'{"count": []}', b'{"count": []}'), (None, b""), (Answer(b""), b"")],
)
async def test_a_handler_may_return_bytes_or_nothing(
    reply: Reply, body: bytes, rpc: RpcClient, answering: Answering
) -> None:
    async def handle(_message: AggregateQuery, _delivery: Delivery) -> Reply:
        return reply

    await answering(handle)
    assert (await rpc.call(question(), deadline_seconds=5)).body == body


async def test_a_message_comes_back_as_a_message(rpc: RpcClient, answering: Answering) -> None:
    async def record(message: RecordItems, _delivery: Delivery) -> Recorded:
        return Recorded(inserted=len(message.items))

    await answering(record, RECORDS)
    recorded = await rpc.ask(items(), Recorded, deadline_seconds=5)
    assert recorded.inserted == 1


@pytest.mark.parametrize("code", FailureCode)
async def test_an_error_travels_whole(
    code: FailureCode, rpc: RpcClient, answering: Answering
) -> None:
    details = (FailureDetail(index=3, field="items.3.amount", reason="no"),)

    async def refuse(_message: AggregateQuery, _delivery: Delivery) -> Reply:
        raise ERRORS[code]("so not", details=details, retry_after_seconds=2.5)

    await answering(refuse)
    with pytest.raises(ERRORS[code], match="so not") as caught:
        await rpc.call(question(), deadline_seconds=5)
    assert caught.value.details == details
    assert caught.value.retry_after_seconds == 2.5


async def test_a_crash_is_an_internal_error_without_its_text(
    rpc: RpcClient, answering: Answering
) -> None:
    async def crash(_message: AggregateQuery, _delivery: Delivery) -> Reply:
        raise RuntimeError("the secret of the house")

    await answering(crash)
    with pytest.raises(InternalError) as caught:
        await rpc.call(question(), deadline_seconds=5)
    assert "secret" not in caught.value.message


async def test_answers_find_their_questions(rpc: RpcClient, answering: Answering) -> None:
    await answering(_echo)
    answers = await asyncio.gather(
        *(rpc.call(question(str(n)), deadline_seconds=10) for n in range(300))
    )
    assert [answer.body for answer in answers] == [str(n).encode() for n in range(300)]


async def test_slow_ones_do_not_hold_up_quick_ones(rpc: RpcClient, answering: Answering) -> None:
    go_on = asyncio.Event()

    async def handle(message: AggregateQuery, _delivery: Delivery) -> Reply:
        if message.measure == "slow":
            await go_on.wait()
        return message.measure.encode()

    await answering(handle)
    slow = [asyncio.create_task(rpc.call(question("slow"), deadline_seconds=10)) for _ in range(20)]
    quick = [
        asyncio.create_task(rpc.call(question("quick"), deadline_seconds=10)) for _ in range(20)
    ]
    await asyncio.gather(*quick)
    assert not any(task.done() for task in slow)
    go_on.set()
    await asyncio.gather(*slow)


async def test_one_bad_question_among_good_ones_fails_alone(
    rpc: RpcClient, answering: Answering
) -> None:
    async def handle(message: AggregateQuery, _delivery: Delivery) -> Reply:
        if message.measure == "bad":
            raise InvalidArgumentError("bad")
        if message.measure == "crash":
            raise KeyError
        return message.measure.encode()

    await answering(handle)
    measures = ["good", "bad", "crash"] * 10
    outcomes = await asyncio.gather(
        # Ten tracebacks are written meanwhile, which takes its time.
        *(rpc.call(question(one), deadline_seconds=30) for one in measures),
        return_exceptions=True,
    )
    kinds = {"good": Answer, "bad": InvalidArgumentError, "crash": InternalError}
    assert [type(outcome) for outcome in outcomes] == [kinds[one] for one in measures]


async def test_the_deadline_holds(rpc: RpcClient, answering: Answering, raw: Raw) -> None:
    go_on, late = asyncio.Event(), asyncio.Event()

    async def sit(_message: AggregateQuery, _delivery: Delivery) -> Reply:
        await go_on.wait()
        late.set()
        return b"too late"

    await answering(sit)
    began = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        await rpc.call(question(), deadline_seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 1
    assert not rpc._waiting
    # The late answer is nobody's, and harms nothing.
    go_on.set()
    await late.wait()
    assert (await rpc.call(question(), deadline_seconds=5)).body == b"too late"


async def test_a_question_expires_with_its_deadline_and_a_record_does_not(
    rpc: RpcClient, raw: Raw
) -> None:
    for message in (question(), items()):
        with pytest.raises(TallyportError):
            await rpc.call(message, deadline_seconds=0.05)
    await until(lambda: _is_empty(raw, QUESTIONS.name))
    left = await raw.take(RECORDS.name)
    assert left.header.properties.expiration is None
    assert left.header.properties.delivery_mode == 2


async def _is_empty(raw: Raw, queue: str) -> bool:
    return await raw.depth(queue) == 0


async def test_a_caller_that_leaves_is_forgotten(rpc: RpcClient, answering: Answering) -> None:
    begun = asyncio.Event()

    async def sit(_message: AggregateQuery, _delivery: Delivery) -> Reply:
        begun.set()
        return await asyncio.Event().wait() and None

    await answering(sit)
    task = asyncio.create_task(rpc.call(question(), deadline_seconds=10))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not rpc._waiting


async def test_the_absence_of_aggregators_is_known_at_once(rpc: RpcClient, raw: Raw) -> None:
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="no aggregator is running"):
            await rpc.call(question(), deadline_seconds=20)
        assert time.monotonic() - began < 1


async def test_an_aggregator_that_goes_away_is_missed_soon(
    rpc: RpcClient, answering: Answering
) -> None:
    begun = asyncio.Event()

    async def sit(_message: AggregateQuery, _delivery: Delivery) -> Reply:
        begun.set()
        return await asyncio.Event().wait() and None

    consumer = await answering(sit)
    task = asyncio.create_task(rpc.call(question(), deadline_seconds=20))
    await begun.wait()
    await consumer.stop(0)
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="no aggregator is running"):
        await task
    assert time.monotonic() - began < 3


async def test_an_aggregator_that_is_stopping_still_answers(
    rpc: RpcClient, answering: Answering, broker: Broker
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handle(_message: AggregateQuery, _delivery: Delivery) -> Reply:
        begun.set()
        await go_on.wait()
        return b"after all"

    consumer = await answering(handle)
    task = asyncio.create_task(rpc.call(question(), deadline_seconds=20))
    await begun.wait()
    stopping = asyncio.create_task(consumer.stop(10))
    # Long enough for the absence of consumers to have been seen.
    done, _ = await asyncio.wait({task}, timeout=1.5)
    assert not done
    go_on.set()
    assert (await task).body == b"after all"
    await stopping


async def test_a_question_to_a_deleted_queue_is_returned(rpc: RpcClient, raw: Raw) -> None:
    await raw.channel.queue_delete(QUESTIONS.name)
    await raw.channel.queue_delete(RECORDS.name)
    for message in (question(), items()):
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            await rpc.call(message, deadline_seconds=20)
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("message", [question(seconds=60), items()], ids=["question", "record"])
async def test_a_lost_connection_ends_what_is_asked_at_once(
    message: Any, rpc: RpcClient, answering: Answering, node: RabbitMQ, broker: Broker
) -> None:
    asked = asyncio.Event()

    async def sit(_message: Any, _delivery: Delivery) -> Reply:
        asked.set()
        return await asyncio.Event().wait() and None

    await answering(sit, QUESTIONS if message.KIND.startswith("agg") else RECORDS)
    task = asyncio.create_task(rpc.call(message, deadline_seconds=60))
    await asked.wait()
    stopping = asyncio.create_task(asyncio.to_thread(node.stop_app))
    await until(lambda: not broker.is_ready)
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        await task
    # And while it is down:
    with pytest.raises(UnavailableError, match="no connection"):
        await rpc.call(message, deadline_seconds=60)
    assert time.monotonic() - began < 1
    await stopping


async def test_it_works_again_after_the_broker_came_back(
    rpc: RpcClient, answering: Answering, node: RabbitMQ, vhost: str, broker: Broker
) -> None:
    await answering(_echo)
    await rpc.call(question(), deadline_seconds=5)
    queue = rpc._reply_to
    close_all_connections(node, vhost)
    await until(lambda: rpc._reply_to not in (None, queue) and broker.is_ready)
    await rpc.call(question(), deadline_seconds=5)


@pytest.mark.parametrize("side", ["publishing", "consuming"])
async def test_either_connection_alone_may_be_lost(
    side: str, rpc: RpcClient, answering: Answering, broker: Broker
) -> None:
    asked = asyncio.Event()

    async def handle(message: AggregateQuery, _delivery: Delivery) -> Reply:
        if message.measure == "sit":
            asked.set()
            await asyncio.Event().wait()
        return b""

    await answering(handle)
    task = asyncio.create_task(rpc.call(question("sit"), deadline_seconds=60))
    await asked.wait()
    kept = getattr(broker, side)
    was = kept.current
    await was.close()
    with pytest.raises(UnavailableError):
        async with asyncio.timeout(2):
            await task
    await until(lambda: kept.current not in (None, was) and broker.is_ready)
    await rpc.call(question(), deadline_seconds=5)


async def test_an_alarm_is_said_and_passes(
    rpc: RpcClient, answering: Answering, node: RabbitMQ
) -> None:
    await answering(_echo)
    set_alarm(node, on=True)

    async def alarmed() -> bool:
        began = time.monotonic()
        try:
            await rpc.call(question(), deadline_seconds=20)
        except UnavailableError as error:
            assert time.monotonic() - began < 3
            return "alarm" in error.message
        return False

    await until(alarmed)
    set_alarm(node, on=False)

    async def recovered() -> bool:
        try:
            await rpc.call(question(), deadline_seconds=5)
        except TallyportError:
            return False
        return True

    await until(recovered)


@pytest.mark.usefixtures("other_replies")
async def test_questions_of_other_producers_are_answered(answering: Answering, raw: Raw) -> None:
    await answering(_echo)
    await raw.channel.queue_declare("asker", exclusive=True)
    await raw.publish(
        QUESTIONS.name,
        question("theirs").model_dump_json().encode(),
        reply_to="asker",
        correlation_id="anything at all",
    )
    answer = await raw.take("asker")
    assert answer.body == b"theirs"
    assert answer.header.properties.correlation_id == "anything at all"
    assert answer.header.properties.content_type == "text/plain"


async def test_a_failure_of_newer_code_is_an_internal_error(
    rpc: RpcClient, answering: Answering
) -> None:
    async def handle(_message: AggregateQuery, _delivery: Delivery) -> Reply:
        return Answer(b'{"code": "brand_new", "message": "x"}', kind="failure.v1")

    await answering(handle)
    with pytest.raises(InternalError):
        await rpc.call(question(), deadline_seconds=5)


async def test_questions_asked_at_once_travel_together_and_one_alone_as_anybodys(
    rpc: RpcClient, raw: Raw
) -> None:
    alone = asyncio.create_task(rpc.call(question("alone"), deadline_seconds=2))
    found = await raw.take(QUESTIONS.name)
    assert found.header.properties.content_type == "application/json"
    assert b'"measure":"alone"' in found.body
    together = [
        asyncio.create_task(rpc.call(question(str(n)), deadline_seconds=2))
        for n in range(ENTRIES_MAX + 1)
    ]
    found = await raw.take(QUESTIONS.name)
    assert found.header.properties.content_type == CONTENT_TYPE_BATCH
    assert len(unpack(found.body)) == ENTRIES_MAX
    found = await raw.take(QUESTIONS.name)
    assert found.header.properties.content_type == "application/json"
    for task in (alone, *together):
        task.cancel()
    await asyncio.wait((alone, *together))


@pytest.mark.parametrize("many", [1, 5])
async def test_questions_are_returned_alone_and_together(
    many: int, rpc: RpcClient, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the look at the queue, which would notice as well.
    monkeypatch.setattr(rpc._presence, "expect", lambda _queue: None)
    await raw.channel.queue_delete(QUESTIONS.name)
    outcomes = await asyncio.gather(
        *(rpc.call(question(), deadline_seconds=20) for _ in range(many)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {UnavailableError}
    channel = rpc._broker.unconfirmed.current()
    await until(lambda: not channel.confirmations and not channel.message_id_delivery_tag)


async def test_nothing_is_left_behind_by_questions(rpc: RpcClient, answering: Answering) -> None:
    await answering(_echo)
    await asyncio.gather(*(rpc.call(question(), deadline_seconds=20) for _ in range(50)))
    channel = rpc._broker.unconfirmed.current()
    await until(lambda: not channel.confirmations and not channel.message_id_delivery_tag)
    assert not rpc._waiting


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xff" * 100, pack([ENTRY] * 2)[:-1]])
async def test_a_broken_batch_is_put_away(body: bytes, answering: Answering, raw: Raw) -> None:
    await answering(_echo)
    await raw.publish(QUESTIONS.name, body, content_type=CONTENT_TYPE_BATCH)
    headers = (await raw.take_dead()).header.properties.headers or {}
    assert headers["tallyport-reason-code"] == "malformed"


@pytest.mark.usefixtures("other_replies")
async def test_a_batch_is_taken_apart_and_only_its_bad_question_put_away(
    answering: Answering, raw: Raw
) -> None:
    await answering(_echo)
    await raw.channel.queue_declare("asker", exclusive=True)
    good = Entry("1", encode(question("good")), "aggregate.query.v1", "application/json", {})
    await raw.publish(
        QUESTIONS.name,
        pack([good, ENTRY]),
        content_type=CONTENT_TYPE_BATCH,
        reply_to="asker",
        message_id="b",
    )
    answers = [await raw.take("asker"), await raw.take("asker")]
    bodies = {one.header.properties.correlation_id: one.body for one in answers}
    assert bodies["1"] == b"good"
    assert b'"code":"malformed"' in bodies["2"]
    dead = await raw.take_dead()
    # As if it had come alone: it can be sent again as it is.
    assert dead.body == ENTRY.body
    assert dead.header.properties.content_type == "application/json"


async def test_work_takes_no_batches(answering: Answering, raw: Raw) -> None:
    await answering(_echo, RECORDS)
    await raw.publish(RECORDS.name, pack([ENTRY]), content_type=CONTENT_TYPE_BATCH)
    headers = (await raw.take_dead()).header.properties.headers or {}
    assert "this queue takes none" in str(headers["tallyport-reason"])


async def test_a_batch_that_is_not_finished_goes_back_whole(
    rpc: RpcClient, answering: Answering, raw: Raw
) -> None:
    begun: list[str] = []

    async def handle(message: AggregateQuery, _delivery: Delivery) -> Reply:
        begun.append(message.measure)
        if message.measure == "1":
            await asyncio.Event().wait()
        return b""

    consumer = await answering(handle)
    tasks = [asyncio.create_task(rpc.call(question(str(n)), deadline_seconds=20)) for n in range(3)]
    await until(lambda: tasks[0].done() and tasks[2].done())
    # First: a question in a queue without a consumer would be taken for lost.
    await answering(_echo)
    await consumer.stop(0)
    assert (await tasks[1]).body == b"1"
    await until(lambda: _is_empty(raw, QUESTIONS.name))
