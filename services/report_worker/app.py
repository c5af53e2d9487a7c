"""The composition root of the report worker.

In: settings, and the event that says stop. Out: a process that builds reports until then, finishes
what it has in hand if there is time, and gives back the rest.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor

import structlog

from services.report_worker.aftermath import Aftermath
from services.report_worker.build_report import ReportBuilder
from services.report_worker.handlers import BuildHandler, RequestHandler
from services.report_worker.janitor import Janitor
from services.report_worker.production import Production
from services.report_worker.reaper import Reaper
from services.report_worker.request_report import ReportRequester
from services.report_worker.settings import WorkerServiceSettings
from shared.contracts.message import Message
from shared.contracts.reports import ReportBuild, ReportRequest
from shared.contracts.routes import (
    BUILD_LARGE,
    BUILD_SMALL,
    DEAD_QUEUE,
    REPORT_REQUESTS,
    Service,
)
from shared.database.pool import Database
from shared.database.replica import ReadSources
from shared.errors import UnavailableError
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.delivery import Handler
from shared.messaging.depths import watch_depths
from shared.messaging.publisher import Publisher
from shared.objects import ObjectStore
from shared.operations import operations_server
from shared.relay import Relay
from shared.runtime import background
from shared.settings import DatabaseSettings

NAME = Service.REPORT_WORKER.value
# Of the time to stop in, what is kept for giving back and closing.
GIVE_BACK_SECONDS = 6.0
BUCKET_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


async def serve(settings: WorkerServiceSettings, stop: asyncio.Event) -> None:
    """Run until `stop`, then drain."""
    worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    slots = max(1, settings.worker.slots)
    connections = slots * settings.worker.connections_per_build
    async with (
        Database.open(settings.database, name=NAME) as database,
        # Of its own: a COPY runs for minutes, and heartbeats must not wait for one to end.
        Database.open(_source(settings), name=f"{NAME} source", pool_max=connections) as source,
        ReadSources.open(
            source,
            _source(settings),
            lambda replica: Database.open(replica, name=f"{NAME} replica", pool_max=connections),
            wait_seconds=settings.worker.replica_wait_seconds,
        ) as sources,
        ObjectStore.open(settings.object_store, uploads_max=slots) as objects,
        Broker.open(settings.broker, NAME, wait=False) as broker,
    ):
        relay = Relay(database, Publisher(broker))
        with ThreadPoolExecutor(slots, "writing") as threads:
            builder = ReportBuilder(
                worker,
                database,
                Production(
                    sources,
                    objects,
                    threads,
                    zip_over_bytes=settings.worker.zip_over_bytes,
                    build_seconds_max=settings.worker.build_seconds_max,
                    connections_max=settings.worker.connections_per_build,
                ),
                Aftermath(database, objects, relay, settings.reports),
                relay,
                settings.worker,
                settings.reports,
            )
            requester = ReportRequester(
                database, relay, settings.reports.large_rows, settings.links.public_url or ""
            )
            handlers: dict[type[Message], Handler] = {ReportBuild: BuildHandler(builder)}
            consumers = [
                Consumer(broker, queue, handlers, concurrency=concurrency)
                for queue, concurrency in (
                    (BUILD_SMALL, settings.worker.small_slots),
                    (BUILD_LARGE, settings.worker.large_slots),
                )
                if concurrency
            ]
            requests: dict[type[Message], Handler] = {ReportRequest: RequestHandler(requester)}
            consumers.append(Consumer(broker, REPORT_REQUESTS, requests))
            reaper = Reaper(database, relay, settings.reports)
            janitor = Janitor(
                database,
                objects,
                every_seconds=settings.worker.janitor_seconds,
                abandoned_seconds=settings.worker.abandoned_seconds,
            )

            async def broker_problem() -> str | None:
                return "; ".join(broker.problems()) or None

            checks = {
                "database": database.problem,
                "broker": broker_problem,
                "object_store": objects.problem,
            }
            async with (
                operations_server(settings.operations, checks) as readiness,
                background(
                    relay=relay.run(),
                    reaper=reaper.run(),
                    janitor=janitor.run(),
                    depths=watch_depths(
                        broker,
                        [BUILD_SMALL.name, BUILD_LARGE.name, REPORT_REQUESTS.name, DEAD_QUEUE],
                    ),
                ),
            ):
                await _wait_for_bucket(objects, stop)
                await asyncio.gather(*(consumer.start() for consumer in consumers))
                await stop.wait()
                readiness.start_draining()
                seconds = max(0.0, settings.operations.drain_seconds - GIVE_BACK_SECONDS)
                await asyncio.gather(*(consumer.stop(seconds) for consumer in consumers))


def _source(settings: WorkerServiceSettings) -> DatabaseSettings:
    """The database as exports read it: no connection is kept open for them while none runs. One
    that waits for the others of its snapshot, or for the object store, holds nothing that anybody
    waits for."""
    seconds = settings.worker.build_seconds_max
    return settings.database.model_copy(
        update={"pool_min": 0, "statement_seconds": seconds, "transaction_idle_seconds": seconds}
    )


async def _wait_for_bucket(objects: ObjectStore, stop: asyncio.Event) -> None:
    """Processes start in any order; `/readyz` says what is missing meanwhile."""
    while not stop.is_set():
        try:
            await objects.ensure_bucket()
        except UnavailableError as error:
            log.warning("object_store.waiting", reason=error.message)
            await asyncio.sleep(BUCKET_RETRY_SECONDS)
        else:
            return
