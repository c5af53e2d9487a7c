"""The Dockerfile, read instruction by instruction: what a linter would say, and our own rules.

The linters for it are no Python packages, so the rules that matter here are written out.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from tests.unit.test_settings_example import fields_of_code

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"
SERVICES = ("gateway", "report_worker", "aggregator", "recorder")
TARGETS = (*SERVICES, "cli")
UID = "10001:10001"


@dataclass(frozen=True)
class Instruction:
    word: str
    value: str


@dataclass(frozen=True)
class Stage:
    """One `FROM` and what follows; `parent` is the stage of ours that it continues."""

    name: str
    base: str
    own: tuple[Instruction, ...]
    parent: Stage | None

    @property
    def all(self) -> tuple[Instruction, ...]:
        return (*(self.parent.all if self.parent else ()), *self.own)

    def effective(self, word: str) -> str | None:
        """The last value of an instruction, inherited ones included: what the image has."""
        values = [one.value for one in self.all if one.word == word]
        return values[-1] if values else None

    def environment(self) -> dict[str, str]:
        pairs = re.findall(
            r"(\w+)=(\S+)", " ".join(one.value for one in self.all if one.word == "ENV")
        )
        return dict(pairs)


def instructions() -> list[Instruction]:
    """Comments go, continued lines are joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        Instruction(word.upper(), value.strip())
        for word, _, value in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def stages() -> dict[str, Stage]:
    found: dict[str, Stage] = {}
    current: list[Instruction] = []
    header: tuple[str, str] | None = None

    def close() -> None:
        if header is not None:
            name, base = header
            found[name] = Stage(name, base, tuple(current), found.get(base))

    for one in instructions():
        if one.word == "FROM":
            close()
            base, _, name = one.value.partition(" AS ")
            header, current = (name, base), []
        else:
            current.append(one)
    close()
    return found


def global_arguments() -> dict[str, str]:
    head = []
    for one in instructions():
        if one.word == "FROM":
            break
        head.append(one.value)
    return dict(value.split("=", 1) for value in head)


def copied(stage: Stage) -> list[list[str]]:
    """Sources and target of each COPY from the build context."""
    return [
        [word for word in one.value.split() if not word.startswith("--")]
        for one in stage.own
        if one.word == "COPY" and "--from=" not in one.value
    ]


def test_there_is_a_target_for_every_process() -> None:
    assert set(TARGETS) <= set(stages())
    assert list(stages())[-1] == "gateway", "what a build without a target gives"


def test_the_base_is_pinned_and_can_be_replaced() -> None:
    bases = {stage.base for stage in stages().values() if stage.base not in stages()}
    assert bases == {"${PYTHON_IMAGE}"}
    image = global_arguments()["PYTHON_IMAGE"]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", image)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_runs_as_root(target: str) -> None:
    assert stages()[target].effective("USER") == UID
    words = [one.word for one in stages()[target].all]
    assert words.index("USER") < words.index("ENTRYPOINT")


@pytest.mark.parametrize("target", TARGETS)
def test_the_process_is_started_without_a_shell(target: str) -> None:
    module = "cli" if target == "cli" else f"services.{target}"
    entry = stages()[target].effective("ENTRYPOINT")
    assert entry is not None
    assert json.loads(entry) == ["python", "-m", module]
    command = stages()[target].effective("CMD")
    assert command is None or isinstance(json.loads(command), list)


@pytest.mark.parametrize("target", SERVICES)
def test_a_health_check_asks_the_process_whether_it_is_ready(target: str) -> None:
    check = stages()[target].effective("HEALTHCHECK")
    assert check is not None
    options, _, command = check.partition("CMD ")
    assert {"interval", "timeout", "start-period", "retries"} == set(
        re.findall(r"--([a-z-]+)=", options)
    )
    program = json.loads(command)
    assert program[:2] == ["python", "-c"]
    compile(program[2], "healthcheck", "exec")
    assert "'/readyz'" in program[2]
    port = re.search(r"environ\['(\w+)'\]", program[2])
    assert port
    assert port[1] in stages()[target].environment()
    inner = re.search(r"timeout=(\d+)", program[2])
    outer = re.search(r"--timeout=(\d+)s", options)
    assert inner
    assert outer
    assert int(inner[1]) < int(outer[1]), "it should fail with a reason, not be killed"


@pytest.mark.parametrize("target", SERVICES)
def test_a_process_in_a_container_listens_to_more_than_itself(target: str) -> None:
    environment = stages()[target].environment()
    prefix = "TALLYPORT_GATEWAY" if target == "gateway" else "TALLYPORT_OPERATIONS"
    assert environment[f"{prefix}_HOST"] == "0.0.0.0"  # noqa: S104 - the container's own network
    assert environment[f"{prefix}_PORT"] == stages()[target].effective("EXPOSE")


@pytest.mark.parametrize("target", TARGETS)
def test_every_variable_of_ours_is_a_setting(target: str) -> None:
    ours = {name for name in stages()[target].environment() if name.startswith("TALLYPORT_")}
    assert ours <= set(fields_of_code())


def test_dependencies_are_wheels_whose_hashes_are_checked() -> None:
    installs = [
        one.value for one in instructions() if one.word == "RUN" and '"install"' in one.value
    ]
    assert len(installs) == 1
    assert {"--require-hashes", "--only-binary=:all:", "/build/requirements.lock"} <= set(
        json.loads(installs[0])
    )


def test_nothing_is_fetched_but_by_pip() -> None:
    for one in instructions():
        assert one.word != "ADD"
        assert not re.search(r"\b(curl|wget|apt-get|apt)\b", one.value), one.value
        assert "://" not in one.value, one.value


def test_no_secret_is_baked_in() -> None:
    for one in instructions():
        if one.word in ("ENV", "ARG"):
            assert not re.search(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY", one.value), one.value


@pytest.mark.parametrize("target", TARGETS)
def test_the_code_belongs_to_root(target: str) -> None:
    copies = [one.value for one in stages()[target].all if one.word == "COPY"]
    assert copies
    for value in copies:
        assert "--from=builder" in value, "only what the builder made reaches an image"
        assert "--chown=root:root" in value


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_what_it_is(target: str) -> None:
    labels = " ".join(one.value for one in stages()[target].all if one.word == "LABEL")
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in labels


def test_what_is_copied_is_there_and_is_let_through() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignore if line and not line.startswith("#")]
    assert rules[0] == "*", "nothing reaches the build unless it is named"
    named = {line.removeprefix("!") for line in rules if line.startswith("!")}
    sources = {
        str(PurePosixPath(source))
        for stage in stages().values()
        for words in copied(stage)
        for source in words[:-1]
    }
    assert sources == named
    for source in sources:
        assert (ROOT / source).exists()
