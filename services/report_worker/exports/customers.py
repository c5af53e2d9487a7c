"""`customers`: one row a customer of the store, to import elsewhere (docs/reports.md)."""

from __future__ import annotations

from services.report_worker.exports.definition import (
    Column,
    ColumnType,
    Export,
    ExportFile,
    Joined,
)
from shared.contracts.reports import ReportName
from shared.database.queries import load_queries

_SQL = load_queries(__file__)

_ADDRESS = {
    "first_name": "First name",
    "last_name": "Last name",
    "company": "Company",
    "address1": "Street and number",
    "address2": "Second line of the address",
    "city": "City",
    "region": "State, province or region",
    "postal_code": "Postal code",
    "country": "Country",
    "phone": "Telephone number",
}


def _text(name: str, meaning: str) -> Column:
    return Column(name, ColumnType.TEXT, meaning, plain_if="is_plain")


def _address(kind: str) -> tuple[Column, ...]:
    *parts, phone = _ADDRESS
    of = f"of the default {kind} address"
    return (
        *(_text(f"{kind}_{part}", f"{_ADDRESS[part]} {of}") for part in parts),
        # Many begin with a plus sign, which is why they are looked at one by one.
        Column(f"{kind}_{phone}", ColumnType.TEXT, f"{_ADDRESS[phone]} {of}"),
    )


COLUMNS = (
    _text("id", "The customer's id, as the store gave it"),
    _text("email", "E-mail address"),
    _text("first_name", "First name"),
    _text("last_name", "Last name"),
    _text("tax_id", "Tax identification number"),
    Column("is_anonymous", ColumnType.BOOLEAN, "Whether they bought as a guest"),
    Column("date_created", ColumnType.MOMENT, "When they became a customer; the range limits it"),
    Column("date_modified", ColumnType.MOMENT, "When their record last changed"),
    Column(
        "last_order_date",
        ColumnType.MOMENT,
        "Their last completed transaction, tests left out; empty if there is none",
    ),
    *_address("billing"),
    *_address("shipping"),
)

CUSTOMERS = Export(
    ReportName.CUSTOMERS,
    (
        ExportFile(
            "customers",
            _SQL["customers"],
            COLUMNS,
            about=(
                "One row a customer of the store, in the order of their ids, to import elsewhere. "
                "The range limits `date_created`, both ends included."
            ),
            ranged_by="id",
            cuts=_SQL["cuts"],
            joined=Joined(_SQL["last_orders"], frozenset({"last_order_date"})),
        ),
    ),
)
