"""Progress for people: on stderr, on a terminal only, so that stdout stays the answer.

Comes in: how far it is. Goes out: a bar. Programs, pipes and logs see nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)


class Bar:
    """A bar that can be moved by steps or to a place, and renamed on the way."""

    def __init__(self, progress: Progress, title: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total)

    def advance(self, steps: int) -> None:
        self._progress.advance(self._task, steps)

    def show(self, title: str, completed: int, total: int | None) -> None:
        self._progress.update(self._task, description=title, completed=completed, total=total)


@contextmanager
def bytes_bar(title: str, total: int | None, *, quiet: bool) -> Iterator[Bar]:
    """A bar that counts bytes."""
    with _shown(DownloadColumn(), quiet=quiet) as progress:
        yield Bar(progress, title, total)


@contextmanager
def steps_bar(title: str, total: int | None, *, quiet: bool) -> Iterator[Bar]:
    """A bar that counts records, rows or per cent."""
    with _shown(MofNCompleteColumn(), quiet=quiet) as progress:
        yield Bar(progress, title, total)


@contextmanager
def _shown(counter: ProgressColumn, *, quiet: bool) -> Iterator[Progress]:
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        counter,
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    ) as progress:
        yield progress
