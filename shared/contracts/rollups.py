"""Rollups that questions would like to have. Whether one is built is the recorder's decision."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.contracts.message import Id, Message

Column = Annotated[str, StringConstraints(pattern=r"^meta[0-9]$")]


class RollupRequest(Message):
    """Questions by these physical columns were asked, `times` times, that a rollup by days of
    `zone` would have made cheap. Nobody waits for an answer, and losing it costs only speed."""

    kind: Literal["rollup.request.v1"] = "rollup.request.v1"
    store_id: Id
    register_id: Id
    zone: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    columns: tuple[Column, ...] = Field(min_length=1, max_length=4)
    times: int = Field(default=1, ge=1)
