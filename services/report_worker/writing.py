"""The thread of a build: from what was copied to the bytes of the object.

In: the pieces of each file, how each is rendered, and, once all of it has been checked, leave to
end. Out: a package in a pipe. The object's last bytes are not written before that leave is given:
what does not check never becomes an object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from services.report_worker.formats.format import Rendering
from services.report_worker.packing import Package, Packed
from services.report_worker.pieces import FilePieces
from shared.objects import BoundedPipe


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """`name` as it stands in the object."""

    name: str
    rendering: Rendering
    pieces: FilePieces


class Writing:
    """One for each build. Make it on the event loop."""

    def __init__(self, files: Sequence[OutgoingFile], package: Package, out: BoundedPipe) -> None:
        self._files = files
        self._package = package
        self._out = out
        self._last = BoundedPipe(is_hashed=False)
        self._last_name = ""
        self._loop = asyncio.get_running_loop()
        self._written: asyncio.Future[tuple[Packed, ...]] = self._loop.create_future()

    async def run(self, executor: Executor) -> None:
        """Write it all; returns when all of it is in `out`, which is closed then.

        Cancelling, or anything that fails, makes `out` fail: what reads it never sees an end.
        """
        work = self._loop.run_in_executor(executor, self._write)
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as error:
            self.fail(error)  # the thread waits for one of these, wherever it is
            await asyncio.wait([work])
            work.exception()  # it was told to fail: nothing to report
            raise

    async def written(self) -> tuple[Packed, ...]:
        """Wait until every file has been written, though not the end of the object."""
        return await asyncio.shield(self._written)

    async def end(self, name: str = "", content: bytes = b"") -> None:
        """Leave to end, with a last file if one is given."""
        self._last_name = name
        await self._last.write(content)
        self._last.close()

    def fail(self, error: BaseException) -> None:
        """Whoever waits for anything here raises."""
        for file in self._files:
            file.pieces.fail(error)
        self._last.fail(error)
        self._out.fail(error)

    def _write(self) -> None:
        try:
            self._tell(tuple(map(self._write_file, self._files)))
            content = self._last.read()
            if self._last_name:
                self._package.begin(self._last_name, is_stored=False)
                self._package.write(content)
                self._package.end()
            self._package.close()
        except BaseException as error:
            self.fail(error)
            raise

    def _write_file(self, file: OutgoingFile) -> Packed:
        self._package.begin(file.name)
        file.rendering.write(file.pieces, self._package.write)
        return self._package.end()

    def _tell(self, written: tuple[Packed, ...]) -> None:
        def tell() -> None:
            if not self._written.done():
                self._written.set_result(written)

        self._loop.call_soon_threadsafe(tell)
