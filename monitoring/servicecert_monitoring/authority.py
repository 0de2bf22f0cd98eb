"""CA, CRLs and OCSP: whether certificates are signed rightly, and whether relying parties see what is revoked."""

from . import units
from .panel import Colour, Dashboard, Panel, Row, State, States, limit_of
from .promql import by_ca, increase, percentiles, rate

_KEYS = {0.0: State("answers", Colour.GREEN), 1.0: State("away", Colour.RED)}
_CLOCKS = {0.0: State("right", Colour.GREEN), 1.0: State("wrong", Colour.RED)}

_CA = Row(
    "Issuing",
    Panel(
        "Certificates in an hour",
        {
            "{{type}}": increase(
                "servicecert_published_total",
                "type",
                'service="issuer",type=~"servicecert.certificate.(issued|refused|stopped|voided).*"',
            )
        },
        units.number_of("certificates"),
        "Alerts IssuingStopped and SerialVoided.",
    ),
    Panel(
        "Duration of signing",
        percentiles("servicecert_act_seconds", "kind", 'service="issuer",kind="sign"'),
        units.SECONDS,
        "Of a batch, checks included.",
        nothing="nothing is signed",
    ),
    Panel(
        "Not at its end",
        {"{{state}}": "servicecert_issuances_open", "faulty": "servicecert_certificates_faulty"},
        units.number_of("cases"),
        "Intended: it is being signed. Stopped, faulty (issued): the authority has to act (B3).",
    ),
    States(
        "Keys of the CAs",
        {"{{issuer}}": "max by (issuer) (servicecert_ca_key_away)"},
        about="Alert CaKeyAway.",
        states=_KEYS,
    ),
    States(
        "Clocks of the workers",
        {"{{service}} {{instance}}": "servicecert_clock_wrong"},
        about="Compared with PostgreSQL's (alert ClockWrong).",
        states=_CLOCKS,
    ),
    Panel(
        "Alarms in an hour",
        {
            "not signed: {{code}}": increase("servicecert_signing_refused_total", "code"),
            "invalid request: {{code}}": increase("servicecert_invalid_requests_total", "code"),
            "wrong event: {{code}}": increase("servicecert_certificate_alarms_total", "code"),
            "pkilint: {{code}}": increase("servicecert_lint_warnings_total", "code"),
            "second certificates": "max(servicecert_second_certificates)",
            "certificates of no case": "max(servicecert_unasked_certificates)",
        },
        units.number_of("alarms"),
        "Each is an attack or a defect (alerts SigningRefused, InvalidRequestAccepted, CertificateForged,"
        " LintWarning, SecondCertificate, CertificateUnasked).",
        limits=(limit_of("SigningRefused"),),
    ),
)

_CRLS = Row(
    "CRLs",
    Panel(
        "Age",
        {"{{ca}}": by_ca("max", "servicecert_crl_age_seconds")},
        units.AGE,
        "Since this update, of a CA's oldest CRL.",
    ),
    Panel(
        "Validity left",
        {"{{ca}}": by_ca("min", "servicecert_crl_valid_seconds")},
        units.LEFT,
        "Until the next update of the CRL that expires first.",
        limits=(limit_of("CrlAges"),),
    ),
    Panel(
        "Validity left of the roots' CRLs",
        {"{{crl}}": "min by (crl) (servicecert_root_crl_valid_seconds)"},
        units.LEFT,
        limits=(limit_of("RootCrlExpires"),),
    ),
    Panel(
        "Entries of the largest CRL",
        {"{{ca}}": by_ca("max", "servicecert_crl_entries")},
        units.number_of("certificates"),
        "The full CRL.",
    ),
    Panel(
        "Duration of a pass",
        {"{{issuer}}": "max by (issuer) (servicecert_crl_pass_seconds)"},
        units.SECONDS,
        "Over all CRLs of a CA.",
    ),
    Panel(
        "Not published in an hour",
        {
            "check {{gate}}": "sum by (gate) (increase(servicecert_crl_gate_failures_total[1h]))",
            "to {{publisher}}": "sum by (publisher) (increase(servicecert_crl_publisher_failures_total[1h]))",
        },
        units.number_of("failures"),
        "CRLs that a check stopped (alert CrlGateFailed), and passes whose copies failed or looks that found"
        " others (CrlPublisherFails).",
        limits=(limit_of("CrlGateFailed"),),
    ),
)

_REVOCATION = Row(
    "Revocation",
    Panel(
        "Not visible yet",
        {"{{state}}": "servicecert_revocations"},
        units.number_of("revocations"),
        "Late: after 24 hours (alert RevocationLate).",
    ),
    Panel(
        "From request to visible",
        {
            **percentiles("servicecert_stage_seconds", "stage", 'stage="revoked"', "1h"),
            "oldest that is open": "max(servicecert_revocation_oldest_seconds)",
        },
        units.SECONDS,
        "Over an hour. The goal is a minute.",
        limits=(limit_of("RevocationSlow"),),
    ),
    Panel(
        "The authority's own, and compromised keys",
        {
            "proposals: {{state}}": "servicecert_proposals",
            "cascades: {{state}}": "servicecert_cascades",
            "keys blocked: {{reason}}": "servicecert_keys_blocked",
        },
        units.number_of("number"),
        "Stopped: two operators have to confirm (alerts CascadeStopped, CascadeLate).",
    ),
)

_OCSP = Row(
    "OCSP",
    Panel(
        "Answers",
        {"{{kind}}": rate("servicecert_ocsp_answers_total", "kind")},
        units.REQUESTS,
        "Alerts OcspErrors and OcspFlood.",
        stacked=True,
    ),
    Panel(
        "Age of the standings",
        {"{{instance}}": "servicecert_ocsp_feed_age_seconds"},
        units.AGE,
        "Since the responder was last caught up.",
        limits=(limit_of("OcspBehind"),),
    ),
    Panel(
        "Validity left of the responders' certificates",
        {"{{issuer}}": "min by (issuer) (servicecert_ocsp_certificate_left_seconds)"},
        units.LEFT,
        limits=(limit_of("OcspCertificateExpires"),),
    ),
    Panel(
        "Certificates and answers in memory",
        {"certificates": "max(servicecert_ocsp_certificates)", "signed answers": "max(servicecert_ocsp_kept)"},
        units.number_of("number"),
    ),
    Panel(
        "Signatures, and connections closed by limits",
        {
            "signatures": "sum(rate(servicecert_ocsp_signed_total[$__rate_interval]))",
            "closed: {{reason}}": "sum by (reason) (rate(servicecert_ocsp_connections_closed_total[$__rate_interval]))",
        },
        units.Unit("ops", "per second"),
    ),
    Panel(
        "Responders certified in a day",
        {"{{environment}}": "max by (environment) (servicecert_responders_certified)"},
        units.number_of("keys"),
        limits=(limit_of("TooManyResponders"),),
    ),
)

DASHBOARD = Dashboard(
    "ca",
    "CA, CRLs and OCSP",
    "Whether certificates are signed rightly, and whether relying parties see what is revoked.",
    (_CA, _CRLS, _REVOCATION, _OCSP),
)
