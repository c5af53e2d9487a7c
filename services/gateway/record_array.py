"""A JSON array of records, taken apart while it arrives.

Comes in: chunks of bytes. Goes out: `Piece`s. Where objects follow one another and have none
inside of them one behind another, as items do, as many as are there are parsed together; others are
decoded one by one.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum, auto
from typing import NoReturn

from services.gateway.bodies import json_reason
from services.gateway.record_piece import Piece, parse_records
from shared.errors import MalformedError, TooLargeError

_SPACE = re.compile(r"[ \t\r\n]*")
_NEXT = re.compile(r"[ \t\r\n]*+,[ \t\r\n]*+\{")
_BOUNDARY = re.compile(rb"\}[ \t\r\n]*+,[ \t\r\n]*+\{")
# How many closing brackets to look at for the last one with a record behind it.
_LOOKS_MAX = 16


class _Place(Enum):
    """Where in the array the next character belongs."""

    BEFORE = auto()
    FIRST = auto()
    ELEMENT = auto()
    AFTER_ELEMENT = auto()
    BEHIND = auto()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


class JsonArray:
    """An array of objects. Each is decoded as soon as it is there whole.

    The standard decoder takes one value from the front of a text at the speed of C, keeps every
    digit, and ends a nesting bomb with a `RecursionError`.
    """

    def __init__(self, record_bytes_max: int) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
        self._text = ""
        self._place = _Place.BEFORE
        self._count = 0
        self._try_again_at = 0
        self._limit = record_bytes_max
        self._is_plain = True

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        self._text += self._decoded(chunk)
        # An object that was not whole is tried again when half as much has come on top of it, so
        # that a body which trickles in does not cost more than one that comes at once.
        if len(self._text) >= self._try_again_at:
            yield from self._take(is_last=False)

    def close(self) -> Iterator[Piece]:
        self._text += self._decoded(b"", final=True)
        yield from self._take(is_last=True)
        if self._place is _Place.BEFORE:
            raise MalformedError("the body must be a JSON array")
        if self._place is not _Place.BEHIND:
            raise MalformedError("the body is not JSON: the array does not end")

    def _decoded(self, chunk: bytes, *, final: bool = False) -> str:
        try:
            return self._utf8.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise MalformedError(f"the body is not UTF-8: {error.reason}") from None

    def _take(self, *, is_last: bool) -> Iterator[Piece]:
        position = 0
        self._try_again_at = 0
        while (position := self._skip_space(position)) < len(self._text):
            if self._place in (_Place.FIRST, _Place.ELEMENT) and self._text[position] == "{":
                found = self._together(position) or self._one(position, is_last=is_last)
                if found is None:
                    break
                piece, position = found
                self._place = _Place.AFTER_ELEMENT
                self._count += len(piece.records)
                yield piece
            else:
                self._step(self._text[position])
                position += 1
        self._text = self._text[position:]
        if self._try_again_at:
            self._try_again_at = len(self._text) * 3 // 2

    def _skip_space(self, position: int) -> int:
        match = _SPACE.match(self._text, position)
        return match.end() if match else position

    def _together(self, position: int) -> tuple[Piece, int] | None:
        """All the objects from here that have another behind them, and where the last one ends.
        None when there are none, or what looks like a boundary need not be one."""
        end = self._last_end(position) if self._is_plain else None
        if end is None:
            return None
        text = self._text[position:end].encode()
        cuts = [match.span() for match in _BOUNDARY.finditer(text)]
        records = parse_records(text, len(cuts) + 1)
        if records is None:
            self._is_plain = False
            return None
        starts = [0, *(stop - 1 for _, stop in cuts)]
        ends = [*(start + 1 for start, _ in cuts), len(text)]
        return Piece(records, [*map(int.__sub__, ends, starts)]), end

    def _last_end(self, position: int) -> int | None:
        end = len(self._text)
        for _ in range(_LOOKS_MAX):
            end = self._text.rfind("}", position, end)
            if end < 0:
                return None
            if _NEXT.match(self._text, end + 1):
                return end + 1
        return None

    def _one(self, position: int, *, is_last: bool) -> tuple[Piece, int] | None:
        """The object at this position and where it ends, or None: it is not whole yet."""
        try:
            record, end = self._json.raw_decode(self._text, position)
        except RecursionError:
            raise MalformedError(f"record {self._count} is nested too deeply") from None
        except json.JSONDecodeError as error:
            if is_last:
                raise MalformedError(f"record {self._count} is not JSON: {error.msg}") from None
            if len(self._text) - position > self._limit:
                raise TooLargeError(f"record {self._count} is over {self._limit} bytes") from None
            self._try_again_at = 1
            return None
        except (ValueError, ArithmeticError) as error:
            raise MalformedError(
                f"record {self._count} is not JSON: {json_reason(error)}"
            ) from None
        # A lone surrogate is no character, but three bytes all the same.
        return Piece([record], [len(self._text[position:end].encode(errors="surrogatepass"))]), end

    def _step(self, character: str) -> None:
        """What is between the objects: the brackets and the commas."""
        following = {
            (_Place.BEFORE, "["): _Place.FIRST,
            (_Place.FIRST, "]"): _Place.BEHIND,
            (_Place.AFTER_ELEMENT, "]"): _Place.BEHIND,
            (_Place.AFTER_ELEMENT, ","): _Place.ELEMENT,
        }.get((self._place, character))
        if following is not None:
            self._place = following
        elif self._place is _Place.BEFORE:
            raise MalformedError("the body must be a JSON array")
        elif self._place in (_Place.FIRST, _Place.ELEMENT):
            raise MalformedError(f"record {self._count} is not a JSON object")
        else:
            raise MalformedError(f"the body is not JSON: {character!r} behind record {self._count}")
