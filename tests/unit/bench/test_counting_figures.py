"""Disagreements end a run, goals are judged by the figures, the page keeps what is not ours."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bench.counting import page
from bench.counting.agreement import DisagreementError, compare
from bench.counting.engines import read_body
from bench.counting.questions import MAIN, filled
from bench.counting.rounds import percentile
from bench.page import Verdict

A, _, C, _ = MAIN


def test_one_cell_that_differs_by_a_cent_ends_the_run() -> None:
    rows = [(1, ("x",), 2, Decimal("0.30")), (2, ("x",), 1, Decimal("1.00"))]
    right = filled(C, rows)
    compare(C, "same", filled(C, rows), right)
    wrong = filled(C, [(1, ("x",), 2, Decimal("0.31")), *rows[1:]])
    with pytest.raises(DisagreementError, match=r"0\.31 instead of 0\.30"):
        compare(C, "other", wrong, right)


def test_a_group_that_is_missing_ends_the_run() -> None:
    rows = [(1, ("x",), 2, Decimal(1)), (1, ("y",), 1, Decimal(1))]
    with pytest.raises(DisagreementError, match="None instead of"):
        compare(C, "other", filled(C, rows[:1]), filled(C, rows))


def test_answers_over_http_are_read_exactly_and_by_group() -> None:
    body = (
        b'{"title":"Sum, Count","measures":["sum","count"],"rows":['
        b'{"period":"Jan 2023","group":"x","values":{"sum":0.30,"count":2}},'
        b'{"period":"Feb 2023","group":"x","values":{"sum":0,"count":0}},'
        b'{"period":"Jan 2023","group":"y","values":{"sum":1,"count":1}}]}'
    )
    assert read_body(C, body) == {
        "item_sum": {
            (1, ("x",)): Decimal("0.30"),
            (2, ("x",)): Decimal(0),
            (1, ("y",)): Decimal(1),
        },
        "item_count": {(1, ("x",)): 2, (2, ("x",)): 0, (1, ("y",)): 1},
    }


def test_answers_of_one_measure_have_their_values_in_the_rows() -> None:
    body = (
        b'{"title":"Sum","count":[{"period":"Jan 2023","group":"x","value":0.30},'
        b'{"period":"Feb 2023","group":"x","value":0},{"period":"Jan 2023","group":"y","value":1}]}'
    )
    question = replace(C, measures=("item_sum",))
    assert read_body(question, body) == {
        "item_sum": {
            (1, ("x",)): Decimal("0.30"),
            (2, ("x",)): Decimal(0),
            (1, ("y",)): Decimal(1),
        }
    }


def test_no_items_without_columns_is_a_row_of_zeros() -> None:
    assert filled(A, []) == {"item_count": {(1, ()): Decimal(0)}}


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile(list(range(1, 101)), 0.99) == 99


@pytest.mark.parametrize(
    ("found", "at_most", "holds"), [(2.0, False, True), (0.9, False, False), (0.9, True, True)]
)
def test_a_verdict_is_what_the_figure_says(found: float, at_most: bool, holds: bool) -> None:
    assert Verdict("1", "what", found, 1.0, at_most=at_most).holds is holds


def test_the_section_is_replaced_and_its_neighbours_stay(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text("# Benchmarks\n\n## Another\n\ntext\n")
    page.write(path, "## Counting\n\nfirst")
    path.write_text(path.read_text() + "\n## Behind\n")
    page.write(path, "## Counting\n\nsecond")
    text = path.read_text()
    assert "first" not in text
    assert text.count("## Counting\n\nsecond") == 1
    assert "## Another" in text
    assert "## Behind" in text
