"""The running gateway keeps what its document promises: schemathesis tries to catch it out.

Each call gets its examples, its boundary cases, random ones, and chains of calls.
`TALLYPORT_FUZZ_EXAMPLES` is how many random ones (5; from 20 on the boundaries of the widest
records are tried too, which takes minutes), `TALLYPORT_FUZZ_SEED` repeats a run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.gateway.openapi.document import document
from tests.component.conftest import Client

EXAMPLES = int(os.environ.get("TALLYPORT_FUZZ_EXAMPLES", "5"))
SEED = int(os.environ.get("TALLYPORT_FUZZ_SEED") or random.SystemRandom().randrange(2**32))
DEADLINE_SECONDS = 240 + 10 * EXAMPLES
# Hundreds of boundary cases each, for code that the others try as well.
WIDEST = (
    "recordCustomers",
    "recordTransactions",
    "recordSubscriptions",
    "countItems",
    "averageItems",
    "queryItems",
)
WIDEST_FROM = 20
PHASES = ("examples", "coverage", "fuzzing", "stateful")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "unsupported_method",
    "use_after_free",
)
# Read by the same few lines for every call: enough when a few are tried with it.
EVERYWHERE = ("Tallyport-Store", "X-Request-Id")
TRIED_WITH_ALL = ("createReport", "sumItems", "listRegisters", "findReport")
# Other names of the same, split by the same code for all records: one of them, once.
NDJSON = "application/x-ndjson"
SAME_AS_NDJSON = ("application/ndjson", "application/jsonl")
HOOKS = f"""\
import json
import schemathesis

@schemathesis.serializer("{NDJSON}")
def lines(context, value):
    records = value if isinstance(value, list) else [value]
    return {{"data": "\\n".join(json.dumps(record) for record in records).encode()}}
"""


async def test_everybody_may_read_the_document(base_url: str) -> None:
    async with aiohttp.ClientSession(base_url) as session:
        async with session.get("/openapi.json") as response:
            assert response.status == 200
            assert response.content_type == "application/json"
            served = await response.json()
        async with session.head("/openapi.json") as response:
            assert response.status == 200
    assert [*OpenAPIV31SpecValidator(served).iter_errors()] == []
    assert served.pop("servers") == [{"url": base_url}]
    assert served == json.loads(json.dumps(document()))


@pytest.mark.slow
@pytest.mark.timeout(DEADLINE_SECONDS + 60)
async def test_the_gateway_keeps_what_the_document_promises(
    base_url: str, client: Client, tmp_path: Path
) -> None:
    made = await client.post("/registers", {"name": "Fuzzed", "meta": ["account"]}, status=201)
    (tmp_path / "hooks.py").write_text(HOOKS)
    (tmp_path / "openapi.json").write_text(json.dumps(_sharpened(document(), made["id"])))
    (tmp_path / "schemathesis.toml").write_text(_configuration())
    arguments = [
        f"--url={base_url}",
        f"--header=Authorization: Bearer {client.token}",
        f"--seed={SEED}",
        f"--max-examples={EXAMPLES}",
        f"--phases={','.join(PHASES)}",
        f"--checks={','.join(CHECKS)}",
        "--request-timeout=20",
        "--generation-database=none",
        "--suppress-health-check=all",
        "--continue-on-failure",
        "--no-shrink",
        "--no-color",
        "--warnings=off",
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", *arguments,
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = output.decode(errors="replace")
    print(f"TALLYPORT_FUZZ_SEED={SEED} repeats this", told[-1_500:], sep="\n")  # noqa: T201
    assert process.returncode == 0, f"TALLYPORT_FUZZ_SEED={SEED} repeats this\n{told[-20_000:]}"


def _configuration() -> str:
    """Without boundary cases for the widest calls, unless there is time for them."""
    without = () if EXAMPLES >= WIDEST_FROM else WIDEST
    return "".join(
        f'[[operations]]\ninclude-operation-id = "{name}"\nphases.coverage.enabled = false\n'
        for name in without
    )


def _sharpened(made: dict[str, Any], register_id: int) -> dict[str, Any]:
    """The document as a test wants it: answers with a property that is not written down fail,
    NDJSON is made of records, and registers are one that exists, or else nothing gets further
    than "Invalid register_id". HEAD is GET's twin and is left out."""
    for path, methods in made["paths"].items():
        methods.pop("head", None)
        for operation in methods.values():
            content = operation.get("requestBody", {}).get("content", {})
            is_items = operation["operationId"] == "recordItems"
            for media_type in SAME_AS_NDJSON if is_items else (NDJSON, *SAME_AS_NDJSON):
                content.pop(media_type, None)
            if is_items:
                content[NDJSON] = {"schema": content["application/json"]["schema"]}
            if operation["operationId"] not in TRIED_WITH_ALL and "parameters" in operation:
                operation["parameters"] = [
                    one for one in operation["parameters"] if one["name"] not in EVERYWHERE
                ]
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "id" and path.startswith("/registers"):
                    parameter["schema"] = {"type": "integer", "enum": [register_id]}
                    parameter["example"] = register_id
    schemas = made["components"]["schemas"]
    for question in ("Question", "Analysis"):
        named = {"type": "integer", "enum": [register_id]}
        schemas[question]["properties"]["register_id"] = named
    lines = schemas["Address"]["properties"]
    schemas["Address"]["properties"] = {name: lines[name] for name in ("city", "country")}
    asked = _names_in([operation.get("requestBody") for operation in _operations(made)], schemas)
    for name, schema in schemas.items():
        # Documents of others' standards have more in them than is written down here.
        if name not in asked and "properties" in schema and name not in ("OpenApi", "AsyncApi"):
            schema["additionalProperties"] = False
    return made


def _operations(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in made["paths"].values() for operation in methods.values()]


def _names_in(node: Any, schemas: dict[str, Any], within: frozenset[str] = frozenset()) -> set[str]:
    """The schemas that are used from here on; `within` are those that we are in already, for some
    are made of themselves."""
    if isinstance(node, list):
        return {name for one in node for name in _names_in(one, schemas, within)}
    if not isinstance(node, dict):
        return set()
    names = {name for one in node.values() for name in _names_in(one, schemas, within)}
    if isinstance(node.get("$ref"), str):
        name = node["$ref"].rpartition("/")[2]
        if name not in within:
            names |= {name} | _names_in(schemas[name], schemas, within | {name})
    return names
