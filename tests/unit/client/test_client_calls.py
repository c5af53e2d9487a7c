"""One call: what is tried again, when, and when not."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from tallyport_client import (
    AsyncClient,
    BusyError,
    ConflictError,
    InvalidError,
    Limits,
    NotFoundError,
    TimedOutError,
    UnreachableError,
)
from tests.answering import Service

REPORT = {
    "_links": {"self": {"href": "/report/5"}},
    "name": "customers",
    "status": "queued",
    "format": "csv",
    "progress": {"stage": "queued", "rows_written": 0, "rows_estimated": None, "percent": 0},
}
RANGE = ("2011-01-01 00:00:00", "2011-12-31 23:59:59")


def failing(service: Service, answers: list[web.Response | None], then: Any) -> list[float]:
    """Answer as listed (None: the connection breaks), then with `then`; when it was asked."""
    asked: list[float] = []

    async def respond(request: web.Request) -> web.StreamResponse:
        asked.append(time.monotonic())
        await request.read()
        if len(asked) > len(answers):
            return web.json_response(then)
        answer = answers[len(asked) - 1]
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer

    service.respond = respond
    return asked


def busy(status: int, retry_after: str) -> web.Response:
    return web.json_response({"error": "busy"}, status=status, headers={"Retry-After": retry_after})


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(client: AsyncClient, service: Service, status: int) -> None:
    asked = failing(service, [busy(status, "1")], {"registers": []})
    assert [register async for register in client.registers.list()] == []
    assert asked[1] - asked[0] >= 1.0


async def test_so_is_a_date(client: AsyncClient, service: Service) -> None:
    # Dates have whole seconds: two of them ahead is more than one.
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    asked = failing(service, [busy(503, moment)], {"registers": []})
    await anext(client.registers.list(), None)
    assert asked[1] - asked[0] >= 0.9


async def test_it_gives_up_at_once_when_it_may_not_come_again_in_time(service: Service) -> None:
    asked = failing(service, [busy(503, "3600")] * 9, {})
    async with AsyncClient(service.url, "secret", limits=Limits(deadline_seconds=5)) as client:
        began = time.monotonic()
        with pytest.raises(BusyError, match="busy") as refused:
            await client.registers.get(1)
    assert time.monotonic() - began < 4
    assert refused.value.retry_after == 3600
    assert len(asked) == 1


async def test_one_call_makes_one_report_whatever_is_lost(
    client: AsyncClient, service: Service
) -> None:
    running = web.json_response({"error": "runs"}, status=409, headers={"Retry-After": "0"})
    failing(service, [None, running, busy(503, "0")], REPORT)
    assert (await client.reports.create("customers", *RANGE)).id == 5
    keys = {request.headers["Idempotency-Key"] for request in service.requests}
    assert len(service.requests) == 4
    assert len(keys) == 1
    await client.reports.create("customers", *RANGE)
    assert service.requests[-1].headers["Idempotency-Key"] not in keys


async def test_a_conflict_is_no_reason_to_come_again(client: AsyncClient, service: Service) -> None:
    asked = failing(service, [web.json_response({"error": "no"}, status=409)], REPORT)
    with pytest.raises(ConflictError):
        await client.reports.create("customers", *RANGE)
    assert len(asked) == 1


@pytest.mark.parametrize("answer", [busy(503, "0"), None])
async def test_what_may_have_been_done_is_not_done_twice(
    client: AsyncClient, service: Service, answer: web.Response | None
) -> None:
    asked = failing(service, [answer], {})
    with pytest.raises((BusyError, UnreachableError)):
        await client.registers.create("Stock")
    assert len(asked) == 1


async def test_nobody_there() -> None:
    async with AsyncClient("http://127.0.0.1:1", "secret", limits=Limits(attempts_max=2)) as client:
        with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:1") as unreachable:
            await client.registers.create("Stock")
    assert not unreachable.value.may_be_done


async def test_no_answer_within_the_deadline(service: Service) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.get_running_loop().create_future()
        return web.Response()

    service.respond = never
    async with AsyncClient(service.url, "secret", limits=Limits(deadline_seconds=0.3)) as client:
        with pytest.raises(TimedOutError, match="GET /registers/1"):
            await client.registers.get(1)


async def test_a_report_that_this_very_call_removed_is_removed(
    client: AsyncClient, service: Service
) -> None:
    missing = web.json_response({"error": "no such report"}, status=404)
    failing(service, [None, missing], {})
    await client.reports.cancel(5)
    failing(service, [web.json_response({"error": "no such report"}, status=404)], {})
    with pytest.raises(NotFoundError):
        await client.reports.cancel(5)


async def test_a_bad_record_is_counted_over_all_of_them(
    client: AsyncClient, service: Service
) -> None:
    asked = 0

    async def respond(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked == 1:
            return web.json_response({"inserted": 2_000, "duplicates": 0})
        wrong = [{"index": 7, "field": "amount", "reason": "must be a decimal"}]
        content = {"error": "[7].amount is wrong", "errors": wrong, "inserted": 0, "duplicates": 1}
        return web.json_response(content, status=422)

    service.respond = respond
    with pytest.raises(InvalidError) as refused:
        await client.items.record(
            1, ({"unique_key": str(n), "amount": 1, "originated_at": "x"} for n in range(2_010))
        )
    (problem,) = refused.value.problems
    assert (problem.index, problem.field) == (2_007, "amount")
    assert refused.value.recorded == {"inserted": 2_000, "replaced": 0, "duplicates": 1}


async def test_the_token_goes_to_the_address_that_was_given_and_no_other(
    client: AsyncClient, service: Service
) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        if request.query.get("after") == "x/+=":
            return web.json_response({"items": []})
        link = '<http://elsewhere.example/registers/1/items?limit=1&after=x%2F%2B%3D>; rel="next"'
        return web.json_response({"items": []}, headers={"Link": link})

    service.respond = respond
    assert [item async for item in client.items.list(1)] == []
    assert len(service.requests) == 2
