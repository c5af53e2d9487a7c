"""The gateway's composition root: connections are made here and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from services.gateway.access import RATE_LIMITS, STRANGERS, require_token, tell_allowance
from services.gateway.admission import IN_HAND, InHand, admit
from services.gateway.connections import GuardedSite
from services.gateway.dependencies import DEPENDENCIES, Dependencies
from services.gateway.handlers.items import STREAMS
from services.gateway.handlers.page_files import PAGE
from services.gateway.handlers.records import UPLOADS
from services.gateway.middlewares import observe
from services.gateway.page import Page
from services.gateway.rate_limits import RateLimits
from services.gateway.report_watch import ReportWatch
from services.gateway.routes import add_routes
from services.gateway.settings import GatewayServiceSettings
from services.gateway.strangers import Strangers
from services.gateway.tokens import Tokens
from services.gateway.upload_room import UploadRoom
from shared.database.pool import Database
from shared.listening import Listener
from shared.messaging.connection import Broker
from shared.messaging.other_replies import OtherReplies
from shared.messaging.publisher import Publisher
from shared.messaging.rpc_client import RpcClient
from shared.objects import ObjectStore
from shared.operations import Readiness, operations_routes
from shared.relay import Relay
from shared.runtime import background

_log = structlog.get_logger(__name__)


async def serve(settings: GatewayServiceSettings, stop: asyncio.Event) -> None:
    """Answer requests until `stop` is set, then those in hand, then return."""
    async with connect(settings) as parts:
        readiness = Readiness(
            {
                "database": parts.database.problem,
                "broker": parts.broker_problem,
            }
        )
        async with (
            _listening(parts.dependencies, readiness),
            background(
                listener=parts.listener.run(),
                relay=parts.dependencies.relay.run(),
                watch=parts.dependencies.watch.run(),
            ),
        ):
            await stop.wait()
            readiness.start_draining()
            # Still here, and not ready: whoever shares out requests is to see it in time.
            await asyncio.sleep(settings.gateway.leave_seconds)
            parts.dependencies.watch.end()


class Connected:
    """What the gateway holds open."""

    def __init__(self, dependencies: Dependencies, listener: Listener, broker: Broker) -> None:
        self.dependencies = dependencies
        self.listener = listener
        self.database = dependencies.database
        self._broker = broker

    async def broker_problem(self) -> str | None:
        """None, or why nothing can be asked over the broker now."""
        return "; ".join(self._broker.problems()) or None


@asynccontextmanager
async def connect(settings: GatewayServiceSettings) -> AsyncIterator[Connected]:
    """Open the connections. The broker may be down: reports are accepted all the same."""
    async with (
        Database.open(settings.database, name="gateway") as database,
        Broker.open(settings.broker, "gateway", wait=False) as broker,
        ObjectStore.open(settings.object_store) as objects,
    ):
        rpc = RpcClient(broker)
        others = OtherReplies(broker)
        others.start()
        starting = asyncio.create_task(rpc.start())
        try:
            # One connection for all that this process wants to hear of.
            listener = Listener(database)
            relay = Relay(database, Publisher(broker), listener)
            watch = ReportWatch(
                database,
                listener,
                streams_max=settings.gateway.event_streams_max,
                streams_per_token_max=settings.gateway.event_streams_per_token_max,
            )
            tokens = Tokens(
                database,
                listener,
                seconds=settings.gateway.token_seconds,
                forgotten=watch.wake,
            )
            dependencies = Dependencies(settings, database, tokens, rpc, objects, relay, watch)
            yield Connected(dependencies, listener, broker)
        finally:
            starting.cancel()
            await asyncio.wait({starting})
            await rpc.stop()
            await others.stop()


def make_app(dependencies: Dependencies, readiness: Readiness) -> web.Application:
    """The web application, without a socket."""
    # Bodies are read by `bodies`, each with its own limit; aiohttp's would count none of them.
    app = web.Application(middlewares=[observe, admit, require_token])
    app[DEPENDENCIES] = dependencies
    settings = dependencies.settings.gateway
    app[RATE_LIMITS] = RateLimits(
        per_second=settings.requests_per_second, at_once=settings.requests_at_once
    )
    app[STRANGERS] = Strangers(
        per_second=settings.unknown_tokens_per_second,
        at_once=settings.unknown_tokens_at_once,
        header=settings.address_header,
    )
    app.on_response_prepare.append(tell_allowance)
    app[PAGE] = Page()
    app[IN_HAND] = InHand(settings.requests_max)
    app[UPLOADS] = UploadRoom(settings.batches_bytes_max)
    app[STREAMS] = asyncio.Semaphore(settings.item_streams_max)
    app.add_routes(operations_routes(readiness))
    add_routes(app)
    return app


@asynccontextmanager
async def _listening(dependencies: Dependencies, readiness: Readiness) -> AsyncIterator[None]:
    settings = dependencies.settings
    runner = web.AppRunner(
        make_app(dependencies, readiness),
        access_log=None,
        # A caller that hangs up cancels its handler, and with it the question it asked.
        handler_cancellation=True,
        shutdown_timeout=settings.operations.drain_seconds,
    )
    await runner.setup()
    try:
        await GuardedSite(runner, settings.gateway).start()
        readiness.port = runner.addresses[0][1]
        _log.info("gateway.listening", host=settings.gateway.host, port=readiness.port)
        yield
    finally:
        await runner.cleanup()
