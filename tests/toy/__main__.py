"""Runs the toy as the process of a service."""

import sys

from servicecert_worker.process.application import run

from toy.app import app

sys.exit(run(app()))
