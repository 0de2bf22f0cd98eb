"""The CAs, their keys, and what is signed."""

from .condition import Subject, conditions, counted

critical, warning, look = conditions(Subject.AUTHORITY)
_VOIDED = 'servicecert_published_total{type="servicecert.certificate.voided.v1"}'

CONDITIONS = (
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
    look(
        "CaProfiles",
        "Certificates of a type, made now, would outlive their CA.",
        why="A certificate that would outlive its CA is refused: applicants get nothing, or less than they asked for.",
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
        "A production CA is one for trials.",
        why="The keys of a CA for trials protect nobody, and what is for trials is tolerated beside it.",
        remedy="Make the CAs in a key ceremony: docs/ceremony.md.",
    ),
    warning(
        "RootCrlExpires",
        "{crl} expires in {value:period}: a ceremony is needed.",
        when="min by (crl) (servicecert_root_crl_valid_seconds) < 2592000",
        within="1m",
        why="Relying parties that check a CA refuse all its certificates when the root's CRL has expired.",
        remedy="Make new ones in a ceremony: `servicecert ca root crl`, see docs/ceremony.md.",
    ),
    critical(
        "IssuingStopped",
        "{value} certificates failed a check before signing (B3): the authority has to act.",
        when='max(servicecert_issuances_open{state="stopped"}) > 0',
        within="1m",
        why="The applicant waits until an operator has decided; the reason is a defect in a profile or in the code.",
        remedy="See `servicecert ca status`, then `ca retry` or `ca void`; docs/lint.md.",
    ),
    warning(
        "SerialVoided",
        "An intended certificate became void (B2): its customer has to apply again.",
        when=counted(_VOIDED, "1d"),
        within="1m",
    ),
    critical(
        "SignedAfterVoid",
        "A certificate was signed after its serial number was void: it exists and nobody has it.",
        when="sum(servicecert_belated_results_total) > 0",
        within="1m",
    ),
    critical(
        "SigningRefused",
        "An order was refused that would misuse a CA's key ({code}): an attack or a defect.",
        when="max by (code) (servicecert_signing_refused_total) > 0",
        within="1m",
    ),
    critical(
        "InvalidRequestAccepted",
        "Intake accepted a request that the issuer finds invalid ({code}).",
        when="max by (code) (servicecert_invalid_requests_total) > 0",
        within="1m",
    ),
    critical(
        "CertificateForged",
        "An event tells a certificate wrongly ({code}): an attack or a defect.",
        when="max by (code) (servicecert_certificate_alarms_total) > 0",
        within="1m",
    ),
    critical(
        "SecondCertificate",
        "{value} cases have a second certificate (I3).",
        when="max(servicecert_second_certificates) > 0",
        within="1m",
        why="One application leads to one certificate: somebody else had a CA sign.",
        remedy="Call whoever is responsible for security, and leave everything as it is.",
    ),
    critical(
        "CertificateUnasked",
        "{value} certificates were signed for cases that intake does not know: somebody else has its key.",
        when="max(servicecert_unasked_certificates) > 0",
        within="1m",
        why="Whoever has intake's key can order any certificate.",
        remedy="Call whoever is responsible for security, and leave everything as it is.",
    ),
    warning(
        "LintWarning",
        "pkilint warns of certificates ({code}).",
        when="max by (code) (servicecert_lint_warnings_total) > 0",
        within="1m",
    ),
)
