"""What is in the file, checked by other means than those it was made with."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import zipfile
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import urllib3

from services.report_worker.exports.catalog import EXPORTS
from services.report_worker.exports.customers import COLUMNS
from services.report_worker.exports.definition import ColumnType
from shared.database.pool import Database
from shared.database.reports import Report
from tests.integration.report_worker.seeding import World, add_customers, events, queue_report, row

ADDRESS = ("first_name", "last_name", "company", "address1", "address2", "city", "region")
CREATED = datetime(2022, 1, 1, 8, 0, tzinfo=UTC)
TEXTS = [
    'He said "no", and left',
    "two\nlines",
    'two\r\nlines, one "quoted"\n',
    "a\rb",
    "\\.",
    "",
    " padded ",
    "Ærøskøbing Łódź Ηράκλειο Хабаровск 東京 서울 القاهرة תל אביב मुम्बई กรุงเทพฯ",
    "👩‍👩‍👧 e\u0301 \u202eright to left\u2028line separator\u0085",
    ",\n",
    '",\n"',
    "'already quoted",
    "plain",
]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=cmd|" /C calc"!A0', "-\n-"]


async def download(world: World, report: Report) -> bytes:
    assert report.object_key
    link = world.objects.presign(report.object_key, file_name="a.csv", seconds=60)
    response = await asyncio.to_thread(urllib3.request, "GET", link)
    assert response.status == 200
    return response.data


async def built(world: World, report: Report, **settings: Any) -> Report:
    builder = world.make_builder(**settings)
    claimed = await builder.claim(report.store_id, report.report_id)
    assert claimed is not None
    outcome = await builder.build(claimed)
    assert outcome.ending == "built", outcome
    ready = await row(world.database, report)
    assert ready is not None
    assert ready.status == "ready"
    return ready


async def add_customer(database: Database, store_id: int, customer_id: str, text: str) -> None:
    async with database.acquire() as connection:
        await connection.execute(
            "INSERT INTO customers (store_id, customer_id, email, first_name, last_name,"
            " date_created, date_modified, billing_company, shipping_phone)"
            " VALUES ($1, $2, $3, $3, $3, $4, $4, $3, $3)",
            store_id,
            customer_id,
            text,
            CREATED,
        )


async def test_every_text_arrives_as_it_is(world: World) -> None:
    texts = {f"c{number:03}": text for number, text in enumerate(TEXTS + FORMULAS)}
    for customer_id, text in texts.items():
        await add_customer(world.database, world.store_id, customer_id, text)
    report = await queue_report(
        world.database, world.store_id, world.user_id, timezone="America/Los_Angeles"
    )
    ready = await built(world, report)
    raw = await download(world, ready)
    records = list(csv.reader(io.StringIO(raw.decode("utf-8"), newline=""), strict=True))

    assert records[0] == [column.name for column in COLUMNS]
    assert len(records[0]) == 29
    expected = []
    for customer_id, text in sorted(texts.items()):
        shown = "'" + text if text in FORMULAS else text
        moment = CREATED.astimezone(ZoneInfo("America/Los_Angeles")).isoformat()
        assert moment == "2022-01-01T00:00:00-08:00"
        start = [customer_id, shown, shown, shown, "", "false", moment, moment, ""]
        billing = ["", "", shown, "", "", "", "", "", "", ""]
        shipping = ["", "", "", "", "", "", "", "", "", shown]
        expected.append(start + billing + shipping)
    assert records[1:] == expected

    # CRLF ends each record, and nothing but the values holds another line end.
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(records)
    reread = list(csv.reader(io.StringIO(written.getvalue(), newline=""), strict=True))
    assert reread == records
    assert raw.endswith(b"\r\n")
    assert raw.count(b"\r\n") == len(records) + sum(
        cell.count("\r\n") for record in records for cell in record
    )
    assert ready.object_bytes == len(raw)
    assert ready.object_sha256 == hashlib.sha256(raw).hexdigest()
    (file,) = ready.files
    assert (file.name, file.rows, file.bytes) == ("customers.csv", len(texts), len(raw))
    assert file.sha256 == ready.object_sha256
    assert await events(world.database, report) == ["report.ready.v1"]


async def test_every_column_of_text_is_looked_at(world: World) -> None:
    """A formula in one column of a customer, each in turn, with and without a plain one beside."""
    texts = [c.name for c in COLUMNS if c.type is ColumnType.TEXT and c.name != "id"]
    assert len(texts) == 24
    rows = {}
    for formula in FORMULAS[:6]:
        for name in texts:
            rows[f"c{len(rows):03}"] = {name: formula}
        rows[f"{formula} id"] = {}
    rows["none"] = dict.fromkeys(texts, "text")
    async with world.database.acquire() as connection:
        for customer_id, values in rows.items():
            names = "".join(f", {name}" for name in values)
            given = "".join(f", ${number}" for number, _ in enumerate(values, 4))
            await connection.execute(
                "INSERT INTO customers (store_id, customer_id, date_created, date_modified"  # noqa: S608 - columns
                f"{names}) VALUES ($1, $2, $3, $3{given})",
                world.store_id,
                customer_id,
                CREATED,
                *values.values(),
            )
    report = await queue_report(world.database, world.store_id, world.user_id)
    raw = await download(world, await built(world, report))
    shown = {
        record["id"]: {name: record[name] for name in texts if record[name]}
        for record in csv.DictReader(io.StringIO(raw.decode(), newline=""), strict=True)
    }

    def safe(text: str) -> str:
        return f"'{text}" if text[0] in "=+-@\t\r" else text

    assert shown == {
        safe(customer_id): {name: safe(text) for name, text in values.items()}
        for customer_id, values in rows.items()
    }


async def test_the_range_is_inclusive_and_the_last_order_is_a_real_one(world: World) -> None:
    start, end = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 31, 22, 59, 59, tzinfo=UTC)
    rows = {
        "before": start.replace(year=2023),
        "first": start,
        "last": end,
        "after": end.replace(microsecond=1),
    }
    async with world.database.acquire() as connection:
        for customer_id, created in rows.items():
            await connection.execute(
                "INSERT INTO customers (store_id, customer_id, date_created, date_modified)"
                " VALUES ($1, $2, $3, $3)",
                world.store_id,
                customer_id,
                created,
            )
        for number, (status, is_test) in enumerate(
            [("completed", False), ("completed", True), ("voided", False)]
        ):
            await connection.execute(
                "INSERT INTO transactions VALUES ($1, $2, 'last', $3, 'sale', $4, $5, 'GBP', 'GB',"
                " 1, 0, 0, 0, 1, 1, 1)",
                world.store_id,
                f"t{number}",
                datetime(2024, 4, 1 + number, 12, 30, 15, 250_000, tzinfo=UTC),
                status,
                is_test,
            )
    report = await queue_report(
        world.database, world.store_id, world.user_id, range_start=start, range_end=end
    )
    ready = await built(world, report)
    text = (await download(world, ready)).decode()
    records = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [record["id"] for record in records] == ["first", "last"]
    assert records[0]["last_order_date"] == ""
    assert records[1]["last_order_date"] == "2024-04-01T13:30:15.25+01:00"
    assert records[0]["date_created"] == "2024-03-01T00:00:00+00:00"


async def test_no_rows_is_a_header(world: World) -> None:
    report = await queue_report(world.database, world.store_id, world.user_id)
    ready = await built(world, report)
    raw = await download(world, ready)
    assert raw == ",".join(column.name for column in COLUMNS).encode() + b"\r\n"
    assert ready.files[0].rows == 0


@pytest.mark.parametrize(
    ("compress", "zip_over_bytes"), [(True, 10_000_000), (False, 1_000)], ids=["asked", "large"]
)
async def test_a_zip_holds_the_same_file(world: World, compress: bool, zip_over_bytes: int) -> None:
    await add_customers(world.database, world.store_id, 5_000)
    plain = await queue_report(world.database, world.store_id, world.user_id)
    zipped = await queue_report(world.database, world.store_id, world.user_id, compress=compress)
    expected = await download(world, await built(world, plain))
    ready = await built(world, zipped, zip_over_bytes=zip_over_bytes)
    raw = await download(world, ready)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["customers.csv"]
        assert archive.read("customers.csv") == expected
    assert ready.object_key is not None
    assert ready.object_key.endswith("/customers_report.zip")
    assert ready.object_sha256 == hashlib.sha256(raw).hexdigest()
    assert ready.files[0].sha256 == hashlib.sha256(expected).hexdigest()
    assert ready.files[0].bytes == len(expected)
    assert ready.files[0].rows == 5_000
    identifiers = [line.split(b",", 1)[0] for line in expected.splitlines()[1:]]
    assert identifiers == sorted(identifiers)


async def test_the_select_and_the_documented_columns_agree(database: Database) -> None:
    types = {
        "text": {"text", "varchar"},
        "number": {"numeric", "int4", "int8"},
        "money": {"numeric"},
        "boolean": {"bool"},
        "moment": {"timestamptz"},
        "date": {"date"},
    }
    for export in EXPORTS.values():
        for file in export.files:
            async with database.acquire() as connection:
                statement = await connection.prepare(file.select)
                found = [(a.name, a.type.name) for a in statement.get_attributes()]
            named = [column.name for column in file.columns]
            assert [name for name, _ in found] == [*named, *file.beside]
            of_the_file = found[: len(file.columns)]
            for (_, actual), column in zip(of_the_file, file.columns, strict=True):
                assert actual in types[column.type], column.name
