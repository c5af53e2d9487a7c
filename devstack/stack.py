"""The whole system on this machine: engines, schema, and the four services.

In: a run folder. Out: everything running, and where callers reach it (`RunningStack`). Starting
again starts only what died; stopping stops everything, in whatever state it is.
"""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from devstack import broker_users, database_roles, run_folder, services
from devstack.engines import ADDRESS_IN_USE, STARTS_MAX, Engines, start_engines, stop_engines
from devstack.errors import ChildDiedError
from devstack.processes import Child, stop_all
from devstack.services import GATEWAY, HOST, SERVICES
from devstack.settings import DevstackSettings
from shared.database.migrate import migrate
from shared.settings import DatabaseSettings

# The port that people expect; somebody else may have it.
GATEWAY_PORT = 8080


class RunningStack(BaseModel):
    """`url` is the gateway's. The rest holds passwords: never log it."""

    model_config = ConfigDict(frozen=True)

    run_dir: Path
    url: str
    ports: dict[str, int]
    engines: Engines


def start_stack(run_dir: Path, settings: DevstackSettings | None = None) -> RunningStack:
    """Start what does not run yet. Everything outlives this process.

    Raises EngineError, at once when a child dies; then nothing of this folder runs any more.
    """
    run_dir = run_dir.resolve()
    try:
        running = start_engines(run_dir, durable=True, settings=settings)
        return start_services(run_dir, running.engines, gateway_port=GATEWAY_PORT)
    except BaseException:  # Ctrl-C too
        stop_stack(run_dir)
        raise


def stop_stack(run_dir: Path) -> list[str]:
    """Stop the services, then the engines, in whatever state. Returns what there was to stop."""
    run_dir = run_dir.resolve()
    if not run_dir.is_dir():
        return []
    with run_folder.locked(run_dir / "services"):
        stopped = stop_all(run_dir, SERVICES)
    return [*stopped, *stop_engines(run_dir)]


def start_services(
    run_dir: Path,
    engines: Engines,
    *,
    gateway_port: int | None = None,
    settings: services.Settings | None = None,
) -> RunningStack:
    """Bring the schema and the broker up to date and start the services on these engines, with more
    settings if there are any, the gateway on the wished port if it is free. Returns when all are
    ready; raises EngineError, with none left."""
    run_dir = run_dir.resolve()
    with run_folder.locked(run_dir / "services"):
        _prepare(engines)
        state = services.load(run_dir) or services.on_new_ports(run_dir, gateway_port)
        digest = hashlib.sha256(engines.model_dump_json().encode()).hexdigest()
        if state.settings_sha256 != digest:
            stop_all(run_dir, SERVICES)  # they talk to engines that moved
        try:
            for starts_left in reversed(range(STARTS_MAX)):
                state = state.model_copy(update={"settings_sha256": digest})
                services.save(run_dir, state)
                try:
                    _start_all(
                        [
                            services.child(run_dir, n, engines, p, settings)
                            for n, p in state.ports.items()
                        ]
                    )
                    break
                except ChildDiedError as died:
                    taken = any(text in died.output.lower() for text in ADDRESS_IN_USE)
                    if starts_left == 0 or not taken:
                        raise
                    stop_all(run_dir, SERVICES)
                    state = services.on_new_ports(run_dir, None)
        except BaseException:
            stop_all(run_dir, SERVICES)
            raise
    url = f"http://{HOST}:{state.ports[GATEWAY]}"
    return RunningStack(run_dir=run_dir, url=url, ports=state.ports, engines=engines)


def _start_all(children: list[Child]) -> None:
    with ThreadPoolExecutor(len(children), "services") as pool:
        for child in children:
            child.start()
        waits = [pool.submit(child.wait_ready) for child in children]
        try:
            done, _ = wait(waits, return_when=FIRST_EXCEPTION)
            for waited in done:
                waited.result()
        except BaseException:
            # Gone now, so that the threads that wait for the others see them die and end.
            stop_all(children[0].run_dir, SERVICES)
            raise


def _prepare(engines: Engines) -> None:
    # In a thread of its own: whoever calls us may have a loop already.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(_schema_and_topology(engines))).result()


async def _schema_and_topology(engines: Engines) -> None:
    """What services find made, for they may not make it: by who may do everything."""
    work = [_schema(engines)]
    if engines.has_broker_users:
        work.append(broker_users.declare(engines.broker_url))
    await asyncio.gather(*work)


async def _schema(engines: Engines) -> None:
    await migrate(DatabaseSettings.model_validate({"url": engines.database_url}))
    await database_roles.let_in(engines.database_url)
