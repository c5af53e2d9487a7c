"""Waiting, where the way to the service is not what it should be."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from tallyport_client import AsyncClient, Report, waiting
from tests.answering import Service

PROGRESS = {"stage": "writing", "rows_written": 1, "rows_estimated": 2, "percent": 50}


def resource(service: Service, status: str) -> dict[str, Any]:
    links = {
        "self": {"href": f"{service.url}/report/5"},
        "fx:events": {"href": f"{service.url}/report/5/events"},
    }
    report = {"name": "customers", "format": "csv", "status": status, "progress": PROGRESS}
    return {"_links": links, **report}


class Streaming:
    """Answers with `states`, an event each, then says nothing; asked otherwise it is ready."""

    def __init__(self, service: Service, states: list[str]) -> None:
        self.streams = 0
        self.looks = 0
        self._service = service
        self._states = states
        service.respond = self.respond

    async def respond(self, request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/events"):
            self.looks += 1
            return web.json_response(resource(self._service, "ready"))
        self.streams += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 2000\n\n: still here\n\n")
        for state in self._states:
            data = json.dumps(resource(self._service, state))
            await response.write(f"event: progress\nid: 1\ndata: {data}\n\n".encode())
        await asyncio.get_running_loop().create_future()
        return response


async def test_events_are_all_that_it_needs(client: AsyncClient, service: Service) -> None:
    streaming = Streaming(service, ["queued", "queued", "ready"])
    told: list[str] = []
    report = Report.of(resource(service, "queued"))
    await client.reports.wait(report, 10, on_progress=lambda now: told.append(now.status))
    assert told == ["queued", "queued", "ready"]
    assert (streaming.streams, streaming.looks) == (1, 0)


async def test_a_stream_that_is_held_up_is_not_waited_for(
    client: AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_EVENT_SECONDS", 0.2)
    streaming = Streaming(service, [])
    assert (await client.reports.wait(Report.of(resource(service, "queued")), 10)).id == 5
    assert (streaming.streams, streaming.looks) == (1, 1)


async def test_a_report_that_names_no_stream_is_looked_at(
    client: AsyncClient, service: Service
) -> None:
    streaming = Streaming(service, [])
    queued = resource(service, "queued")
    del queued["_links"]["fx:events"]
    assert (await client.reports.wait(Report.of(queued), 10)).status == "ready"
    assert (streaming.streams, streaming.looks) == (0, 1)


async def test_what_the_callback_raises_is_the_callers(
    client: AsyncClient, service: Service
) -> None:
    """Also where a broken connection would raise the same."""
    Streaming(service, ["queued"])

    def stop(_report: Report) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await client.reports.wait(Report.of(resource(service, "queued")), 10, on_progress=stop)
