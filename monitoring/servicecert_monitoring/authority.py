"""CA, CRLs and OCSP: whether certificates are signed rightly, and whether relying parties see what is revoked."""

from .panel import Colour, Dashboard, Kind, Limit, Panel, Query, Row, State
from .promql import by_ca, increase, quantile, rate
from .units import Unit

_KEYS = {0.0: State("answers", Colour.GREEN), 1.0: State("away", Colour.RED)}
_CLOCKS = {0.0: State("right", Colour.GREEN), 1.0: State("wrong", Colour.RED)}

_CA = Row(
    "Issuing",
    (
        Panel(
            "Certificates in an hour",
            (
                Query(
                    increase(
                        "servicecert_published_total",
                        "type",
                        'service="issuer",type=~"servicecert.certificate.(issued|refused|stopped|voided).*"',
                    ),
                    "{{type}}",
                ),
            ),
            about="Alerts IssuingStopped and SerialVoided.",
            axis="certificates",
        ),
        Panel(
            "Duration of signing",
            (
                Query(quantile(0.5, "servicecert_act_seconds", "kind", 'service="issuer",kind="sign"'), "median"),
                Query(
                    quantile(0.99, "servicecert_act_seconds", "kind", 'service="issuer",kind="sign"'),
                    "99th percentile",
                ),
            ),
            Unit.SECONDS,
            "Of a batch, checks included.",
            nothing="nothing is signed",
        ),
        Panel(
            "Not at its end",
            (Query("servicecert_issuances_open", "{{state}}"),),
            about="Intended: it is being signed. Stopped: the authority has to act (B3).",
            axis="cases",
        ),
        Panel(
            "Keys of the CAs",
            (Query("max by (issuer) (servicecert_ca_key_away)", "{{issuer}}"),),
            about="Alert CaKeyAway.",
            kind=Kind.STATES,
            states=_KEYS,
        ),
        Panel(
            "Clocks of the workers",
            (Query("servicecert_clock_wrong", "{{service}} {{instance}}"),),
            about="Compared with PostgreSQL's (alert ClockWrong).",
            kind=Kind.STATES,
            states=_CLOCKS,
        ),
        Panel(
            "Alarms in an hour",
            (
                Query(increase("servicecert_signing_refused_total", "code"), "not signed: {{code}}"),
                Query(increase("servicecert_invalid_requests_total", "code"), "invalid request: {{code}}"),
                Query(increase("servicecert_certificate_alarms_total", "code"), "wrong event: {{code}}"),
                Query(increase("servicecert_lint_warnings_total", "code"), "pkilint: {{code}}"),
                Query("max(servicecert_second_certificates)", "second certificates"),
                Query("max(servicecert_unasked_certificates)", "certificates of no case"),
            ),
            about="Each is an attack or a defect (alerts SigningRefused, InvalidRequestAccepted, CertificateForged,"
            " LintWarning, SecondCertificate, CertificateUnasked).",
            axis="alarms",
            limits=(Limit(1, "SigningRefused", Colour.RED),),
        ),
    ),
)

_CRLS = Row(
    "CRLs",
    (
        Panel(
            "Age",
            (Query(by_ca("max", "servicecert_crl_age_seconds"), "{{ca}}"),),
            Unit.SECONDS,
            "Since this update, of a CA's oldest CRL.",
            axis="age",
        ),
        Panel(
            "Validity left",
            (Query(by_ca("min", "servicecert_crl_valid_seconds"), "{{ca}}"),),
            Unit.SECONDS,
            "Until the next update of the CRL that expires first.",
            axis="time left",
            limits=(Limit(129_600, "CrlAges", Colour.RED, below=True),),
        ),
        Panel(
            "Validity left of the roots' CRLs",
            (Query("min by (crl) (servicecert_root_crl_valid_seconds)", "{{crl}}"),),
            Unit.SECONDS,
            axis="time left",
            limits=(Limit(2_592_000, "RootCrlExpires", below=True),),
        ),
        Panel(
            "Entries of the largest CRL",
            (Query(by_ca("max", "servicecert_crl_entries"), "{{ca}}"),),
            about="The full CRL.",
            axis="certificates",
        ),
        Panel(
            "Duration of a pass",
            (Query("max by (issuer) (servicecert_crl_pass_seconds)", "{{issuer}}"),),
            Unit.SECONDS,
            "Over all CRLs of a CA.",
        ),
        Panel(
            "Not published in an hour",
            (
                Query("sum by (gate) (increase(servicecert_crl_gate_failures_total[1h]))", "check {{gate}}"),
                Query(
                    "sum by (publisher) (increase(servicecert_crl_publisher_failures_total[1h]))",
                    "to {{publisher}}",
                ),
            ),
            about="CRLs that a check stopped (alert CrlGateFailed), and passes whose copies failed or looks that found"
            " others (CrlPublisherFails).",
            axis="failures",
            limits=(Limit(1, "CrlGateFailed", Colour.RED),),
        ),
    ),
)

_REVOCATION = Row(
    "Revocation",
    (
        Panel(
            "Not visible yet",
            (Query("servicecert_revocations", "{{state}}"),),
            about="Late: after 24 hours (alert RevocationLate).",
            axis="revocations",
        ),
        Panel(
            "From request to visible",
            (
                Query(quantile(0.5, "servicecert_stage_seconds", "stage", 'stage="revoked"', "1h"), "median"),
                Query(quantile(0.99, "servicecert_stage_seconds", "stage", 'stage="revoked"', "1h"), "99th percentile"),
                Query("max(servicecert_revocation_oldest_seconds)", "oldest that is open"),
            ),
            Unit.SECONDS,
            "Over an hour. The goal is a minute.",
            limits=(Limit(600, "RevocationSlow"),),
        ),
        Panel(
            "The authority's own, and compromised keys",
            (
                Query("servicecert_proposals", "proposals: {{state}}"),
                Query("servicecert_cascades", "cascades: {{state}}"),
                Query("servicecert_keys_blocked", "keys blocked: {{reason}}"),
            ),
            about="Stopped: two operators have to confirm (alerts CascadeStopped, CascadeLate).",
            axis="number",
        ),
    ),
)

_OCSP = Row(
    "OCSP",
    (
        Panel(
            "Answers",
            (Query(rate("servicecert_ocsp_answers_total", "kind"), "{{kind}}"),),
            Unit.REQUESTS,
            "Alerts OcspErrors and OcspFlood.",
            stacked=True,
        ),
        Panel(
            "Age of the standings",
            (Query("servicecert_ocsp_feed_age_seconds", "{{instance}}"),),
            Unit.SECONDS,
            "Since the responder was last caught up.",
            axis="age",
            limits=(Limit(120, "OcspBehind", Colour.RED),),
        ),
        Panel(
            "Validity left of the responders' certificates",
            (Query("min by (issuer) (servicecert_ocsp_certificate_left_seconds)", "{{issuer}}"),),
            Unit.SECONDS,
            axis="time left",
            limits=(Limit(86_400, "OcspCertificateExpires", Colour.RED, below=True),),
        ),
        Panel(
            "Certificates and answers in memory",
            (
                Query("max(servicecert_ocsp_certificates)", "certificates"),
                Query("max(servicecert_ocsp_kept)", "signed answers"),
            ),
            axis="number",
        ),
        Panel(
            "Signatures, and connections closed by limits",
            (
                Query("sum(rate(servicecert_ocsp_signed_total[$__rate_interval]))", "signatures"),
                Query(
                    "sum by (reason) (rate(servicecert_ocsp_connections_closed_total[$__rate_interval]))",
                    "closed: {{reason}}",
                ),
            ),
            Unit.ACTS,
            axis="per second",
        ),
        Panel(
            "Responders certified in a day",
            (Query("max by (environment) (servicecert_responders_certified)", "{{environment}}"),),
            axis="keys",
            limits=(Limit(100, "TooManyResponders"),),
        ),
    ),
)

DASHBOARD = Dashboard(
    "ca",
    "CA, CRLs and OCSP",
    "Whether certificates are signed rightly, and whether relying parties see what is revoked.",
    (_CA, _CRLS, _REVOCATION, _OCSP),
)
