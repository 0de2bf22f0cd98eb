"""Runs the toy as the process of a service."""

import sys

from servicecert_worker import process

from toy import service

sys.exit(process.run(service))
