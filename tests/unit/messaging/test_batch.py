"""Batches: what goes in comes out, and nothing that anybody sends does harm."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MalformedError
from shared.messaging.batch import ENTRIES_MAX, Entry, pack, unpack

_text = st.text(max_size=20)
_entries = st.builds(
    Entry,
    correlation_id=_text,
    body=st.binary(max_size=100),
    kind=st.none() | _text,
    content_type=_text,
    headers=st.dictionaries(_text, _text, max_size=3),
)


@given(st.lists(_entries, min_size=1, max_size=ENTRIES_MAX))
def test_what_goes_in_comes_out(entries: list[Entry]) -> None:
    assert unpack(pack(entries)) == entries


@given(st.binary(max_size=200))
def test_any_bytes_are_a_batch_or_malformed(body: bytes) -> None:
    with contextlib.suppress(MalformedError):
        unpack(body)


@given(st.lists(_entries, min_size=1, max_size=3), st.data())
def test_a_cut_off_one_is_malformed_or_shorter(entries: list[Entry], data: st.DataObject) -> None:
    body = pack(entries)
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    with contextlib.suppress(MalformedError):
        found = unpack(cut)
        assert found == entries[: len(found)]


def test_too_many_are_malformed() -> None:
    with pytest.raises(MalformedError):
        unpack(pack([Entry("1", b"", None, "x", {})] * (ENTRIES_MAX + 1)))
