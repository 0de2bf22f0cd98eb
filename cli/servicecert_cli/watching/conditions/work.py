"""What the services have to do."""

from .condition import Subject, conditions, counted, working

critical, warning, _ = conditions(Subject.BACKLOG)

CONDITIONS = (
    warning(
        "Parked",
        "{value} records of {service} are parked: each holds up its case.",
        when="sum by (service) (servicecert_parked) > 0",
        wait="30s",
        within="2m",
        why="A parked record had no effect, and later records of the same case wait behind it.",
        remedy="See `servicecert parked list --service {service}`; replay or discard them.",
    ),
    critical(
        "ParkedNotKept",
        "So much is parked that values stay in Kafka only: somebody floods a topic, or a defect parks everything.",
        when="servicecert_parked_unkept > 0",
        within="1m30s",
        why="Kafka deletes them in time, and then nobody can replay them.",
        remedy="See `servicecert parked list --service {service}`: who sends them, and for which reason.",
    ),
    warning(
        "DeadlinesLate",
        "A deadline of {service} passed {value:period} ago and is not handled.",
        when="servicecert_deadlines_overdue_seconds > 600",
        expr=working("$when"),
        wait="1m",
        within="12m",
        why="Applications lapse, reminders go out and CRLs are renewed by deadlines.",
        remedy="Start a worker of {service}, or look at the logs of those that run.",
    ),
    warning(
        "IntentsStuck",
        "{service} has not done an act for {value:period} that it decided on.",
        when="servicecert_intents_oldest_seconds > 600",
        expr=f"({working('$when')}) unless on (service) servicecert:known_delay:max == 1",
        wait="1m",
        within="12m",
        why="Signing, mailing and publishing CRLs are intents: an old one is a certificate or a revocation that waits.",
        remedy="See the log of {service}. The issuer's limit is the key (`servicecert ca status`), the revoker's the "
        "place of the CRLs (`Crl`), the notifier's the mail server (`MailsWait`).",
    ),
    critical(
        "OutboxStuck",
        "{service} has decided events that are not published for {value:period}.",
        when="servicecert_outbox_oldest_seconds > 60",
        expr=working("$when"),
        wait="1m",
        within="3m",
        why="Other services and the e-service learn of nothing that stays in an outbox.",
        remedy="Kafka does not take them, or the leader of {service} is frozen or does not run: see its log.",
    ),
    warning(
        "Stuck",
        "{value} results or deadlines of {service} cannot be decided: a defect.",
        when="sum by (service) (servicecert_stuck) > 0",
        wait="2m",
        within="3m30s",
    ),
    critical(
        "ForgedRecords",
        "{topic} has records that none of its writers has signed: somebody else writes there.",
        when=counted("servicecert_untrusted_records_total", "10m", " by (service, topic)"),
        within="1m",
    ),
    warning(
        "AccountFloods",
        "{value} events of the e-service were refused within an hour: somebody tries cases or floods.",
        when='sum(increase(servicecert_published_total{type="servicecert.event.refused.v1"}[1h])) > 1000',
        within="2m",
    ),
)
