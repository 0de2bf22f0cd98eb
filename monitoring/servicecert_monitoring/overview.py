"""Does the service keep its promises?"""

from .panel import Colour, Dashboard, Kind, Limit, Panel, Query, Row, State
from .promql import by_ca, increase, or_none, quantile
from .units import Unit

AWAY = {0.0: State("answers", Colour.GREEN), 1.0: State("away", Colour.RED)}

_PROMISES = Row(
    "Promises",
    (
        Panel(
            "Delivered within five weekdays (A13)",
            (Query("servicecert:delivered_in_time:ratio1d", "last day"),),
            Unit.SHARE,
            "Of the certificates that were delivered in the last day: those within 7 days, which are at least five"
            " weekdays. None if none was delivered.",
            kind=Kind.STAT,
            nothing="none delivered",
            width=6,
            height=5,
        ),
        Panel(
            "Revoked within 24 hours (D4)",
            (Query("servicecert:revoked_within_day:ratio1d", "last day"),),
            Unit.SHARE,
            "Of the revocations that became visible in the last day, since each was requested.",
            kind=Kind.STAT,
            nothing="none revoked",
            width=6,
            height=5,
        ),
        Panel(
            "Revoked within a minute (goal)",
            (Query("servicecert:revoked_within_minute:ratio1d", "last day"),),
            Unit.SHARE,
            "The same, within the goal of one minute.",
            kind=Kind.STAT,
            nothing="none revoked",
            width=6,
            height=5,
        ),
        Panel(
            "Alerts that fire",
            (Query('count(ALERTS{alertstate="firing"}) or vector(0)', "alerts"),),
            about="Each has a page in the runbook.",
            kind=Kind.STAT,
            limits=(Limit(1, colour=Colour.RED),),
            width=6,
            height=5,
        ),
        Panel(
            "Time left for the first delivery (A13)",
            (Query('min(servicecert_clock_left_seconds{clock="delivery"})', "time left"),),
            Unit.SECONDS,
            "Until the first certificate is due that is accepted and not delivered. Negative once it is late.",
            kind=Kind.STAT,
            limits=(Limit(0, "DeliveryLate", Colour.RED, below=True), Limit(86_400, "DeliveryNear", below=True)),
            nothing="none is due",
            width=6,
            height=5,
        ),
        Panel(
            "Oldest revocation that is not visible (D4)",
            (Query("max(servicecert_revocation_oldest_seconds)", "age"),),
            Unit.SECONDS,
            kind=Kind.STAT,
            limits=(Limit(600, "RevocationSlow"), Limit(43_200, "RevocationNear", Colour.RED)),
            width=6,
            height=5,
        ),
        Panel(
            "Validity left of the first CRL",
            (Query("min(servicecert_crl_valid_seconds)", "time left"),),
            Unit.SECONDS,
            kind=Kind.STAT,
            limits=(Limit(129_600, "CrlAges", Colour.RED, below=True),),
            width=6,
            height=5,
        ),
        Panel(
            "Mails not accepted, last day",
            (
                Query(
                    'sum(increase(servicecert_published_total{type=~"servicecert.mail.(refused|bounced|given-up).v1"}[1d]))'
                    " or vector(0)",
                    "mails",
                ),
            ),
            about="Refused, bounced or given up.",
            kind=Kind.STAT,
            limits=(Limit(10, "MailsUndeliverable"),),
            width=6,
            height=5,
        ),
    ),
)

_PARTS = Row(
    "Parts",
    (
        Panel(
            "Alerts",
            (Query("count by (alertname, severity, alertstate, service) (ALERTS)"),),
            about="Those that fire, and those whose time is not over yet (pending).",
            kind=Kind.TABLE,
            columns=("alertname", "severity", "alertstate", "service"),
            nothing="no alert",
            height=8,
        ),
        Panel(
            "Processes that answer",
            (Query("servicecert:workers_up:sum", "{{job}}"),),
            axis="processes",
            height=8,
        ),
        Panel(
            "Kafka and PostgreSQL",
            (
                Query("servicecert:kafka_away:max", "Kafka"),
                Query("servicecert:database_away:max", "PostgreSQL"),
            ),
            about="As the exporter of lag sees them (alerts KafkaDown, DatabaseDown).",
            kind=Kind.STATES,
            states=AWAY,
            height=8,
        ),
    ),
)

_WORK = Row(
    "Cases",
    (
        Panel(
            "Decisions in an hour",
            (
                Query(
                    increase(
                        "servicecert_published_total",
                        "type",
                        'type=~"servicecert.(application.accepted|certificate.(issued|revoked|refused|voided|stopped)).*"',
                    ),
                    "{{type}}",
                ),
            ),
            axis="events",
        ),
        Panel(
            "Clocks that run",
            (Query("servicecert_clocks_open", "{{clock}}"),),
            about="Cases that wait for the customer (completion, A12) or for a certificate (delivery, A13).",
            axis="cases",
        ),
        Panel(
            "Time until a stage, 99th percentile of an hour",
            (Query(quantile(0.99, "servicecert_stage_seconds", "stage", span="1h"), "{{stage}}"),),
            Unit.SECONDS,
            "From a case's submission until it was accepted, issued, delivered; from a request to its revocation. The"
            " smallest bucket is 1 s.",
        ),
        Panel(
            "Age of CRLs",
            (Query(by_ca("max", "servicecert_crl_age_seconds"), "{{ca}}"),),
            Unit.SECONDS,
            "Since this update, of a CA's oldest CRL.",
            axis="age",
        ),
        Panel(
            "Mails in an hour",
            (Query(increase("servicecert_mails_total", "outcome"), "{{outcome}}"),),
            about="Attempts by outcome.",
            axis="attempts",
        ),
        Panel(
            "Parked records",
            (Query(or_none("sum by (service) (servicecert_parked) > 0", "service"), "{{service}}"),),
            about="Each holds up its case (alert Parked).",
            axis="records",
            limits=(Limit(1, "Parked"),),
        ),
    ),
)

_PROCESSES = Row(
    "Processes",
    (
        Panel(
            "Processor time",
            (Query("sum by (job) (rate(process_cpu_seconds_total[$__rate_interval]))", "{{job}}"),),
            Unit.PROCESSORS,
            stacked=True,
        ),
        Panel("Memory", (Query("sum by (job) (process_resident_memory_bytes)", "{{job}}"),), Unit.BYTES, stacked=True),
        Panel(
            "Open files and connections",
            (Query("max by (job) (process_open_fds / process_max_fds)", "{{job}}"),),
            Unit.SHARE,
            "Of the process that is nearest to its limit.",
            axis="share of the limit",
            limits=(Limit(0.8, "FilesNearLimit"),),
        ),
    ),
)

_CANARY = Row(
    "Canary: the whole way, tried again and again",
    (
        Panel(
            "Time since the last success",
            (Query("time() - max(servicecert_canary_last_success_timestamp_seconds)", "since success"),),
            Unit.SECONDS,
            kind=Kind.STAT,
            limits=(Limit(1800, "CanaryFailing", Colour.RED),),
        ),
        Panel(
            "Runs in an hour",
            (Query("sum by (outcome) (increase(servicecert_canary_runs_total[1h]))", "{{outcome}}"),),
            axis="runs",
        ),
        Panel(
            "Duration of stages, median of an hour",
            (Query(quantile(0.5, "servicecert_canary_stage_seconds", "stage", span="1h"), "{{stage}}"),),
            Unit.SECONDS,
        ),
    ),
)

DASHBOARD = Dashboard(
    "overview",
    "Overview",
    "Whether the service keeps its promises, and what keeps it from that.",
    (_PROMISES, _PARTS, _WORK, _CANARY, _PROCESSES),
)
