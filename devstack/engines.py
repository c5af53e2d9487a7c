"""All three engines at once.

In: a run folder. Out: everything running, and `Engines`, the addresses for services and tests.
Starting again starts only what died, on the same data.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from devstack import broker_users, object_store, postgres, rabbitmq, rabbitmq_package, run_folder
from devstack.errors import ChildDiedError, EngineError
from devstack.object_store import ObjectStore, ObjectStoreSettings
from devstack.postgres import Postgres, PostgresSettings
from devstack.processes import stop_all
from devstack.rabbitmq import RabbitMQ, RabbitMQSettings
from devstack.settings import DevstackSettings
from devstack.state import State, load, remember, save

STARTS_MAX = 3
ADDRESS_IN_USE = ("address already in use", "address in use", "eaddrinuse", "could not bind")
ENGINE_PROCESSES = (
    *("postgres", "rabbitmq", "rabbitmq-epmd", "minio"),
    *("swift-proxy", "swift-account", "swift-container", "swift-object"),
)


class ObjectStoreAddress(BaseModel):
    """Where objects go. `endpoint` is a URL; requests are path-style."""

    model_config = ConfigDict(frozen=True)

    endpoint: str
    access_key: str
    secret_key: str
    region: str
    bucket: str


class Engines(BaseModel):
    """The addresses of three running engines, with their passwords: never log it. Those of the
    database and the broker are of who may do everything there. `has_broker_users`: services have
    users of their own at the broker (`broker_users`); nobody made any at somebody else's."""

    model_config = ConfigDict(frozen=True)

    database_url: str
    broker_url: str
    object_store: ObjectStoreAddress
    has_broker_users: bool = False


class Engine(Protocol):
    """What the three have in common here."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


EngineT = TypeVar("EngineT", bound=Engine)
SettingsT = TypeVar("SettingsT", PostgresSettings, RabbitMQSettings, ObjectStoreSettings)


class RunningEngines:
    """Running engines: their addresses, and a handle on each for those who want to break it."""

    def __init__(
        self,
        run_dir: Path,
        postgres: Postgres,
        rabbitmq: RabbitMQ | None,
        object_store: ObjectStore,
        engines: Engines,
    ) -> None:
        self.run_dir = run_dir
        self.postgres = postgres
        self.object_store = object_store
        self.engines = engines
        self._rabbitmq = rabbitmq

    @property
    def rabbitmq(self) -> RabbitMQ:
        """Our node. Raises EngineError when the broker is somebody else's."""
        if self._rabbitmq is None:
            raise EngineError("the broker was given by TALLYPORT_BROKER_URL: it is not ours")
        return self._rabbitmq

    def stop(self) -> None:
        stop_engines(self.run_dir)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_engines(
    run_dir: Path, durable: bool, settings: DevstackSettings | None = None
) -> RunningEngines:
    """Start what does not run yet, all at the same time; returns when all three answer.

    They outlive this process. `durable=False`: faster, and a crash of the machine may lose data.
    Raises EngineError, at once when an engine dies; then nothing of this folder runs any more.
    """
    settings = settings or DevstackSettings()
    run_dir = run_dir.resolve()
    with run_folder.locked(run_dir):
        try:
            return _start_all(run_dir, _remembered(run_dir, durable, settings))
        except BaseException:  # Ctrl-C too
            stop_all(run_dir, ENGINE_PROCESSES)
            raise


def stop_engines(run_dir: Path) -> list[str]:
    """Stop everything that `start_engines` started, in whatever state. Safe to call twice."""
    run_dir = run_dir.resolve()
    if not run_dir.is_dir():  # never was, or removed while they ran: their marks are left
        return stop_all(run_dir, ENGINE_PROCESSES)
    with run_folder.locked(run_dir):
        return stop_all(run_dir, ENGINE_PROCESSES)


def _remembered(run_dir: Path, durable: bool, settings: DevstackSettings) -> State:
    """The state of the last start, or a new one; saved before anything is started with it."""
    old = load(run_dir)
    if old is not None and old.durable != durable:
        stop_all(run_dir, ["postgres"])  # its settings are on its command line
    state = State(
        durable=durable,
        broker_url=settings.broker_url,
        postgres=old.postgres if old else postgres.prepare(run_dir),
        rabbitmq=old.rabbitmq if old else rabbitmq.prepare(run_dir),
        object_store=(
            old.object_store
            if old
            else object_store.prepare(run_dir, settings.devstack_object_store)
        ),
    )
    save(run_dir, state)
    return state


def _start_all(run_dir: Path, state: State) -> RunningEngines:
    def database() -> Postgres:
        return _start(
            run_dir,
            "postgres",
            state.postgres,
            lambda settings: Postgres(run_dir, settings, state.durable),
        )

    def broker() -> RabbitMQ | None:
        if state.broker_url is not None:
            return None
        script = rabbitmq_package.server_script()
        node = _start(
            run_dir,
            "rabbitmq",
            state.rabbitmq,
            lambda settings: RabbitMQ(run_dir, settings, script),
        )
        # At every start: data of an earlier version has none, or with other rights.
        broker_users.let_in(node, node.url)
        return node

    def store() -> ObjectStore:
        return _start(
            run_dir,
            "object_store",
            state.object_store,
            lambda settings: ObjectStore(run_dir, settings),
        )

    starts: tuple[Future[Postgres], Future[RabbitMQ | None], Future[ObjectStore]]
    with ThreadPoolExecutor(3, "devstack") as pool:
        starts = pool.submit(database), pool.submit(broker), pool.submit(store)
        try:
            done, _ = wait(list[Future[Any]](starts), return_when=FIRST_EXCEPTION)
            for start in done:
                start.result()
        except BaseException:
            # Their processes go now, so the other threads see theirs die and end as well.
            stop_all(run_dir, ENGINE_PROCESSES)
            raise
    running = starts[0].result(), starts[1].result(), starts[2].result()
    return RunningEngines(run_dir, *running, _addresses(state, *running))


def _start(
    run_dir: Path, part: str, settings: SettingsT, build: Callable[[SettingsT], EngineT]
) -> EngineT:
    """Start one engine; when a stranger took one of its ports, again on others."""
    for starts_left in reversed(range(STARTS_MAX)):
        engine = build(settings)
        try:
            engine.start()
        except ChildDiedError as died:
            if starts_left == 0 or not any(text in died.output.lower() for text in ADDRESS_IN_USE):
                raise
            engine.stop()
            settings = settings.on_other_ports(run_dir)
            remember(run_dir, part, settings)
        else:
            return engine
    raise AssertionError("the last start returns or raises")


def _addresses(
    state: State, database: Postgres, broker: RabbitMQ | None, store: ObjectStore
) -> Engines:
    return Engines(
        database_url=database.url,
        broker_url=broker.url if broker is not None else state.broker_url or "",
        object_store=ObjectStoreAddress(
            endpoint=store.settings.endpoint,
            access_key=store.settings.access_key,
            secret_key=store.settings.secret_key,
            region=store.settings.region,
            bucket=store.settings.bucket,
        ),
        has_broker_users=broker is not None,
    )
