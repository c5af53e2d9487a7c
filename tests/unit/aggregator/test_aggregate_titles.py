"""docs/http.md: titles, and labels in title case as Rails does it."""

from __future__ import annotations

import pytest

from services.aggregator.titles import title_case, title_of


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        # The examples of docs/http.md.
        ("income_account", "Income Account"),
        ("customer_id", "Customer Id"),
        ("orderType", "Order Type"),
        ("b2b-channel", "B2b Channel"),
        ("SKU", "Sku"),
        ("ship from", "Ship From"),
        # And what ActiveSupport's own rules say about others.
        ("warehouse", "Warehouse"),
        ("some_meta_column", "Some Meta Column"),
        ("HTMLTidy", "Html Tidy"),
        ("HTMLTidyGenerator2", "Html Tidy Generator2"),
        ("Sales::Region", "Sales/Region"),
        ("customer's choice", "Customer's Choice"),
        ("_private", "Private"),
        ("id", "Id"),
        ("2nd_address", "2nd Address"),
        ("größe_cm", "Größe Cm"),
        ("été", "été"),
        ("日本", "日本"),
    ],
)
def test_labels(label: str, shown: str) -> None:
    assert title_case(label) == shown


@pytest.mark.parametrize(
    ("period", "labels", "title"),
    [
        (None, [], "Sum"),
        ("month", [], "Sum by Month"),
        (None, ["income_account"], "Sum by Income Account"),
        ("month", ["income_account"], "Sum by Month and Income Account"),
        (
            "month",
            ["income_account", "warehouse"],
            "Sum by Month and Income Account, Warehouse",
        ),
        (None, ["a", "b", "c"], "Sum by A, B, C"),
    ],
)
def test_titles(period: str | None, labels: list[str], title: str) -> None:
    assert title_of("Sum", period, labels) == title
