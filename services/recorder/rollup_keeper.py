"""Keep rollups close behind what is recorded, and build those that questions ask for.

Comes in: registers that were written to, requests for rollups. Goes out: folded rollups. Nothing
waits for this: an item is counted from its commit on, folded or not. A keeper that dies leaves a
longer tail, which the sweep of any keeper finds.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import structlog

from services.recorder.metrics import (
    ROLLUP_CHECKED,
    ROLLUP_DISAGREEMENTS,
    ROLLUP_FAILURES,
    ROLLUP_FOLDED,
    ROLLUP_LAG_SECONDS,
    ROLLUP_REGISTERS_BEHIND,
)
from services.recorder.settings import RecorderSettings
from shared.contracts.rollups import RollupRequest
from shared.database import accounts, registers
from shared.database.pool import EVERY_STORE, Database
from shared.errors import NotFoundError, TallyportError
from shared.failpoints import Step
from shared.rollups import definitions
from shared.rollups.checking import check
from shared.rollups.folding import complete, fold, registers_behind
from shared.rollups.grid import Grain, Grid

_log = structlog.get_logger(__name__)

_Register = tuple[int, int | None]
SWEEP_REGISTERS = 1_000
# A tail of so many items is worth a fold at once: one four times as long costs 8 % less for each.
WORTH_A_FOLD_ITEMS = 10_000
# What a random check reads must not be felt by those who ask.
CHECKED_ITEMS_MAX = 1_000_000


@dataclass(slots=True)
class _Work:
    """Registers that wait to be folded, with how many items at least; and whether there are `some`
    of them, and one of them with `much`."""

    registers: Counter[_Register] = field(default_factory=Counter)
    some: asyncio.Event = field(default_factory=asyncio.Event)
    much: asyncio.Event = field(default_factory=asyncio.Event)
    # Of the oldest that waits, and of the oldest that was taken to be folded.
    waiting_since: float | None = None
    in_hand_since: float | None = None

    def add(self, register: _Register, items: int = 0) -> None:
        self.registers[register] += items
        if self.waiting_since is None:
            self.waiting_since = time.monotonic()
        self.some.set()
        if self.registers[register] >= WORTH_A_FOLD_ITEMS:
            self.much.set()

    def take(self) -> list[_Register]:
        taken, self.registers = self.registers, Counter()
        self.in_hand_since, self.waiting_since = self.waiting_since, None
        self.some.clear()
        self.much.clear()
        return [*taken]

    def lag_seconds(self) -> float:
        """For how long the oldest has been waiting."""
        since = self.waiting_since if self.in_hand_since is None else self.in_hand_since
        return 0.0 if since is None else time.monotonic() - since

    async def rest(self, seconds: float) -> None:
        """Let small writings gather, until there is much."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.much.wait()


class RollupKeeper:
    """One for the process. `run()` until cancelled."""

    def __init__(self, database: Database, settings: RecorderSettings) -> None:
        self._database = database
        self._settings = settings
        self._tails = _Work()
        self._builds = _Work()
        self._known: set[_Register] = set()
        ROLLUP_LAG_SECONDS.set_function(self._tails.lag_seconds)
        self._sales: dict[int, int] = {}

    def recorded(self, store_id: int, register_id: int | None, *, items: int = 0) -> None:
        """The register, or the store's sales register (None), was written to: so many items, if
        that is known."""
        self._tails.add((store_id, register_id), items)

    async def requested(self, request: RollupRequest) -> None:
        """A question would have liked a rollup. Built when it was asked for often enough."""
        store_id, register_id = request.store_id, request.register_id
        grid = Grid(Grain.DAY, request.zone)
        columns = tuple(sorted(request.columns))
        async with self._database.transaction(
            store_id=store_id, step=Step.ROLLUP_WISH
        ) as connection:
            held = await definitions.of_register(connection, store_id, register_id)
            if not any(r.grid == grid and r.columns == columns for r in held):
                if sum(1 for r in held if r.columns) >= self._settings.rollups_max:
                    _log.info("rollup.not_made", register_id=register_id, reason="rollups_max")
                    return
                await definitions.ensure(connection, store_id, register_id, grid, columns)
                held = await definitions.of_register(connection, store_id, register_id)
            (wanted,) = [r for r in held if r.grid == grid and r.columns == columns]
            await definitions.note_demand(
                connection, store_id, wanted.rollup_id, times=request.times
            )
        self._builds.add((store_id, register_id))

    async def run(self) -> None:
        """Fold, build, sweep and check, each at its own pace."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(self._tails, builds=False))
            group.create_task(self._work(self._builds, builds=True))
            group.create_task(self._every(self._settings.rollup_sweep_seconds, self._sweep))
            group.create_task(self._every(self._settings.rollup_check_seconds, self._check_one))

    async def _work(self, work: _Work, *, builds: bool) -> None:
        while True:
            await work.some.wait()
            for register in work.take():
                await self._guarded(self._fold(*register, builds=builds))
            work.in_hand_since = None
            # The tail that small writings make meanwhile costs less than a fold.
            await work.rest(self._settings.rollup_fold_seconds)

    async def _fold(self, store_id: int, register_id: int | None, *, builds: bool) -> None:
        if register_id is None:
            register_id = await self._sales_register(store_id)
        if (store_id, register_id) not in self._known:
            await self._ensure_totals(store_id, register_id)
        folded = await fold(
            self._database,
            store_id,
            register_id,
            builds=builds,
            asked_min=self._settings.rollup_asked_min,
        )
        if builds:
            await complete(self._database, store_id, register_id)
        if folded.rollups:
            ROLLUP_FOLDED.labels("build" if builds else "tail").inc(folded.items)
            _log.debug(
                "rollup.folded",
                register_id=register_id,
                rollups=folded.rollups,
                items=folded.items,
            )

    async def _sales_register(self, store_id: int) -> int:
        if store_id not in self._sales:
            async with self._database.acquire(store_id=store_id) as connection:
                register = await registers.find_sales_register(connection, store_id)
            if register is None:
                raise NotFoundError("the store has no sales register yet")
            self._sales[store_id] = register.register_id
        return self._sales[store_id]

    async def _ensure_totals(self, store_id: int, register_id: int) -> None:
        async with self._database.transaction(
            store_id=store_id, step=Step.ROLLUP_ENSURE
        ) as connection:
            store = await accounts.find_store(connection, store_id)
            if store is None:
                return
            for grid in definitions.totals_grids(store.timezone):
                if await definitions.ensure(connection, store_id, register_id, grid):
                    self._builds.add((store_id, register_id))
        self._known.add((store_id, register_id))

    async def _sweep(self) -> None:
        behind = await registers_behind(self._database, limit=SWEEP_REGISTERS)
        ROLLUP_REGISTERS_BEHIND.set(len(behind))
        for register in behind:
            self._tails.add(register)
            self._builds.add(register)

    async def _check_one(self) -> None:
        async with self._database.acquire(store_id=EVERY_STORE) as connection:
            rollup = await definitions.any_one(connection, items_max=CHECKED_ITEMS_MAX)
        if rollup is None:
            return
        store_id, rollup_id = rollup
        result = await check(self._database, store_id, rollup_id)
        ROLLUP_CHECKED.inc()
        ROLLUP_DISAGREEMENTS.set(result.disagreements)
        if result.disagreements:
            _log.error(
                "rollup.disagrees",
                rollup_id=rollup_id,
                rows=result.disagreements,
                sample=[str(row) for row in result.sample],
            )

    async def _every(self, seconds: float, work: Any) -> None:
        while True:
            await self._guarded(work())
            await asyncio.sleep(seconds)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A fold that fails is tried again by the sweep; recording goes on."""
        try:
            await work
        except (TallyportError, asyncpg.PostgresError, TimeoutError) as error:
            ROLLUP_FAILURES.inc()
            _log.warning("rollup.failed", reason=str(error) or type(error).__name__)
