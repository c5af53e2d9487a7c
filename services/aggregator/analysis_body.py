"""Put the body of an analysis together from its pieces.

Comes in: the pieces, and a row for each group, then one without a piece for the totals. Goes out:
the body, or None when it would be over its limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from services.aggregator.analysis_rendering import Pieces
from services.aggregator.plans import lines_of


class Row(Protocol):
    """`place` (None: the totals), `piece`, and for each range (0, 1) `periods_n`, numbers from 1,
    a line each, with as many `numbers_n`, or None for both. In the totals, 0 is the whole range."""

    def __getitem__(self, name: str, /) -> Any: ...


def put_analysis_together(
    pieces: Pieces, rows: Sequence[Row], *, is_compared: bool, bytes_max: int
) -> bytes | None:
    """The rows are in the order of the body."""
    between = pieces.row_end + pieces.separator
    groups = [row for row in rows if row["place"] is not None]
    text = between.join(
        between.join(_written(pieces, row["piece"] + pieces.values_start, row, is_compared))
        for row in groups
    )
    parts = [pieces.opening, text, pieces.row_end if groups else ""]
    if pieces.grand_total is not None:
        # Without a single item there is no such row.
        row = next((row for row in rows if row["place"] is None), _NOTHING)
        periods = between.join(_written(pieces, pieces.values_start, row, is_compared))
        whole = _values(pieces, row, is_compared, 0)
        parts += [pieces.totals_start, periods, pieces.row_end, pieces.grand_total]
        parts += [pieces.values_start, whole, pieces.totals_end]
    body = "".join([*parts, pieces.closing]).encode()
    return body if len(body) <= bytes_max else None


_NOTHING = {"periods_0": None, "numbers_0": None, "periods_1": None, "numbers_1": None}


def _written(pieces: Pieces, start: str, row: Row, is_compared: bool) -> Iterator[str]:
    """A row's text for each period, without its end."""
    now, before = _by_period(pieces, row, 0), _by_period(pieces, row, 1)
    if not is_compared:
        return (f"{label}{start}{value}" for label, value in zip(pieces.periods, now, strict=True))
    return (
        f"{label}{start}{value}{pieces.previous_start}{previous}"
        for label, value, previous in zip(pieces.periods, now, before, strict=True)
    )


def _by_period(pieces: Pieces, row: Row, era: int) -> list[str]:
    values = [pieces.no_values] * (len(pieces.periods) + 1)
    for number, value in _pairs(row, era):
        values[number] = value
    return values[1:]


def _values(pieces: Pieces, row: Row, is_compared: bool, number: int) -> str:
    """Those of one period, of 0 for all."""
    now, before = (dict(_pairs(row, era)).get(number, pieces.no_values) for era in (0, 1))
    return f"{now}{pieces.previous_start}{before}" if is_compared else now


def _pairs(row: Row, era: int) -> Iterator[tuple[int, str]]:
    periods, numbers = lines_of(row[f"periods_{era}"]), lines_of(row[f"numbers_{era}"])
    return zip(map(int, periods), numbers, strict=True)
