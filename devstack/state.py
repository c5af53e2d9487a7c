"""What a run folder remembers between commands: ports, passwords, folders (`state.json`, 600)."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from devstack.errors import EngineError
from devstack.object_store import ObjectStoreSettings
from devstack.postgres import PostgresSettings
from devstack.rabbitmq import RabbitMQSettings

_saving = threading.Lock()


class State(BaseModel):
    """The settings of the engines of one run folder. `broker_url`: a broker that is not ours."""

    model_config = ConfigDict(frozen=True)

    durable: bool
    postgres: PostgresSettings
    rabbitmq: RabbitMQSettings
    object_store: ObjectStoreSettings
    broker_url: str | None = None


def load(run_dir: Path) -> State | None:
    """The remembered state, or None on the first start. Raises EngineError when it is damaged."""
    path = run_dir / "state.json"
    try:
        return State.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise EngineError(
            f"{path} is damaged or of another version. Stop the engines and remove {run_dir} to "
            f"start afresh (this loses its data).\n{error}"
        ) from error


def save(run_dir: Path, state: State) -> None:
    """On the disk before an engine is started with it: a password that is lost costs data."""
    partial = run_dir / "state.json.partial"
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(state.model_dump_json(indent=2))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(run_dir / "state.json")


def remember(run_dir: Path, part: str, settings: BaseModel) -> None:
    """Replace one engine's settings (it moved to other ports). Engines start in threads."""
    with _saving:
        state = load(run_dir)
        if state is None:
            raise EngineError(f"somebody removed {run_dir} while its engines were starting")
        save(run_dir, state.model_copy(update={part: settings}))
