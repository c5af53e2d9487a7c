"""Goals of exports are judged by the figures, and the section has a row for each way."""

from __future__ import annotations

import pytest

from bench.exporting.goals import OURS, PANDAS, TASK, Figures, verdicts
from bench.exporting.pipes import NINE_ZIP, ZIP, commands, same_select
from bench.exporting.section import Setting, section
from bench.exporting.usage import Usage
from bench.exporting.waiting import Waiting


def usage(seconds: float, peak: float = 0.0) -> Usage:
    return Usage(seconds, {"PostgreSQL": 1.0, "worker": 0.5}, 10**6, peak)


FIGURES = Figures(
    ways={
        100: {OURS: [usage(1, 100)], ZIP: [usage(1)], TASK: [usage(6)], PANDAS: [usage(9)]},
        1_000: {OURS: [usage(8, 110), usage(9, 119), usage(10, 115)], ZIP: [usage(10.8)]},
    },
    formats={"csv": usage(1, 100)},
    complete={OURS: [usage(5, 119), usage(7, 112), usage(6, 112)], NINE_ZIP: [usage(9)]},
    complete_rows=3_000,
    complete_bytes=12 * 10**6,
    alone=Waiting(0.1, 0.2, 5),
    beside=Waiting(0.4, 0.9, 5),
    rows_compared=100,
)


def test_each_goal_is_judged_at_the_most_rows_that_there_are() -> None:
    found = {verdict.what: (verdict.found, verdict.holds) for verdict in verdicts(FIGURES)}
    assert found[f"1,000 rows: times {ZIP}"] == (pytest.approx(1.2), True)
    assert found[f"100 rows: times {TASK}"] == (6.0, True)
    assert found[f"100 rows: times {PANDAS}"] == (9.0, False)
    assert found["worker's peak memory at 1,000 rows, of that at 100"] == (1.19, True)
    assert found[f"complete, 3,000 rows: times {NINE_ZIP}"] == (1.5, True)
    assert found["worker's peak memory, MiB"] == (119, True)
    assert found["worker's peak memory, csv, MiB"] == (100, True)
    assert found["seconds that a short report waits longer beside long ones"] == (
        pytest.approx(0.3),
        False,
    )


def test_the_section_shows_every_way() -> None:
    setting = Setting("x", "abc", 3, {100: 10**6, 1_000: 10**7}, 100, 0.5, ["busy"])
    text = section(FIGURES, verdicts(FIGURES), setting)
    assert "6 of 8 figures reach their goal; 2 do not." in text
    assert f"| {OURS} | 9.00 | 111 | 1.1 |" in text
    assert f"| {OURS} | 6.00 | 500 | 2.0 |" in text
    assert text.endswith("- busy")


def test_the_same_select_has_no_end_of_record_of_ours() -> None:
    select = same_select(7)
    assert "NULL FROM" not in select
    assert "store_id = 7" in select
    assert "$" not in select
    assert callable(commands)
