"""Run the recorder: `python -m services.recorder`."""

import sys

from services.recorder.app import NAME, serve
from services.recorder.settings import RecorderServiceSettings
from shared.runtime import run

sys.exit(run(serve, RecorderServiceSettings, service=NAME))
