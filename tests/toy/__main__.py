"""Runs the toy as the process of a service."""

import sys

from servicecert_worker.process.application import run
from servicecert_worker.process.service import application

from toy import service

sys.exit(run(application(service)))
