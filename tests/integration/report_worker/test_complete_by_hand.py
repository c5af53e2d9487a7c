"""A small store with everything that is awkward, and what its reports have to say, by hand.

It is in New York, where clocks were set forward on 10 March 2024; it sells in three currencies.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.contracts.reports import ReportName
from tests.integration.report_worker import recorded
from tests.integration.report_worker.reading import Contents, Rows, contents_of, rows_of
from tests.integration.report_worker.recorded import Raw
from tests.integration.report_worker.seeding import World, queue_report
from tests.integration.report_worker.test_customers_csv import built, download

ZONE = "America/New_York"
# 8 March 00:00:00 to 2 April 23:59:59 by the store's clock.
START = datetime(2024, 3, 8, 5, tzinfo=UTC)
END = datetime(2024, 4, 3, 3, 59, 59, tzinfo=UTC)
HOSTILE = 'Say "hi",\nthere'


def _sold(key: str, at: str, amount: str, sku: str, **more: object) -> Raw:
    item = {"sku": sku, "quantity": "1", "price": amount, "amount": amount}
    return {"id": key, "transaction_date": at, "items": [item], **more}


FIRST: list[Raw] = [
    # Before the range, paid in its first second; with t1 it makes an average that ends in a 5.
    _sold(
        *("t0", "2024-03-07T12:00:00Z", "42.01", "Z"),
        customer_id="=c1",
        payments=[{"method": "wire", "amount": "42.01", "paid_at": "2024-03-08T05:00:00Z"}],
    ),
    {
        "id": "t1",
        "customer_id": "=c1",
        "transaction_date": "2024-03-10T06:30:00Z",
        "country": "US",
        "items": [
            {"sku": "A", "name": "=cmd()", "category": "-x", "quantity": "3", "price": "1.25"},
            {"sku": "B", "quantity": "1", "price": "10", "amount": "9.99"},
        ],
        "discounts": [{"code": "@WELCOME", "name": HOSTILE, "amount": "2.50"}],
        # The second one in the last second of March, by the store's clock.
        "payments": [
            {"method": "card", "amount": "10"},
            {"method": "gift", "amount": "5.04", "paid_at": "2024-04-01T03:59:59Z"},
        ],
        "tax": "2.2",
        "shipping": "1.60",
    },
    # An hour later the clock shows two more. Paid after the range.
    {
        "id": "t2",
        "customer_id": "=c1",
        "transaction_date": "2024-03-10T07:30:00Z",
        "currency": "JPY",
        "items": [{"sku": "C", "quantity": "2", "price": "150.5"}],
        "payments": [{"method": "card", "amount": "301", "paid_at": "2024-04-15T00:00:00Z"}],
    },
    _sold(
        *("t3", "2024-03-31T03:59:59.5Z", "-1.25", "D"),
        customer_id="unknown",
        type="refund",
        currency="KWD",
        payments=[{"method": "card", "amount": "-1.25"}],
    ),
    *(
        _sold(
            *(key, "2024-03-13T12:00:00Z", "500", "X"),
            customer_id="=c1",
            discounts=[{"code": "NO", "amount": "1"}],
            payments=[{"method": "card", "amount": "499"}],
            **mark,
        )
        for key, mark in {
            "t4": {"status": "cancelled"},
            "t5": {"status": "voided"},
            "t6": {"is_test": True},
        }.items()
    ),
    _sold("t7", "2024-03-20T12:00:00Z", "100", "F", customer_id="=c1"),
    _sold("t8", "2024-04-03T04:00:00Z", "1000", "Y"),
    # In the first instant, a guest, with more digits than the currency has.
    _sold("t9", "2024-03-08T05:00:00Z", "-0.005", "E", type="cancellation"),
    _sold("t10", "2024-03-12T12:00:00Z", "7", "G"),
]
THEN: list[Raw] = [
    _sold("t7", "2024-04-02T12:00:00Z", "80", "F", customer_id="unknown"),
    _sold("t10", "2024-03-12T12:00:00Z", "7", "G", status="voided"),
]


@pytest.fixture(scope="module")
async def shop() -> list[World]:
    """Holds the store once it is made."""
    return []


@pytest.fixture
async def awkward(world: World, shop: list[World]) -> World:
    if not shop:
        made = await recorded.new_store(world, timezone=ZONE, currency="USD")
        born = "2024-01-01T00:00:00Z"
        await recorded.customers(
            made.database,
            made.store_id,
            {"id": "=c1", "email": "-c1@example.com", "first_name": HOSTILE, "date_created": born},
            {"id": "idle", "last_name": "Łódź", "date_created": born},
        )
        await recorded.transactions(made.database, made.store_id, *FIRST)
        await recorded.transactions(made.database, made.store_id, *THEN)
        shop.append(made)
    (made,) = shop
    return World(made.database, made.objects, made.store_id, made.user_id, world.make_builder)


async def _complete(world: World, start: datetime = START, end: datetime = END) -> Contents:
    report = await queue_report(
        world.database,
        world.store_id,
        world.user_id,
        name=ReportName.COMPLETE,
        timezone=ZONE,
        range_start=start,
        range_end=end,
    )
    return await contents_of(world, report)


def _cells(rows: Rows, *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def _written(text: str) -> list[tuple[str, ...]]:
    """Lines of cells; an empty one is written ~."""
    lines = text.strip().splitlines()
    return [tuple(cell.replace("~", "") for cell in line.split()) for line in lines]


async def test_every_table_says_what_was_worked_out_by_hand(awkward: World) -> None:
    contents = await _complete(awkward)
    tables = contents.tables
    assert _cells(
        tables["transactions"],
        *("id", "transaction_date", "type", "status", "is_test", "is_counted", "currency"),
        *("total_items", "total_discount", "total_tax", "total_shipping", "total_order"),
        *("revision", "customer_id"),
    ) == _written(
        """
        t9  2024-03-08T00:00:00-05:00   cancellation completed false true  USD -0.005 0.00 0.00 0.00 -0.005 1 ~
        t1  2024-03-10T01:30:00-05:00   sale         completed false true  USD 13.74  2.50 2.20 1.60 15.04  1 '=c1
        t2  2024-03-10T03:30:00-04:00   sale         completed false true  JPY 301    0    0    0    301    1 '=c1
        t10 2024-03-12T08:00:00-04:00   sale         voided    false false USD 7.00   0.00 0.00 0.00 7.00   2 ~
        t4  2024-03-13T08:00:00-04:00   sale         cancelled false false USD 500.00 1.00 0.00 0.00 499.00 1 '=c1
        t5  2024-03-13T08:00:00-04:00   sale         voided    false false USD 500.00 1.00 0.00 0.00 499.00 1 '=c1
        t6  2024-03-13T08:00:00-04:00   sale         completed true  false USD 500.00 1.00 0.00 0.00 499.00 1 '=c1
        t3  2024-03-30T23:59:59.5-04:00 refund       completed false true  KWD -1.250 0.000 0.000 0.000 -1.250 1 unknown
        t7  2024-04-02T08:00:00-04:00   sale         completed false true  USD 80.00  0.00 0.00 0.00 80.00  2 unknown
        """  # noqa: E501 - a table
    )
    assert _cells(
        tables["items"], "unique_key", "line_type", "is_reversal", "currency", "amount"
    ) == [
        ("t9/1/1", "item", "false", "USD", "-0.005"),
        ("t1/1/1", "item", "false", "USD", "3.75"),
        ("t1/1/2", "item", "false", "USD", "9.99"),
        ("t1/1/3", "discount", "false", "USD", "-2.50"),
        ("t1/1/4", "tax", "false", "USD", "2.20"),
        ("t1/1/5", "shipping", "false", "USD", "1.60"),
        ("t2/1/1", "item", "false", "JPY", "301"),
        ("t10/1/1", "item", "false", "USD", "7.00"),
        ("t10/1/1 - VOID", "item", "true", "USD", "-7.00"),
        ("t7/1/1", "item", "false", "USD", "100.00"),
        ("t7/1/1 - VOID", "item", "true", "USD", "-100.00"),
        ("t3/1/1", "item", "false", "KWD", "-1.250"),
        ("t7/2/1", "item", "false", "USD", "80.00"),
    ]
    assert tables["items"][1] == {
        "unique_key": "t1/1/1",
        "transaction_date": "2024-03-10T01:30:00-05:00",
        "transaction_id": "t1",
        "line_type": "item",
        "is_reversal": "false",
        "customer_id": "'=c1",
        "transaction_type": "sale",
        "sku": "A",
        "description": "'=cmd()",
        "category": "'-x",
        "coupon": "",
        "country": "US",
        "payment_method": "card",
        "currency": "USD",
        "amount": "3.75",
    }
    assert _cells(tables["items"][3:4], "description", "coupon") == [(HOSTILE, "'@WELCOME")]
    assert _cells(
        tables["coupons_used"],
        *("transaction_id", "transaction_date", "status", "is_test", "is_counted"),
        *("code", "name", "currency", "amount"),
    ) == [
        (
            *("t1", "2024-03-10T01:30:00-05:00", "completed", "false", "true"),
            *("'@WELCOME", HOSTILE, "USD", "2.50"),
        ),
        ("t4", "2024-03-13T08:00:00-04:00", "cancelled", "false", "false", "NO", "", "USD", "1.00"),
        ("t5", "2024-03-13T08:00:00-04:00", "voided", "false", "false", "NO", "", "USD", "1.00"),
        ("t6", "2024-03-13T08:00:00-04:00", "completed", "true", "false", "NO", "", "USD", "1.00"),
    ]
    assert _cells(
        tables["payment_methods_by_month"], "month", "method", "currency", "payment_count", "amount"
    ) == [
        ("2024-03-01", "card", "KWD", "1", "-1.250"),
        ("2024-03-01", "card", "USD", "1", "10.00"),
        ("2024-03-01", "gift", "USD", "1", "5.04"),
        ("2024-03-01", "wire", "USD", "1", "42.01"),
    ]
    assert _cells(
        tables["sku_by_month"],
        *("month", "sku", "name", "currency", "line_count", "quantity", "amount"),
    ) == [
        ("2024-03-01", "A", "'=cmd()", "USD", "1", "3", "3.75"),
        ("2024-03-01", "B", "", "USD", "1", "1", "9.99"),
        ("2024-03-01", "C", "", "JPY", "1", "2", "301"),
        ("2024-03-01", "D", "", "KWD", "1", "1", "-1.250"),
        ("2024-03-01", "E", "", "USD", "1", "1", "-0.005"),
        ("2024-04-01", "F", "", "USD", "1", "1", "80.00"),
    ]
    assert tables["subscription_forecast"] == []


async def test_summaries_have_every_period_and_currency(awkward: World) -> None:
    contents = await _complete(awkward)
    none = {
        "JPY": ["0"] * 12,
        "KWD": [*["0"] * 6, *["0.000"] * 6],
        "USD": [*["0"] * 6, *["0.00"] * 6],
    }

    def expected(periods: list[str], held: dict[tuple[str, str], str]) -> list[list[str]]:
        return [
            [
                period,
                currency,
                *(held[period, currency].split() if (period, currency) in held else zeros),
            ]
            for period in periods
            for currency, zeros in none.items()
        ]

    def rows(name: str) -> list[list[str]]:
        return [[*row.values()] for row in contents.tables[name]]

    # transactions sales refunds cancelled voided tests gross discounts tax shipping refunds total
    yen = "1 1 0 0 0 0 301 0 0 0 0 301"
    dinars = "1 0 1 0 0 0 0.000 0.000 0.000 0.000 -1.250 -1.250"
    april = "1 1 0 0 0 0 80.00 0.00 0.00 0.00 0.00 80.00"
    first = "1 0 1 0 0 0 0.00 0.00 0.00 0.00 -0.005 -0.005"
    assert rows("summary_daily") == expected(
        [str((START + timedelta(days=n)).date()) for n in range(26)],
        {
            ("2024-03-08", "USD"): first,
            ("2024-03-10", "USD"): "1 1 0 0 0 0 13.74 2.50 2.20 1.60 0.00 15.04",
            ("2024-03-10", "JPY"): yen,
            ("2024-03-12", "USD"): "0 0 0 0 1 0 0.00 0.00 0.00 0.00 0.00 0.00",
            ("2024-03-13", "USD"): "0 0 0 1 1 1 0.00 0.00 0.00 0.00 0.00 0.00",
            ("2024-03-30", "KWD"): dinars,
            ("2024-04-02", "USD"): april,
        },
    )
    assert rows("summary_weekly") == expected(
        ["2024-03-03", "2024-03-10", "2024-03-17", "2024-03-24", "2024-03-31"],
        {
            ("2024-03-03", "USD"): first,
            ("2024-03-10", "USD"): "1 1 0 1 2 1 13.74 2.50 2.20 1.60 0.00 15.04",
            ("2024-03-10", "JPY"): yen,
            ("2024-03-24", "KWD"): dinars,
            ("2024-03-31", "USD"): april,
        },
    )
    assert rows("summary_monthly") == expected(
        ["2024-03-01", "2024-04-01"],
        {
            ("2024-03-01", "USD"): "2 1 1 1 2 1 13.74 2.50 2.20 1.60 -0.005 15.035",
            ("2024-03-01", "JPY"): yen,
            ("2024-03-01", "KWD"): dinars,
            ("2024-04-01", "USD"): april,
        },
    )


async def test_the_manifest_says_what_the_files_add_up_to(awkward: World) -> None:
    before = datetime.now(UTC)
    contents = await _complete(awkward)
    manifest = contents.manifest
    asked = dict(manifest["report"])
    assert asked.pop("id") > 0
    assert asked == {
        "store_id": awkward.store_id,
        "name": "complete",
        "version": "1",
        "format": "csv",
        "timezone": ZONE,
        "datetime_start": "2024-03-08T00:00:00-0500",
        "datetime_end": "2024-04-02T23:59:59-0400",
    }
    taken = datetime.fromisoformat(manifest["snapshot_at"])
    assert taken.utcoffset() in (timedelta(hours=-5), timedelta(hours=-4))
    assert before - timedelta(seconds=5) <= taken <= datetime.now(UTC) + timedelta(seconds=5)
    usd = {
        "lines": 11,
        "amount": "95.035",
        "amount_of_customers": "95.04",
        "items": "93.735",
        "discounts": "2.50",
        "tax": "2.20",
        "shipping": "1.60",
    }
    held = manifest["sales_register"]["control_totals"]
    assert [*held] == ["JPY", "KWD", "USD"]
    assert held["USD"] == usd
    assert (held["JPY"]["amount"], held["KWD"]["amount"]) == ("301", "-1.250")
    told = {file["name"]: file["control_totals"] for file in manifest["files"]}
    assert told["items.csv"]["USD"] == {"lines": 11, "amount": "95.035"}
    assert told["transactions.csv"]["USD"] == {
        "transactions": 3,
        **{name: usd[name] for name in ("amount", "items", "discounts", "tax", "shipping")},
    }
    assert told["coupons_used.csv"] == {"USD": {"discounts": "2.50"}}
    assert told["payment_methods_by_month.csv"]["USD"] == {"payments": "57.05"}
    for name in ("daily", "weekly", "monthly"):
        assert told[f"summary_{name}.csv"]["USD"] == {"transactions": 3, "amount": "95.035"}
    assert Decimal(told["sku_by_month.csv"]["USD"]["items"]) == Decimal("93.735")


def _numbers(text: str) -> list[str]:
    return text.split()


async def test_customers_ltv_by_hand(awkward: World) -> None:
    report = await queue_report(
        awkward.database,
        awkward.store_id,
        awkward.user_id,
        name=ReportName.CUSTOMERS_LTV,
        timezone=ZONE,
        range_start=START,
        range_end=END,
    )
    header, rows = rows_of(await download(awkward, await built(awkward, report)))
    hostile = ["'=c1", "'-c1@example.com", HOSTILE, ""]
    yen, march = "2024-03-10T03:30:00-04:00", "2024-03-30T23:59:59.5-04:00"
    april = "2024-04-02T08:00:00-04:00"
    assert [[row[column] for column in header] for row in rows] == [
        [*hostile, "JPY", yen, yen, *_numbers("1 1 301 0 0 0 0 301 301 301")],
        [
            *(*hostile, "USD", "2024-03-07T07:00:00-05:00", "2024-03-10T01:30:00-05:00"),
            # 57.05 / 2 is half-way between 28.52 and 28.53.
            *_numbers("2 2 55.75 2.50 2.20 1.60 0.00 57.05 28.52 15.04"),
        ],
        [
            *("idle", "", "", "Łódź", "USD", "", ""),
            *_numbers("0 0 0.00 0.00 0.00 0.00 0.00 0.00 0.00 0.00"),
        ],
        [
            *("unknown", "", "", "", "KWD", march, march),
            *_numbers("1 0 0.000 0.000 0.000 0.000 -1.250 -1.250 0.000 -1.250"),
        ],
        [
            *("unknown", "", "", "", "USD", april, april),
            *_numbers("1 1 80.00 0.00 0.00 0.00 0.00 80.00 80.00 80.00"),
        ],
    ]


async def test_nothing_in_the_range_is_nine_headers(awkward: World) -> None:
    contents = await _complete(
        awkward, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)
    )
    assert len(contents.tables) == 9
    assert all(rows == [] for rows in contents.tables.values())
    assert contents.headers["items"][:2] == ["unique_key", "transaction_date"]
    assert contents.manifest["sales_register"] == {"control_totals": {}}


async def test_an_evening_that_comes_twice_is_counted_once(world: World) -> None:
    """St. John's set its clocks back from 00:01 on 7 November 2010 to 23:01 on the 6th. A range
    that begins in the first minute of the 7th holds an hour of the 6th."""
    made = await recorded.new_store(world, timezone="America/St_Johns", currency="CAD")
    await recorded.transactions(
        made.database,
        made.store_id,
        _sold("minute", "2010-11-07T02:30:45Z", "1", "A"),  # 7 November 00:00:45, summer time
        _sold("again", "2010-11-07T02:45:00Z", "2", "A"),  # 6 November 23:15:00, winter time
        _sold("day", "2010-11-07T12:00:00Z", "4", "A"),
    )
    report = await queue_report(
        made.database,
        made.store_id,
        made.user_id,
        name=ReportName.COMPLETE,
        timezone="America/St_Johns",
        range_start=datetime(2010, 11, 7, 2, 30, 30, tzinfo=UTC),
        range_end=datetime(2010, 11, 8, 3, 29, 59, tzinfo=UTC),
    )
    tables = (await contents_of(made, report)).tables
    assert _cells(tables["transactions"], "id", "transaction_date") == [
        ("minute", "2010-11-07T00:00:45-02:30"),
        ("again", "2010-11-06T23:15:00-03:30"),
        ("day", "2010-11-07T08:30:00-03:30"),
    ]
    assert _cells(tables["summary_daily"], "period", "total") == [
        ("2010-11-06", "2.00"),
        ("2010-11-07", "5.00"),
    ]
    assert _cells(tables["summary_weekly"], "period", "total") == [
        ("2010-10-31", "2.00"),
        ("2010-11-07", "5.00"),
    ]
