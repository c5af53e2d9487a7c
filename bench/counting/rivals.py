"""The other ways to do the hop, each as processes of its own, with the product's own statements.

    python -m bench.counting.rivals plain PORT             no queue: aiohttp, asyncpg, the use case
    python -m bench.counting.rivals aio-pika PORT          HTTP in front of `aio-pika-worker`
    python -m bench.counting.rivals faststream PORT        HTTP in front of `faststream-worker`

All know their callers as the gateway does (its own memory of tokens, and the same statement for
those that are not in it), and answer with what the aggregator's use case gives, on the same kind of
connections; only the way in between differs. `plain` has `/bare` too: the authentication and a
constant answer, nothing else. Comes in: TALLYPORT_DATABASE_URL and
TALLYPORT_BROKER_URL. Goes out: HTTP on the port; a line on the standard output when it listens.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import aio_pika
import aio_pika.patterns
import orjson
import uvloop
from aiohttp import web
from faststream.rabbit import RabbitBroker

from services.aggregator.aggregate import Aggregator
from services.aggregator.sessions import open_sessions
from services.aggregator.settings import AggregatorSettings
from services.gateway.settings import GatewaySettings
from services.gateway.tokens import Tokens
from shared.contracts.aggregations import AggregateArguments, AggregateQuery
from shared.database.pool import Database
from shared.database.replica import ReadSources
from shared.listening import Listener
from shared.memory import keep_freed
from shared.runtime import KEPT_BYTES, background
from shared.settings import BrokerSettings, DatabaseSettings

Answering = Callable[[AggregateQuery], Awaitable[bytes]]
QUEUE = "bench.{}"
PREFETCH = 64
SECONDS = 30.0


@asynccontextmanager
async def _aggregating() -> AsyncIterator[Answering]:
    settings = AggregatorSettings()
    async with open_sessions(DatabaseSettings(), settings, name="bench-aggregates") as database:
        aggregator = Aggregator(ReadSources(database), settings)

        async def answer(query: AggregateQuery) -> bytes:
            return (await aggregator.answer(query)).body or b""

        yield answer


@asynccontextmanager
async def _aio_pika() -> AsyncIterator[Answering]:
    connection = await aio_pika.connect_robust(_broker_url())
    channel = await connection.channel()
    rpc = await aio_pika.patterns.RPC.create(channel)

    async def answer(query: AggregateQuery) -> bytes:
        found: bytes = await rpc.call(QUEUE.format("aio-pika"), {"query": query.model_dump()})
        return found

    yield answer
    await connection.close()


@asynccontextmanager
async def _faststream() -> AsyncIterator[Answering]:
    broker = RabbitBroker(_broker_url(), logger=None)
    async with broker:
        await broker.start()

        async def answer(query: AggregateQuery) -> bytes:
            reply = await broker.request(
                query.model_dump_json().encode(), QUEUE.format("faststream"), timeout=SECONDS
            )
            return reply.body

        yield answer


async def _serve(answering: Callable[[], object], port: int) -> None:
    async with AsyncExitStack() as stack:
        answer: Answering = await stack.enter_async_context(answering())  # type: ignore[arg-type]
        database = await stack.enter_async_context(
            Database.open(DatabaseSettings(), name="bench-front")
        )
        listener = Listener(database)
        tokens = Tokens(database, listener, seconds=GatewaySettings().token_seconds)
        await stack.enter_async_context(background(listener=listener.run()))

        async def known(request: web.Request) -> int:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            principal = await tokens.principal(token)
            if principal is None or principal.store_id is None:
                raise web.HTTPUnauthorized
            return principal.store_id

        async def bare(request: web.Request) -> web.Response:
            await known(request)
            return web.Response(body=b"{}", content_type="application/json")

        async def measure(request: web.Request) -> web.Response:
            store_id = await known(request)
            query = AggregateQuery(
                store_id=store_id,
                measure=request.match_info["measure"],
                arguments=AggregateArguments(**orjson.loads(await request.read())),
                deadline=datetime.now(UTC) + timedelta(seconds=SECONDS),
            )
            return web.Response(body=await answer(query), content_type="application/json")

        app = web.Application()
        app.router.add_post("/reports/{measure}", measure)
        app.router.add_route("OPTIONS", "/bare", bare)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await _ready()


async def _aio_pika_worker() -> None:
    async with _aggregating() as answer:

        async def aggregate(*, query: dict[str, object]) -> bytes:
            return await answer(AggregateQuery.model_validate(query))

        connection = await aio_pika.connect_robust(_broker_url())
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        rpc = await aio_pika.patterns.RPC.create(channel)
        await rpc.register(QUEUE.format("aio-pika"), aggregate, auto_delete=True)
        await _ready()


async def _faststream_worker() -> None:
    async with _aggregating() as answer:
        broker = RabbitBroker(_broker_url(), logger=None)

        @broker.subscriber(QUEUE.format("faststream"))
        async def aggregate(query: AggregateQuery) -> bytes:
            return await answer(query)

        async with broker:
            await broker.start()
            await _ready()


def _broker_url() -> str:
    return BrokerSettings().url[0].get_secret_value()  # from the environment


async def _ready() -> None:
    print("ready", flush=True)  # noqa: T201
    await asyncio.Event().wait()


def main() -> None:
    kind, *port = sys.argv[1:]
    fronts = {"plain": _aggregating, "aio-pika": _aio_pika, "faststream": _faststream}
    # As in every service of ours.
    keep_freed(KEPT_BYTES)
    workers = {"aio-pika-worker": _aio_pika_worker, "faststream-worker": _faststream_worker}
    if kind in workers:
        uvloop.run(workers[kind]())
    else:
        uvloop.run(_serve(fronts[kind], int(port[0])))


if __name__ == "__main__":
    main()
