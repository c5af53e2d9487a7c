"""The base of every message, and the scalar types that messages are made of.

Comes in: nothing. Goes out: `Message`, which adds the envelope (kind, id, time, trace) to a
payload, and annotated types whose limits are the same wherever they appear.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

# PostgreSQL's numeric would take more; 38 digits is what docs/http.md promises and what the
# spreadsheet, Parquet and warehouse types on the other side can hold.
AMOUNT_DIGITS_MAX = 38
ID_MAX = 2**63 - 1
# Of a number that becomes text.
TEXT_DIGITS_MAX = 1_000


class Contract(BaseModel):
    """A frozen value that crosses a process boundary. Unknown fields are ignored, so that
    old code can read a message of newer code (fields are only ever added as optional)."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")


def _now() -> datetime:
    return datetime.now(UTC)


class Message(Contract):
    """A contract with its envelope. `kind` names class and version, e.g. `report.build.v1`."""

    KIND: ClassVar[str]

    kind: str
    message_id: UUID = Field(default_factory=uuid4)
    sent_at: AwareDatetime = Field(default_factory=_now)
    traceparent: str | None = Field(default=None, max_length=64)

    def to_json(self) -> bytes:
        """As it travels: UTF-8 JSON, decimals as text, so that no reader rounds them."""
        return self.model_dump_json().encode()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Take `KIND` from the Literal that the subclass gives `kind`: written once."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.KIND = cls.model_fields["kind"].default


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain a NUL character")
    return text


def _without_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be well-formed Unicode (it has a lone surrogate)") from None
    return text


_storable = (AfterValidator(_without_nul), AfterValidator(_without_surrogates))


def _number_is_not_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004
    return value


_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def _decimal_is_plain(value: object) -> object:
    """Python's own reading of a decimal takes `1_000`, ` 1 ` and digits of every script."""
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise ValueError("must be a decimal, such as -12.50")
    return value


def _digits_in_range(value: Decimal) -> Decimal:
    """Written out in full: `1e30` has 31 digits, `1e-40` has 40, whatever the exponent saves."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int):  # it always is: NaN and infinities were refused before
        digits = len(value.as_tuple().digits)
        if max(digits, -exponent, digits + exponent) > AMOUNT_DIGITS_MAX:
            raise ValueError(f"must have at most {AMOUNT_DIGITS_MAX} digits, written out in full")
    return value


def number_as_text(value: object) -> object:
    """JSON numbers become text (docs/http.md, Registers): `5` is "5", `1.50` stays "1.50"."""
    if isinstance(value, Decimal):
        # `1E+999999999` would be a gigabyte of zeros.
        if value.is_finite() and abs(value.adjusted()) > TEXT_DIGITS_MAX:
            raise ValueError(f"must have at most {TEXT_DIGITS_MAX} digits, written out in full")
        return format(value, "f")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _moment_is_text(value: object) -> object:
    """An epoch number would be read as seconds or milliseconds by its size: refused instead."""
    if isinstance(value, int | float | Decimal):
        raise ValueError("must be an ISO 8601 date and time with an offset")  # noqa: TRY004
    return value


def _moment_in_range(value: datetime) -> datetime:
    # Room at both ends, so that any zone's local time is still a date.
    if not 2 <= value.year <= 9998:
        raise ValueError("must lie between the years 2 and 9998")
    return value


Moment = Annotated[
    AwareDatetime, BeforeValidator(_moment_is_text), AfterValidator(_moment_in_range)
]
Id = Annotated[int, Field(ge=1, le=ID_MAX, strict=True)]
Text = Annotated[str, StringConstraints(max_length=1_000), *_storable]
ShortText = Annotated[str, StringConstraints(max_length=255), *_storable]
Key = Annotated[str, StringConstraints(min_length=1, max_length=255), *_storable]
# The caller's own ids: numbers are as welcome as text and are kept as text.
ForeignId = Annotated[
    str,
    BeforeValidator(number_as_text),
    StringConstraints(min_length=1, max_length=64),
    *_storable,
]
MetaValue = Annotated[
    str, BeforeValidator(number_as_text), StringConstraints(max_length=1_000), *_storable
]
Label = Annotated[str, StringConstraints(min_length=1, max_length=63), *_storable]
Amount = Annotated[
    Decimal,
    BeforeValidator(_number_is_not_boolean),
    BeforeValidator(_decimal_is_plain),
    Field(allow_inf_nan=False),
    AfterValidator(_digits_in_range),
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
