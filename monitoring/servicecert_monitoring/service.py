"""One service: its workers, its events and acts, and what waits for it."""

from servicecert_schemas.topics import SERVICES

from . import units
from .panel import Colour, Dashboard, Panel, Row, State, States, Table, limit_of
from .promql import increase, or_none, percentiles, rate

_OWN = 'service="$service"'
_JOB = 'job="$service"'
_READY = {0.0: State("not ready", Colour.ORANGE), 1.0: State("ready", Colour.GREEN)}

_WORKERS = Row(
    "Workers",
    Panel(
        "Workers that answer",
        {"up": f"servicecert:workers_up:sum{{{_OWN}}}", "known": f"count(up{{{_JOB}}})"},
        units.number_of("workers"),
        "Alerts ServiceDown and WorkerDown.",
    ),
    States(
        "Ready",
        {"{{instance}}": f"servicecert_ready{{{_OWN}}}"},
        about="What /ready answers (alert NotReady).",
        states=_READY,
    ),
    Table(
        "Versions",
        {"": f"servicecert_build_info{{{_OWN}}}"},
        about="Alert VersionsDiffer.",
        columns=("instance", "version", "python"),
    ),
    Panel(
        "Processor time",
        {"{{instance}}": f"rate(process_cpu_seconds_total{{{_JOB}}}[$__rate_interval])"},
        units.PROCESSORS,
        "A worker has one event loop: it cannot do more than some one processor.",
    ),
    Panel("Memory", {"{{instance}}": f"process_resident_memory_bytes{{{_JOB}}}"}, units.BYTES),
    Panel(
        "Open files and connections",
        {"{{instance}}": f"process_open_fds{{{_JOB}}} / process_max_fds{{{_JOB}}}"},
        units.Unit("percentunit", "share of the limit"),
        limits=(limit_of("FilesNearLimit"),),
    ),
)

_EVENTS = Row(
    "Events: rate, errors, duration",
    Panel(
        "Handled",
        {"{{type}}": f'sum by (type) (servicecert:events:rate1m{{{_OWN},outcome="handled"}})'},
        units.EVENTS,
        stacked=True,
    ),
    Panel(
        "Parked or repeated",
        {
            "{{outcome}} {{type}}": or_none(
                f'sum by (outcome, type) (servicecert:events:rate1m{{{_OWN},outcome!="handled"}})', "outcome"
            )
        },
        units.EVENTS,
        "A parked record is at fault, or waits behind one that is. A repeated one has no effect.",
    ),
    Panel(
        "Age at the commit, 99th percentile",
        {"{{type}}": f"servicecert:event_age_seconds:p99_5m{{{_OWN}}}"},
        units.AGE,
        "From a record's timestamp to the commit of its effect, over 5 minutes.",
    ),
    Panel(
        "Events decided", {"{{type}}": rate("servicecert_published_total", "type", _OWN)}, units.EVENTS, stacked=True
    ),
    Panel(
        "Turns",
        {"{{instance}}": rate("servicecert_turn_seconds_count", "instance", _OWN)},
        units.Unit("ops", "turns/s"),
    ),
    Panel("Duration of a turn", percentiles("servicecert_turn_seconds", "service", _OWN), units.SECONDS),
)

_ACTS = Row(
    "Acts on the world",
    Panel(
        "Attempts",
        {"{{kind}} {{outcome}}": f"servicecert:acts:rate1m{{{_OWN}}}"},
        units.ACTS,
        "Signing, publishing, mailing and look-ups. One that is retried is not lost.",
        nothing="no act yet",
    ),
    Panel(
        "Duration of a batch, 99th percentile",
        {"{{kind}}": f"servicecert:act_seconds:p99_5m{{{_OWN}}}"},
        units.SECONDS,
        "Over 5 minutes.",
        nothing="no act yet",
    ),
    Panel(
        "Decided and not done",
        {"{{kind}}": or_none(f"sum by (kind) (servicecert_intents{{{_OWN}}})", "kind")},
        units.number_of("acts"),
    ),
)

_WAITING = Row(
    "What waits",
    Panel(
        "Outbox",
        {"events": f"servicecert_outbox_events{{{_OWN}}}"},
        units.number_of("events"),
        "Events that are decided and not published.",
    ),
    Panel(
        "Age of what waits",
        {
            "outbox": f"servicecert_outbox_oldest_seconds{{{_OWN}}}",
            "acts": f"servicecert_intents_oldest_seconds{{{_OWN}}}",
            "deadlines": f"servicecert_deadlines_overdue_seconds{{{_OWN}}}",
            "unsigned audit": f"servicecert_audit_unattested_seconds{{{_OWN}}}",
        },
        units.AGE,
        "The limit of the outbox is 1 min; that of acts, deadlines and audit is 10 min (alerts IntentsStuck,"
        " DeadlinesLate, AuditUnsigned).",
        limits=(limit_of("OutboxStuck"),),
    ),
    Panel(
        "Deadlines that passed and are not handled",
        {"deadlines": f"servicecert_deadlines_overdue{{{_OWN}}}"},
        units.number_of("deadlines"),
    ),
    Panel(
        "Parked",
        {
            "{{reason}}": or_none(f"sum by (reason) (servicecert_parked{{{_OWN}}})", "reason"),
            "behind an earlier one": f"servicecert_parked_behind{{{_OWN}}}",
            "not kept whole": f"servicecert_parked_unkept{{{_OWN}}}",
        },
        units.number_of("records"),
        "Alerts Parked and ParkedNotKept.",
    ),
    Panel("Age of the oldest parked record", {"age": f"servicecert_parked_oldest_seconds{{{_OWN}}}"}, units.AGE),
    Panel(
        "Not decidable, lost, skipped, untrusted, belated",
        {
            "not decidable now": f"sum(servicecert_stuck{{{_OWN}}})",
            "lost: {{topic}}": increase("servicecert_lost_records_total", "topic", _OWN),
            "skipped: {{reason}}": increase("servicecert_skipped_records_total", "reason", _OWN),
            "untrusted: {{topic}}": increase("servicecert_untrusted_records_total", "topic", _OWN),
            "belated: {{code}}": increase("servicecert_belated_results_total", "code", _OWN),
        },
        units.number_of("now, or in an hour"),
        "Results and deadlines that cannot be decided (alert Stuck). In an hour: records deleted unread"
        " (RecordsLost), without an event (RecordsSkipped), without a signature of a writer (ForgedRecords), late"
        " results (SignedAfterVoid).",
    ),
)

DASHBOARD = Dashboard(
    "service",
    "One service",
    "A service's workers, its events and acts, and what waits for it.",
    (_WORKERS, _EVENTS, _ACTS, _WAITING),
    services=SERVICES,
)
