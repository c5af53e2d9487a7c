"""W3C Trace Context: what `traceparent` may look like.

Comes in: a text that anybody may have sent. Goes out: the same as this side sends it on, or None:
then a new trace begins, as the recommendation wants it
(https://www.w3.org/TR/trace-context/#processing-model-for-working-with-trace-context).
"""

from __future__ import annotations

import re

HEADER = "traceparent"
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_SAMPLED = 1


def valid_traceparent(text: str | None) -> str | None:
    """The context in version 00, or None where it is none.

    Of a newer version the parts that 00 knows are taken, and the one flag that 00 defines.
    """
    if not text or (found := _FORM.fullmatch(text)) is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or trace == _NO_TRACE or span == _NO_SPAN:
        return None
    if version == "00":
        return None if more is not None else text
    return f"00-{trace}-{span}-{int(flags, 16) & _SAMPLED:02x}"


def trace_of(traceparent: str) -> str:
    """The trace's id in a valid context."""
    return traceparent[3:35]
