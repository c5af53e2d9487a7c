"""Reading: one snapshot for all files of a report, and COPY out of it, over one connection or
several.

In: the report's zone and range, and the files of an export as a format renders them. Out: their
bytes, in pieces. No row is ever a Python object: PostgreSQL writes the text, we move bytes.

One connection keeps one core of the database busy. A large report is read over several that share a
snapshot: each takes the next piece, a file or a range of one, while those before it are still on
their way out in their order.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.report_worker.exports.definition import ExportFile
from services.report_worker.gulps import Gulps
from services.report_worker.pieces import FilePieces, Room
from services.report_worker.ranges import Range, Ranges, follow
from services.report_worker.writing import OutgoingFile
from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.database.replica import Source
from shared.database.reports import Report
from shared.database.spans import called

_SQL = load_queries(__file__)
_SNAPSHOT = re.compile(r"[0-9A-F-]{1,64}")


@dataclass(slots=True)
class Progress:
    """How far a build is. The heartbeat writes it down."""

    stage: str = "starting"
    files: Sequence[FilePieces] = ()
    rows_estimated: int | None = None

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


@asynccontextmanager
async def snapshot(
    source: Source,
    timezone: str,
    *,
    store_id: int,
    seconds_max: float,
    connections: int = 1,
) -> AsyncIterator[list[Connection]]:
    """Read-only transactions that see one and the same moment, of this store's rows, and show times
    in the zone."""
    async with AsyncExitStack() as stack:

        async def another(moment: str | None) -> Connection:
            transaction = source.transaction(
                store_id=store_id, isolation="repeatable_read", readonly=True
            )
            connection = await stack.enter_async_context(transaction)
            if moment is not None:
                await connection.execute(_SQL["import_snapshot"].format(moment=moment))
            milliseconds = str(round(seconds_max * 1_000))
            await connection.execute(_SQL["prepare_snapshot"], timezone, milliseconds)
            return connection

        opened = [await another(None)]
        if connections > 1:
            moment = await opened[0].fetchval(_SQL["export_snapshot"])
            if not _SNAPSHOT.fullmatch(moment):
                raise ValueError(f"{moment} is no name of a snapshot")
            opened += [await another(moment) for _ in range(connections - 1)]
        yield opened


async def join_by_hash(connections: Iterable[Connection]) -> None:
    """For the rest of their transactions: what a join costs is what it reads, whatever the planner
    expects."""
    for connection in connections:
        await connection.execute(_SQL["join_by_hash"])


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do it all at once, each on a connection of its own; the first that fails ends the others."""
    tasks = [asyncio.create_task(work) for work in works]
    # No task group: one whose task fails while it waits for the others leaves a mark on us as
    # if we had been cancelled (before Python 3.13), and the pool goes by that mark.
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class Copying:
    """All files of a report, over all connections of a snapshot."""

    def __init__(
        self,
        report: Report,
        tables: Sequence[ExportFile],
        files: Sequence[OutgoingFile],
        room: Room,
        progress: Progress,
    ) -> None:
        self.progress = progress
        self._report = report
        self._files = [*zip(tables, files, strict=True)]
        self._rows = [0] * len(self._files)
        self._room = room
        self._next_file = 0
        self._ranges: Ranges | None = None  # of the next file, once it has been begun
        self._turn = asyncio.Lock()

    async def run(self, connections: Sequence[Connection], *, seconds_max: float) -> list[int]:
        """Copy everything; how many rows each file has, by PostgreSQL's count."""
        is_shared = len(connections) > 1
        await together(
            self._read(connection, seconds_max, is_shared=is_shared) for connection in connections
        )
        return self._rows

    async def _read(self, connection: Connection, seconds_max: float, *, is_shared: bool) -> None:
        is_whole = True
        while True:
            # In turns: what is taken first goes out first.
            async with self._turn:
                if self._next_file == len(self._files):
                    return
                await self._room.take()
                at = self._next_file
                found = await self._take(connection, is_shared=is_shared)
                pipe = self._files[at][1].pieces.add()
                if found.is_last:
                    self._files[at][1].pieces.complete()
                    self._next_file, self._ranges = at + 1, None
            if found.is_whole != is_whole:
                is_whole = found.is_whole
                await follow(connection, is_whole=is_whole)
            rendering = self._files[at][1].rendering
            gulps = Gulps(pipe)
            with called(f"COPY {self._files[at][0].name}"):
                tag = await connection.copy_from_query(
                    rendering.select(found.rows),
                    *found.arguments,
                    output=gulps.take,
                    encoding="utf8",
                    timeout=seconds_max,
                    **rendering.copy_options,
                )
            # Closed when, and only when, everything that PostgreSQL sent is in it.
            await gulps.finish()
            self._rows[at] += int(tag.rpartition(" ")[2])  # "COPY 1234"

    async def _take(self, connection: Connection, *, is_shared: bool) -> Range:
        """The next range of the next file."""
        table = self._files[self._next_file][0]
        if self._ranges is None:
            self.progress.stage = f"writing {table.name}"
            report = self._report
            arguments = (report.store_id, report.range_start, report.range_end, *table.parameters)
            self._ranges = (
                await Ranges.of(connection, table, arguments)
                if is_shared
                else Ranges(table, arguments)
            )
        return await self._ranges.next(connection)
