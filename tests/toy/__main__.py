"""Runs the toy as the process of a service."""

import sys

from servicecert_worker.process import run as process

from toy import service

sys.exit(process.run(service))
