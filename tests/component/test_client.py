"""The client against the real service, over connections that break."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from devstack import ports
from services.gateway import app as gateway
from services.gateway.settings import GatewayServiceSettings, GatewaySettings
from shared.settings import DownloadSettings
from tallyport_client import (
    AsyncClient,
    ConflictError,
    DamagedFileError,
    InvalidError,
    NotFoundError,
    Report,
    ReportFailedError,
    ReportRemovedError,
    Tallyport,
    TimedOutError,
    UnauthorizedError,
)
from tests.chaos.proxy import Proxy, Side, proxy_to
from tests.component.conftest import Client, MakePlay, blocks_of, is_ready, running
from tests.engines import ROOT
from tests.waiting import until

ALWAYS = ("2011-01-01 00:00:00", "2011-12-31 23:59:59")
IN_2023 = (datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 3, 31, 23, 59, 59, tzinfo=UTC))
CUSTOMERS = 3_000
LINK_SECONDS = 1
PAGE = ROOT / "docs" / "client.md"


@dataclass(frozen=True)
class Broken:
    """A way to the service, and one to the object store, that can be broken."""

    url: str
    service: Proxy
    store: Proxy


@pytest.fixture(scope="module")
async def broken(base_url: str, blocks: dict[str, Any]) -> AsyncIterator[Broken]:
    """A second gateway: its links live for a second, and lead through a proxy."""
    (port,) = ports.reserve(ROOT / ".run" / "tests", 1)
    own = blocks_of(blocks, "gateway")
    address = URL(own["object_store"].url)
    assert address.host is not None
    assert address.port is not None
    async with proxy_to(address.host, address.port) as store, proxy_to("127.0.0.1", port) as front:
        own["object_store"] = own["object_store"].model_copy(
            update={"url": f"http://127.0.0.1:{store.port}"}
        )
        settings = GatewayServiceSettings(
            **own,
            gateway=GatewaySettings(port=port),
            downloads=DownloadSettings(link_seconds=LINK_SECONDS),
        )
        async with running(gateway.serve, settings):
            url = f"http://127.0.0.1:{port}"
            await until(lambda: is_ready(url), seconds=30, what="the gateway to be ready")
            yield Broken(f"http://127.0.0.1:{front.port}", front, store)


@pytest.fixture
async def tallyport(base_url: str, client: Client) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(base_url, client.token) as opened:
        yield opened


@pytest.fixture
async def shaky(broken: Broken, client: Client) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(broken.url, client.token) as opened:
        yield opened
    for proxy in (broken.service, broken.store):
        proxy.heal()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
async def large(shaky: AsyncClient) -> Report:
    """A report whose file is many times what the proxy passes on at once."""
    await shaky.records.customers(
        {"id": n, "email": f"c{n}@example.com", "date_created": "2011-06-01T00:00:00Z"}
        for n in range(CUSTOMERS)
    )
    report = await shaky.reports.create("customers", *ALWAYS)
    ready = await shaky.reports.wait(report, 60)
    assert ready.download is not None
    assert ready.download.bytes > 3 * 65_536
    return ready


async def test_numbers_are_exact(tallyport: AsyncClient) -> None:
    register = await tallyport.registers.create("Stock", units="USD", meta=["account"])
    assert await tallyport.registers.get(register.id) == register
    day = datetime(2023, 1, 8, tzinfo=UTC)
    items = [
        {
            "unique_key": "a",
            "amount": Decimal("0.1"),
            "originated_at": day,
            "meta": {"account": "x"},
        },
        {"unique_key": "b", "amount": "0.2", "originated_at": day, "meta": {"account": "y"}},
        {"unique_key": "c", "amount": 1, "originated_at": day + timedelta(days=40)},
    ]
    recorded = await tallyport.items.record(register.id, items)
    assert (recorded.inserted, recorded.duplicates) == (3, 0)
    assert (await tallyport.items.record(register.id, iter(items))).duplicates == 3

    assert (await tallyport.numbers.count(register.id, *IN_2023)).total == 3
    total = (await tallyport.numbers.sum(register.id, *IN_2023)).total
    assert (total, type(total)) == (Decimal("1.3"), Decimal)
    average = await tallyport.numbers.average(register.id, *IN_2023, group_by=["account"])
    assert [(row.group, row.value) for row in average.rows] == [
        ("", Decimal(1)),
        ("x", Decimal("0.1")),
        ("y", Decimal("0.2")),
    ]
    months = await tallyport.numbers.sum(register.id, *IN_2023, group_by_period="month")
    assert [row.value for row in months.rows] == [Decimal("0.3"), 1, 0]

    analysis = await tallyport.numbers.query(
        register.id,
        *IN_2023,
        measures=["count", "min"],
        filter={"label": "account", "exists": True},
        totals=True,
        compare="previous_period",
    )
    assert analysis.total is not None
    assert analysis.total.values == {"count": 2, "min": Decimal("0.1")}
    assert analysis.total.previous == {"count": 0, "min": None}
    assert analysis.compared_with is not None

    (dimension,) = await tallyport.registers.dimensions(register.id)
    assert (dimension.label, dimension.values, dimension.items) == ("account", 2, 2)
    assert [value.value async for value in tallyport.registers.values(register.id, "account")] == [
        "x",
        "y",
    ]


async def test_pages_follow_one_another(tallyport: AsyncClient) -> None:
    register = await tallyport.registers.create("Pages", meta=["a label, & more"])
    await tallyport.items.record(
        register.id,
        (
            {
                "unique_key": f"{n:03}",
                "amount": n,
                "originated_at": "2023-01-01T00:00:00Z",
                "meta": {"a label, & more": n % 2},
            }
            for n in range(25)
        ),
    )
    walk = tallyport.items.list(register.id, page=4, meta={"a label, & more": "1"})
    assert [item.unique_key async for item in walk] == [f"{n:03}" for n in range(1, 25, 2)]
    assert [one.id async for one in tallyport.registers.list()] == [register.id]
    asked = [await tallyport.reports.create("customers", *ALWAYS) for _ in range(5)]
    listed = [one.id async for one in tallyport.reports.list(page=2, newest_first=False)]
    assert listed == [one.id for one in asked]


async def test_what_is_wrong_is_told(tallyport: AsyncClient, base_url: str) -> None:
    with pytest.raises(InvalidError) as refused:
        await tallyport.reports.create("nothing", "2011", "2012")
    assert len(refused.value.problems) > 1
    assert all(problem.logref for problem in refused.value.problems)
    assert refused.value.request_id
    register = await tallyport.registers.create("Errors")
    item = {"unique_key": "a", "amount": 1, "originated_at": "2023-01-01T00:00:00Z"}
    await tallyport.items.record(register.id, [item])
    with pytest.raises(ConflictError, match="a"):
        await tallyport.items.record(register.id, [{**item, "amount": 2}])
    with pytest.raises(InvalidError) as refused:
        await tallyport.items.record(register.id, [item, {**item, "amount": "many"}])
    assert [(one.index, one.field) for one in refused.value.problems] == [(1, "amount")]
    with pytest.raises(NotFoundError):
        await tallyport.registers.get(9_999_999)
    async with AsyncClient(base_url, "tp_nobody") as nobody:
        with pytest.raises(UnauthorizedError):
            await nobody.registers.get(1)


async def test_waiting_hears_of_each_step(tallyport: AsyncClient, make_play: MakePlay) -> None:
    play = await make_play()
    report = await tallyport.reports.get(play.report.report_id)
    seen: list[str] = []
    with pytest.raises(TimedOutError, match=r"not ready after 0\.5 s"):
        await tallyport.reports.wait(report, 0.5)

    await play.claim()
    await play.finish()
    ready = await tallyport.reports.wait(report, 20, on_progress=lambda r: seen.append(r.status))
    assert ready.status == seen[-1] == "ready"


async def test_waiting_for_what_fails_or_goes(tallyport: AsyncClient, make_play: MakePlay) -> None:
    play = await make_play()
    await play.claim()
    await play.fail()
    with pytest.raises(ReportFailedError, match="ask again later") as failed:
        await tallyport.reports.wait(play.report.report_id, 20)
    assert failed.value.code == "unavailable"
    play = await make_play()
    report = await tallyport.reports.get(play.report.report_id)
    await tallyport.reports.cancel(report)
    with pytest.raises(ReportRemovedError):
        await tallyport.reports.wait(report, 20)
    with pytest.raises(NotFoundError):
        await tallyport.reports.cancel(report)


async def test_waiting_without_events(
    shaky: AsyncClient, broken: Broken, make_play: MakePlay
) -> None:
    """Something between lets no stream through: it asks again and again."""
    play = await make_play()
    report = await shaky.reports.get(play.report.report_id)
    streams = broken.service.trap(rb"GET /report\S*/events", times=1_000)
    await play.claim()

    looked: list[Report] = []
    with pytest.raises(TimedOutError):
        await shaky.reports.wait(report, 2, on_progress=looked.append)
    assert streams.sprung
    assert 2 <= len(looked) <= 10
    await play.finish()
    assert (await shaky.reports.wait(report, 20)).status == "ready"


async def test_one_call_is_one_report_though_its_answer_is_lost(
    shaky: AsyncClient, broken: Broken
) -> None:
    trap = broken.service.trap(b"POST /reports ", after=True)
    report = await shaky.reports.create("customers", *ALWAYS)
    assert trap.sprung == 1
    assert [one.id async for one in shaky.reports.list()] == [report.id]


async def test_items_are_recorded_once_though_the_answer_is_lost(
    shaky: AsyncClient, broken: Broken
) -> None:
    register = await shaky.registers.create("Lost")
    trap = broken.service.trap(b"POST /registers/[0-9]+/items", after=True)
    recorded = await shaky.items.record(
        register.id, [{"unique_key": "a", "amount": 1, "originated_at": "2023-01-01T00:00:00Z"}]
    )
    assert trap.sprung == 1
    assert recorded.inserted + recorded.duplicates == 1
    assert (await shaky.numbers.count(register.id, *IN_2023)).total == 1


async def test_a_download_goes_on_where_it_was_cut_with_a_fresh_link(
    shaky: AsyncClient, broken: Broken, large: Report, tmp_path: Path
) -> None:
    link = large.link("fx:download_url")
    assert link is not None

    async def expired() -> bool:
        async with aiohttp.request("GET", link) as response:
            return response.status == 403

    await until(expired, seconds=30, what="the link to expire")
    cut, cut_again = (
        broken.store.trap(row, side=Side.DOWN, after=True)
        for row in (rb"c1500@example\.com", rb"c2900@example\.com")
    )
    came: list[int] = []
    saved = await shaky.reports.download(large, tmp_path, advance=came.append)
    assert (cut.sprung, cut_again.sprung) == (1, 1)
    assert large.download is not None
    assert saved.path == tmp_path / large.download.name
    content = saved.path.read_bytes()
    assert content.count(b"\n") == CUSTOMERS + 1
    assert hashlib.sha256(content).hexdigest() == large.download.sha256 == saved.sha256
    # Nothing came twice.
    assert sum(came) == len(content) == large.download.bytes
    assert [*contents(tmp_path)] == [large.download.name]


async def test_a_writer_gets_every_byte_once(
    shaky: AsyncClient, broken: Broken, large: Report
) -> None:
    cut = broken.store.trap(rb"c1500@example\.com", side=Side.DOWN, after=True)
    written = io.BytesIO()
    saved = await shaky.reports.download(large, written)
    assert cut.sprung == 1
    assert hashlib.sha256(written.getvalue()).hexdigest() == saved.sha256


async def test_what_is_not_what_was_promised_is_not_there(
    shaky: AsyncClient, large: Report, tmp_path: Path
) -> None:
    assert large.download is not None
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")
    other = replace(large.download, sha256="0" * 64)
    with pytest.raises(DamagedFileError, match="SHA-256"):
        await shaky.reports.download(replace(large, download=other), target)
    shorter = replace(large.download, bytes=large.download.bytes - 1)
    with pytest.raises(DamagedFileError, match="promised"):
        await shaky.reports.download(replace(large, download=shorter), target)
    assert contents(tmp_path) == {"out.csv": b"old"}


async def test_the_blocking_twin_does_the_same(
    base_url: str, client: Client, tmp_path: Path
) -> None:
    """In a thread, for the service runs in this one's loop."""

    def journey() -> tuple[object, int]:
        with Tallyport(base_url, client.token) as tallyport:
            register = tallyport.registers.create("Blocking")
            items = [
                {"unique_key": str(n), "amount": Decimal("0.1"), "originated_at": IN_2023[0]}
                for n in range(3)
            ]
            tallyport.items.record(register.id, items)
            assert len(list(tallyport.items.list(register.id, page=2))) == 3
            report = tallyport.reports.wait(tallyport.reports.create("customers", *ALWAYS), 60)
            saved = tallyport.reports.download(report, str(tmp_path))
            return tallyport.numbers.sum(register.id, *IN_2023).total, saved.bytes

    total, size = await asyncio.to_thread(journey)
    assert total == Decimal("0.3")
    assert [len(content) for content in contents(tmp_path).values()] == [size]


async def test_the_page_about_it_tells_what_works(
    base_url: str,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    example, producer = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    known: dict[str, Any] = {}
    exec(compile(example, "docs/client.md", "exec"), known)  # noqa: S102 - it is ours
    exec(compile(producer, "docs/client.md", "exec"), known)  # noqa: S102
    monkeypatch.chdir(tmp_path)
    await asyncio.to_thread(known["blocking"], base_url, client.token)
    assert "[('Leeds', Decimal('0.1'))]" in capsys.readouterr().out
    await known["awaited"](base_url, client.token)
    assert [name.rpartition(".")[2] for name in contents(tmp_path)] == ["csv"]
