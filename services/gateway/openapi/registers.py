"""Registers: ledgers, each with up to ten columns of its own that numbers can be grouped by.

Comes in: `shared.contracts.recording` and what the handlers of `registers` show. Goes out: the
calls.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from services.gateway.openapi import parameters
from services.gateway.openapi.operation import Answer, Content, Operation
from services.gateway.openapi.refusals import JSON, Count
from shared.contracts.recording import NewRegister, RegisterChange

TAG = "registers"
_MADE: dict[str, Any] = {
    "id": 1,
    "name": "Income",
    "units": "USD",
    "meta": {"meta0": "income_account"},
    "version": 0,
    "is_sales": False,
    "date_created": "2024-01-01T00:00:00+00:00",
    "date_modified": "2024-01-01T00:00:00+00:00",
}
_Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Register(TypedDict):
    """A ledger. `meta` maps physical columns to labels; `version` moves with every change of it or
    of its items; `is_sales` is the one that the store's transactions are posted to."""

    id: Annotated[int, Field(ge=1)]
    name: str
    units: str
    meta: Annotated[
        dict[str, str], Field(json_schema_extra={"propertyNames": {"pattern": "^meta[0-9]$"}})
    ]
    version: Count
    is_sales: bool
    date_created: _Time
    date_modified: _Time


class Registers(TypedDict):
    """A page of the store's registers, oldest first."""

    registers: list[Register]
    limit: Count
    offset: Count


_GIVEN = (parameters.path_id("The register's id."), *parameters.OF_STORE)
_REGISTER = (Content(JSON, Register, {"income": _MADE}),)
_ID = {"id": "$response.body#/id"}

OPERATIONS = (
    Operation(
        method="POST",
        path="/registers",
        name="createRegister",
        tag=TAG,
        summary="Make a register. `meta` is a list of labels, or a map of columns to labels.",
        parameters=parameters.OF_STORE,
        body=(
            Content(
                JSON,
                NewRegister,
                {"income": {"name": "Income", "units": "USD", "meta": ["income_account"]}},
            ),
        ),
        answers=(
            Answer(
                201,
                "The register.",
                _REGISTER,
                ("Location",),
                links={
                    "find": {"operationId": "findRegister", "parameters": _ID},
                    "change": {"operationId": "changeRegister", "parameters": _ID},
                    "record": {"operationId": "recordItems", "parameters": _ID},
                    "void": {"operationId": "voidItem", "parameters": _ID},
                },
            ),
        ),
        refusals=(400, 408, 413, 422, 504),
    ),
    Operation(
        method="GET",
        path="/registers",
        name="listRegisters",
        tag=TAG,
        summary="The store's registers, oldest first.",
        parameters=(parameters.LIMIT, parameters.OFFSET, *parameters.OF_STORE),
        answers=(
            Answer(
                200,
                "A page of them.",
                (
                    Content(
                        JSON, Registers, {"one": {"registers": [_MADE], "limit": 20, "offset": 0}}
                    ),
                ),
            ),
        ),
        refusals=(422,),
    ),
    Operation(
        method="GET",
        path="/registers/{id}",
        name="findRegister",
        tag=TAG,
        summary="A register.",
        parameters=_GIVEN,
        answers=(Answer(200, "The register.", _REGISTER),),
        refusals=(404, 422),
    ),
    Operation(
        method="PATCH",
        path="/registers/{id}",
        name="changeRegister",
        tag=TAG,
        summary="Rename a register, or add labels. One in use is neither removed nor renamed.",
        parameters=_GIVEN,
        body=(
            Content(
                JSON,
                RegisterChange,
                {"rename": {"name": "Revenue"}, "add": {"meta": {"meta1": "warehouse"}}},
            ),
        ),
        answers=(Answer(200, "The register as it is now.", _REGISTER),),
        refusals=(400, 404, 408, 409, 413, 422, 504),
    ),
)
