"""The whole service, from the broker to the database and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.aggregator.app import serve
from services.aggregator.settings import AggregatorServiceSettings
from shared.contracts.aggregations import AggregateArguments, AggregateQuery
from shared.errors import InvalidArgumentError, UnavailableError
from shared.messaging.connection import Broker
from shared.messaging.rpc_client import RpcClient
from shared.settings import BrokerSettings, DatabaseSettings
from tests.integration.aggregator.register_under_test import MakeRegister, instant

NOON = instant("2024-03-10T12:00:00Z")


async def until_answered(client: RpcClient) -> None:
    """Processes start in any order: before the aggregator takes questions there is a refusal."""
    question = AggregateQuery(
        store_id=1,
        measure="item_median",
        arguments=AggregateArguments(),
        deadline=datetime.now(UTC) + timedelta(seconds=30),
    )
    while True:
        try:
            await client.call(question, deadline_seconds=30)
        except InvalidArgumentError:
            return
        except UnavailableError:
            continue


@pytest.fixture
async def client(
    broker_settings: BrokerSettings, database_settings: DatabaseSettings
) -> AsyncIterator[RpcClient]:
    """A client of a running aggregator, which is stopped gracefully at the end."""
    stop = asyncio.Event()
    settings = AggregatorServiceSettings(database=database_settings, broker=broker_settings)
    serving = asyncio.create_task(serve(settings, stop))
    async with Broker.open(broker_settings, "tests") as broker:
        asking = RpcClient(broker)
        await asking.start()
        async with asyncio.timeout(30):
            await until_answered(asking)
        yield asking
        await asking.stop()
    stop.set()
    async with asyncio.timeout(20):
        await serving


async def test_questions_and_answers(client: RpcClient, make_register: MakeRegister) -> None:
    register = await make_register(["a"], [(NOON, Decimal("0.1"), "x")] * 3)
    answer = await client.call(register.query(group_by=["a"]), deadline_seconds=20)
    assert answer.body == (
        b'{"title":"Sum by A","count":[{"period":"All","group":"x","value":0.3}]}'
    )
    assert answer.content_type == "application/json"
    assert answer.headers["Tallyport-Plan"] == "raw"
    assert answer.headers["Server-Timing"].startswith("db;dur=")

    etag = answer.headers["ETag"]
    known = await client.call(
        register.query(group_by=["a"], if_none_match=etag), deadline_seconds=20
    )
    assert (known.body, known.headers["Tallyport-Status"]) == (b"", "304")

    table = await client.call(register.query(representation="csv"), deadline_seconds=20)
    assert table.body == b"period,group,value\r\nAll,All,0.3\r\n"
    assert table.content_type.startswith("text/csv")


async def test_many_at_once(client: RpcClient, make_register: MakeRegister) -> None:
    register = await make_register([], [(NOON, Decimal(1))])
    counts = await asyncio.gather(
        *(client.call(register.query("item_count"), deadline_seconds=20) for _ in range(24))
    )
    assert {b'"value":1}' in answer.body for answer in counts} == {True}


async def test_refusals_travel_with_their_text(
    client: RpcClient, make_register: MakeRegister
) -> None:
    register = await make_register([])
    for arguments, text in (
        ({"timezone": "Mars/Phobos"}, "Invalid timezone: Mars/Phobos"),
        ({"start_at": 1.5}, "Invalid start_at: invalid xmlschema format"),
        ({"register_id": "1"}, "Invalid register_id"),
        ({"group_by": ["nope"]}, "Invalid group_by, nope is not a meta-column for register"),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            await client.call(register.query(**arguments), deadline_seconds=20)
        assert caught.value.message == text
