"""`/metrics` of the four running processes, after work of which the test knows how much it was."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import aio_pika
import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.contracts.routes import DEAD_QUEUE, QUESTIONS, RECORDS
from tests.chaos.history import History
from tests.chaos.services import Service
from tests.chaos.shop import Shop, open_shop
from tests.chaos.system import System
from tests.engines import ROOT
from tests.unit.test_docs import codes, sections, tables
from tests.waiting import until

SECONDS = 60.0
CUSTOMERS = 37
RANGE = {"start_at": "2020-01-01T00:00:00Z", "end_at": "2030-01-01T00:00:00Z"}
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def shop(system: System) -> AsyncIterator[Shop]:
    await system.revive()
    async with open_shop(system, History(), random.Random(1), customers=CUSTOMERS) as opened:  # noqa: S311
        yield opened


class Page:
    """What one process counted, and how much that grew."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._before: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    async def __aenter__(self) -> Page:
        self._before = await self._read()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is held."""

    async def grown(self, name: str, **labels: str) -> float:
        """Of all samples of this name that have these labels, whatever others they have."""
        now = await self._read()
        return sum(
            value - self._before.get((found, has), 0.0)
            for (found, has), value in now.items()
            if found == name and set(labels.items()) <= has
        )

    async def value(self, name: str, **labels: str) -> float:
        return (await self._read())[name, frozenset(labels.items())]

    async def reaches(self, count: float, name: str, **labels: str) -> None:
        """What is counted after an answer went out is there a moment later; and not more of it."""

        async def probe() -> bool:
            return await self.grown(name, **labels) >= count

        await until(probe, seconds=SECONDS, what=f"{name} {labels} to grow by {count:g}")
        assert await self.grown(name, **labels) == count

    async def _read(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        status, text = await self._service.page("/metrics")
        assert status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


async def families(service: Service) -> set[str]:
    """The names as they stand in queries, of histograms without their endings."""
    _, text = await service.page("/metrics")
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text)
        # The library adds to each counter when it began.
        if family.name.startswith("tallyport_") and not family.name.endswith("_created")
    }


async def test_the_table_of_metrics_is_what_the_processes_have(system: System) -> None:
    await system.revive()
    served = set().union(*[await families(service) for service in system.services])
    ((_, rows),) = tables(sections(ROOT / "docs" / "operation.md", level=2)["Metrics"])
    assert {codes(row[0])[0] for row in rows} == served


async def test_names_follow_the_conventions(system: System) -> None:
    await system.revive()
    for service in system.services:
        _, text = await service.page("/metrics")
        for family in text_string_to_metric_families(text):
            if not family.name.startswith("tallyport_"):
                continue
            assert not family.name.endswith(("_ms", "_milliseconds", "_minutes", "_kb", "_mb"))
            assert family.documentation
            # No gauge pretends to be a counter; samples of counters have `_total` by themselves.
            assert (family.type == "counter") or not family.name.endswith("_total")
            names = {name for sample in family.samples for name in sample.labels} - {"le"}
            assert names <= {
                *("method", "route", "status", "code", "reason", "kind", "outcome", "plan"),
                *("why", "report", "ending", "state", "queue", "connection", "pool", "operation"),
            }


async def test_questions_are_counted_from_both_sides(shop: Shop) -> None:
    system = shop.system
    async with Page(system.gateway) as gateway, Page(system.aggregator) as aggregator:
        for _ in range(3):
            question = {"register_id": shop.register_id, **RANGE}
            status, _ = await shop.call("POST", "/reports/item_count", json=question)
            assert status == 200
        status, _ = await shop.call("POST", "/reports/item_count", json={"register_id": 10**9})
        assert status == 422
        route = "/reports/{measure}"
        of_http = ("tallyport_http_request_seconds_count", route, "200")
        await gateway.reaches(3, of_http[0], route=route, status="200", method="POST")
        await gateway.reaches(1, of_http[0], route=route, status="422", method="POST")
        await gateway.reaches(1, "tallyport_http_refusals_total", code="invalid_argument")
        kind = "aggregate.query.v1"
        await gateway.reaches(3, "tallyport_rpc_seconds_count", kind=kind, outcome="answered")
        name = "tallyport_messages_handled_total"
        await aggregator.reaches(3, name, kind=kind, outcome="handled")
        waited = "tallyport_message_wait_seconds"
        await aggregator.reaches(4, f"{waited}_count", queue=QUESTIONS.name)
        # On one machine with one clock.
        assert 0 < await aggregator.grown(f"{waited}_sum", queue=QUESTIONS.name) < SECONDS


async def test_a_report_is_counted_by_whoever_builds_it(shop: Shop) -> None:
    system = shop.system
    async with Page(system.workers[0]) as worker:
        asked = await shop.ask()

        async def is_ready() -> bool:
            _, found = await shop.call("GET", f"/reports/{asked.report_id}")
            return bool(found) and found["status"] == "ready"

        await until(is_ready, seconds=SECONDS, what="the report")
        of_report = {"report": "customers", "ending": "built"}
        await worker.reaches(1, "tallyport_report_build_seconds_count", **of_report)
        await worker.reaches(CUSTOMERS, "tallyport_report_rows_total", report="customers")
        await worker.reaches(1, "tallyport_report_attempts_count", **of_report)
        await worker.reaches(1, "tallyport_report_attempts_sum", **of_report)
        await worker.reaches(
            1, "tallyport_object_store_requests_total", operation="PutObject", outcome="2xx"
        )
        async with system.database.acquire() as connection:
            size = await connection.fetchval(
                "SELECT object_bytes FROM reports WHERE report_id = $1", asked.report_id
            )
        await worker.reaches(size, "tallyport_object_store_sent_bytes_total")
        await worker.reaches(size, "tallyport_report_bytes_total", report="customers")


async def test_what_waits_in_a_queue_is_told_as_the_broker_counts_it(shop: Shop) -> None:
    """Dead letters, as the broker counts them, and who takes from a queue."""
    system = shop.system
    async with Page(system.recorder) as recorder:
        connection = await aio_pika.connect(system.world.broker_url)
        async with connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange(RECORDS.exchange, ensure=False)
            for _ in range(2):
                await exchange.publish(
                    aio_pika.Message(b"no JSON", content_type="application/json"), RECORDS.name
                )
            await recorder.reaches(
                2, "tallyport_dead_letters_total", queue=RECORDS.name, code="malformed"
            )
            declared = await channel.declare_queue(DEAD_QUEUE, passive=True)
            there = declared.declaration_result.message_count

            async def is_told() -> bool:
                told = await recorder.value("tallyport_queue_messages", queue=DEAD_QUEUE)
                return told == there

            assert there
            await until(is_told, seconds=SECONDS, what="the dead letters to be told of")
        assert await recorder.value("tallyport_queue_consumers", queue=RECORDS.name) == 1


async def test_a_pool_tells_who_waits(shop: Shop) -> None:
    system = shop.system
    async with Page(system.gateway) as gateway:
        limit = await gateway.value("tallyport_database_connections_max", pool="gateway")
        system.database_proxy.silence()
        try:
            asking = [
                asyncio.create_task(shop.call("GET", "/reports")) for _ in range(int(limit) + 5)
            ]

            async def is_full() -> bool:
                busy = await gateway.value(
                    "tallyport_database_connections", pool="gateway", state="busy"
                )
                waiting = await gateway.value("tallyport_database_waiting", pool="gateway")
                return busy + waiting >= limit and waiting >= 1

            await until(is_full, seconds=SECONDS, what="the pool to be empty")
        finally:
            system.database_proxy.speak()
        await asyncio.gather(*asking)


async def test_callers_cannot_make_labels_up(shop: Shop) -> None:
    gateway = shop.system.gateway
    async with aiohttp.ClientSession(gateway.url) as stranger:
        for method, path in (
            ("PROPFIND", "/healthz"),
            ("GET", "/no/such/path"),
            ("POST", "/x?y=z"),
        ):
            async with stranger.request(method, path) as response:
                assert response.status >= 400
    _, text = await gateway.page("/metrics")
    for word in ("PROPFIND", "/no/such", "y=z"):
        assert word not in text
    assert 'method="other"' in text
    assert str(shop.register_id) not in {
        value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("tallyport_")
        for name, value in sample.labels.items()
        if name not in ("le", "status")
    }
