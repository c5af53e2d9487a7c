"""Labels of meta columns: those in use stay; rows name physical columns."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from services.recorder.item_rows import rows_of
from shared.contracts.item_columns import ItemColumns
from shared.contracts.recording import Item
from shared.database.registers import SALES_META, Register, extended_labels
from shared.errors import ConflictError, InvalidArgumentError

NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)


def test_a_list_takes_the_free_columns_in_order() -> None:
    current = {"meta0": "account", "meta2": "warehouse"}
    assert extended_labels(current, ["sku", "account", "country"]) == {
        "meta0": "account",
        "meta1": "sku",
        "meta2": "warehouse",
        "meta3": "country",
    }


def test_a_map_names_the_columns() -> None:
    assert extended_labels({"meta1": "a"}, {"meta9": "z", "meta1": "a"}) == {
        "meta1": "a",
        "meta9": "z",
    }


@pytest.mark.parametrize("added", [{"meta0": "other"}, {"meta5": "account"}])
def test_a_label_in_use_is_neither_renamed_nor_moved(added: dict[str, str]) -> None:
    with pytest.raises(ConflictError, match="'account'"):
        extended_labels({"meta0": "account"}, added)


def test_the_eleventh_label_does_not_fit() -> None:
    current = {f"meta{n}": f"label{n}" for n in range(9)}
    assert len(extended_labels(current, ["tenth"])) == 10
    with pytest.raises(InvalidArgumentError, match="'eleventh'"):
        extended_labels(current, ["tenth", "eleventh"])
    with pytest.raises(InvalidArgumentError, match="'meta10'"):
        extended_labels(current, {"meta10": "eleventh"})


def test_the_sales_register_uses_every_column_once() -> None:
    assert list(SALES_META) == [f"meta{n}" for n in range(10)]
    assert len(set(SALES_META.values())) == 10


def _register(meta: dict[str, str]) -> Register:
    return Register(1, 2, "Ledger", "USD", meta, 0, False, NOW, NOW)


def test_rows_are_in_the_columns_of_the_register() -> None:
    items = [
        Item(unique_key="a", amount=Decimal("1.50"), originated_at=NOW, meta={"b": "x", "a": ""}),
        Item(unique_key="b", amount=Decimal("1E+3"), originated_at=NOW, units="", meta={"a": None}),
    ]
    rows = rows_of(ItemColumns.of(items), _register({"meta3": "a", "meta7": "b"}))
    assert rows.columns[-2:] == ("meta3", "meta7")
    when = "2024-02-29T12:00:00+00:00"
    assert b"".join(rows.text("1\t2")).decode() == (
        f"1\t2\ta\t1.50\t{when}\t\tUSD\t\\N\tx\n1\t2\tb\t1E+3\t{when}\t\t\t\\N\t\\N\n"
    )


def test_unknown_labels_are_named_with_their_index() -> None:
    items = [
        Item(unique_key="a", amount=Decimal(1), originated_at=NOW, meta={"a": "x"}),
        Item(unique_key="b", amount=Decimal(1), originated_at=NOW, meta={"a": "x", "meta0": "y"}),
        Item(unique_key="c", amount=Decimal(1), originated_at=NOW, meta={"nope": None}),
    ]
    with pytest.raises(InvalidArgumentError) as raised:
        rows_of(ItemColumns.of(items), _register({"meta0": "a"}))
    assert [(each.index, each.field) for each in raised.value.details] == [
        (1, "meta.meta0"),
        (2, "meta.nope"),
    ]
