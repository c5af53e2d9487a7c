"""The client knows nothing of the service's code; here both are held side by side."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NotRequired, get_origin, get_type_hints

import pytest

import tallyport_client
from shared.contracts import recording
from shared.contracts.routes import COMMANDS, CONTENT_TYPE, ROUTES, may_be_answered
from tallyport_client import batches, blocking, producer, records, routes
from tallyport_client.loop_thread import OwningTwin, Twin
from tests.engines import ROOT

SHAPES = {
    records.NewItem: recording.Item,
    **{
        getattr(records, name): getattr(recording, name)
        for name in (
            *("Address", "Customer", "Subscription", "Transaction"),
            *("TransactionDiscount", "TransactionItem", "TransactionPayment"),
        )
    },
}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_record_has_the_fields_of_its_contract(shape: type) -> None:
    fields = SHAPES[shape].model_fields
    hints = get_type_hints(shape, include_extras=True)
    assert set(hints) == set(fields)
    if shape.__total__:  # type: ignore[attr-defined]
        asked = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
        assert asked == {name for name, field in fields.items() if field.is_required()}


def test_messages_go_where_the_service_takes_them() -> None:
    assert routes.COMMANDS == COMMANDS
    assert routes.CONTENT_TYPE == CONTENT_TYPE
    assert may_be_answered(f"{routes.REPLY_QUEUE_PREFIX}client.1")
    for kind, queue in routes.QUEUES.items():
        assert queue == ROUTES[kind].queue.name
        assert ROUTES[kind].queue.exchange == COMMANDS
        # A message may be a little longer than its records.
        if "records" in kind:
            assert ROUTES[kind].queue.body_bytes_max > 2 * batches.BATCH_BYTES
    assert batches.BATCH_RECORDS <= recording.BATCH_RECORDS_MAX


TWINS = [
    twin
    for module in (blocking, producer)
    for _, twin in inspect.getmembers(module, inspect.isclass)
    if issubclass(twin, Twin) and twin not in (Twin, OwningTwin)
]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__)
def test_every_call_has_a_twin(twin: type) -> None:
    (bound,) = [base.__args__[0] for base in twin.__orig_bases__]  # type: ignore[attr-defined]
    calls = {
        name for name, value in vars(bound).items() if not name.startswith("_") and callable(value)
    }
    assert calls - set(dir(twin)) == set()


def test_it_can_be_imported_without_anything_of_the_service() -> None:
    """Nor pydantic, nor what speaks AMQP: who only calls needs aiohttp alone."""
    code = (
        "import sys, tallyport_client\n"
        "print([name for name in ('shared', 'cli', 'services', 'pydantic', 'aio_pika', 'orjson')"
        " if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_it_is_a_distribution_of_its_own(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT / "tallyport_client", capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if "dist-info" not in name}
        metadata = next(name for name in packed.namelist() if name.endswith("METADATA"))
        needs = re.findall(r"^Requires-Dist: ([\w-]+)(.*)$", packed.read(metadata).decode(), re.M)
    modules = {path.name for path in (ROOT / "tallyport_client").glob("*.py")}
    assert names == {f"tallyport_client/{name}" for name in {*modules, "py.typed"}}
    assert [name for name, condition in needs if "extra" not in condition] == ["aiohttp"]
    assert [name for name, condition in needs if "extra" in condition] == ["aio-pika"]
    # What has `from tallyport_client import *` is what is there.
    assert all(hasattr(tallyport_client, name) for name in tallyport_client.__all__)
