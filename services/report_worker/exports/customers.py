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


def _address(kind: str) -> tuple[Column, ...]:
    return tuple(
        Column(f"{kind}_{part}", ColumnType.TEXT, f"{meaning} of the default {kind} address")
        for part, meaning in _ADDRESS.items()
    )


COLUMNS = (
    Column("id", ColumnType.TEXT, "The customer's id, as the store gave it"),
    Column("email", ColumnType.TEXT, "E-mail address"),
    Column("first_name", ColumnType.TEXT, "First name"),
    Column("last_name", ColumnType.TEXT, "Last name"),
    Column("tax_id", ColumnType.TEXT, "Tax identification number"),
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
