"""What the reaper takes back, ends and sends out, and how often."""

from __future__ import annotations

import json

import pytest

from services.report_worker.reaper import Reaper
from shared.settings import ReportSettings
from tests.integration.report_worker.seeding import World, events, queue_report, row
from tests.waiting import until


async def test_the_reaper_sends_out_what_is_due_and_ends_what_is_used_up(world: World) -> None:
    returned = await queue_report(world.database, world.store_id, world.user_id, is_large=True)
    exhausted = await queue_report(world.database, world.store_id, world.user_id)
    builder = world.make_builder()
    assert await builder.claim(world.store_id, returned.report_id) is not None
    async with world.database.acquire() as connection:
        await connection.execute(
            "UPDATE reports SET status = 'building', worker = 'x',"
            " attempt = CASE report_id WHEN $2 THEN 3 ELSE 1 END,"
            " lease_until = now() - interval '1 second' WHERE store_id = $1",
            world.store_id,
            exhausted.report_id,
        )
    relay = world.make_builder().relay
    reaper = Reaper(
        world.database, relay, ReportSettings(attempts_max=3, backoff_seconds_min=0.001)
    )

    async def reaped() -> bool:
        await reaper.reap()
        async with world.database.acquire() as connection:
            keys = await connection.fetch(
                "SELECT routing_key FROM outbox WHERE store_id = $1 AND exchange ="
                " 'tallyport.builds'",
                world.store_id,
            )
        return [key["routing_key"] for key in keys] == ["tallyport.report.build.large"]

    await until(reaped, seconds=30, what="one dispatch, to the queue for large reports")
    now = await row(world.database, exhausted)
    assert now is not None
    assert (now.status, now.failure_code) == ("error", "worker_lost")
    assert await events(world.database, exhausted) == ["report.failed.v1"]


@pytest.mark.parametrize(
    ("due_for", "sent_for", "is_large", "is_sent"),
    [
        pytest.param(0, 59, False, False, id="sent just now"),
        pytest.param(0, 61, False, True, id="perhaps lost"),
        pytest.param(120, 100, False, False, id="sent before: twice the pause"),
        pytest.param(120, 121, False, True, id="the pause doubled and over"),
        pytest.param(7200, 599, False, False, id="the longest pause"),
        pytest.param(7200, 601, False, True, id="the longest pause over"),
        pytest.param(120, 601, True, False, id="its queue takes nothing"),
    ],
)
async def test_a_report_that_waits_long_is_sent_out_few_times(
    world: World, *, due_for: int, sent_for: int, is_large: bool, is_sent: bool
) -> None:
    """In seconds: how long it had been due when it was sent last, and how long ago that was."""
    report = await queue_report(world.database, world.store_id, world.user_id, is_large=is_large)
    async with world.database.acquire() as connection:
        await connection.execute(
            "UPDATE reports SET dispatched_at = now() - make_interval(secs => $2),"
            " next_attempt_at = now() - make_interval(secs => $2 + $3)"
            " WHERE store_id = $1",
            world.store_id,
            float(sent_for),
            float(due_for),
        )
        # Nobody relays what other tests have promised.
        await connection.execute("DELETE FROM outbox")
        # A promise to the queue for large reports that the broker has not taken for 61 s.
        await connection.execute(
            "INSERT INTO outbox (store_id, message_id, kind, exchange, routing_key, mandatory,"
            " body, created_at) VALUES ($1, gen_random_uuid(), 'report.build.v1', 'nowhere',"
            " 'tallyport.report.build.large', false, '', now() - interval '61 seconds')",
            world.store_id,
        )
    reaper = Reaper(
        world.database, world.make_builder().relay, ReportSettings(redispatch_seconds=60)
    )
    await reaper.reap()
    async with world.database.acquire() as connection:
        bodies = await connection.fetch(
            "DELETE FROM outbox WHERE store_id = $1 RETURNING exchange, body", world.store_id
        )
    sent = [json.loads(one["body"])["report_id"] for one in bodies if one["exchange"] != "nowhere"]
    assert sent == ([report.report_id] if is_sent else [])
