"""Questions that were asked before, as they were understood then.

Comes in: a question and the register as it was seen last. Goes out: what the question is made into
there: how its range is cut, where the totals are read from, the statement. Who looks at a page asks
the same again and again, and all of that is the same while the register is; its numbers are not
here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from services.aggregator.planner import TAIL_VERSIONS_MAX
from services.aggregator.registers import Seen
from shared.contracts.message import Message

QUESTIONS_MAX = 256
# More would be much to remember: some hundred bytes for each period.
PERIODS_MAX = 1_000
CHARACTERS_MAX = 10_000

# Questions are the same that differ in nothing else.
_NOT_ASKED = {"message_id", "sent_at", "traceparent", "deadline"}


def question_key(query: Message) -> str:
    """All that is asked, as text. Not as JSON: it writes a decimal as a text that another question
    may ask for (`1E+2` is 100)."""
    return repr([value for name, value in query if name not in _NOT_ASKED])


class Made(Protocol):
    """What a question is made into."""

    @property
    def period_count(self) -> int: ...


A = TypeVar("A", bound=Made)


class Understood(Generic[A]):
    """What the questions were made into that were asked last. It has to be the same for any version
    of a register that is changing: whether a caller has the answer already is nothing for here."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[Seen, A]] = OrderedDict()

    def find(self, question: str, known: Seen, understand: Callable[[], A]) -> A:
        """As it was understood, or is now. `question`: all that it is made of, as text. Raises what
        `understand` raises, each time."""
        held = self._held.pop(question, None)
        if held is None or not _is_the_same(held[0], known):
            held = known, understand()
            if held[1].period_count > PERIODS_MAX or len(question) > CHARACTERS_MAX:
                return held[1]
        self._held[question] = held
        if len(self._held) > QUESTIONS_MAX:
            self._held.popitem(last=False)
        return held[1]


def _is_the_same(before: Seen, now: Seen) -> bool:
    """Whether a question is made into the same of both. Of one that is changing the version makes
    no difference, but for how long a tail may be."""
    if before is now:
        return True
    if (before.definition, before.is_changing) != (now.definition, now.is_changing):
        return False
    versions = now.version - before.version
    return 0 <= versions <= (TAIL_VERSIONS_MAX if now.is_changing else 0)
