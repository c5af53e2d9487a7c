"""What the recorder can be told: its own limits, and the blocks of what it talks to."""

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


class RecorderSettings(BaseSettings):
    """`group_items_max`: how many items of one register are committed together, at most (a single
    batch may be as large as the contract allows)."""

    model_config = SettingsConfigDict(
        env_prefix="TALLYPORT_RECORDER_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    group_items_max: int = Field(default=10_000, ge=1, le=100_000)
    # Rollups: the rest between two folds, how often to look for what was left behind, how often
    # to compare one with its items, how many a register may have by columns, and how often one
    # must have been asked for before it is built.
    rollup_fold_seconds: float = Field(default=0.2, ge=0, le=60)
    rollup_sweep_seconds: float = Field(default=10.0, gt=0, le=3_600)
    rollup_check_seconds: float = Field(default=60.0, gt=0, le=86_400)
    rollups_max: int = Field(default=20, ge=0, le=1_000)
    rollup_asked_min: int = Field(default=3, ge=1)


class RecorderServiceSettings(BaseSettings):
    """Everything that the recorder's composition root needs."""

    recorder: RecorderSettings = Field(default_factory=RecorderSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    operations: OperationsSettings = Field(default_factory=OperationsSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    failpoints: FailpointSettings = Field(default_factory=FailpointSettings)
