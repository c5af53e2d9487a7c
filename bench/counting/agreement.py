"""Every answer of every engine, cell by cell, before any time is taken.

Comes in: engines that are asked the same. Goes out: nothing, or the end of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from bench.counting.engines import Engine
from bench.counting.questions import Answer, Question

SHOWN = 5


class DisagreementError(SystemExit):
    """Two engines say different things: no time of theirs means anything."""


async def require(
    engines: Sequence[Engine], questions: Iterable[Question], *, against: Answer | None = None
) -> int:
    """All engines give the first one's answer (or `against`); how many cells were compared."""
    cells = 0
    for question in questions:
        wanted = against
        for engine in engines:
            await engine.ready()
            found = engine.read(question, await engine.ask(question))
            if wanted is None:
                wanted = found
                continue
            compare(question, engine.name, found, wanted)
            cells += sum(map(len, found.values()))
    return cells


def compare(question: Question, name: str, found: Answer, wanted: Answer) -> None:
    """Raises DisagreementError, naming the first cells."""
    for measure, cells in wanted.items():
        theirs = found[measure]
        wrong = (
            f"  {cell}: {theirs.get(cell)} instead of {cells.get(cell)}"
            for cell in sorted(cells.keys() | theirs.keys())
            if theirs.get(cell) != cells.get(cell)
        )
        if first := list(islice(wrong, SHOWN)):
            lines = "\n".join([f"{name} disagrees on {measure}, {question.text}:", *first])
            raise DisagreementError(lines)
