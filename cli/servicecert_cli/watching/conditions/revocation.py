"""What relying parties get: CRLs and OCSP."""

from .condition import Subject, conditions, unless_outage

critical, warning, look = conditions(Subject.REVOCATION)

CONDITIONS = (
    critical(
        "Crl",
        "A CRL is not served at its public address, not signed by its CA, not valid, or older than the published one.",
        why="Relying parties refuse certificates, or accept revoked ones, without a valid CRL.",
    ),
    critical(
        "CrlAges",
        "{crl} expires in {value:period} and was not renewed.",
        when="min by (crl) (servicecert_crl_valid_seconds) < 129600",
        within="1m",
        why="Relying parties refuse all certificates of a CA whose CRL has expired.",
        remedy="Look at the revoker's log: it publishes no CRL.",
    ),
    critical(
        "Aia",
        "The certificate of a CA is not served where certificates say.",
        why="Clients that lack the chain fetch it there, and fail without it.",
    ),
    look(
        "CrlPasses",
        "CRLs are made too slowly for a revocation to be on one within a minute.",
        why="A revocation waits for the pass in progress, then for its own.",
        remedy="More revokers do not help: a faster disk, storage or PostgreSQL, or a new CA.",
    ),
    look(
        "CrlDisk",
        "The disk of the CRL folder is almost full.",
        why="No revocation is published when the disk of the CRL folder is full.",
        remedy="Enlarge the disk, or move other files away.",
    ),
    critical(
        "CrlGateFailed",
        "The check `{gate}` stopped a CRL: the old one stays.",
        when="sum by (gate) (increase(servicecert_crl_gate_failures_total[10m])) > 0",
        within="1m",
    ),
    critical(
        "CrlPublisherFails",
        "CRLs do not arrive, or others are served ({publisher}): nobody sees new revocations.",
        when="sum by (publisher) (increase(servicecert_crl_publisher_failures_total[5m])) > 1",
        within="2m",
    ),
    critical(
        "Ocsp",
        "OCSP does not answer about the newest certificate, or not as the tables say.",
        why="Relying parties ask it about each certificate; a wrong answer lets a revoked one in.",
    ),
    critical(
        "OcspDown",
        "No OCSP responder answers.",
        when='(sum by (job) (up{job="ocsp"}) == 0) or absent(up{job="ocsp"})',
        wait="30s",
        within="1m30s",
    ),
    critical(
        "OcspBehind",
        "OCSP answers with what was true {value:period} ago.",
        when="max(servicecert_ocsp_feed_age_seconds) > 120",
        expr=unless_outage("$when"),
        wait="1m",
        within="4m",
    ),
    critical(
        "OcspIncomplete",
        "OCSP does not know all standings of {issuer} ({reason}).",
        when="max by (issuer, reason) (servicecert_ocsp_incomplete) > 0",
        expr=unless_outage("$when"),
        wait="2m",
        within="3m",
    ),
    warning(
        "OcspErrors",
        "OCSP answered {value} requests with {kind}.",
        when='sum by (kind) (increase(servicecert_ocsp_answers_total{kind=~"try-later|internal-error"}[1m])) > 0',
        expr=unless_outage("$when"),
        wait="2m",
        within="4m",
    ),
    critical(
        "OcspCertificateExpires",
        "A responder's certificate of {issuer} expires in {value:period}.",
        when="min by (issuer) (servicecert_ocsp_certificate_left_seconds) < 86400",
        wait="5m",
        within="7m",
    ),
    warning(
        "OcspFlood",
        "Somebody floods OCSP; its limits hold.",
        when='sum(increase(servicecert_ocsp_answers_total{kind="limited"}[5m])) > 1000 or '
        'sum(increase(servicecert_ocsp_connections_closed_total{reason!="slow"}[5m])) > 1000',
        within="2m",
    ),
    warning(
        "TooManyResponders",
        "{value} OCSP responders were certified within a day: half of the limit.",
        when="max by (environment) (servicecert_responders_certified) > 100",
        within="1m",
        why="At the limit no further responder starts: responders restart again and again, or somebody else asks.",
        remedy="See the responders' logs, and docs/runbook/TooManyResponders.md.",
    ),
)
