"""Reports that producers ask for on the queue, and what listeners hear of reports."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from pamqp.commands import Basic

from shared.contracts.reports import ReportArguments, ReportBuild, ReportRequest
from shared.contracts.routes import COMMANDS, EVENTS_EXCHANGE, REPORT_REQUESTS
from shared.database import accounts, outbox
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.errors import InvalidArgumentError, NotFoundError
from shared.messaging.connection import Broker
from shared.messaging.delivery import Answer
from shared.messaging.frames import publish_at_once
from shared.messaging.publisher import Publisher
from shared.messaging.rpc_client import RpcClient
from shared.settings import BrokerSettings
from tests.component.conftest import Client
from tests.integration.report_worker.seeding import queue_report
from tests.listening import Listening, listening
from tests.waiting import until

SECONDS = 30.0
ARGUMENTS = {
    "name": "customers",
    "datetime_start": "2010-12-01 00:00:00",
    "datetime_end": "2011-12-31 23:59:59",
}
WAITING_EXPORT = """
SELECT pid FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND application_name = 'report_worker source'
   AND datname = current_database()
"""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
async def broker(base_url: str, broker_settings: BrokerSettings) -> AsyncIterator[Broker]:
    async with Broker.open(broker_settings, "a producer") as opened:
        yield opened


@pytest.fixture(scope="module")
async def rpc(broker: Broker) -> AsyncIterator[RpcClient]:
    client = RpcClient(broker)
    await client.start()
    yield client
    await client.stop()


@pytest.fixture(scope="module")
async def listener(broker: Broker) -> AsyncIterator[Listening]:
    """Who wants to hear of all reports."""
    async with listening(broker, EVENTS_EXCHANGE, "report.*.v1", "test.listener") as one:
        yield one


def _request(store: Store, user_id: int, **changes: Any) -> ReportRequest:
    return ReportRequest(
        store_id=store.store_id,
        user_id=user_id,
        arguments=ReportArguments(**{**ARGUMENTS, **changes.pop("arguments", {})}),
        **changes,
    )


async def _ask(rpc: RpcClient, message: ReportRequest) -> tuple[dict[str, Any], Answer]:
    answer = await rpc.call(message, deadline_seconds=SECONDS)
    return json.loads(answer.body), answer


async def _count(client: Client) -> int:
    return int((await client.get("/reports?limit=1"))["total_items"])


async def test_a_producer_asks_and_a_listener_hears(
    client: Client, store: Store, user_id: int, rpc: RpcClient, listener: Listening
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await client.post(
        "/customers", [{"id": 1, "email": "a@example.com", "date_created": "2011-01-01T00:00:00Z"}]
    )
    resource, answer = await _ask(rpc, _request(store, user_id, traceparent=trace))
    assert answer.content_type == "application/hal+json"
    assert "Idempotent-Replayed" not in answer.headers
    # Relative to the gateway, where no address of it is known.
    path = resource["_links"]["self"]["href"]
    assert resource["_links"]["fx:user"]["href"] == f"/users/{user_id}"
    assert resource["status"] == "queued"
    assert resource["datetime_end"] == "2011-12-31T23:59:59+0000"

    report_id = int(path.rpartition("/")[2])

    async def heard() -> bool:
        return bool(listener.about(report_id))

    await until(heard, seconds=SECONDS, what="the event of the report")
    ((event, properties),) = listener.about(report_id)
    ready = await client.get(path)
    assert ready["status"] == "ready"
    assert event == {
        "kind": "report.ready.v1",
        "message_id": properties.message_id,
        "sent_at": event["sent_at"],
        "traceparent": trace,
        "store_id": store.store_id,
        "report_id": report_id,
        "name": "customers",
        "ready_at": event["ready_at"],
        "rows": 1,
        "bytes": ready["download"]["bytes"],
    }
    milliseconds = int(datetime.fromisoformat(event["ready_at"]).timestamp() * 1000)
    assert ready["download"]["name"] == f"customers_report.{milliseconds}.csv"
    assert properties.content_type == "application/json"
    assert properties.delivery_mode == 2
    headers = properties.headers or {}
    assert {name.partition(":")[2]: value for name, value in headers.items() if ":" in name} == {
        "specversion": "1.0",
        "id": properties.message_id,
        "type": "report.ready.v1",
        "source": "/tallyport/report",
        "time": headers["cloudEvents:time"],
        "traceparent": trace,
    }
    assert headers["traceparent"] == trace


async def test_a_listener_hears_of_a_failure(
    database: Database, store: Store, user_id: int, listener: Listening, client: Client
) -> None:
    """The last attempt loses its database in the middle."""
    report = await queue_report(database, store.store_id, user_id)
    async with database.acquire() as connection:
        await connection.execute(
            "UPDATE reports SET attempt = 4 WHERE store_id = $1 AND report_id = $2",
            report.store_id,
            report.report_id,
        )

    async def waiting() -> int | None:
        async with database.acquire() as connection:
            return await connection.fetchval(WAITING_EXPORT)

    async with database.transaction() as holding:
        await holding.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        async with database.transaction() as connection:
            build = ReportBuild(store_id=report.store_id, report_id=report.report_id)
            await outbox.enqueue_command(connection, report.store_id, build)
        pid = await until(waiting, seconds=SECONDS, what="the build in the middle")
        async with database.acquire() as connection:
            await connection.execute("SELECT pg_terminate_backend($1)", pid)

    async def heard() -> bool:
        return bool(listener.about(report.report_id))

    await until(heard, seconds=SECONDS, what="the event of the failure")
    ((event, _),) = listener.about(report.report_id)
    shown = await client.get(f"/report/{report.report_id}")
    assert shown["status"] == "error"
    assert (event["kind"], event["attempts"]) == ("report.failed.v1", 5)
    assert {"code": event["code"], "message": event["message"]} == shown["failure"]


async def test_a_message_that_comes_twice_is_one_report(
    client: Client, store: Store, user_id: int, rpc: RpcClient
) -> None:
    message = _request(store, user_id)
    answers = await asyncio.gather(*(_ask(rpc, message) for _ in range(4)))
    assert len({answer.body for _, answer in answers}) == 1
    replayed = [answer.headers.get("Idempotent-Replayed") for _, answer in answers]
    assert sorted(replayed, key=str) == [None, "true", "true", "true"]
    assert await _count(client) == 1
    # Another message is another report, whatever it asks for ...
    other, _ = await _ask(rpc, _request(store, user_id))
    assert other["_links"]["self"] != answers[0][0]["_links"]["self"]
    # ... unless it has the key of one before.
    for _ in range(2):
        keyed, _ = await _ask(rpc, _request(store, user_id, idempotency_key="march"))
    assert await _count(client) == 3
    with pytest.raises(InvalidArgumentError, match="used before"):
        await _ask(rpc, _request(store, user_id, idempotency_key="march", arguments={"version": 1}))
    # A key of HTTP is another key.
    over_http = await client.post(
        "/reports", ARGUMENTS, status=201, headers={"Idempotency-Key": "march"}
    )
    assert over_http["_links"]["self"]["href"] != keyed["_links"]["self"]["href"]


async def test_what_is_wrong_is_answered(
    store: Store, user_id: int, rpc: RpcClient, database: Database, client: Client
) -> None:
    wrong = {"name": "nonsense", "datetime_end": "2010-01-01 00:00:00", "version": "2"}
    with pytest.raises(InvalidArgumentError) as refused:
        await _ask(rpc, _request(store, user_id, arguments=wrong))
    assert [detail.field for detail in refused.value.details] == ["name", "version", "datetime_end"]
    async with database.acquire() as connection:
        stranger = await accounts.create_user(
            connection, email=f"stranger{next(_numbers)}.{store.store_id}@example.com"
        )
    for message in (
        _request(store, stranger.user_id),
        _request(store, 999_999_999),
        _request(store, user_id).model_copy(update={"store_id": 999_999_999}),
    ):
        with pytest.raises(NotFoundError):
            await _ask(rpc, message)
    # A service token makes its user one who may ask for every store.
    async with database.acquire() as connection:
        await accounts.create_token(connection, user_id=stranger.user_id, store_id=None)
    resource, _ = await _ask(rpc, _request(store, stranger.user_id))
    assert (await client.get(resource["_links"]["fx:user"]["href"]))["id"] == stranger.user_id
    assert await _count(client) == 1


async def test_what_nobody_waits_for_is_accepted_or_put_away(
    broker: Broker, store: Store, user_id: int, client: Client
) -> None:
    publisher = Publisher(broker)
    async with listening(broker, "tallyport.dead", "", "test.dead") as dead:
        await publisher.publish(_request(store, user_id))
        wrong = _request(store, user_id, arguments={"name": "nonsense"})
        await publisher.publish(wrong)
        # Without an id, a second delivery could not be told from a second request.
        nameless = _request(store, user_id).model_dump_json(exclude={"message_id"}).encode()
        channel = broker.unconfirmed.current()
        # A property is as good as a field of the body.
        named = Basic.Properties(message_id=f"mine {user_id}")
        for properties in (Basic.Properties(), named, named):
            assert publish_at_once(
                channel,
                nameless,
                properties,
                exchange=COMMANDS,
                routing_key=REPORT_REQUESTS.name,
            )

        async def put_away() -> bool:
            return len(dead.bodies) == 2

        await until(put_away, seconds=SECONDS, what="the two that are wrong")

        async def accepted() -> bool:
            return await _count(client) == 2

        await until(accepted, seconds=SECONDS, what="the two reports")
    reasons = {str(headers["tallyport-reason"]) for headers in dead.headers}
    assert any("message_id or an idempotency_key" in reason for reason in reasons)
    assert any(reason.startswith("name must be one of") for reason in reasons)
    assert str(wrong.message_id).encode() in b"".join(dead.bodies)
