"""What the aggregator can be told: its own limits, and the blocks of what it talks to."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import (
    BrokerSettings,
    DatabaseSettings,
    FailpointSettings,
    OperationsSettings,
    TelemetrySettings,
    TracingSettings,
)


class AggregatorSettings(BaseSettings):
    """How much at once, and how large an answer may be.

    Together `questions_max` and `waiting_max` stay below the prefetch of the questions' queue
    (160): beyond that the broker holds questions back, and nobody could refuse them. Answers take
    milliseconds, so many may wait for one; of those that take long, each waits until its deadline.
    `periods_max` is more than a century of days. `body_bytes_max` stays below the 16 MiB that a
    RabbitMQ 4 takes as one message.
    """

    model_config = SettingsConfigDict(
        env_prefix="TALLYPORT_AGGREGATOR_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    questions_max: int = Field(default=8, ge=1, le=1_000)
    waiting_max: int = Field(default=120, ge=0, le=1_000)
    retry_after_seconds: float = Field(default=1.0, ge=0, le=3_600)
    periods_max: int = Field(default=40_000, ge=1, le=1_000_000)
    rows_max: int = Field(default=100_000, ge=1, le=1_000_000)
    body_bytes_max: int = Field(default=15_000_000, ge=1_024, le=128_000_000)
    work_mem_mb: int = Field(default=32, ge=1, le=10_000)
    # What a statement over rollups costs more than one over items, in rows; below 0 rollups are
    # used wherever they are exact.
    rollup_overhead_rows: int = Field(default=2_000, ge=-1, le=1_000_000)
    # A question by columns that reads more than this wishes for a rollup.
    wish_rows_min: int = Field(default=50_000, ge=0)
    # So long a question waits for the replica, if there is one, before it goes to the primary.
    replica_wait_seconds: float = Field(default=0.1, ge=0, le=60)


class AggregatorServiceSettings(BaseSettings):
    """Everything that the aggregator's composition root needs."""

    aggregator: AggregatorSettings = Field(default_factory=AggregatorSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    operations: OperationsSettings = Field(default_factory=OperationsSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    failpoints: FailpointSettings = Field(default_factory=FailpointSettings)
