"""The stream of a report's events: what it tells, when it ends, and what it takes of the others."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from devstack import ports
from services.gateway import app as gateway
from services.gateway import report_watch
from services.gateway.handlers import report_events
from services.gateway.settings import GatewayServiceSettings, GatewaySettings
from shared.database import accounts, reports
from shared.database.accounts import Store
from shared.database.pool import Database
from tests.component.conftest import Client, MakeClient, MakePlay, blocks_of, is_ready, running
from tests.component.events import following
from tests.engines import ROOT
from tests.waiting import until


@contextlib.asynccontextmanager
async def another_gateway(blocks: dict[str, Any], **settings: float) -> AsyncIterator[str]:
    """One with other limits, and its address."""
    (port,) = ports.reserve(ROOT / ".run" / "tests", 1)
    url = f"http://127.0.0.1:{port}"
    made = GatewaySettings(port=port, **settings)  # type: ignore[arg-type]
    async with running(
        gateway.serve, GatewayServiceSettings(**blocks_of(blocks, "gateway"), gateway=made)
    ):
        await until(lambda: is_ready(url), seconds=30, what="the other gateway")
        yield url


def session(client: Client, url: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {client.token}"},
        timeout=aiohttp.ClientTimeout(total=60),
    )


async def test_a_report_is_followed_to_its_link(client: Client) -> None:
    await client.post(
        "/customers", [{"id": 1, "email": "a@example.com", "date_created": "2011-01-01T00:00:00Z"}]
    )
    ask = {
        "name": "customers",
        "datetime_start": "2010-12-01 00:00:00",
        "datetime_end": "2011-12-31 23:59:59",
    }
    report = await client.post("/reports", ask, status=201)
    path = re.sub(r"^http://[^/]+", "", report["_links"]["fx:events"]["href"])
    async with following(client.session, path) as stream:
        headers = stream.response.headers
        opening, *heard = await stream.rest()
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "private, no-store, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["X-Request-Id"]
    assert 1_000 <= opening.retry < 3_000
    assert [one.name for one in heard[:-1]] == ["progress"] * (len(heard) - 1)
    last = heard[-1]
    assert last.name == "ready"
    assert last.data["progress"]["percent"] == 100
    assert "fx:events" not in last.data["_links"]
    async with (
        aiohttp.ClientSession() as anybody,
        anybody.get(last.data["_links"]["fx:download_url"]["href"]) as file,
    ):
        assert (await file.text()).count("\r\n") == 2
    # Whoever has had the last one is told not to come again; whoever has not, gets it.
    async with following(client.session, path, seen=last.id, status=204):
        pass
    async with following(client.session, path, seen="of long ago") as stream:
        _, only = await stream.rest()
    assert (only.name, only.id) == ("ready", last.id)


async def test_each_state_is_told_once_and_the_other_spelling_is_the_same(
    client: Client, make_play: MakePlay
) -> None:
    play = await make_play()
    path = play.path.replace("/report/", "/reports/") + "/events"
    async with following(client.session, path) as stream:
        waiting = await stream.event()
        assert waiting.data["progress"]["queue_position"] >= 1
        await play.claim()
        assert (await stream.event()).data["progress"]["stage"] == "starting"
        await play.write(7)
        written = await stream.event()
        assert (written.name, written.data["progress"]["rows_written"]) == ("progress", 7)
    # Taken up again: what was told is not told again.
    async with following(client.session, path, seen=written.id) as stream:
        await play.write(7)
        await play.retry()
        again = await stream.event()
        assert (again.data["status"], again.data["progress"]["stage"]) == ("queued", "retrying")
    async with following(client.session, path, seen=written.id) as stream:
        assert (await stream.event()).id == again.id, "what was missed is told at once"


async def test_it_ends_with_the_failure(client: Client, make_play: MakePlay) -> None:
    play = await make_play()
    await play.claim()
    async with following(client.session, f"{play.path}/events") as stream:
        assert (await stream.event()).name == "progress"
        await play.fail()
        *_, last = await stream.rest()
    assert last.name == "failed"
    assert last.data["failure"] == {"code": "unavailable", "message": "ask again later"}


async def test_it_ends_when_the_report_is_removed(client: Client, make_play: MakePlay) -> None:
    play = await make_play()
    async with following(client.session, f"{play.path}/events") as stream:
        first = await stream.event()
        await client.call("DELETE", play.path, status=204)
        *_, last = await stream.rest()
    assert (last.name, last.data) == ("removed", {"removed": True})
    async with following(client.session, f"{play.path}/events", seen=first.id, status=404):
        pass


async def test_what_is_no_report_of_the_callers_has_no_events(
    client: Client, make_play: MakePlay, make_client: MakeClient, database: Database
) -> None:
    play = await make_play()
    async with database.acquire() as connection:
        other = await accounts.create_store(connection, name="O", timezone="UTC", currency="USD")
    stranger = await make_client(other)
    refused = await stranger.get(f"{play.path}/events", status=404)
    assert refused["total"] == 1
    await client.get("/reports/999999999/events", status=404)
    response, body = await client.call("HEAD", f"{play.path}/events", status=200)
    assert (response.content_type, body) == ("text/event-stream", b"")
    response, _ = await client.call("POST", f"{play.path}/events", status=405)
    assert response.headers["Allow"] == "GET, HEAD"


async def test_it_survives_the_loss_of_every_connection_to_the_database(
    client: Client, make_play: MakePlay, database: Database
) -> None:
    play = await make_play()
    async with following(client.session, f"{play.path}/events") as stream:
        await stream.event()
        for rows in (1, 2, 3):
            async with database.acquire() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE application_name = 'gateway' AND datname = current_database()"
                )
            if rows == 1:
                await play.claim()
            await play.write(rows)
            while (await stream.event()).data["progress"]["rows_written"] != rows:
                pass


async def test_many_streams_cost_the_database_one_statement(
    client: Client, make_client: MakeClient, make_play: MakePlay, monkeypatch: pytest.MonkeyPatch,
    store: Store,
) -> None:  # fmt: skip
    asked = 0
    find_reports = reports.find_reports

    async def counted(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return await find_reports(*arguments)

    monkeypatch.setattr(reports, "find_reports", counted)
    play = await make_play()
    clients = [client, *[await make_client(store) for _ in range(3)]]
    async with contextlib.AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(following(one.session, f"{play.path}/events"))
            for one in clients
            for _ in range(20)
        ]
        for stream in streams:
            await stream.event()
        began, asked = time.monotonic(), 0
        await play.claim()
        for stream in streams:
            assert (await stream.event()).data["progress"]["stage"] == "starting"
        for rows in range(1, 51):
            await play.write(rows)
        for stream in streams:
            while (await stream.event()).data["progress"]["rows_written"] != 50:
                pass
        seconds = time.monotonic() - began
    # Ten readings a second whatever happens, and one every five seconds in any case.
    assert asked <= 2 + seconds * 10 + seconds / 5


async def test_a_stream_has_a_heartbeat_and_an_end_and_there_are_so_many_of_them(
    client: Client, make_client: MakeClient, store: Store, make_play: MakePlay,
    blocks: dict[str, Any],
) -> None:  # fmt: skip
    play = await make_play()
    path = f"{play.path}/events"
    limits = {
        "events_heartbeat_seconds": 0.05,
        "events_seconds_max": 1.5,
        "event_streams_per_token_max": 2,
        "event_streams_max": 3,
    }
    other = await make_client(store)
    async with another_gateway(blocks, **limits) as url, session(client, url) as mine:
        async with following(mine, path) as first, following(mine, path) as second:
            async with mine.get(path) as refused:
                assert refused.status == 429
                assert int(refused.headers["Retry-After"]) > 0
                assert (await refused.json())["total"] == 1
            async with (
                session(other, url) as theirs,
                following(theirs, path),
                session(await make_client(store), url) as too_many,
                too_many.get(path) as refused,
            ):
                assert refused.status == 503
                assert int(refused.headers["Retry-After"]) > 0
            heard = await first.rest()
            assert {one.comment for one in heard} == {"", "still here"}
            assert [one.name for one in heard if one.name] == ["progress"]
            await second.rest()
        # Their places are free again, and the next stream goes on where the last one was.
        (seen,) = [one.id for one in heard if one.id]
        async with following(mine, path, seen=seen) as third:
            assert [one for one in await third.rest() if one.name] == []


async def test_a_stopping_gateway_ends_its_streams(
    client: Client, make_play: MakePlay, blocks: dict[str, Any]
) -> None:
    play = await make_play()
    stack = contextlib.AsyncExitStack()
    url = await stack.enter_async_context(another_gateway(blocks))
    async with session(client, url) as mine, following(mine, f"{play.path}/events") as stream:
        await stream.event()
        began = time.monotonic()
        stopping = asyncio.create_task(stack.aclose())
        assert [one.name for one in await stream.rest() if one.name] == []
        await stopping
        assert time.monotonic() - began < blocks["operations"].drain_seconds


async def test_it_hears_at_once_and_looks_now_and_then(
    client: Client, make_play: MakePlay, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = await make_play()
    await play.claim()
    # Not a word is said of this.
    async with following(client.session, f"{play.path}/events") as stream:
        await stream.event()
        async with database.acquire() as connection:
            await connection.execute(
                "UPDATE reports SET rows_written = 5 WHERE report_id = $1", play.report.report_id
            )
        assert (await stream.event()).data["progress"]["rows_written"] == 5
        # And from here on nobody looks: what is told was heard.
        monkeypatch.setattr(report_watch, "POLL_SECONDS", 600.0)
        monkeypatch.setattr(report_watch, "POLL_SECONDS_DEAF", 600.0)
        for rows in (6, 7):
            began = time.monotonic()
            await play.write(rows)
            assert (await stream.event()).data["progress"]["rows_written"] == rows
            assert time.monotonic() - began < 30
        # Before the last thing to be heard, so that the loop does not go to sleep for so long.
        monkeypatch.undo()
        await client.call("DELETE", play.path, status=204)
        assert (await stream.event()).name == "removed"


async def test_who_takes_nothing_is_not_waited_for(
    client: Client, base_url: str, make_play: MakePlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_events, "WRITE_SECONDS", 0.5)
    play = await make_play()
    await play.claim()
    address = URL(base_url)
    reader, writer = await asyncio.open_connection(address.host, address.port, limit=1_024)
    try:
        writer.write(
            f"GET {play.path}/events HTTP/1.1\r\nHost: {address.authority}\r\n"
            f"Authorization: Bearer {client.token}\r\n\r\n".encode()
        )
        assert b"200 OK" in await reader.readline()
        open_streams = report_watch.STREAMS._value.get()
        rows = itertools.count(1)

        async def given_up() -> bool:
            # More than all buffers on the way hold, a megabyte at a time.
            await play.write(next(rows), stage="x" * 1_000_000)
            return bool(report_watch.STREAMS._value.get() < open_streams)

        await until(given_up, seconds=30, what="the stream to be given up")
    finally:
        writer.transport.abort()


async def test_a_revoked_token_ends_its_stream(
    make_client: MakeClient, make_play: MakePlay, store: Store, database: Database
) -> None:
    one, other = await make_client(store), await make_client(store)
    play = await make_play()
    async with (
        following(one.session, f"{play.path}/events") as stream,
        following(other.session, f"{play.path}/events") as going_on,
    ):
        await stream.event()
        await going_on.event()
        async with database.acquire() as connection:
            await accounts.revoke_token(connection, one.token_id)
        # Within seconds, though nothing happens to the report, and nothing more is told.
        async with asyncio.timeout(5):
            assert [heard.name for heard in await stream.rest() if heard.name] == []
        await one.call("GET", f"{play.path}/events", status=401)
        await play.claim()
        assert (await going_on.event()).name == "progress"
