"""Which contexts are believed (examples of https://www.w3.org/TR/trace-context/), and how one is
handed on where nobody collects spans."""

from __future__ import annotations

import asyncio

import pytest

from shared import tracing
from shared.tracing import Kind, valid_traceparent

# The recommendation's own example.
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@pytest.mark.parametrize("text", [GOOD, OTHER])
def test_a_good_context_goes_on_as_it_is(text: str) -> None:
    assert valid_traceparent(text) == text


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "garbage",
        f"ff-{TRACE}-{SPAN}-01",  # a version that never is
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",  # version 00 has no more
        f"00-{TRACE}-{SPAN}-01 ",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"0x-{TRACE}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01more",
    ],
)
def test_what_is_no_context_is_not_believed(text: str | None) -> None:
    assert valid_traceparent(text) is None


@pytest.mark.parametrize(("flags", "kept"), [("01", "01"), ("ff", "01"), ("fe", "00")])
def test_of_a_newer_version_what_this_one_knows_is_kept(flags: str, kept: str) -> None:
    expected = f"00-{TRACE}-{SPAN}-{kept}"
    assert valid_traceparent(f"cc-{TRACE}-{SPAN}-{flags}") == expected
    assert valid_traceparent(f"cc-{TRACE}-{SPAN}-{flags}-what-will-be") == expected


async def test_a_context_holds_inside_and_in_tasks_that_begin_there() -> None:
    async def seen() -> str | None:
        return tracing.traceparent()

    with tracing.begin("", Kind.SERVER, GOOD):
        assert tracing.traceparent() == GOOD
        assert tracing.log_ids() == (TRACE, SPAN)
        assert await asyncio.create_task(seen()) == GOOD
        assert await asyncio.create_task(seen(), context=tracing.apart()) is None
        with tracing.span("a part"):
            assert tracing.traceparent() == GOOD
    assert tracing.traceparent() is None


def test_without_a_context_there_is_nothing() -> None:
    for came in (None, "garbage"):
        assert tracing.begin("", Kind.SERVER, came) is tracing.NOTHING
        assert tracing.within("", Kind.INTERNAL, came) is tracing.NOTHING
    with tracing.NOTHING:
        assert tracing.traceparent() is None


def test_work_goes_on_in_the_trace_that_was_kept_with_it() -> None:
    """Whichever message has brought it."""
    with tracing.begin("", Kind.CONSUMER, OTHER):
        with tracing.joining("", GOOD):
            assert tracing.traceparent() == GOOD
        with tracing.joining("", None):
            assert tracing.traceparent() == OTHER
    with tracing.joining("", GOOD):
        assert tracing.traceparent() == GOOD
