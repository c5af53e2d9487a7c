"""The online-retail format: untidy lines in any order become the contracts, exactly."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from cli import source_file
from cli.invoices import Invoices
from cli.online_retail import Line, read_lines
from cli.outcomes import BadFileError, UsageError
from cli.source_file import SourceFormat
from shared.contracts.recording import Customer, Transaction, TransactionType

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def lines(*rows: str) -> list[Line]:
    return list(read_lines([f"{row}\n" for row in (HEADER, *rows)]))


def transactions(*rows: str) -> list[Transaction]:
    with Invoices(lines(*rows)) as invoices:
        return list(invoices.transactions())


def customers(*rows: str) -> list[Customer]:
    with Invoices(lines(*rows)) as invoices:
        return list(invoices.customers())


def test_a_line_is_read_exactly() -> None:
    (line,) = lines('540157,21899,"KEY FOB , 2"" DEEP ",1,2011-07-05 11:41:00,0.10,15311.0,EIRE')
    assert line.name == 'KEY FOB , 2" DEEP '
    assert str(line.price) == "0.10"
    assert line.customer_id == "15311"
    assert line.moment.astimezone(UTC) == datetime(2011, 7, 5, 10, 41, tzinfo=UTC)


def test_money_stays_decimal_down_to_the_text_that_is_sent() -> None:
    (sale,) = transactions("1,A,x,3,2011-01-05 11:41:00,0.10,,EIRE")
    assert sale.items[0].price * sale.items[0].quantity == Decimal("0.30")
    sent = sale.model_dump(mode="json", exclude_unset=True)
    assert sent["items"] == [{"sku": "A", "name": "x", "quantity": "3", "price": "0.10"}]


def test_scattered_lines_are_grouped_in_the_order_of_the_file() -> None:
    found = transactions(
        "2,A,a,1,2011-01-05 11:42:00,1,,EIRE",
        "1,B,b,1,2011-01-05 11:41:00,1,,EIRE",
        "2,C,c,1,2011-01-05 11:41:00,1,,EIRE",
    )
    assert [(sale.id, [item.sku for item in sale.items]) for sale in found] == [
        ("1", ["B"]),
        ("2", ["A", "C"]),
    ]
    # An invoice that was typed for over a minute has the time at which that began.
    assert found[1].transaction_date.astimezone(UTC) == datetime(2011, 1, 5, 11, 41, tzinfo=UTC)


def test_exact_repeats_are_lines_of_their_own() -> None:
    row = "1,A,a,1,2011-01-05 11:41:00,1,,EIRE"
    assert len(transactions(row, row)[0].items) == 2


def test_a_cancellation_is_one_and_keeps_its_negative_quantity() -> None:
    (sale,) = transactions("C1,A,a,-2,2011-01-05 11:41:00,4.15,,EIRE")
    assert sale.type is TransactionType.CANCELLATION
    assert sale.items[0].quantity == -2


def test_negative_prices_and_empty_descriptions_are_taken_as_they_are() -> None:
    (sale,) = transactions("A563187,B,,1,2011-08-12 14:52:00,-11062.06,,United Kingdom")
    assert sale.type is TransactionType.SALE
    assert sale.items[0].price == Decimal("-11062.06")


def test_a_guest_has_a_sale_and_is_no_customer() -> None:
    row = "1,A,a,1,2011-01-05 11:41:00,1,,EIRE"
    assert transactions(row)[0].customer_id is None
    assert customers(row) == []


def test_a_customer_is_created_with_its_first_invoice_wherever_that_stands() -> None:
    (customer,) = customers(
        "2,A,a,1,2011-03-05 11:41:00,1,7.0,EIRE",
        "1,A,a,1,2011-01-05 11:41:00,1,7.0,France",
        "3,A,a,1,2011-09-05 11:41:00,1,7.0,Spain",
    )
    assert customer.id == "7"
    assert customer.date_created.astimezone(UTC) == datetime(2011, 1, 5, 11, 41, tzinfo=UTC)
    assert customer.default_billing_address.country == "France"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,A,a,one,2011-01-05 11:41:00,1,,EIRE", "line 2: Quantity is not a number: 'one'"),
        ("1,A,a,1,2011-01-05 11:41:00,NaN,,EIRE", "line 2: UnitPrice is not a number: 'NaN'"),
        ("1,A,a,1,05/01/2011,1,,EIRE", "line 2: InvoiceDate is not YYYY-MM-DD HH:MM:SS"),
        (",A,a,1,2011-01-05 11:41:00,1,,EIRE", "line 2: no InvoiceNo"),
        ("1,A,a,1", "line 2: not 8 cells"),
        ('1,A,"a"b,1,2011-01-05 11:41:00,1,,EIRE', "line 2: "),
    ],
)
def test_a_bad_line_is_named(row: str, reason: str) -> None:
    with pytest.raises(BadFileError) as refused:
        lines(row)
    assert str(refused.value).startswith(reason)


def test_what_the_contract_refuses_names_the_invoice() -> None:
    with pytest.raises(BadFileError, match=r"^invoice 9: items\.0\.sku|^invoice 9: sku"):
        transactions(f"9,{'A' * 300},a,1,2011-01-05 11:41:00,1,,EIRE")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", HEADER + "\n", SourceFormat.ONLINE_RETAIL),
        ("a.csv", "\ufeff" + HEADER + "\n", SourceFormat.ONLINE_RETAIL),
        ("a.txt", "unique_key,amount,originated_at,warehouse\n", SourceFormat.CSV),
        ("a.txt", '{"unique_key": "1"}\n', SourceFormat.NDJSON),
        ("a.ndjson.gz", "", SourceFormat.NDJSON),
    ],
)
def test_the_format_is_found_out(
    tmp_path: Path, name: str, content: str, expected: SourceFormat
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert source_file.detect(path) is expected


def test_an_unknown_format_is_a_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n")
    with pytest.raises(UsageError, match="--format"):
        source_file.detect(path)


def test_gzip_is_seen_through_and_progress_counts_what_lies_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"  # by its bytes, not by its name
    path.write_bytes(gzip.compress(b"x" * 1_000_000))
    counted: list[int] = []
    with source_file.opened(path, counted.append) as source:
        assert len(source.read()) == 1_000_000
    assert sum(counted) == path.stat().st_size < 10_000


def test_a_damaged_gzip_is_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"x" * 1_000_000)[:-200])
    with (
        pytest.raises(BadFileError, match="damaged"),
        source_file.opened(path, lambda _count: None) as source,
    ):
        source.read()
