"""What a report worker can be told: its own block, and those of what it talks to."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import (
    BrokerSettings,
    DatabaseSettings,
    FailpointSettings,
    ObjectStoreSettings,
    OperationsSettings,
    ReportSettings,
    TelemetrySettings,
    TracingSettings,
)


class WorkerSettings(BaseSettings):
    """How much one process takes on. Large reports have slots of their own; with none of one kind
    the process leaves that queue to others."""

    model_config = SettingsConfigDict(
        env_prefix="TALLYPORT_WORKER_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    # One more than a store's share: a store that asks for many leaves a slot to the others, even
    # where there is one worker only.
    small_slots: int = Field(default=3, ge=0, le=64)
    large_slots: int = Field(default=1, ge=0, le=64)
    builds_per_store_max: int = Field(default=2, ge=1, le=1_000)
    # A large report keeps so many cores of the database busy; a small one keeps one.
    connections_per_build: int = Field(default=2, ge=1, le=16)
    defer_seconds: float = Field(default=3.0, gt=0, le=600)
    build_seconds_max: float = Field(default=3_600.0, gt=0, le=86_400)
    # docs/http.md: one file is zipped when it is larger than this.
    zip_over_bytes: int = Field(default=10_000_000, ge=1, le=100_000_000)
    # So long a build waits for the replica, if there is one, before it reads the primary.
    replica_wait_seconds: float = Field(default=5.0, ge=0, le=600)
    janitor_seconds: float = Field(default=60.0, gt=0, le=86_400)
    # So long an object of a lost attempt is left alone: its worker may yet remove it itself.
    abandoned_seconds: float = Field(default=900.0, ge=0, le=86_400)

    @property
    def slots(self) -> int:
        return self.small_slots + self.large_slots


class LinkSettings(BaseSettings):
    """Where callers reach the gateway: the links of a resource that is answered on the queue begin
    with it."""

    model_config = SettingsConfigDict(
        env_prefix="TALLYPORT_GATEWAY_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    public_url: str | None = None


class WorkerServiceSettings(BaseSettings):
    """Everything that the worker's composition root needs."""

    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    object_store: ObjectStoreSettings = Field(default_factory=ObjectStoreSettings)
    reports: ReportSettings = Field(default_factory=ReportSettings)
    links: LinkSettings = Field(default_factory=LinkSettings)
    operations: OperationsSettings = Field(default_factory=OperationsSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    failpoints: FailpointSettings = Field(default_factory=FailpointSettings)
