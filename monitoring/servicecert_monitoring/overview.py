"""Does the service keep its promises?"""

from . import units
from .panel import Colour, Dashboard, Limit, Panel, Row, Stat, State, States, Table, limit_of
from .promql import by_ca, increase, or_none, quantile

AWAY = {0.0: State("answers", Colour.GREEN), 1.0: State("away", Colour.RED)}

_NOT_ACCEPTED = 'type=~"servicecert.mail.(refused|bounced|given-up).v1"'

_PROMISES = Row(
    "Promises",
    Stat(
        "Delivered within five weekdays (A13)",
        {"last day": "servicecert:delivered_in_time:ratio1d"},
        units.SHARE,
        "Of the certificates that were delivered in the last day: those within 7 days, which are at least five"
        " weekdays. None if none was delivered.",
        nothing="none delivered",
    ),
    Stat(
        "Revoked within 24 hours (D4)",
        {"last day": "servicecert:revoked_within_day:ratio1d"},
        units.SHARE,
        "Of the revocations that became visible in the last day, since each was requested.",
        nothing="none revoked",
    ),
    Stat(
        "Revoked within a minute (goal)",
        {"last day": "servicecert:revoked_within_minute:ratio1d"},
        units.SHARE,
        "The same, within the goal of one minute.",
        nothing="none revoked",
    ),
    Stat(
        "Alerts that fire",
        {"alerts": 'count(ALERTS{alertstate="firing"}) or vector(0)'},
        about="Each has a section in the runbook.",
        limits=(Limit(1, colour=Colour.RED),),
    ),
    Stat(
        "Time left for the first delivery (A13)",
        {"time left": 'min(servicecert_clock_left_seconds{clock="delivery"})'},
        units.SECONDS,
        "Until the first certificate is due that is accepted and not delivered. Negative once it is late.",
        limits=(limit_of("DeliveryLate"), limit_of("DeliveryNear")),
        nothing="none is due",
    ),
    Stat(
        "Oldest revocation that is not visible (D4)",
        {"age": "max(servicecert_revocation_oldest_seconds)"},
        units.SECONDS,
        limits=(limit_of("RevocationSlow"), limit_of("RevocationNear")),
    ),
    Stat(
        "Validity left of the first CRL",
        {"time left": "min(servicecert_crl_valid_seconds)"},
        units.SECONDS,
        limits=(limit_of("CrlAges"),),
    ),
    Stat(
        "Mails not accepted, last day",
        {"mails": f"sum(increase(servicecert_published_total{{{_NOT_ACCEPTED}}}[1d])) or vector(0)"},
        about="Refused, bounced or given up.",
        limits=(limit_of("MailsUndeliverable"),),
    ),
    width=6,
    height=5,
)

_PARTS = Row(
    "Parts",
    Table(
        "Alerts",
        {"": "count by (alertname, severity, alertstate, service) (ALERTS)"},
        about="Those that fire, and those whose time is not over yet (pending).",
        columns=("alertname", "severity", "alertstate", "service"),
        nothing="no alert",
    ),
    Panel("Processes that answer", {"{{job}}": "servicecert:workers_up:sum"}, units.number_of("processes")),
    States(
        "Kafka and PostgreSQL",
        {"Kafka": "servicecert:kafka_away:max", "PostgreSQL": "servicecert:database_away:max"},
        about="As the exporter of lag sees them (alerts KafkaDown, DatabaseDown).",
        states=AWAY,
    ),
    height=8,
)

_WORK = Row(
    "Cases",
    Panel(
        "Decisions in an hour",
        {
            "{{type}}": increase(
                "servicecert_published_total",
                "type",
                'type=~"servicecert.(application.accepted|certificate.(issued|revoked|refused|voided|stopped)).*"',
            )
        },
        units.number_of("events"),
    ),
    Panel(
        "Clocks that run",
        {"{{clock}}": "servicecert_clocks_open"},
        units.number_of("cases"),
        "Cases that wait for the customer (completion, A12) or for a certificate (delivery, A13).",
    ),
    Panel(
        "Time until a stage, 99th percentile of an hour",
        {"{{stage}}": quantile(0.99, "servicecert_stage_seconds", "stage", span="1h")},
        units.SECONDS,
        "From a case's submission until it was accepted, issued, delivered; from a request to its revocation. The"
        " smallest bucket is 1 s.",
    ),
    Panel(
        "Age of CRLs",
        {"{{ca}}": by_ca("max", "servicecert_crl_age_seconds")},
        units.AGE,
        "Since this update, of a CA's oldest CRL.",
    ),
    Panel(
        "Mails in an hour",
        {"{{outcome}}": increase("servicecert_mails_total", "outcome")},
        units.number_of("attempts"),
        "Attempts by outcome.",
    ),
    Panel(
        "Parked records",
        {"{{service}}": or_none("sum by (service) (servicecert_parked) > 0", "service")},
        units.number_of("records"),
        "Each holds up its case (alert Parked).",
        limits=(limit_of("Parked"),),
    ),
)

_PROCESSES = Row(
    "Processes",
    Panel(
        "Processor time",
        {"{{job}}": "sum by (job) (rate(process_cpu_seconds_total[$__rate_interval]))"},
        units.PROCESSORS,
        stacked=True,
    ),
    Panel("Memory", {"{{job}}": "sum by (job) (process_resident_memory_bytes)"}, units.BYTES, stacked=True),
    Panel(
        "Open files and connections",
        {"{{job}}": "max by (job) (process_open_fds / process_max_fds)"},
        units.Unit("percentunit", "share of the limit"),
        "Of the process that is nearest to its limit.",
        limits=(limit_of("FilesNearLimit"),),
    ),
)

_CANARY = Row(
    "Canary: the whole way, tried again and again",
    Stat(
        "Time since the last success",
        {"since success": "time() - max(servicecert_canary_last_success_timestamp_seconds)"},
        units.SECONDS,
        limits=(limit_of("CanaryFailing"),),
    ),
    Panel(
        "Runs in an hour",
        {"{{outcome}}": "sum by (outcome) (increase(servicecert_canary_runs_total[1h]))"},
        units.number_of("runs"),
    ),
    Panel(
        "Duration of stages, median of an hour",
        {"{{stage}}": quantile(0.5, "servicecert_canary_stage_seconds", "stage", span="1h")},
        units.SECONDS,
    ),
)

DASHBOARD = Dashboard(
    "overview",
    "Overview",
    "Whether the service keeps its promises, and what keeps it from that.",
    (_PROMISES, _PARTS, _WORK, _CANARY, _PROCESSES),
)
