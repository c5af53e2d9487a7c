"""What the hop through RabbitMQ costs: our RPC client beside plain aio-pika, a constant answer.

    TALLYPORT_BROKER_URL=amqp://... python -m bench.rpc_hop [seconds per round]

The answering side is a process of its own. The two take turns, round by round, so that whatever
else the machine does meets both; the table shows each one's median round.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aio_pika
import uvloop

from shared.contracts.aggregations import AggregateArguments, AggregateQuery
from shared.contracts.routes import QUESTIONS
from shared.messaging.codec import encode
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.delivery import Delivery
from shared.messaging.rpc_client import RpcClient
from shared.settings import BrokerSettings

ANSWER = b'{"title":"Count","count":[{"period":"All","group":"All","value":4600000}]}'
PLAIN_QUEUE = "bench.plain"
CALLERS = (1, 16, 64)
ROUNDS = 5

Call = Callable[[], Awaitable[object]]


def _question() -> AggregateQuery:
    return AggregateQuery(
        store_id=1,
        measure="item_count",
        arguments=AggregateArguments(register_id=1, start_at="2023-01-01T00:00:00Z"),
        deadline=datetime.now(UTC) + timedelta(seconds=30),
    )


async def answer_ours(settings: BrokerSettings) -> None:
    async def handle(_question: AggregateQuery, _delivery: Delivery) -> bytes:
        return ANSWER

    async with Broker.open(settings, "bench-answers") as broker:
        await Consumer(broker, QUESTIONS, {AggregateQuery: handle}).start()
        print("ready", flush=True)  # noqa: T201
        await asyncio.Event().wait()


async def answer_plain(settings: BrokerSettings) -> None:
    connection = await aio_pika.connect_robust(settings.url[0].get_secret_value())
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=64)
    queue = await channel.declare_queue(PLAIN_QUEUE, durable=True)

    async def handle(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        AggregateQuery.model_validate_json(message.body)
        await channel.default_exchange.publish(
            aio_pika.Message(ANSWER, correlation_id=message.correlation_id),
            routing_key=message.reply_to or "",
        )
        await message.ack()

    await queue.consume(handle)
    print("ready", flush=True)  # noqa: T201
    await asyncio.Event().wait()


async def plain_call(settings: BrokerSettings) -> Call:
    """The usual way: robust connection, exclusive reply queue, a future per correlation id."""
    connection = await aio_pika.connect_robust(settings.url[0].get_secret_value())
    channel = await connection.channel()
    replies = await channel.declare_queue(exclusive=True)
    waiting: dict[str, asyncio.Future[bytes]] = {}

    async def answered(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        waiting.pop(message.correlation_id or "").set_result(message.body)

    await replies.consume(answered, no_ack=True)

    async def call() -> object:
        number = uuid4().hex
        waiting[number] = future = asyncio.get_running_loop().create_future()
        await channel.default_exchange.publish(
            aio_pika.Message(encode(_question()), correlation_id=number, reply_to=replies.name),
            routing_key=PLAIN_QUEUE,
        )
        return await future

    return call


@dataclass(frozen=True, order=True)
class Round:
    """Calls a second, the median in milliseconds, and the asking process's CPU time a call in
    microseconds (which a busy machine changes least)."""

    rate: float
    median_ms: float
    cpu_us: float


async def measure(call: Call, callers: int, seconds: float) -> Round:
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        while (began := time.perf_counter()) < end:
            await call()
            took.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(callers)))
    return Round(
        len(took) / (time.perf_counter() - began),
        statistics.median(took) * 1_000,
        (time.process_time() - cpu) / len(took) * 1e6,
    )


async def compare(settings: BrokerSettings, seconds: float) -> None:
    async with Broker.open(settings, "bench-asks") as broker:
        client = RpcClient(broker)
        await client.start()

        async def our_call() -> object:
            return await client.call(_question(), deadline_seconds=30)

        calls = {"ours": our_call, "aio-pika": await plain_call(settings)}
        for callers in CALLERS:
            rounds: dict[str, list[Round]] = {name: [] for name in calls}
            for call in calls.values():
                await measure(call, callers, seconds / 4)  # warm
            for _ in range(ROUNDS):
                for name, call in calls.items():
                    rounds[name].append(await measure(call, callers, seconds))
            for name, found in rounds.items():
                one = sorted(found)[len(found) // 2]
                print(  # noqa: T201
                    f"{callers:3} callers  {name:9} {one.rate:8,.0f}/s  {one.median_ms:7.2f} ms"
                    f"  {one.cpu_us:6.0f} us CPU"
                )
        await client.stop()


def main() -> None:
    settings = BrokerSettings()  # from the environment
    if sys.argv[1:2] == ["answer"]:
        uvloop.run({"ours": answer_ours, "plain": answer_plain}[sys.argv[2]](settings))
        return
    answering = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "bench.rpc_hop", "answer", which],
            stdout=subprocess.PIPE,
        )
        for which in ("ours", "plain")
    ]
    try:
        for process in answering:
            assert process.stdout is not None  # noqa: S101
            process.stdout.readline()
        uvloop.run(compare(settings, float(sys.argv[1]) if len(sys.argv) > 1 else 2.0))
    finally:
        for process in answering:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
