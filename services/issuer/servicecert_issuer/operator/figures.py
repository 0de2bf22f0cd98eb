"""The metrics of `storage/figures.sql`."""

from servicecert_worker.storage.figures import Figure

FIGURES = (
    Figure("servicecert_issuances_open", "Cases whose issuing is not at its end: intended, stopped.", ("state",)),
    Figure(
        "servicecert_certificates_faulty",
        "Issued certificates that are not what was signed, and were on the days before.",
    ),
)
