"""The toy as a FastStream application: `faststream run --factory toy.app:app`."""

from faststream import FastStream
from servicecert_worker.process.service import application

from toy import service


def app() -> FastStream:
    return application(service)
