"""The audit."""

from .condition import Subject, conditions, working

critical, warning, _ = conditions(Subject.AUDIT)

CONDITIONS = (
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
