"""The client's producer against the real broker and services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from yarl import URL

from devstack.broker_users import url_of
from shared.database.accounts import Store
from shared.settings import BrokerSettings
from tallyport_client import (
    AsyncClient,
    MessageRefusedError,
    TimedOutError,
    UnreachableError,
    UnroutableError,
    routes,
)
from tallyport_client.producer import AsyncProducer, Producer
from tests.chaos.proxy import Proxy, Side, proxy_to
from tests.component.conftest import Client
from tests.engines import EnginesUnderTest

IN_2023 = (datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 12, 31, tzinfo=UTC))
ITEM = {"unique_key": "a", "amount": Decimal("0.1"), "originated_at": IN_2023[0]}


@pytest.fixture(scope="module")
def address(broker_settings: BrokerSettings, world: EnginesUnderTest) -> URL:
    """As the user that producers get, where we may make one."""
    if world.local:
        return URL(url_of(world.broker_url, "producer"))
    return URL(broker_settings.url[0].get_secret_value())


@pytest.fixture
async def proxy(address: URL) -> AsyncIterator[Proxy]:
    assert address.host is not None
    async with proxy_to(address.host, address.port or 5672) as opened:
        yield opened


@pytest.fixture
def url(proxy: Proxy, address: URL) -> str:
    return str(address.with_host("127.0.0.1").with_port(proxy.port))


@pytest.fixture
async def producer(base_url: str, url: str, store: Store) -> AsyncIterator[AsyncProducer]:
    async with AsyncProducer(url, store_id=store.store_id, answer_seconds=30) as opened:
        yield opened


@pytest.fixture
async def tallyport(base_url: str, client: Client) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(base_url, client.token) as opened:
        yield opened


async def test_what_is_published_is_there(producer: AsyncProducer, tallyport: AsyncClient) -> None:
    register = await tallyport.registers.create("Stock")
    items = ({**ITEM, "unique_key": str(n)} for n in range(2_001))
    assert (await producer.record_items(register.id, items)).inserted == 2_001
    assert (await producer.void_item(register.id, "7")).inserted == 1
    total = (await tallyport.numbers.sum(register.id, *IN_2023)).total
    assert total == Decimal("200.0")
    customer = {"id": 1, "email": "a@example.com", "date_created": IN_2023[0]}
    assert (await producer.record_customers([customer])).inserted == 1
    line = {"sku": "a", "quantity": 2, "price": Decimal("2.55")}
    sale = {"id": "1", "customer_id": 1, "transaction_date": IN_2023[0], "items": [line]}
    assert (await producer.record_transactions([sale])).inserted == 1
    assert (await producer.record_transactions([sale])).duplicates == 1


async def test_a_report_is_asked_for_and_fetched_over_http(
    producer: AsyncProducer, tallyport: AsyncClient, user_id: int
) -> None:
    report = await producer.request_report(
        user_id, "customers", "2023-01-01 00:00:00", "2023-12-31 23:59:59"
    )
    assert (await tallyport.reports.wait(report.id, 60)).name == "customers"


async def test_a_refusal_has_the_services_words(
    producer: AsyncProducer, tallyport: AsyncClient
) -> None:
    register = await tallyport.registers.create("Stock")
    items = [{**ITEM, "unique_key": str(n)} for n in range(2_000)]
    bad = {**ITEM, "unique_key": "bad", "amount": "many"}
    with pytest.raises(MessageRefusedError) as refused:
        await producer.record_items(register.id, [*items, bad])
    assert refused.value.code == "invalid_argument"
    assert [problem.index for problem in refused.value.problems] == [2_000]
    assert refused.value.recorded["inserted"] == 2_000


async def test_it_is_done_once_though_the_answer_is_lost(
    producer: AsyncProducer, tallyport: AsyncClient, proxy: Proxy, user_id: int
) -> None:
    register = await tallyport.registers.create("Stock")
    lost = proxy.trap(rb"recorded\.v1", side=Side.DOWN)
    recorded = await producer.record_items(register.id, [ITEM])
    assert lost.sprung == 1
    assert recorded.duplicates == 1
    lost = proxy.trap(rb'"_links"', side=Side.DOWN)
    report = await producer.request_report(
        user_id, "customers", "2023-01-01 00:00:00", "2023-12-31 23:59:59"
    )
    assert lost.sprung == 1
    assert [one.id async for one in tallyport.reports.list()] == [report.id]


async def test_nobodys_queue(producer: AsyncProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(routes.QUEUES, "record.items.v1", "nobody")
    with pytest.raises(UnroutableError, match="nobody"):
        await producer.record_items(1, [ITEM])


async def test_a_silent_broker_is_waited_for_until_the_deadline(
    url: str, proxy: Proxy, base_url: str
) -> None:
    async with AsyncProducer(url, store_id=1, answer_seconds=1) as producer:
        with pytest.raises(MessageRefusedError):
            await producer.record_items(9_999_999, [ITEM])
        proxy.silence()
        with pytest.raises(TimedOutError, match=r"record\.items\.v1 within 1 s"):
            await producer.record_items(1, [ITEM])
        proxy.heal()
        proxy.refuse()
        with pytest.raises((UnreachableError, TimedOutError)):
            await producer.record_items(1, [ITEM])


async def test_the_blocking_twin_does_the_same(
    base_url: str, url: str, store: Store, tallyport: AsyncClient
) -> None:
    register = await tallyport.registers.create("Stock")

    def publish() -> int:
        with Producer(url, store_id=store.store_id) as producer:
            return producer.record_items(register.id, [ITEM]).inserted

    assert await asyncio.to_thread(publish) == 1
