"""One trace from a request over the broker to the statement and the upload, as a collector gets it.

The services are processes, the collector is a server of the test's own that decodes what comes.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.chaos.history import History
from tests.chaos.shop import RANGE, Shop, open_shop
from tests.chaos.system import System, running_system
from tests.engines import EnginesUnderTest
from tests.operations.collector import Collector, Told, collecting
from tests.own_world import own_world
from tests.waiting import until

NUMBERS = {"start_at": "2020-01-01T00:00:00Z", "end_at": "2030-01-01T00:00:00Z"}
SECONDS = 60.0
CALLER = "00f067aa0ba902b7"
pytestmark = pytest.mark.timeout(240)


@dataclass
class Traced:
    """A system whose services tell a collector."""

    system: System
    collector: Collector
    shop: Shop


@pytest.fixture(scope="module")
async def traced(engines: EnginesUnderTest) -> AsyncIterator[Traced]:
    """In a world of its own: beside services that tell nobody, half of it would be theirs."""
    async with own_world(engines, "traces") as world, collecting() as collector:
        told_soon = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        async with (
            running_system(world, workers=1, more=told_soon) as system,
            open_shop(system, History(), random.Random(2), customers=30) as shop,  # noqa: S311
        ):
            yield Traced(system, collector, shop)


def _caller() -> tuple[str, dict[str, str]]:
    """A trace that somebody began, and the header of a request in it."""
    trace = secrets.token_hex(16)
    return trace, {"traceparent": f"00-{trace}-{CALLER}-01"}


def _chain(spans: dict[str, Told], *names: str) -> None:
    """Each is below the one before, the first below the caller's."""
    above = CALLER
    for name in names:
        assert spans[name].parent == above, f"{name} is below another span"
        above = spans[name].span


async def test_a_question_is_one_trace_down_to_its_statement(traced: Traced) -> None:
    trace, header = _caller()
    question = {"register_id": traced.shop.register_id, **NUMBERS}
    status, _ = await traced.shop.call("POST", "/reports/item_count", json=question, headers=header)
    assert status == 200
    request, sent, handled, statement = names = (
        "POST /reports/{measure}",
        "send tallyport.commands",
        "process tallyport.aggregate.query",
        "answer_question",
    )
    spans = await traced.collector.has(trace, *names)
    _chain(spans, *names)
    assert [spans[name].service for name in names] == [*("gateway",) * 2, *("aggregator",) * 2]
    assert [spans[name].kind for name in names] == ["SERVER", "PRODUCER", "CONSUMER", "CLIENT"]
    assert spans[request].attributes["http.response.status_code"] == 200
    assert spans[sent].attributes["messaging.system"] == "rabbitmq"
    assert spans[handled].attributes["messaging.destination.name"] == "tallyport.aggregate.query"
    assert spans[statement].attributes["db.system.name"] == "postgresql"
    assert not any(span.is_error for span in spans.values())


async def test_questions_of_one_message_are_of_their_own_traces(traced: Traced) -> None:
    """So many at once that several travel together."""
    callers = [_caller() for _ in range(24)]
    # No two of them alike, which would share one answer.
    answers = await asyncio.gather(
        *(
            traced.shop.call(
                "POST",
                "/reports/item_count",
                json={
                    "register_id": traced.shop.register_id,
                    **NUMBERS,
                    "start_at": f"2020-01-01T00:00:{second:02}Z",
                },
                headers=header,
            )
            for second, (_, header) in enumerate(callers)
        )
    )
    assert {status for status, _ in answers} == {200}
    names = (
        "POST /reports/{measure}",
        "send tallyport.commands",
        "process tallyport.aggregate.query",
        "answer_question",
    )
    for trace, _ in callers:
        _chain(await traced.collector.has(trace, *names), *names)
        handled = [span for span in traced.collector.of(trace) if span.name == names[2]]
        assert len(handled) == 1


async def test_a_report_is_one_trace_from_asking_to_uploading(traced: Traced) -> None:
    trace, header = _caller()
    asked = {"name": "customers", **RANGE}
    status, _ = await traced.shop.call("POST", "/reports", json=asked, headers=header)
    assert status == 201
    spans = await traced.collector.has(
        trace,
        *("POST /reports", "send tallyport.builds", "process tallyport.report.build.small"),
        *("report.build", "COPY customers", "S3/PutObject", "finish_report"),
    )
    _chain(
        spans,
        *("POST /reports", "send tallyport.builds", "process tallyport.report.build.small"),
        *("report.build", "COPY customers"),
    )
    for name in ("S3/PutObject", "finish_report"):
        assert spans[name].parent == spans["report.build"].span
    assert spans["S3/PutObject"].service == "report_worker"


async def test_items_are_one_trace_down_to_the_commit(traced: Traced) -> None:
    trace, header = _caller()
    item = {"unique_key": secrets.token_hex(8), "amount": "1", "originated_at": "2024-01-01T00:00Z"}
    status, _ = await traced.shop.call(
        "POST", f"/registers/{traced.shop.register_id}/items", json=[item], headers=header
    )
    assert status == 200
    names = (
        "POST /registers/{id}/items",
        "send tallyport.commands",
        "process tallyport.record",
        "record.group",
        "COMMIT",
    )
    spans = await traced.collector.has(trace, *names)
    _chain(spans, *names)
    assert spans["record.group"].service == "recorder"


async def test_a_refusal_is_no_error_of_ours_and_says_nothing_of_what_was_sent(
    traced: Traced,
) -> None:
    trace, header = _caller()
    secret = f"secret-{secrets.token_hex(8)}"
    token = {"Authorization": f"Bearer tp_{secret}"}
    question = {"register_id": traced.shop.register_id, "group_by": [secret], **NUMBERS}
    status, _ = await traced.shop.call(
        "POST", f"/reports/item_sum?{secret}=1", json=question, headers=header
    )
    assert status == 422
    other, other_header = _caller()
    status, _ = await traced.shop.call("GET", "/reports", headers={**other_header, **token})
    assert status == 401
    spans = await traced.collector.has(trace, "POST /reports/{measure}")
    assert spans["POST /reports/{measure}"].attributes["http.response.status_code"] == 422
    assert not spans["POST /reports/{measure}"].is_error
    await traced.collector.has(other, "GET /reports")
    engines = traced.system.world
    everything = b"".join(traced.collector.raw)
    for untold in (
        secret,
        engines.database_url.partition("@")[0].rpartition(":")[2],
        engines.object_store.secret_key,
        "X-Amz-Signature",
        str(traced.shop.session.headers["Authorization"]).removeprefix("Bearer "),
    ):
        assert untold.encode() not in everything


async def test_log_lines_name_their_trace(traced: Traced) -> None:
    trace, header = _caller()
    item = {"unique_key": secrets.token_hex(8), "amount": "1", "originated_at": "2024-01-01T00:00Z"}
    path = f"/registers/{traced.shop.register_id}/items"
    status, _ = await traced.shop.call("POST", path, json=[item], headers=header)
    assert status == 200

    async def probe() -> bool:
        return trace in traced.system.recorder.log.read_text()

    await until(probe, seconds=SECONDS, what="a line of the trace in the recorder's log")


async def test_a_collector_that_is_gone_is_told_of_once_and_keeps_nobody_waiting(
    engines: EnginesUnderTest,
) -> None:
    nobody = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    async with (
        own_world(engines, "gone") as world,
        running_system(world, workers=1, more=nobody) as system,
        open_shop(system, History(), random.Random(3), customers=3) as shop,  # noqa: S311
    ):
        log = system.gateway.log
        question = {"register_id": shop.register_id, **NUMBERS}
        dropped_at = 0.0

        async def dropped_again_and_again() -> bool:
            """Until spans were dropped, and asked for several batches longer."""
            nonlocal dropped_at
            status, _ = await shop.call("POST", "/reports/item_count", json=question)
            assert status == 200
            if not dropped_at and '"traces.dropped"' in log.read_text():
                dropped_at = time.monotonic()
            return dropped_at > 0 and time.monotonic() - dropped_at > 2

        await until(dropped_again_and_again, seconds=SECONDS, what="spans to be dropped")
        assert log.read_text().count('"traces.dropped"') == 1
        assert shop.slowest < 5
