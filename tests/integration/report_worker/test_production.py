"""From a snapshot to an object: whole in every format, or not at all; at the store's own pace."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import openpyxl
import pyarrow.parquet
import pytest
import urllib3

from services.report_worker import ranges
from services.report_worker.copying import Progress, snapshot
from services.report_worker.exports.customers import CUSTOMERS
from services.report_worker.exports.definition import Export, ExportFile
from services.report_worker.formats.catalog import find_format
from services.report_worker.formats.csv_text import Csv
from services.report_worker.pieces import PIECE_BYTES
from services.report_worker.production import OUT_BYTES, READ_AHEAD, Produced, Production
from services.report_worker.ranges import Ranges
from shared.contracts.reports import ReportFormat
from shared.database.pool import Database
from shared.database.replica import ReadSources
from shared.objects import BoundedPipe, ObjectStore, UploadedObject
from tests.integration.report_worker.seeding import World, add_customers
from tests.integration.report_worker.table_under_test import REPORT, Row, large, rendered, table
from tests.waiting import until

ROWS = [Row(label=f"=row {number}", amount=Decimal(number)) for number in range(100)]
BROKEN = """
SELECT n AS id, repeat('x', 100) AS label, (1 / (60000 - n))::numeric AS quantity,
       n::numeric AS amount, 'USD' AS currency, true AS flag, $2::timestamptz AS moment,
       NULL::date AS day
  FROM generate_series(1, 100000) AS n
 WHERE $1::bigint > 0 AND $2::timestamptz <= $3::timestamptz AND $4::text IS NOT NULL
"""


@pytest.fixture
def make_production(
    source: Database, objects: ObjectStore, threads: ThreadPoolExecutor
) -> Callable[..., Production]:
    def make(store: ObjectStore = objects, *, zip_over_bytes: int = 10_000_000) -> Production:
        return Production(ReadSources(source), store, threads, zip_over_bytes, 60.0, 2)

    return make


async def produce(
    production: Production, file: ExportFile, name: ReportFormat, **changes: Any
) -> tuple[Produced, list[str]]:
    keys: list[str] = []

    async def note(key: str) -> None:
        keys.append(key)

    format_ = find_format(name)
    assert format_ is not None
    report = replace(REPORT, format=name.value, **changes)
    export = Export("customers", (file,))
    return await production.produce(report, export, format_, Progress(), note), keys


async def download(objects: ObjectStore, produced: Produced) -> bytes:
    link = objects.presign(produced.object.key, file_name="a", seconds=60)
    response = await asyncio.to_thread(urllib3.request, "GET", link)
    assert response.status == 200
    await objects.remove(produced.object.key)
    return response.data


def read(name: ReportFormat, data: bytes) -> list[str]:
    """The labels, by the format's own reader."""
    match name:
        case ReportFormat.CSV:
            return [r["label"][1:] for r in csv.DictReader(io.StringIO(data.decode(), newline=""))]
        case ReportFormat.JSONL:
            return [json.loads(line)["label"] for line in data.decode().splitlines()]
        case ReportFormat.XLSX:
            book = openpyxl.load_workbook(io.BytesIO(data))
            return [str(row[1]) for row in book["table"].iter_rows(2, values_only=True)]
        case ReportFormat.PARQUET:
            return pyarrow.parquet.read_table(io.BytesIO(data))["label"].to_pylist()


@pytest.mark.parametrize("name", list(ReportFormat))
@pytest.mark.parametrize(
    ("compress", "zip_over_bytes"), [(False, 10**7), (True, 10**7), (False, 10)]
)
async def test_every_format_arrives_plain_or_in_a_zip(
    make_production: Callable[..., Production],
    objects: ObjectStore,
    name: ReportFormat,
    compress: bool,
    zip_over_bytes: int,
) -> None:
    production = make_production(zip_over_bytes=zip_over_bytes)
    produced, keys = await produce(production, table(ROWS), name, compress=compress)
    is_zip = compress or zip_over_bytes == 10
    assert keys == [produced.object.key]
    assert produced.object.key.endswith("/customers_report." + ("zip" if is_zip else name.value))
    data = await download(objects, produced)
    assert produced.object.sha256 == hashlib.sha256(data).hexdigest()
    assert produced.object.bytes == len(data)
    (file,) = produced.files
    if is_zip:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (info,) = archive.infolist()
            # What is packed already is put in as it is.
            packed = name in (ReportFormat.XLSX, ReportFormat.PARQUET)
            assert info.compress_type == (zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED)
            assert info.filename == file.name == f"table.{name}"
            data = archive.read(info)
    assert (file.rows, file.bytes) == (100, len(data))
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    assert read(name, data) == [row.label for row in ROWS]


@pytest.mark.parametrize("name", list(ReportFormat))
async def test_no_rows_is_a_success(
    make_production: Callable[..., Production], objects: ObjectStore, name: ReportFormat
) -> None:
    produced, _ = await produce(make_production(), table([]), name)
    assert produced.files[0].rows == 0
    assert read(name, await download(objects, produced)) == []


@pytest.mark.parametrize("name", list(ReportFormat))
async def test_an_error_in_the_middle_leaves_no_object(
    make_production: Callable[..., Production], objects: ObjectStore, name: ReportFormat
) -> None:
    keys: list[str] = []

    async def note(key: str) -> None:
        keys.append(key)

    format_ = find_format(name)
    assert format_ is not None
    file = ExportFile("table", BROKEN, table([]).columns, parameters=("",))
    report = replace(REPORT, compress=True)  # the key is noted, and the upload begins, at once
    with pytest.raises(asyncpg.DivisionByZeroError):
        await make_production().produce(
            report, Export("customers", (file,)), format_, Progress(), note
        )
    (key,) = keys
    assert await objects.stat(key) is None


async def test_a_number_too_wide_for_parquet_is_written_with_room_for_it(
    make_production: Callable[..., Production], objects: ObjectStore
) -> None:
    number = Decimal("1e30") + Decimal("1e-20")
    rows = [Row(), Row(quantity=Decimal("1e30"), amount=Decimal("1e-20"))]
    produced, keys = await produce(make_production(), table(rows), ReportFormat.PARQUET)
    assert number
    assert keys[-1] == produced.object.key
    found = pyarrow.parquet.read_table(io.BytesIO(await download(objects, produced)))
    assert found["quantity"].to_pylist() == [Decimal(1), Decimal("1e30")]
    assert found["amount"].to_pylist() == [Decimal(1), Decimal("1e-20")]


class StandingStore(ObjectStore):
    """A store that takes nothing until it is told to."""

    may_go_on: asyncio.Event

    async def upload(self, key: str, source: BoundedPipe, content_type: str) -> UploadedObject:
        await self.may_go_on.wait()
        return await super().upload(key, source, content_type)


async def test_postgresql_waits_for_the_store(
    world: World,
    object_store_settings: Any,
    make_production: Callable[..., Production],
) -> None:
    count = 400_000  # more than all pipes together can hold, however well it packs
    wide = ExportFile(
        "table",
        """SELECT n AS id, md5(n::text) || md5((-n)::text) || md5((n + 0.5)::text) AS label,
                  NULL::numeric AS quantity, NULL::numeric AS amount, 'USD' AS currency,
                  NULL::boolean AS flag, NULL::timestamptz AS moment, NULL::date AS day
             FROM generate_series(1, $4::integer) AS n
            WHERE $1::bigint > 0 AND $2::timestamptz <= $3::timestamptz""",
        table([]).columns,
        parameters=(count,),  # type: ignore[arg-type]
    )
    async with StandingStore.open(object_store_settings) as store:
        store.may_go_on = asyncio.Event()
        building = asyncio.create_task(
            produce(make_production(store), wide, ReportFormat.CSV, compress=True)
        )

        async def stands() -> bool:
            assert not building.done(), building.result()
            async with world.database.acquire() as connection:
                waiting = await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'"
                    " AND query LIKE 'COPY%' AND application_name = 'tests source'"
                )
            return bool(waiting)

        await until(stands, seconds=60, what="a COPY that waits for us")
        store.may_go_on.set()
        produced, _ = await building
        assert produced.files[0].rows == count
        # What was held at most: the pieces before the thread, and a part behind it.
        held = (1 + READ_AHEAD) * PIECE_BYTES + 2 * OUT_BYTES
        assert produced.files[0].bytes > 1.2 * held
        await store.remove(produced.object.key)


def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of 171 rows. So few PostgreSQL might as well sort."""
    monkeypatch.setattr(ranges, "RANGE_ROWS_MIN", 1)
    monkeypatch.setattr(ranges, "RANGE_ROWS_MAX", 171)
    monkeypatch.setattr(ranges, "_sorts", lambda _plan: False)


async def test_ranges_over_several_connections_give_the_same_bytes(
    world: World, source: Database, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_customers(world.database, world.store_id, 3_000)
    cut_small(monkeypatch)
    (file,) = CUSTOMERS.files
    report = large(store_id=world.store_id, range_end=datetime(2021, 1, 1, 0, 40, tzinfo=UTC))
    alone = await rendered(source, threads, file, Csv(), report=report)
    shared = await rendered(source, threads, file, Csv(), report=report, connections=3)
    assert alone.count(b"\r\n") == 1 + 2_400
    assert shared == alone


ORDERS = """
INSERT INTO transactions (
    store_id, transaction_id, customer_id, transaction_date, type, status, is_test, currency,
    total_items, total_discount, total_tax, total_shipping, total_order, revision, posted_lines)
SELECT $1, 't' || n, CASE WHEN n % 11 > 0 THEN 'c' || lpad((n * 7 % $2)::text, 9, '0') END,
       '2021-01-01'::timestamptz + n * interval '1 hour', 'sale',
       CASE n % 5 WHEN 0 THEN 'voided' WHEN 1 THEN 'cancelled' ELSE 'completed' END, n % 7 = 0,
       'USD', 1, 0, 0, 0, 1, 1, 0
  FROM generate_series(1, $3::integer) AS n
"""


async def add_orders(database: Database, store_id: int, customers: int, count: int) -> None:
    async with database.acquire() as connection:
        await connection.execute(ORDERS, store_id, customers, count)
        await connection.execute("ANALYZE transactions, customers")


async def test_a_join_finds_the_last_orders_that_are_looked_up(
    world: World, source: Database, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_customers(world.database, world.store_id, 2_000)
    # Of customers that there are, and of some that there are not.
    await add_orders(world.database, world.store_id, 2_500, 4_000)
    cut_small(monkeypatch)
    (file,) = CUSTOMERS.files
    report = large(store_id=world.store_id, range_end=datetime(2021, 1, 1, 0, 30, tzinfo=UTC))
    looked_up = await rendered(source, threads, file, Csv(), report=report)
    monkeypatch.setattr(ranges, "JOINED_ROWS_MAX", 1_000)
    joined = await rendered(source, threads, file, Csv(), report=report, connections=2)
    assert joined == looked_up

    # By hand, from the numbers of the orders.
    last: dict[str, datetime] = {}
    for n in range(1, 4_001):
        if n % 5 > 1 and n % 7 and n % 11:
            last[f"c{n * 7 % 2_500:09}"] = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(hours=n)
    rows = list(csv.DictReader(io.StringIO(joined.decode(), newline="")))
    assert len(rows) == 1_800
    assert sum(row["id"] in last for row in rows) > 500
    for row in rows:
        found = row["last_order_date"]
        assert (datetime.fromisoformat(found) if found else None) == last.get(row["id"])


# Not quite half of the orders count. What the planner knows of them is a sample.
@pytest.mark.parametrize(("orders", "is_joined"), [(0, True), (3_000, True), (20_000, False)])
async def test_a_join_that_reads_far_more_than_it_gives_is_none(
    world: World,
    source: Database,
    monkeypatch: pytest.MonkeyPatch,
    orders: int,
    is_joined: bool,
) -> None:
    await add_customers(world.database, world.store_id, 1_000)
    await add_orders(world.database, world.store_id, 1_000, orders)
    monkeypatch.setattr(ranges, "_sorts", lambda _plan: False)
    (file,) = CUSTOMERS.files
    arguments = (world.store_id, REPORT.range_start, REPORT.range_end)
    async with source.transaction(store_id=world.store_id) as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        first = await (await Ranges.of(connection, file, arguments)).next(connection)
    assert (" AS joined " in first.rows) == is_joined


async def test_ranges_are_all_of_a_file_once(
    world: World, source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_customers(world.database, world.store_id, 100)
    monkeypatch.setattr(ranges, "RANGE_ROWS_MAX", 30)
    monkeypatch.setattr(ranges, "RANGE_ROWS_MIN", 1)
    (file,) = CUSTOMERS.files
    arguments = (world.store_id, REPORT.range_start, REPORT.range_end)
    async with source.acquire(store_id=world.store_id) as connection:
        await connection.execute("SET enable_sort = off")  # as it were, for many more rows
        # What is ordered by no index is left whole.
        by_email = replace(file, query=file.query.replace("BY customer_id", "BY email"))
        assert (await (await Ranges.of(connection, by_email, arguments)).next(connection)).is_whole
        cut = await Ranges.of(connection, file, arguments)
        counts = []
        while True:
            found = await cut.next(connection)
            assert not found.is_whole
            select = f"SELECT count(*) {found.rows}"
            counts.append(await connection.fetchval(select, *found.arguments))
            if found.is_last:
                break
        await connection.execute("RESET enable_sort")
    assert counts == [30, 30, 30, 10]


async def test_all_connections_see_one_moment(world: World, source: Database) -> None:
    count = "SELECT count(*) FROM customers WHERE store_id = $1"
    async with snapshot(
        source, "UTC", store_id=world.store_id, seconds_max=60, connections=3
    ) as connections:
        await add_customers(world.database, world.store_id, 5)
        for connection in connections:
            assert await connection.fetchval(count, world.store_id) == 0
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                async with connection.transaction():
                    await connection.execute("CREATE TABLE x ()")
