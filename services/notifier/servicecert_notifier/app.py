"""The notifier as a FastStream application: `faststream run --factory servicecert_notifier.app:app`."""

from faststream import FastStream
from servicecert_worker.process.service import application

from . import service


def app() -> FastStream:
    """Return the application with the environment's settings. Its one subscriber passes records to turns."""
    return application(service)
