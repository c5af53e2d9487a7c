"""Put the body together: every group has every period, with 0 where it has nothing.

Comes in: the pieces, and a row for each group, or the only one there is. Goes out: the body, or
None when it would be over its limit; then nothing is put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from services.aggregator.plans import lines_of
from services.aggregator.rendering import Rendering

NOTHING = "0"


class Group(Protocol):
    """`fits`, which is false for all when their pieces are known to be too long, and None where
    there is no group; `piece`, and `periods` (numbers from 1, a line each) with as many `values`,
    or None for both."""

    def __getitem__(self, name: str, /) -> Any: ...


def the_one_group(rendering: Rendering, cells: Sequence[str | None] | None) -> Group:
    """The group of a question without columns: `cells` are the numbers of the periods and their
    values, a line each, or nothing where there are no items. Its piece is no news to anybody, so
    whether it fits is told by the body."""
    periods, values = cells or (None, None)
    return {"fits": True, "piece": rendering.group, "periods": periods, "values": values}


def put_together(rendering: Rendering, groups: Sequence[Group], *, bytes_max: int) -> bytes | None:
    """The groups are in the order of the body."""
    groups = [group for group in groups if group["fits"] is not None]
    if not all(group["fits"] for group in groups):
        return None
    between = rendering.row_end + rendering.separator
    in_order = "\n".join(map(str, range(1, len(rendering.periods) + 1)))
    rows = between.join(between.join(_rows(rendering.periods, g, in_order)) for g in groups)
    end = rendering.row_end if groups else ""
    body = f"{rendering.opening}{rows}{end}{rendering.closing}".encode()
    return body if len(body) <= bytes_max else None


def _rows(periods: Sequence[str], group: Group, in_order: str) -> list[str]:
    """`in_order` is how all periods, one after the other, are listed: then nothing is to be put in
    its place, which is most of the work."""
    values = lines_of(group["values"])
    if group["periods"] != in_order:
        held = zip(map(int, lines_of(group["periods"])), values, strict=True)
        values = [NOTHING] * len(periods)
        for number, value in held:
            values[number - 1] = value
    piece = group["piece"]
    return [period + piece + value for period, value in zip(periods, values, strict=True)]
