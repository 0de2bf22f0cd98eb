"""What the services have to do, and what customers are promised."""

from .condition import Subject, conditions, working

critical, warning, _ = conditions(Subject.BACKLOG)

_BACKLOG = (
    warning(
        "Parked",
        "{value} records of {service} are parked: each holds up its case.",
        when="sum by (service) (servicecert_parked) > 0",
        wait="30s",
        within="2m",
        why="A parked record had no effect, and later records of the same case wait behind it.",
        remedy="See `servicecert parked list --service {service}`; replay or discard them.",
        well="No record is parked.",
    ),
    critical(
        "ParkedNotKept",
        "So much is parked that values stay in Kafka only: somebody floods a topic, or a defect parks everything.",
        when="servicecert_parked_unkept > 0",
        within="1m30s",
        why="Kafka deletes them in time, and then nobody can replay them.",
        remedy="See `servicecert parked list --service {service}`: who sends them, and for which reason.",
        well="The values of all parked records are kept.",
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
        "{service} has decided what is not in its journal and topics for {value:period}.",
        when="servicecert_outbox_oldest_seconds > 60",
        expr=working("$when"),
        wait="1m",
        within="3m",
        why="Other services and the e-service learn of nothing that is not sent, and a lost database would lack it.",
        remedy="Kafka does not take them, or the leader of {service} is frozen or does not run: see its log.",
    ),
    warning(
        "Stuck",
        "{value} results or deadlines of {service} cannot be decided: a defect.",
        when="sum by (service) (servicecert_stuck) > 0",
        wait="2m",
        within="3m30s",
    ),
)

critical, warning, _ = conditions(Subject.PROMISES)
_DELIVERY = 'min(servicecert_clock_left_seconds{clock="delivery"})'
_REVOCATION = "max(servicecert_revocation_oldest_seconds)"
_REVOCATION_REMEDY = "See `Crl`, `Ocsp` and `IntentsStuck`, and the revoker's log."
_DAY = 86_400

_PROMISES = (
    warning(
        "DeliveryNear",
        "A certificate that is promised within {value:period} is not delivered yet (A13).",
        when=f"0 <= {_DELIVERY} < {_DAY}",
        why="A customer is promised the certificate by the end of the fifth weekday.",
        remedy="See what waits: `LagHigh`, `IntentsStuck`, `MailsWait`, `IssuingStopped`.",
        well="No certificate is promised within a day.",
    ),
    critical(
        "DeliveryLate",
        "A certificate was to be delivered and is not (A13).",
        when=f"{_DELIVERY} < 0",
        why="A customer was promised the certificate by the end of the fifth weekday.",
        remedy="See what waits: `LagHigh`, `IntentsStuck`, `MailsWait`, `IssuingStopped`.",
        well="No certificate is late.",
    ),
    warning(
        "LapseLate",
        "An application should have lapsed and has not (A12).",
        when='min(servicecert_clock_left_seconds{clock="completion"}) < -7200',
        wait="5m",
        within="7m",
        why="The customer may still supplement it, and is not told that it ended.",
        remedy="See `DeadlinesLate`, and intake's log.",
        well="No application should have lapsed.",
    ),
    warning(
        "RevocationSlow",
        "A revocation is not visible after {value:period}: the goal is a minute.",
        when=f"600 < {_REVOCATION} <= {_DAY // 2}",
        wait="1m",
        within="12m",
        why="A revocation takes effect within 24 hours; the goal is a minute.",
        remedy=_REVOCATION_REMEDY,
    ),
    critical(
        "RevocationNear",
        "A revocation is not visible after {value:period}: the limit is 24 hours (D4).",
        when=f"{_DAY // 2} < {_REVOCATION} <= {_DAY}",
        why="A revocation takes effect within 24 hours; the goal is a minute.",
        remedy=_REVOCATION_REMEDY,
    ),
    critical(
        "RevocationLate",
        "{value} revocations are not visible after 24 hours (D4).",
        when='max(servicecert_revocations{state="late"}) > 0',
        why="Whoever has the key is trusted for longer than was promised.",
        remedy=_REVOCATION_REMEDY,
        well="No revocation is late.",
    ),
    critical(
        "CascadeStopped",
        "A compromised key has many certificates: their revocation waits for an operator (D6).",
        when='max(servicecert_proposals{state="stopped"}) > 0',
        why="Whoever has the key uses the other certificates until a person confirms.",
        remedy="See `servicecert proposals list`, and confirm or drop it.",
        well="No revocation waits for an operator.",
    ),
    critical(
        "CascadeLate",
        "Certificates of a compromised key are not revoked after 24 hours (D6).",
        when='max(servicecert_cascades{state="late"}) > 0',
        why="Whoever has the key uses the other certificates until they are revoked.",
        remedy="See `servicecert proposals list`, and confirm or drop it.",
        well="No certificate of a compromised key is late.",
    ),
    critical(
        "CanaryFailing",
        "The canary has had no success for {value:period}: customers cannot get or revoke certificates.",
        # A canary that was restarted and has had no success since has no timestamp: its last one counts, or its start.
        when="time() - (max(last_over_time(servicecert_canary_last_success_timestamp_seconds[1d])) "
        'or min(process_start_time_seconds{job="canary"})) > 1800',
        expr='($when) and on () servicecert:workers_up:sum{job="canary"} > 0',
        within="35m",
    ),
    warning(
        "CanaryDown",
        "The canary does not run: nobody tries the whole way.",
        when='absent(up{job="canary"} == 1)',
        wait="5m",
        within="7m",
    ),
)

CONDITIONS = (*_BACKLOG, *_PROMISES)
