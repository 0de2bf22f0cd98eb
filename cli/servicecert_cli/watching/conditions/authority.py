"""The CAs, their keys, and what is signed."""

from functools import partial

from .condition import CRITICAL, WARNING, Condition, Subject, counted

_CA_DIR = "`SERVICECERT_CA_DIR`"
_ca = partial(Condition, Subject.AUTHORITY)
_VOIDED = 'servicecert_published_total{type="servicecert.certificate.voided.v1"}'

CONDITIONS = (
    _ca(
        "Ca",
        "The CAs' files are damaged, or a chain does not verify up to its root.",
        CRITICAL,
        why="An issuer or a revoker with a damaged CA does not start.",
        remedy="Restore the folder from the ceremony's copy.",
        needs=_CA_DIR,
    ),
    _ca(
        "CaValidity",
        "The certificate of a CA expires within half a year.",
        why="When a CA expires, so do all certificates that it signed.",
        needs=_CA_DIR,
    ),
    _ca(
        "CaProfiles",
        "Certificates of a type, made now, would outlive their CA.",
        why="A certificate that would outlive its CA is refused: applicants get nothing, or less than they asked for.",
        needs=_CA_DIR,
    ),
    _ca(
        "CaKeyAway",
        "The key of {issuer} does not answer: no certificate of it is signed.",
        CRITICAL,
        when="max by (issuer) (servicecert_ca_key_away) > 0",
        wait="30s",
        within="2m",
        why="Nothing is issued, and no CRL is signed, by a key that is away.",
        remedy="See docs/ceremony.md, when a token goes away.",
        needs=f"{_CA_DIR}, and the passphrases or PINs of the issuer",
    ),
    _ca(
        "TrialCa",
        "A production CA is one for trials.",
        WARNING,
        why="The keys of a CA for trials protect nobody, and what is for trials is tolerated beside it.",
        remedy="Make the CAs in a key ceremony: docs/ceremony.md.",
        needs=_CA_DIR,
    ),
    _ca(
        "RootCrlExpires",
        "{crl} expires in {value:period}: a ceremony is needed.",
        WARNING,
        when="min by (crl) (servicecert_root_crl_valid_seconds) < 2592000",
        within="1m",
        why="Relying parties that check a CA refuse all its certificates when the root's CRL has expired.",
        remedy="Make new ones in a ceremony: `servicecert ca root crl`, see docs/ceremony.md.",
        needs=_CA_DIR,
    ),
    _ca(
        "IssuingStopped",
        "{value} certificates failed a check before signing (B3): the authority has to act.",
        CRITICAL,
        when='max(servicecert_issuances_open{state="stopped"}) > 0',
        within="1m",
        why="The applicant waits until an operator has decided; the reason is a defect in a profile or in the code.",
        remedy="See `servicecert ca status`, then `ca retry` or `ca void`; docs/lint.md.",
        needs="PostgreSQL",
    ),
    _ca(
        "SerialVoided",
        "An intended certificate became void (B2): its customer has to apply again.",
        WARNING,
        when=counted(_VOIDED, "1d"),
        within="1m",
    ),
    _ca(
        "SignedAfterVoid",
        "A certificate was signed after its serial number was void: it exists and nobody has it.",
        CRITICAL,
        when="sum(servicecert_belated_results_total) > 0",
        within="1m",
    ),
    _ca(
        "SigningRefused",
        "An order was refused that would misuse a CA's key ({code}): an attack or a defect.",
        CRITICAL,
        when="max by (code) (servicecert_signing_refused_total) > 0",
        within="1m",
    ),
    _ca(
        "InvalidRequestAccepted",
        "Intake accepted a request that the issuer finds invalid ({code}).",
        CRITICAL,
        when="max by (code) (servicecert_invalid_requests_total) > 0",
        within="1m",
    ),
    _ca(
        "CertificateForged",
        "An event tells a certificate wrongly ({code}): an attack or a defect.",
        CRITICAL,
        when="max by (code) (servicecert_certificate_alarms_total) > 0",
        within="1m",
    ),
    _ca(
        "SecondCertificate",
        "{value} cases have a second certificate (I3).",
        CRITICAL,
        when="max(servicecert_second_certificates) > 0",
        within="1m",
        why="One application leads to one certificate: somebody else had a CA sign.",
        remedy="Call whoever is responsible for security, and leave everything as it is.",
        needs="PostgreSQL",
    ),
    _ca(
        "CertificateUnasked",
        "{value} certificates were signed for cases that intake does not know: somebody else has its key.",
        CRITICAL,
        when="max(servicecert_unasked_certificates) > 0",
        within="1m",
        why="Whoever has intake's key can order any certificate.",
        remedy="Call whoever is responsible for security, and leave everything as it is.",
        needs="PostgreSQL",
    ),
    _ca(
        "LintWarning",
        "pkilint warns of certificates ({code}).",
        WARNING,
        when="max by (code) (servicecert_lint_warnings_total) > 0",
        within="1m",
    ),
)
