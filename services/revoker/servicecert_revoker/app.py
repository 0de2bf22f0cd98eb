"""The revoker as a FastStream application: `faststream run --factory servicecert_revoker.app:app`."""

from faststream import FastStream
from servicecert_worker.process.service import application

from . import service


def app() -> FastStream:
    """Return the application that the environment describes. Its one subscriber feeds turns (see `worker/`)."""
    return application(service)
