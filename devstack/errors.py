"""What can go wrong while engines start. Every message says what the reader can do next."""

from __future__ import annotations

TAIL_LINES = 25


def tail(output: str) -> str:
    """The last lines, or a word that there are none."""
    return "\n".join(output.splitlines()[-TAIL_LINES:]) or "(nothing was written)"


class EngineError(Exception):
    """An engine cannot run here, or did not start. The text is for the person at the prompt."""


class ChildDiedError(EngineError):
    """A process ended while we waited for it. `output`: what it wrote since it was started."""

    def __init__(self, name: str, log: str, output: str) -> None:
        self.name = name
        self.output = output
        super().__init__(f"{name} ended while starting. The end of {log}:\n{tail(output)}")


class ChildNotReadyError(EngineError):
    """A process lives but did not answer within its deadline."""

    def __init__(self, name: str, seconds: float, log: str, output: str) -> None:
        self.name = name
        self.output = output
        super().__init__(
            f"{name} did not answer within {seconds:g} s. The end of {log}:\n{tail(output)}"
        )
