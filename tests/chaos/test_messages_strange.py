"""Messages that come twice, late and out of order; and messages that nobody can handle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiormq import Channel
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic
from pydantic import SecretStr

from shared.contracts import routes
from shared.contracts.message import Message
from shared.contracts.recording import RecordItems
from shared.contracts.reports import ReportBuild
from shared.contracts.routes import (
    BUILD_LARGE,
    BUILD_SMALL,
    CONTENT_TYPE,
    RECORDS,
    REPORT_REQUESTS,
)
from shared.messaging.connection import Broker
from shared.settings import BrokerSettings
from tests.chaos import profile
from tests.chaos.history import Outcome
from tests.chaos.shop import Shop, batch, busy, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import System

pytestmark = pytest.mark.timeout(profile.SECONDS_MAX)
EXCHANGES = {queue.name: queue.exchange for queue in routes.QUEUES}
QUEUES = [queue.name for queue in (BUILD_SMALL, BUILD_LARGE, REPORT_REQUESTS, RECORDS)]


@contextlib.asynccontextmanager
async def confirming_channel(system: System) -> AsyncIterator[AbstractChannel]:
    settings = BrokerSettings(url=(SecretStr(system.world.broker_url),))
    async with Broker.open(settings, "stranger") as broker:
        connection = await broker.publishing.wait_open()
        yield await connection.channel()


async def publish(channel: AbstractChannel, queue: str, body: bytes, **properties: object) -> None:
    assert isinstance(channel, Channel)
    given = {"content_type": CONTENT_TYPE, "delivery_mode": 2, **properties}
    await channel.basic_publish(
        body, exchange=EXCHANGES[queue], routing_key=queue, properties=Basic.Properties(**given)
    )


async def _publish_message(channel: AbstractChannel, queue: str, message: Message) -> None:
    await publish(
        channel,
        queue,
        message.model_dump_json().encode(),
        message_type=message.kind,
        message_id=str(message.message_id),
    )


async def test_messages_repeated_and_reordered_change_nothing(system: System) -> None:
    suite = Suite("messages_repeated", system)
    async with (
        healing(system),
        open_shop(system, suite.history, suite.dice) as shop,
        confirming_channel(system) as channel,
    ):
        async with busy(shop):
            for _ in range(profile.rounds(short=4, long=100)):
                await _repeat(suite, shop, channel)
                suite.rounds += 1
        verdict = await suite.judge([shop])
    verdict.require_no_harm()


async def _repeat(suite: Suite, shop: Shop, channel: AbstractChannel) -> None:
    """Some batches, each several times, and pointers to builds old and new, shuffled."""
    messages: list[tuple[str, Message]] = []
    for _ in range(3):
        name = shop.key("repeated")
        cents = {f"{name}-{n}": suite.dice.randint(-999, 999) for n in range(5)}
        suite.history.recorded(shop.register_id, cents).outcome = Outcome.OK
        record = RecordItems.model_validate(
            {
                "store_id": shop.store_id,
                "register_id": shop.register_id,
                "items": batch(cents),
            }
        )
        messages += [(RECORDS.name, record)] * suite.dice.randint(2, 4)
    known = suite.dice.sample(shop.accepted_reports, min(5, len(shop.accepted_reports)))
    # Of no report at all, too: one that was removed long ago.
    for report_id in (*known, 10**9 + suite.dice.randrange(10**6)):
        build = ReportBuild(store_id=shop.store_id, report_id=report_id)
        queue = suite.dice.choice((BUILD_SMALL, BUILD_LARGE)).name
        messages += [(queue, build)] * suite.dice.randint(1, 3)
    suite.dice.shuffle(messages)
    for queue, message in messages:
        await _publish_message(channel, queue, message)
    suite.faults["message repeated or out of order"] += len(messages)


def _nonsense(suite: Suite, shop: Shop) -> list[tuple[bytes, dict[str, object]]]:
    """Everything that a message can be wrong in, at this seed."""
    build = ReportBuild(store_id=shop.store_id, report_id=1).model_dump_json().encode()
    # Well formed, and of a register that is not there: only the handler can find out.
    poison = RecordItems.model_validate(
        {"store_id": shop.store_id, "register_id": 2**40, "items": batch({"a": 1})}
    )
    return [
        (b"", {}),
        (b"[" * 3_000, {}),
        (b"{", {}),
        (b"null", {}),
        (bytes(suite.dice.randrange(256) for _ in range(200)), {}),
        (b'{"kind": "report.explode.v9"}', {"message_type": "report.explode.v9"}),
        (build, {"content_type": "text/plain", "message_type": ReportBuild.KIND}),
        (build.replace(b'"report_id":1', b'"report_id":"x"'), {"message_type": ReportBuild.KIND}),
        (build.replace(b'"report_id":1', b'"report_id":-1'), {"message_type": ReportBuild.KIND}),
        (build + b" " * 70_000, {"message_type": ReportBuild.KIND}),
        (build[: suite.dice.randrange(1, len(build))], {"message_type": ReportBuild.KIND}),
        (poison.model_dump_json().encode(), {"message_type": poison.kind}),
    ]


async def test_messages_malformed_are_put_away_and_stop_nobody(system: System) -> None:
    suite = Suite("messages_malformed", system)
    async with (
        healing(system),
        open_shop(system, suite.history, suite.dice) as shop,
        confirming_channel(system) as channel,
    ):
        async with busy(shop):
            for _ in range(profile.rounds(short=2, long=90)):
                for body, properties in _nonsense(suite, shop):
                    operation = suite.history.sent_nonsense(str(uuid4()))
                    queue = suite.dice.choice(QUEUES)
                    await publish(
                        channel, queue, body, message_id=operation.message_id, **properties
                    )
                    operation.outcome = Outcome.OK
                    suite.faults["malformed message"] += 1
                suite.rounds += 1
                await asyncio.sleep(suite.dice.uniform(0, 0.1))
        verdict = await suite.judge([shop])
    verdict.require_no_harm()
