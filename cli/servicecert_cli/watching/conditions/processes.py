"""Processes, whatever they do."""

from .condition import Subject, conditions, unless_outage
from .database import LOCKED_SECONDS

critical, warning, _ = conditions(Subject.PROCESSES)

CONDITIONS = (
    warning(
        "LagExporterDown",
        "The exporter of lag does not answer: nobody sees what waits in topics and tables.",
        when='absent(up{job="lag"} == 1)',
        wait="1m",
        within="2m",
    ),
    warning(
        "WorkerDown",
        "{instance}, a worker of {job}, does not answer; others do its work.",
        when='(up{job=~"intake|issuer|revoker|notifier|ocsp"} == 0) and on (job) servicecert:workers_up:sum > 0',
        wait="1m",
        within="2m",
    ),
    warning(
        "NotReady",
        "{instance}, a worker of {service}, runs and does not work: its /ready says why.",
        when=unless_outage(
            '(servicecert_ready{service!~"lag|canary|ocsp"} == 0) unless on (instance) servicecert_clock_wrong == 1'
        )
        + f" unless on (service) servicecert_table_locked_seconds > {LOCKED_SECONDS}",
        wait="3m",
        within="4m30s",
    ),
    warning(
        "FilesNearLimit",
        "{instance} has opened {value:share} of the files and connections it may.",
        when="process_open_fds / process_max_fds > 0.8",
        wait="5m",
        within="6m",
    ),
    critical(
        "ClockAhead",
        "{instance} works with a clock for trials: never in production.",
        when="servicecert_clock_ahead_seconds > 0",
        within="1m",
    ),
)
