"""The register that a question is about: what this process saw of it last, and how to see it anew.

Comes in: ids, rows of the query `state`. Goes out: `Seen`. What was seen may be old when a question
is made from it: the question's own statement compares, in its own snapshot, and tells.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from services.aggregator.plans import Bindings
from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.rollups.definitions import Rollup, from_json

_SQL = load_queries(__file__)
REGISTERS_MAX = 1_000
_FIELDS = (
    *("rollup_id", "register_id", "grain", "zone", "zone_digest", "columns", "synced_version"),
    *("has_extremes", "is_rejected", "rows_held", "items_held", "first_bucket", "last_bucket"),
)


class State(Protocol):
    """A row that has `version`, `is_same` and `definition`."""

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A register of a store."""

    store_id: int
    register_id: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A register in some snapshot. `meta` maps physical columns to labels; `definition` is the text
    that all but the version is told by."""

    version: int
    meta: Mapping[str, str]
    rollups: tuple[Rollup, ...]
    definition: str


class Registers:
    """What was seen of the registers that were asked about last."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Place, Seen] = OrderedDict()
        self._changing: set[Place] = set()

    def last_seen(self, place: Place) -> Seen | None:
        return self._seen.get(place)

    def changes(self, place: Place | None) -> bool:
        """Whether it had changed when it was looked at last: it is likely to have again."""
        return place in self._changing

    def see(self, place: Place, state: State | None) -> Seen | None:
        """Note the state. None: the store has no such register."""
        before = known = self._seen.pop(place, None)
        self._changing.discard(place)
        if state is None:
            return None
        if state["definition"] is not None:
            known = seen_of(state)
        elif known is not None:
            known = Seen(state["version"], known.meta, known.rollups, known.definition)
        if known is None:
            return None
        self._seen[place] = known
        if before is not None and before != known:
            self._changing.add(place)
        if len(self._seen) > REGISTERS_MAX:
            self._changing.discard(self._seen.popitem(last=False)[0])
        return known


async def look(connection: Connection, place: Place, *, seconds: float) -> State | None:
    """The register's state in the present snapshot, whole."""
    return await connection.fetchrow(
        _SQL["state"], None, None, place.store_id, place.register_id, timeout=seconds
    )


def state_sql(place: Place, known: Seen, version_max: int, bindings: Bindings) -> str:
    """The query `state` for a statement of ours. Its values have to be the first ones: it is text
    from a file, where they have their numbers."""
    if bindings.values:
        raise ValueError("the values of the state come first")
    bindings.values += [known.definition, version_max, place.store_id, place.register_id]
    return _SQL["state"]


def seen_of(state: State) -> Seen:
    """What a whole state says."""
    meta, rollups = orjson.loads(state["definition"])
    rows = [dict(zip(_FIELDS, row, strict=True)) for row in rollups or ()]
    return Seen(state["version"], meta, tuple(from_json(rows)), state["definition"])
