"""Consuming: what was promised about acknowledging, answering, retrying and putting away."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pamqp.frame
import pytest
from aiormq.abc import ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from structlog.testing import capture_logs

from shared.contracts.failures import Failure, FailureCode
from shared.contracts.recording import Recorded, RecordItems
from shared.contracts.reports import ReportBuild
from shared.contracts.routes import BUILD_SMALL, DEAD, DEAD_QUEUE, RECORDS
from shared.errors import ERRORS, ConflictError, UnavailableError
from shared.messaging import handling
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.delivery import Delivery, Handler
from shared.messaging.publisher import Publisher
from tests.integration.messaging.amqp import Raw, build, items, until

Consuming = Callable[..., Awaitable[Consumer]]


@pytest.fixture
async def consuming(broker: Broker) -> Any:
    """Starts consumers that are stopped at the end."""
    started: list[Consumer] = []

    async def start(queue: Any, handlers: dict[Any, Handler], **options: Any) -> Consumer:
        consumer = Consumer(broker, queue, handlers, **options)
        await consumer.start()
        started.append(consumer)
        return consumer

    yield start
    for consumer in started:
        await consumer.stop(0)


async def test_money_arrives_to_the_last_digit(
    broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    seen: list[RecordItems] = []

    async def handle(message: RecordItems, _delivery: Delivery) -> None:
        seen.append(message)

    await consuming(RECORDS, {RecordItems: handle})
    exact = "12345678901234567890.1234567890123456"
    body = items("1").model_dump_json().replace('"amount":"1"', f'"amount":{exact}')
    assert exact in body
    await raw.publish(RECORDS.name, body.encode())
    await until(lambda: seen)
    assert seen[0].items[0].amount == Decimal(exact)


async def test_it_is_acknowledged_when_the_handler_is_done_and_not_before(
    broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    running, go_on = asyncio.Event(), asyncio.Event()

    async def handle(_message: ReportBuild, _delivery: Delivery) -> None:
        running.set()
        await go_on.wait()

    consumer = await consuming(BUILD_SMALL, {ReportBuild: handle})
    await Publisher(broker).publish(build())
    await asyncio.wait_for(running.wait(), 10)
    # Taken from it, it goes back: it was not acknowledged.
    await consumer.stop(0)
    await until(lambda: _depth_is(raw, BUILD_SMALL.name, 1))
    running.clear()
    go_on.set()
    redelivered: list[bool] = []

    async def second(_message: ReportBuild, delivery: Delivery) -> None:
        redelivered.append(delivery.redelivered)

    consumer = await consuming(BUILD_SMALL, {ReportBuild: second})
    await until(lambda: redelivered)
    assert redelivered == [True]
    await consumer.stop(5)
    await until(lambda: _depth_is(raw, BUILD_SMALL.name, 0))


async def _depth_is(raw: Raw, queue: str, depth: int) -> bool:
    return await raw.depth(queue) == depth


async def test_an_early_acknowledgement_lets_the_next_one_in_up_to_the_concurrency(
    broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    begun: list[int] = []
    gates = {n: asyncio.Event() for n in range(1, 4)}

    async def handle(message: ReportBuild, delivery: Delivery) -> None:
        await delivery.acknowledge()
        await delivery.acknowledge()  # does no harm
        begun.append(message.report_id)
        await gates[message.report_id].wait()

    await consuming(BUILD_SMALL, {ReportBuild: handle}, concurrency=2)
    for n in (1, 2, 3):
        await Publisher(broker).publish(build(n))
    await until(lambda: begun == [1, 2])
    # Full: off the queue, so that the third is there for another worker.
    # The broker counts a moment after it has answered.
    await until(lambda: _consumers_are(raw, BUILD_SMALL.name, 0))
    assert await raw.depth(BUILD_SMALL.name) == 1
    assert broker.is_ready
    gates[1].set()
    await until(lambda: begun == [1, 2, 3])
    for gate in gates.values():
        gate.set()
    await until(lambda: _consumers_are(raw, BUILD_SMALL.name, 1))


async def _consumers_are(raw: Raw, queue: str, count: int) -> bool:
    return await raw.consumers(queue) == count


async def _refuse(_message: Any, _delivery: Delivery) -> None:
    raise ConflictError("the register has another owner; password is amqp://u:secret@h/")


MALFORMED = {
    "not json": (b"{", {}, "malformed", "not JSON"),
    "empty": (b"", {}, "malformed", "not JSON"),
    "not utf-8": (b'{"a": "\xff"}', {}, "malformed", "not JSON"),
    "nested": (b"[" * 10_000, {}, "malformed", "not JSON"),
    "nan": (b'{"kind": "report.build.v1", "store_id": NaN}', {}, "malformed", "not JSON"),
    "a list": (b"[]", {"message_type": "report.build.v1"}, "invalid_argument", "valid dictionary"),
    "no kind": (b"{}", {}, "invalid_argument", "kind missing"),
    "kind of no text": (b'{"kind": 5}', {}, "invalid_argument", "kind missing"),
    "unknown kind": (b'{"kind": "x.v9"}', {}, "invalid_argument", "kind x.v9"),
    "unknown type": (b"{}", {"message_type": "x.v9"}, "invalid_argument", "kind x.v9"),
    "long type": (b"{}", {"message_type": "x" * 255}, "invalid_argument", "kind xxx"),
    "bad field": (
        b'{"kind": "report.build.v1", "store_id": 0, "report_id": 1}',
        {},
        "invalid_argument",
        "store_id: ",
    ),
    "type against body": (
        b'{"kind": "report.request.v1", "store_id": 1, "report_id": 1}',
        {"message_type": "report.build.v1"},
        "invalid_argument",
        "kind: ",
    ),
    "content type": (b"{}", {"content_type": "text/xml"}, "malformed", "text/xml"),
    "pickle": (b"x", {"content_type": "application/python-pickle"}, "malformed", "pickle"),
    "compressed": (b"{}", {"content_encoding": "gzip"}, "malformed", "encoding"),
    "too large": (b" " * (16 * 1024 + 1), {}, "too_large", "16385 bytes"),
}


@pytest.mark.parametrize("variant", MALFORMED)
@pytest.mark.usefixtures("other_replies")
async def test_what_cannot_be_handled_is_put_away_with_its_reason_and_stops_nobody(
    variant: str, broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    body, properties, code, reason = MALFORMED[variant]
    seen: list[int] = []

    async def handle(message: ReportBuild, _delivery: Delivery) -> None:
        seen.append(message.report_id)

    await raw.channel.queue_declare("asker", durable=True)
    await Publisher(broker).publish(build(1))
    await raw.publish(
        BUILD_SMALL.name,
        body,
        **properties,
        headers={"mine": "kept"},
        message_id="the producer's",
        reply_to="asker",
        correlation_id="c1",
        expiration="60000",
    )
    await Publisher(broker).publish(build(2))
    await consuming(BUILD_SMALL, {ReportBuild: handle})
    dead = await raw.take_dead()
    await until(lambda: seen == [1, 2])
    found = dead.header.properties
    assert dead.body == body
    assert found.message_id == "the producer's"
    assert found.content_type == properties.get("content_type")
    assert found.delivery_mode == 2
    assert found.expiration is None
    kept = found.headers or {}
    assert kept["mine"] == "kept"
    assert kept["tallyport-reason-code"] == code
    assert reason in str(kept["tallyport-reason"])
    assert kept["tallyport-queue"] == BUILD_SMALL.name
    assert kept["tallyport-died-at"]
    answer = await raw.take("asker")
    assert answer.header.properties.correlation_id == "c1"
    assert Failure.model_validate_json(answer.body).code.value == code


def _text(value: bytes) -> bytes:
    return bytes([len(value)]) + value


def _table(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


async def _publish_properties(
    raw: Raw, queue: str, body: bytes, flags: int, properties: bytes
) -> None:
    """A message whose properties no library would write."""
    number = raw.channel.number
    header = struct.pack(">HHQH", 60, 0, len(body), flags) + properties
    payload = b"".join(
        (
            pamqp.frame.marshal(Basic.Publish(exchange="", routing_key=queue), number),
            struct.pack(">BHI", 2, number, len(header)) + header + b"\xce",
            pamqp.frame.marshal(ContentBody(body), number),
        )
    )
    await raw.connection.write_queue.put(ChannelFrame(payload=payload, should_close=False))
    await until(lambda: _depth_is(raw, queue, 1))


UNDECODABLE = {
    "type": (0x20, _text(b"\xff\xfe")),
    "content type": (0x8000, _text(b"\xff")),
    "reply_to": (0x200, _text(b"\xff")),
    "timestamp": (0x40, struct.pack(">Q", 2**63 - 1)),
    "header's name": (0x2000, _table(_text(b"\xff") + b"t\x01")),
    "header's time": (0x2000, _table(_text(b"k") + b"T" + struct.pack(">Q", 2**63 - 1))),
}


@pytest.mark.parametrize("which", UNDECODABLE)
async def test_properties_that_the_library_cannot_decode_stop_nobody(
    which: str, broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    body = build(1).model_dump_json().encode()
    await _publish_properties(raw, BUILD_SMALL.name, body, *UNDECODABLE[which])
    await Publisher(broker).publish(build(2))
    seen: list[int] = []

    async def handle(message: ReportBuild, _delivery: Delivery) -> None:
        seen.append(message.report_id)

    was = broker.consuming.current
    await consuming(BUILD_SMALL, {ReportBuild: handle})
    dead = await raw.take_dead()
    assert dead.body == body
    assert "cannot be decoded" in str((dead.header.properties.headers or {})["tallyport-reason"])
    await until(lambda: seen == [2])
    assert broker.consuming.current is was


async def test_headers_that_cannot_be_written_again_are_left_out(
    raw: Raw, consuming: Consuming
) -> None:
    # Text that is not UTF-8 is read as bytes, and bytes are refused when written.
    strange = _text(b"k") + b"S" + struct.pack(">I", 1) + b"\xff" + _text(b"kept") + b"t\x01"
    await _publish_properties(raw, RECORDS.name, b"{", 0x2000, _table(strange))
    await consuming(RECORDS, {RecordItems: _refuse})
    headers = (await raw.take_dead()).header.properties.headers or {}
    assert headers["tallyport-reason-code"] == "malformed"
    assert headers["kept"] is True


async def test_what_takes_its_worker_down_again_and_again_is_put_away(
    broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    await Publisher(broker).publish(build())
    for _ in range(15):
        message = await raw.channel.basic_get(BUILD_SMALL.name)
        await raw.channel.basic_nack(message.delivery_tag or 0, requeue=True)
        await until(lambda: _depth_is(raw, BUILD_SMALL.name, 1))
    await raw.channel.queue_declare("watcher", durable=True)
    await raw.channel.queue_bind("watcher", DEAD)
    seen: list[int] = []

    async def handle(message: ReportBuild, _delivery: Delivery) -> None:
        seen.append(message.report_id)

    await consuming(BUILD_SMALL, {ReportBuild: handle})
    headers = (await raw.take("watcher")).header.properties.headers or {}
    assert "15 times" in str(headers["tallyport-reason"])
    # Sent again by an operator, it starts from nothing.
    assert "x-delivery-count" not in headers
    assert not seen


async def test_an_error_without_an_asker_is_put_away(
    broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    await consuming(RECORDS, {RecordItems: _refuse})
    await Publisher(broker).publish(items())
    dead = await raw.take_dead()
    headers = dead.header.properties.headers or {}
    assert headers["tallyport-reason-code"] == "conflict"
    assert "another owner" in str(headers["tallyport-reason"])
    assert "secret" not in str(headers["tallyport-reason"])
    assert headers["tallyport-kind"] == "record.items.v1"


async def test_a_long_reason_is_cut(broker: Broker, raw: Raw, consuming: Consuming) -> None:
    async def refuse(_message: Any, _delivery: Delivery) -> None:
        raise ConflictError("x" * 100_000)

    await consuming(RECORDS, {RecordItems: refuse})
    await Publisher(broker).publish(items())
    headers = (await raw.take_dead()).header.properties.headers or {}
    assert len(str(headers["tallyport-reason"])) == 1_000


@pytest.mark.parametrize("code", FailureCode)
@pytest.mark.usefixtures("other_replies")
async def test_an_asker_gets_every_error_and_the_dead_letter_queue_none(
    code: FailureCode, broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    async def refuse(_message: Any, _delivery: Delivery) -> None:
        raise ERRORS[code]("no", retry_after_seconds=3)

    await consuming(RECORDS, {RecordItems: refuse})
    await raw.channel.queue_declare("asker", durable=True)
    await Publisher(broker).publish(items(), reply_to="asker", correlation_id="c")
    answer = Failure.model_validate_json((await raw.take("asker")).body)
    assert (answer.code, answer.message, answer.retry_after_seconds) == (code, "no", 3)
    assert await raw.depth(DEAD_QUEUE) == 0


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.usefixtures("other_replies")
async def test_an_unknown_error_is_loud_inside_and_mute_outside(
    asked: bool, broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    async def crash(_message: Any, _delivery: Delivery) -> None:
        raise KeyError("the secret of the house")

    await raw.channel.queue_declare("asker", durable=True)
    with capture_logs() as logs:
        await consuming(RECORDS, {RecordItems: crash})
        await Publisher(broker).publish(items(), reply_to="asker" if asked else None)
        if asked:
            told = (await raw.take("asker")).body
            assert json.loads(told)["code"] == "internal"
        else:
            dead = await raw.take_dead()
            told = str(dead.header.properties.headers).encode()
            assert b"internal" in told
    assert b"secret" not in told
    assert [line for line in logs if line["event"] == "handler.crashed"]


async def test_a_handler_that_is_cancelled_from_inside_has_crashed(
    broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    async def cancelled(_message: Any, _delivery: Delivery) -> None:
        raise asyncio.CancelledError

    await consuming(RECORDS, {RecordItems: cancelled})
    await Publisher(broker).publish(items())
    headers = (await raw.take_dead()).header.properties.headers or {}
    assert headers["tallyport-reason-code"] == "internal"


async def test_what_may_pass_is_retried_in_place(
    broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    attempts: list[int] = []

    async def handle(message: ReportBuild, delivery: Delivery) -> None:
        attempts.append(message.report_id)
        assert not delivery.redelivered
        if len(attempts) < 3:
            raise UnavailableError("the database is away")

    await consuming(BUILD_SMALL, {ReportBuild: handle})
    await Publisher(broker).publish(build(1))
    await Publisher(broker).publish(build(2))
    await until(lambda: attempts == [1, 1, 1, 2])
    assert await raw.depth(DEAD_QUEUE) == 0


async def test_a_queue_does_not_stand_still_for_long_once_the_database_is_back(
    broker: Broker, consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it was away: the longest that the dice allow between two attempts."""
    longest: list[float] = []

    def throw(attempt: int, *, base_seconds: float, seconds_max: float) -> float:
        longest.append(min(seconds_max, base_seconds * 2**attempt))
        return 0.0

    monkeypatch.setattr(handling, "full_jitter", throw)
    handled: list[int] = []

    async def handle(message: ReportBuild, _delivery: Delivery) -> None:
        if len(longest) < 12:
            raise UnavailableError("the database is away")
        handled.append(message.report_id)

    await consuming(BUILD_SMALL, {ReportBuild: handle})
    await Publisher(broker).publish(build(1))
    await Publisher(broker).publish(build(2))
    await until(lambda: handled == [1, 2])
    assert longest[0] == 0.5
    assert max(longest) == 5.0


async def test_it_is_not_retried_for_ever(
    broker: Broker, raw: Raw, consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "RETRY_TOTAL_SECONDS", 0.3)

    async def handle(_message: ReportBuild, _delivery: Delivery) -> None:
        raise UnavailableError("the database is away")

    await consuming(BUILD_SMALL, {ReportBuild: handle})
    await Publisher(broker).publish(build())
    headers = (await raw.take_dead()).header.properties.headers or {}
    assert headers["tallyport-reason-code"] == "unavailable"


async def test_after_an_early_acknowledgement_a_failure_is_the_handlers_own(
    broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    calls: list[int] = []

    async def handle(message: ReportBuild, delivery: Delivery) -> None:
        await delivery.acknowledge()
        calls.append(message.report_id)
        raise UnavailableError("later") if message.report_id == 1 else ConflictError("never")

    with capture_logs() as logs:
        await consuming(BUILD_SMALL, {ReportBuild: handle})
        for n in (1, 2):
            await Publisher(broker).publish(build(n))
        await until(
            lambda: [one for one in logs if one["event"] == "message.failed"].__len__() == 2
        )
    assert calls == [1, 2]
    assert await raw.depth(DEAD_QUEUE) == 0


async def test_a_message_stays_when_it_cannot_be_put_away(
    broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    await raw.channel.queue_delete(DEAD_QUEUE)
    with capture_logs() as logs:
        consumer = await consuming(RECORDS, {RecordItems: _refuse})
        await Publisher(broker).publish(items())
        await until(lambda: [x for x in logs if x["event"] == "message.dead_lettering_failed"])
    await consumer.stop(5)
    await until(lambda: _depth_is(raw, RECORDS.name, 1))


async def test_a_mistake_of_ours_neither_loses_a_message_nor_spins(
    broker: Broker, raw: Raw, consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_arguments: Any, **_options: Any) -> None:
        raise TypeError("nobody thought of this")

    monkeypatch.setattr(DeadLetters, "put", broken)
    with capture_logs() as logs:
        consumer = await consuming(RECORDS, {RecordItems: _refuse})
        await Publisher(broker).publish(items())
        await until(lambda: [line for line in logs if line["event"] == "message.stuck"])
        await consumer.stop(0)
    assert len(logs) == 1
    await until(lambda: _depth_is(raw, RECORDS.name, 1))


async def test_messages_with_one_id_are_not_mistaken_for_one_another(
    broker: Broker, raw: Raw, consuming: Consuming
) -> None:
    # The library tells returned messages apart by their ids, and these the producer chose.
    for _ in range(8):
        await raw.publish(RECORDS.name, b"{", message_id="same")
    await raw.channel.queue_delete(DEAD_QUEUE)
    with capture_logs() as logs:
        consumer = await consuming(RECORDS, {RecordItems: _refuse})
        await until(lambda: len(logs) >= 8)
    assert {line["event"] for line in logs} == {"message.dead_lettering_failed"}
    await consumer.stop(5)
    await until(lambda: _depth_is(raw, RECORDS.name, 8))
    await raw.channel.queue_declare(DEAD_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    await raw.channel.queue_bind(DEAD_QUEUE, DEAD)
    await consuming(RECORDS, {RecordItems: _refuse})
    await until(lambda: _depth_is(raw, DEAD_QUEUE, 8))


async def test_a_graceful_stop_finishes_what_it_can_and_gives_back_the_rest(
    broker: Broker, raw: Raw
) -> None:
    begun: list[Decimal] = []
    finished: list[Decimal] = []
    quick = asyncio.Event()

    async def handle(message: RecordItems, _delivery: Delivery) -> Recorded:
        amount = message.items[0].amount
        begun.append(amount)
        await (quick.wait() if amount == 1 else asyncio.Event().wait())
        finished.append(amount)
        return Recorded()

    consumer = Consumer(broker, RECORDS, {RecordItems: handle}, concurrency=2)
    await consumer.start()
    for amount in ("1", "2", "3", "4"):
        await Publisher(broker).publish(items(amount))
    await until(lambda: begun == [1, 2])
    stopping = asyncio.create_task(consumer.stop(1))
    # Those that had not begun go back at once, not at the deadline.
    await until(lambda: _depth_is(raw, RECORDS.name, 2), seconds=0.9)
    # Nothing new is taken. (A quorum queue goes on counting a consumer that has work in hand.)
    await Publisher(broker).publish(items("5"))
    quick.set()
    await stopping
    assert (begun, finished) == ([1, 2], [1])
    await until(lambda: _depth_is(raw, RECORDS.name, 4))
