"""An answer's title: `Count by Month and Income Account, Warehouse`.

Comes in: the measure's word, the period's and the labels. Goes out: text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# ActiveSupport's underscore, humanize and titleize, with Ruby's idea of `\w` (ASCII) and of `\b`
# (all letters): a label that begins with a letter outside of ASCII stays as it is.
_IS_CAMEL = re.compile(r"[A-Z-]|::")
_HUMP = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])")
_WORD_START = re.compile(r"\b(?<![A-Za-z0-9_]['’`()])[a-z]")


def title_case(label: str) -> str:
    """A label as Rails's `titleize(keep_id_suffix: true)` writes it: `customer_id` Customer Id."""
    words = label
    if _IS_CAMEL.search(words):
        words = _HUMP.sub("_", words.replace("::", "/")).replace("-", "_").lower()
    words = words.replace("_", " ").lstrip()
    return _WORD_START.sub(lambda letter: letter[0].upper(), words)


def title_of(measure: str, period: str | None, labels: Sequence[str]) -> str:
    """`measure` and `period` are words (`Count`, `month`); labels are the caller's, as asked."""
    columns = ", ".join(title_case(label) for label in labels)
    groupings = [part for part in (period and period.capitalize(), columns) if part]
    return f"{measure} by {' and '.join(groupings)}" if groupings else measure
