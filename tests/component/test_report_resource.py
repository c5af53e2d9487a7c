"""The report resource, sentence by sentence: what docs/http.md promises of its calls and answers.

Rows are played by the test where no file is needed: that costs no build.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from shared.database import accounts, idempotency_keys, report_uploads
from shared.database.accounts import Store
from shared.database.pool import Database
from tests.component.conftest import Client, MakeClient, MakePlay
from tests.waiting import until

_numbers = itertools.count(1)
ASK = {
    "name": "customers",
    "datetime_start": "2022-01-01 00:00:00",
    "datetime_end": "2022-01-31 23:59:59",
}


def _path(link: dict[str, str]) -> str:
    return re.sub(r"^http://[^/]+", "", link["href"])


def _lasting(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that do not differ between any two answers."""
    own = ("date", "x-request-id", "ratelimit")
    return {name: value for name, value in headers.items() if name.lower() not in own}


async def _nothing_waits(database: Database) -> None:
    """Places in the queue are those among all stores' reports."""

    async def quiet() -> bool:
        async with database.acquire() as connection:
            return not await connection.fetchval(
                "SELECT count(*) FROM reports WHERE status IN ('queued', 'building')"
            )

    await until(quiet, seconds=30, what="an empty queue")


async def _client_in(
    timezone: str, make_client: MakeClient, database: Database
) -> tuple[Client, Store]:
    async with database.acquire() as connection:
        store = await accounts.create_store(
            connection, name=f"In {timezone} {next(_numbers)}", timezone=timezone, currency="USD"
        )
    return await make_client(store), store


@pytest.mark.parametrize(
    ("timezone", "asked", "shown"),
    [
        (
            "America/Los_Angeles",
            ("2022-01-01T00:00:00+0200", "2022-07-31 23:59:59Z"),
            ("2022-01-01T00:00:00-0800", "2022-07-31T23:59:59-0700"),
        ),
        # 02:30 was skipped: it moves on by the hour of the gap.
        (
            "America/Los_Angeles",
            ("2022-03-13 02:30:00", "2022-03-13 03:45:00"),
            ("2022-03-13T03:30:00-0700", "2022-03-13T03:45:00-0700"),
        ),
        # 01:30 came twice: the first as a start, the second as an end.
        (
            "America/Los_Angeles",
            ("2022-11-06 01:30:00", "2022-11-06 01:30:00"),
            ("2022-11-06T01:30:00-0700", "2022-11-06T01:30:00-0800"),
        ),
        # A midnight that did not exist.
        (
            "America/Sao_Paulo",
            ("2017-10-15 00:00:00", "2017-10-15 23:59:59"),
            ("2017-10-15T01:00:00-0200", "2017-10-15T23:59:59-0200"),
        ),
    ],
)
async def test_times_are_the_stores_own(
    make_client: MakeClient,
    database: Database,
    timezone: str,
    asked: tuple[str, str],
    shown: tuple[str, str],
) -> None:
    client, _ = await _client_in(timezone, make_client, database)
    body = {**ASK, "datetime_start": asked[0], "datetime_end": asked[1]}
    for sent in ({"json": body}, {"data": body}):
        _, report = await client.call("POST", "/reports", status=201, **sent)
        assert (report["datetime_start"], report["datetime_end"]) == shown
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", report["date_created"])
        assert report["date_modified"] == report["date_created"]
        assert report["version"] == "1"


async def test_both_spellings_and_head_answer_the_same(client: Client, make_play: MakePlay) -> None:
    play = await make_play()
    await play.claim()
    await play.finish()
    spellings = (play.path, play.path.replace("/report/", "/reports/"))
    seen = []
    for path in (*spellings, "/reports?limit=7"):
        got, body = await client.call("GET", path, status=200)
        head, nothing = await client.call("HEAD", path, status=200)
        assert nothing == b""
        assert _lasting(head.headers) == _lasting(got.headers)
        assert got.content_type == "application/hal+json"
        assert got.headers["Cache-Control"] == "private, no-store"
        if "_embedded" not in body:
            del body["_links"]["fx:download_url"]
            seen.append(body)
    assert seen[0] == seen[1]
    assert seen[0]["_links"]["self"]["href"].endswith(play.path)
    for path in spellings:
        response, explained = await client.call("OPTIONS", path, status=200)
        assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS"
        assert all(len(words) > 5 for words in explained["methods"].values())
    response, explained = await client.call("OPTIONS", "/reports", status=200)
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert set(explained["methods"]) == {"GET", "HEAD", "OPTIONS", "POST"}
    for path, allowed in ((play.path, "DELETE, GET, HEAD, OPTIONS"), ("/reports", None)):
        response, refused = await client.call("PATCH", path, status=405)
        assert response.headers["Allow"] == (allowed or "GET, HEAD, OPTIONS, POST")
        assert refused["total"] == len(refused["_embedded"]["fx:errors"]) == 1


async def test_states_are_three_and_each_change_moves_the_date(
    client: Client, make_play: MakePlay, database: Database
) -> None:
    await _nothing_waits(database)
    play = await make_play()
    async with database.acquire() as connection:
        await connection.execute(
            "UPDATE reports SET date_created = date_created - interval '1 hour',"
            " date_modified = date_modified - interval '1 hour' WHERE report_id = $1",
            play.report.report_id,
        )
    queued = await client.get(play.path)
    assert (queued["status"], queued["attempts"]) == ("queued", 0)
    assert queued["progress"]["queue_position"] == 1
    assert "failure" not in queued
    assert "files" not in queued
    await play.claim()
    await play.write(2)
    building = await client.get(play.path)
    assert (building["status"], building["attempts"]) == ("queued", 1)
    assert building["progress"]["rows_written"] == 2
    assert building["date_modified"] == queued["date_modified"]
    await play.finish()
    ready = await client.get(play.path)
    assert ready["status"] == "ready"
    assert ready["date_modified"] > queued["date_modified"] == ready["date_created"]
    (file,) = ready["files"]
    assert file == {"name": "customers.csv", "rows": 3, "bytes": 10, "sha256": "0" * 64}
    link = ready["_links"]["fx:download_url"]["href"]
    assert urlsplit(link).path.split("/")[2] == f"store_{play.report.store_id}"
    assert dict(parse_qsl(urlsplit(link).query))["X-Amz-Expires"] == "600"

    failing = await make_play()
    await failing.claim()
    await failing.fail()
    failed = await client.get(failing.path)
    assert failed["status"] == "error"
    assert failed["failure"] == {"code": "unavailable", "message": "ask again later"}
    assert "fx:download_url" not in failed["_links"]


async def test_a_file_that_was_kept_long_enough_is_gone_and_the_resource_says_so(
    client: Client, make_play: MakePlay, database: Database
) -> None:
    play = await make_play()
    await play.claim()
    await play.finish()
    async with database.acquire() as connection:
        await connection.execute(
            "UPDATE reports SET file_expires_at = now() - interval '1 second' WHERE report_id = $1",
            play.report.report_id,
        )
        assert await report_uploads.expire_files(connection) == 1
    response, expired = await client.call("GET", play.path, status=200)
    assert (expired["status"], expired["file_expired"]) == ("ready", True)
    assert "fx:download_url" not in expired["_links"]
    assert response.headers["Cache-Control"] == "private, no-cache"
    page = await client.get("/reports?status=ready")
    assert page["_embedded"]["fx:reports"] == [expired]


async def test_places_in_the_queue_are_told_wherever_a_report_is(
    client: Client, make_play: MakePlay, database: Database
) -> None:
    await _nothing_waits(database)
    plays = [await make_play() for _ in range(3)]
    page = await client.get("/reports?order=date_created")
    places = [report["progress"]["queue_position"] for report in page["_embedded"]["fx:reports"]]
    assert places == [1, 2, 3]
    assert [(await client.get(play.path))["progress"]["queue_position"] for play in plays] == places
    await plays[0].claim()
    assert (await client.get(plays[2].path))["progress"]["queue_position"] == 2
    report = await client.post("/reports", ASK, status=201)
    assert report["progress"]["queue_position"] == 3


async def test_the_pages_keep_what_was_asked_for(
    client: Client, make_play: MakePlay, database: Database
) -> None:
    plays = [await make_play() for _ in range(5)]
    for minute, play in enumerate(plays):
        async with database.acquire() as connection:
            await connection.execute(
                "UPDATE reports SET date_created = $2 WHERE report_id = $1",
                play.report.report_id,
                datetime(2024, 6, 1, 10, minute, 0, 700_000, tzinfo=UTC),
            )
    # London: an hour ahead. Both ends are inclusive, to the end of the second that is written.
    asked = {
        "date_created": "2024-06-01 11:01:00..2024-06-01T11:04:00",
        "status": "queued",
        "name": "customers",
        "order": "date_created desc",
        "limit": "3",
    }
    _, page = await client.call("GET", "/reports", status=200, params=asked)
    assert (page["total_items"], page["returned_items"]) == (4, 3)
    assert [_path(one["_links"]["self"]) for one in page["_embedded"]["fx:reports"]] == [
        play.path for play in reversed(plays[2:])
    ]
    assert "prev" not in page["_links"]
    for relation, offset in (("self", "0"), ("first", "0"), ("next", "3"), ("last", "3")):
        query = dict(parse_qsl(urlsplit(page["_links"][relation]["href"]).query))
        assert query == {**asked, "offset": offset}, relation
    last = await client.get(_path(page["_links"]["last"]))
    assert [_path(one["_links"]["self"]) for one in last["_embedded"]["fx:reports"]] == [
        plays[1].path
    ]
    assert "next" not in last["_links"]
    assert await client.get(_path(last["_links"]["prev"])) == page
    # From behind the end one finds back.
    beyond = await client.get("/reports?offset=100&limit=2")
    assert (beyond["total_items"], beyond["returned_items"]) == (5, 0)
    assert _path(beyond["_links"]["prev"]) == _path(beyond["_links"]["last"])
    day = await client.get("/reports?date_created=2024-06-01..2024-06-01")
    assert day["total_items"] == 5
    plain = await client.get("/reports")
    assert (plain["limit"], plain["offset"]) == (20, 0)
    assert (await client.get("/reports?limit=300"))["limit"] == 300
    refused = await client.get("/reports?limit=301&offset=x&status=done&order=up", status=422)
    named = [one["message"].split()[0] for one in refused["_embedded"]["fx:errors"]]
    assert sorted(named) == ["limit", "offset", "order", "status"]


async def test_a_request_that_still_runs_is_a_conflict(
    client: Client, store: Store, database: Database
) -> None:
    headers = {"Idempotency-Key": "slow"}
    async with database.acquire() as connection:
        user_id = await connection.fetchval(
            "SELECT user_id FROM tokens WHERE token_id = $1", client.token_id
        )
    async with database.transaction() as connection:
        await idempotency_keys.remember_key(connection, store.store_id, user_id, "slow", b"x" * 32)
        response, refused = await client.call(
            "POST", "/reports", status=409, json=ASK, headers=headers
        )
        assert int(response.headers["Retry-After"]) >= 1
        assert "still running" in refused["_embedded"]["fx:errors"][0]["message"]
        await connection.execute("DELETE FROM idempotency_keys WHERE key = 'slow'")
    first, report = await client.call("POST", "/reports", status=201, json=ASK, headers=headers)
    assert "Idempotent-Replayed" not in first.headers
    again, same = await client.call("POST", "/reports", status=201, json=ASK, headers=headers)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert same == report
    assert again.headers["Location"] == first.headers["Location"]


async def test_a_key_is_the_users_own_and_what_was_refused_has_none(
    client: Client, make_client: MakeClient, store: Store
) -> None:
    headers = {"Idempotency-Key": "shared"}
    wrong = {**ASK, "name": "nonsense"}
    await client.call("POST", "/reports", status=422, json=wrong, headers=headers)
    mine, _ = await client.call("POST", "/reports", status=201, json=ASK, headers=headers)
    colleague = await make_client(store)
    theirs, _ = await colleague.call("POST", "/reports", status=201, json=ASK, headers=headers)
    assert "Idempotent-Replayed" not in theirs.headers
    assert theirs.headers["Location"] != mine.headers["Location"]
    # The same words in a form are another body.
    response, _ = await client.call("POST", "/reports", data=ASK, headers=headers)
    assert response.status == 422


async def test_the_user_of_a_report_is_found_whoever_asked(
    make_client: MakeClient, client: Client, store: Store, database: Database
) -> None:
    service = await make_client(None, headers={"Tallyport-Store": str(store.store_id)})
    leaver = await make_client(store)
    for asker in (service, leaver):
        report = await asker.post("/reports", ASK, status=201)
        if asker is leaver:
            async with database.acquire() as connection:
                user_id = int(report["_links"]["fx:user"]["href"].rpartition("/")[2])
                assert await accounts.remove_member(
                    connection, store_id=store.store_id, user_id=user_id
                )
        user = await client.get(_path(report["_links"]["fx:user"]))
        assert _path(user["_links"]["self"]) == _path(report["_links"]["fx:user"])


async def test_many_at_once_are_all_accepted_in_order(client: Client) -> None:
    made = await asyncio.gather(
        *(client.call("POST", "/reports", status=201, json=ASK) for _ in range(20))
    )
    paths = {response.headers["Location"] for response, _ in made}
    assert len(paths) == 20
    assert (await client.get("/reports?limit=300"))["total_items"] == 20


async def test_a_report_is_accepted_while_its_table_is_locked(
    client: Client, database: Database, store: Store
) -> None:
    """Its rows are counted to choose a queue, and only if that is quick."""
    async with database.transaction() as holding:
        await holding.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(10):
            report = await client.post("/reports", ASK, status=201)
        async with database.acquire() as connection:
            is_large = await connection.fetchval(
                "SELECT is_large FROM reports WHERE store_id = $1", store.store_id
            )
        assert is_large
        assert report["progress"]["rows_estimated"] is None

    async def is_ready() -> bool:
        shown = await client.get(_path(report["_links"]["self"]))
        return bool(shown["status"] == "ready")

    await until(is_ready, seconds=30, what="the report to be ready")
