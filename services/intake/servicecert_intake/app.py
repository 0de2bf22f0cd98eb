"""The intake as a FastStream application: `faststream run --factory servicecert_intake.app:app`."""

from faststream import FastStream
from servicecert_worker.process.service import application

from . import service


def app() -> FastStream:
    """Return the application, configured by the environment: one subscriber that feeds turns (see `worker/`)."""
    return application(service)
