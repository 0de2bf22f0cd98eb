"""What may be an attack, and the audit that tells."""

from .condition import Subject, conditions, counted, working

critical, warning, _ = conditions(Subject.SECURITY)

CONDITIONS = (
    critical(
        "ForgedRecords",
        "{topic} has records that none of its writers has signed: somebody else writes there.",
        when=counted("servicecert_untrusted_records_total", "10m", " by (service, topic)"),
    ),
    critical(
        "SigningRefused",
        "An order was refused that would misuse a CA's key ({code}): an attack or a defect.",
        when="max by (code) (servicecert_signing_refused_total) > 0",
    ),
    critical(
        "InvalidRequestAccepted",
        "Intake accepted a request that the issuer finds invalid ({code}).",
        when="max by (code) (servicecert_invalid_requests_total) > 0",
    ),
    critical(
        "CertificateForged",
        "An event tells a certificate wrongly ({code}): an attack or a defect.",
        when="max by (code) (servicecert_certificate_alarms_total) > 0",
    ),
    critical(
        "SecondCertificate",
        "{value} cases have a second certificate (I3).",
        when="max(servicecert_second_certificates) > 0",
        why="One application leads to one certificate: somebody else had a CA sign.",
        remedy="Call whoever is responsible for security, and leave everything as it is.",
        well="No case has a second certificate.",
    ),
    critical(
        "CertificateUnasked",
        "{value} certificates were signed for cases that intake does not know: somebody else has its key.",
        when="max(servicecert_unasked_certificates) > 0",
        why="Whoever has intake's key can order any certificate.",
        remedy="Call whoever is responsible for security, and leave everything as it is.",
        well="Intake knows the case of each certificate.",
    ),
    critical(
        "SignedAfterVoid",
        "A certificate was signed after its serial number was void: it exists and nobody has it.",
        when="sum(servicecert_belated_results_total) > 0",
    ),
    warning(
        "AccountFloods",
        "{value} events of the e-service were refused within an hour: somebody tries cases or floods.",
        when='sum(increase(servicecert_published_total{type="servicecert.event.refused.v1"}[1h])) > 1000',
        within="2m",
    ),
    warning(
        "AuditUnsigned",
        "The audit of {service} is not signed for {value:period}.",
        when="servicecert_audit_unattested_seconds > 600",
        expr=working("$when"),
        wait="1m",
        within="12m",
        why="Rows that no checkpoint covers can be changed by who administers the database.",
        remedy="No leader of {service} makes checkpoints: look at its workers' logs.",
    ),
    critical(
        "AuditCheckpoints",
        "The newest checkpoints do not follow each other, or the rows do not match them.",
        why="A gap or a difference is an audit that somebody changed.",
        remedy="Run `servicecert audit verify`, and find out who changed it: docs/audit.md.",
    ),
)
