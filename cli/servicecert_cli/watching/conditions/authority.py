"""The CAs, their keys, what is signed, and what relying parties get of it: CRLs and OCSP."""

from .condition import Subject, conditions, counted, unless_outage

critical, warning, look = conditions(Subject.AUTHORITY)
_VOIDED = 'servicecert_published_total{type="servicecert.certificate.voided.v1"}'

_AUTHORITY = (
    critical(
        "Ca",
        "The CAs' files are damaged, or a chain does not verify up to its root.",
        why="An issuer or a revoker with a damaged CA does not start.",
        remedy="Restore the folder from the ceremony's copy.",
    ),
    look(
        "CaValidity",
        "The certificate of a CA expires within half a year.",
        why="When a CA expires, so do all certificates that it signed.",
    ),
    warning(
        "CaProfiles",
        "In {value:period} new certificates of {issuer} would outlive it.",
        when="min by (issuer) (servicecert_ca_room_seconds) < 15552000",
        why="A CA signs no certificate that would outlive it: applications wait for the next generation.",
        remedy="Hold a ceremony for a new generation of the CA: docs/ceremony.md.",
    ),
    critical(
        "CaKeyAway",
        "The key of {issuer} does not answer: no certificate of it is signed.",
        when="max by (issuer) (servicecert_ca_key_away) > 0",
        wait="30s",
        within="2m",
        why="Nothing is issued, and no CRL is signed, by a key that is away.",
        remedy="See docs/ceremony.md, when a token goes away.",
    ),
    warning(
        "TrialCa",
        "A production CA is one for trials, or its authority is fictitious.",
        why="The keys of a CA for trials protect nobody, and what is for trials is tolerated beside it.",
        remedy="Make the CAs in a key ceremony, and write your own authority.toml: docs/ceremony.md.",
    ),
    warning(
        "RootCrlExpires",
        "{crl} expires in {value:period}: a ceremony is needed.",
        when="min by (crl) (servicecert_root_crl_valid_seconds) < 2592000",
        why="Relying parties that check a CA refuse all its certificates when the root's CRL has expired.",
        remedy="Make new ones in a ceremony: `servicecert ca root crl`, see docs/ceremony.md.",
    ),
    critical(
        "IssuingStopped",
        "{value} certificates failed a check before signing (B3): the authority has to act.",
        when='max(servicecert_issuances_open{state="stopped"}) > 0',
        why="The applicant waits until an operator has decided; the reason is a defect in a profile or in the code.",
        remedy="See `servicecert ca status`, then `ca retry` or `ca void`; docs/lint.md.",
        well="No certificate has failed a check before signing.",
    ),
    critical(
        "CertificateFaulty",
        "{value} issued certificates failed the nightly check.",
        when="max(servicecert_certificates_faulty) > 0",
        why="What the tables have of them is not what was signed, or their CA is not installed.",
        remedy="See the issuer's log: it names each.",
        well="No check since yesterday found another certificate that is not what was signed.",
    ),
    warning(
        "SerialVoided",
        "An intended certificate became void (B2): its customer has to apply again.",
        when=counted(_VOIDED, "1d"),
    ),
    warning(
        "LintWarning",
        "pkilint warns of certificates ({code}).",
        when="max by (code) (servicecert_lint_warnings_total) > 0",
    ),
)

critical, warning, look = conditions(Subject.REVOCATION)

_REVOCATION = (
    critical(
        "Crl",
        "A CRL is not served at its public address, not signed by its CA, not valid, or older than the published one.",
        why="Relying parties refuse certificates, or accept revoked ones, without a valid CRL.",
    ),
    critical(
        "CrlAges",
        "{crl} expires in {value:period} and was not renewed.",
        when="min by (crl) (servicecert_crl_valid_seconds) < 129600",
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
        why="At the limit no further responder starts: responders restart again and again, or somebody else asks.",
        remedy="See the responders' logs.",
        well="Responders are certified as rarely as they should be.",
    ),
)

CONDITIONS = (*_AUTHORITY, *_REVOCATION)
