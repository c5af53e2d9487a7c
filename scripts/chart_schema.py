#!/usr/bin/env python3
"""Write which settings the Helm chart's values may hold, from the settings classes.

Comes in: deploy/helm/tallyport/values.schema.json, and the code. Goes out: the same file with its
`$defs` of settings made anew: of each process, and those that all of them have. Left out is what
the chart says itself, from other values.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from services.aggregator.settings import AggregatorServiceSettings
from services.gateway.settings import GatewayServiceSettings
from services.recorder.settings import RecorderServiceSettings
from services.report_worker.settings import WorkerServiceSettings

PROCESSES: dict[str, type[BaseSettings]] = {
    "gateway": GatewayServiceSettings,
    "reportWorker": WorkerServiceSettings,
    "aggregator": AggregatorServiceSettings,
    "recorder": RecorderServiceSettings,
}
# Addresses and what follows from other values; and what makes a process go wrong on purpose.
OF_THE_CHART = {
    *("TALLYPORT_DATABASE_URL", "TALLYPORT_DATABASE_REPLICA_URL", "TALLYPORT_BROKER_URL"),
    *("TALLYPORT_OBJECT_STORE_URL", "TALLYPORT_OBJECT_STORE_PUBLIC_URL"),
    *("TALLYPORT_OBJECT_STORE_ACCESS_KEY", "TALLYPORT_OBJECT_STORE_SECRET_KEY"),
    *("TALLYPORT_OBJECT_STORE_REGION", "TALLYPORT_OBJECT_STORE_BUCKET"),
    *("TALLYPORT_GATEWAY_HOST", "TALLYPORT_GATEWAY_PORT", "TALLYPORT_GATEWAY_PUBLIC_URL"),
    *("TALLYPORT_OPERATIONS_HOST", "TALLYPORT_OPERATIONS_PORT"),
    *("TALLYPORT_GATEWAY_LEAVE_SECONDS", "TALLYPORT_OPERATIONS_DRAIN_SECONDS"),
    *("TALLYPORT_WORKER_SMALL_SLOTS", "TALLYPORT_WORKER_LARGE_SLOTS"),
    "TALLYPORT_FAILPOINTS",
}
# An object or array that fits on a line and has none in it that does not.
SHORT = re.compile(
    r"([{\[])\n\s*((?:[^{}\[\]\n]|\{[^{}\n]*\}|\[[^\[\]\n]*\]|\n\s*){1,80}?)\n\s*([}\]])"
)
KEPT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def settings_of(process: type[BaseSettings]) -> dict[str, dict[str, Any]]:
    """Each variable that the process reads, and what it may be."""
    found = {}
    for part in process.model_fields.values():
        block = part.annotation
        if not (isinstance(block, type) and issubclass(block, BaseSettings)):
            raise TypeError(f"{process.__name__} has something that is no block: {block}")
        schema = block.model_json_schema(by_alias=False)["properties"]
        for name, field in block.model_fields.items():
            alias = field.validation_alias
            if isinstance(alias, AliasChoices):
                alias = str(alias.choices[0])
            variable = alias or f"{block.model_config.get('env_prefix', '')}{name}"
            # What may be nothing is left out instead of being said.
            meant = next(iter(schema[name].get("anyOf", [])), schema[name])
            told = {key: value for key, value in meant.items() if key in KEPT}
            found[str(variable).upper()] = told
    return found


def definitions() -> dict[str, Any]:
    """`NAMESettings` for each process, and `settings` for what all have."""
    by_process = {
        name: {
            variable: told
            for variable, told in settings_of(process).items()
            if variable not in OF_THE_CHART
        }
        for name, process in PROCESSES.items()
    }
    everywhere = set.intersection(*map(set, by_process.values()))
    made = {f"{name}Settings": settings for name, settings in by_process.items()}
    made["settings"] = {name: by_process["gateway"][name] for name in everywhere}
    return {
        name: {
            "type": "object",
            "additionalProperties": False,
            "properties": dict(sorted(settings.items())),
        }
        for name, settings in made.items()
    }


def main(file: Path) -> None:
    schema = json.loads(file.read_text(encoding="utf-8"))
    schema["$defs"].update(definitions())
    file.write_text(written(schema), encoding="utf-8")


def written(schema: dict[str, Any]) -> str:
    """As JSON, what is short on one line."""
    text = json.dumps(schema, indent=2)
    for _ in range(2):
        text = SHORT.sub(lambda match: match[1] + re.sub(r"\n\s*", " ", match[2]) + match[3], text)
    return text + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
