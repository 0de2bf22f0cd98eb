"""The metrics of `storage/figures.sql`."""

from servicecert_worker.storage.figures import Figure

FIGURES = (
    Figure(
        "servicecert_revocations",
        "Revocations, or changes of their entries, that relying parties cannot see yet: open, and late (D4).",
        ("state",),
    ),
    Figure(
        "servicecert_revocation_oldest_seconds", "Age of the oldest open revocation or change, since it was requested."
    ),
    Figure(
        "servicecert_cascades",
        "Compromised keys whose other certificates wait for a confirmation or are not all revoked yet: open, and late "
        "(D6).",
        ("state",),
    ),
    Figure("servicecert_cascade_oldest_seconds", "Age of the oldest open cascade, since an operator is needed."),
    Figure(
        "servicecert_proposals",
        "The authority's own revocations that are not done: unconfirmed, stopped (unconfirmed, of a compromised key), "
        "running.",
        ("state",),
    ),
    Figure(
        "servicecert_responders_certified",
        "OCSP responders' keys that were certified in the last 24 hours.",
        ("environment",),
    ),
    Figure("servicecert_second_certificates", "Cases with a second certificate, at most 1,000; any is an attack."),
    Figure("servicecert_crl_age_seconds", "Time since each published CRL's this update.", ("crl",)),
    Figure("servicecert_crl_valid_seconds", "Time until each published CRL's next update.", ("crl",)),
    Figure("servicecert_crl_entries", "Certificates on each published CRL.", ("crl",)),
)
