"""Put the body together: every group has every period, with 0 where it has nothing.

Comes in: the pieces, and a row for each group. Goes out: the body, or None when it would be over
its limit; then nothing is put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from services.aggregator.rendering import Rendering

NOTHING = "0"


class Group(Protocol):
    """`fits`, which is false for all when their pieces are known to be too long, and None where
    there is no group; `piece`, and `periods` (numbers from 1) with as many `values`, or None for
    both."""

    def __getitem__(self, name: str, /) -> Any: ...


def put_together(rendering: Rendering, groups: Sequence[Group], *, bytes_max: int) -> bytes | None:
    """The groups are in the order of the body."""
    groups = [group for group in groups if group["fits"] is not None]
    if not all(group["fits"] for group in groups):
        return None
    between = rendering.row_end + rendering.separator
    rows = between.join(between.join(_rows(rendering.periods, group)) for group in groups)
    end = rendering.row_end if groups else ""
    body = f"{rendering.opening}{rows}{end}{rendering.closing}".encode()
    return body if len(body) <= bytes_max else None


def _rows(periods: Sequence[str], group: Group) -> list[str]:
    values = [NOTHING] * len(periods)
    for number, value in zip(group["periods"] or (), group["values"] or (), strict=True):
        values[number - 1] = value
    piece = group["piece"]
    return [period + piece + value for period, value in zip(periods, values, strict=True)]
