"""The register that a question is about: what this process saw of it last, and how to see it anew.

Comes in: ids, rows of the query `state`. Goes out: `Seen`. What was seen may be old when a question
is made from it: the question's own statement compares, in its own snapshot, and tells.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from services.aggregator.plans import Bindings
from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.rollups.definitions import Rollup, from_json

_SQL = load_queries(__file__)
REGISTERS_MAX = 1_000
# What was written to so long ago is likely to be written to again before it is asked about.
CHANGING_SECONDS = 1.0
# What was redefined may have been again after this time; rollups are folded every 0.2 s at most.
AGAIN_SECONDS = 0.1
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
    that all but the version is told by. What is asked about one that `is_changing` is to be right
    for later versions too."""

    version: int
    meta: Mapping[str, str]
    rollups: tuple[Rollup, ...]
    definition: str
    is_changing: bool = False


@dataclass(slots=True)
class _Memory:
    """Of one register. `is_redefined`: its definition was another one the time before."""

    seen: Seen
    seen_at: float
    written_at: float | None = None
    is_redefined: bool = False


class Registers:
    """What was seen of the registers that were asked about last."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._memories: OrderedDict[Place, _Memory] = OrderedDict()

    def last_seen(self, place: Place) -> Seen | None:
        memory = self._memories.get(place)
        if memory is None:
            return None
        written_at = memory.written_at
        if written_at is not None and self._clock() - written_at > CHANGING_SECONDS:
            memory.written_at = None
            memory.seen = replace(memory.seen, is_changing=False)
        return memory.seen

    def is_likely_redefined(self, place: Place | None) -> bool:
        """Whether it was when it was seen last, and has had the time to be so again."""
        memory = None if place is None else self._memories.get(place)
        if memory is None or not memory.is_redefined:
            return False
        return self._clock() - memory.seen_at > AGAIN_SECONDS

    def see(self, place: Place, state: State | None) -> Seen | None:
        """Note the state. None: the store has no such register."""
        memory = self._memories.pop(place, None)
        if state is None:
            return None
        definition = state["definition"]
        if memory is None:
            if definition is None:
                return None
            memory = _Memory(seen_of(state), self._clock())
        else:
            memory.is_redefined = definition not in (None, memory.seen.definition)
            self._see_version(memory, state["version"])
            if memory.is_redefined:
                is_changing = memory.seen.is_changing
                memory.seen = replace(seen_of(state), is_changing=is_changing)
        self._memories[place] = memory
        if len(self._memories) > REGISTERS_MAX:
            self._memories.popitem(last=False)
        return memory.seen

    def see_version(self, place: Place, version: int) -> None:
        """Note the version; nothing else of the register is different."""
        if (memory := self._memories.get(place)) is not None:
            self._see_version(memory, version)

    def _see_version(self, memory: _Memory, version: int) -> None:
        memory.seen_at = self._clock()
        if version != memory.seen.version:
            memory.written_at = memory.seen_at
            memory.seen = replace(memory.seen, version=version, is_changing=True)


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
