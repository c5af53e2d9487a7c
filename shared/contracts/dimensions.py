"""What a register can be grouped by: its labels, and the values that there are of each.

The reply is no message: its body is the response's body, passed on as bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from shared.contracts.message import Id, Message, Text

PAGE_DEFAULT = 100
PAGE_MAX = 1_000


class AggregateDimensions(Message):
    """Ask for a register's labels; with `label` for the values of one, from behind `after` on.

    `store_id` is the only store whose registers the asker may see. After `deadline` nobody
    waits for the answer any more, and none is computed.
    """

    kind: Literal["aggregate.dimensions.v1"] = "aggregate.dimensions.v1"
    store_id: Id
    register_id: Id
    label: Text | None = None
    prefix: Text = ""
    after: Text = ""
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    deadline: AwareDatetime
    if_none_match: str | None = Field(default=None, max_length=8_192)
