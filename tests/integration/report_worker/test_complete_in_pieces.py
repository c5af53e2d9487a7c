"""`complete`, read over several connections in small ranges, is what it is over one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import pyarrow.parquet
import pytest

from services.report_worker import ranges
from shared.contracts.reports import ReportFormat, ReportName
from tests.integration.report_worker import recorded
from tests.integration.report_worker.recorded import Raw
from tests.integration.report_worker.seeding import World, queue_report
from tests.integration.report_worker.test_customers_csv import built, download

# Three transactions a second, and some at the very same moment.
RECORDS: list[Raw] = [
    {
        "id": f"t{number:03}",
        "customer_id": f"c{number % 7}",
        "transaction_date": f"2024-03-10T06:{number // 3 % 60:02}:30Z",
        "items": [{"sku": f"S{number % 5}", "quantity": "2", "price": f"{number}.25"}],
        "discounts": [{"code": "TEA", "amount": "0.10"}],
        "payments": [{"method": "card", "amount": f"{2 * number}.40"}],
    }
    for number in range(200)
]


async def members(
    world: World, *, is_large: bool, format_: ReportFormat = ReportFormat.CSV
) -> Mapping[str, bytes]:
    report = await queue_report(
        world.database,
        world.store_id,
        world.user_id,
        name=ReportName.COMPLETE,
        format_=format_,
        is_large=is_large,
    )
    raw = await download(world, await built(world, report))
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_ranges_and_connections_change_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await recorded.transactions(world.database, world.store_id, *RECORDS)
    alone = await members(world, is_large=False)
    monkeypatch.setattr(ranges, "RANGE_ROWS_MIN", 1)
    monkeypatch.setattr(ranges, "RANGE_ROWS_MAX", 17)
    # So few rows PostgreSQL would rather sort.
    monkeypatch.setattr(ranges, "_sorts", lambda _plan: False)
    shared = await members(world, is_large=True)
    assert [*shared] == [*alone]
    assert len(shared) == 10
    for name in alone:
        if name != "manifest.json":
            assert shared[name] == alone[name], name
    assert alone["transactions.csv"].count(b"\r\n") == 201
    assert alone["items.csv"].count(b"\r\n") == 401


async def test_complete_in_another_format_is_a_zip_of_that(world: World) -> None:
    await recorded.transactions(world.database, world.store_id, *RECORDS)
    found = await members(world, is_large=False, format_=ReportFormat.PARQUET)
    *names, last = found
    assert last == "manifest.json"
    assert {name.rpartition(".")[2] for name in names} == {"parquet"}
    table = pyarrow.parquet.read_table(io.BytesIO(found["transactions.parquet"]))
    assert table.num_rows == 200
    assert sorted(table["id"].to_pylist()) == sorted(record["id"] for record in RECORDS)
