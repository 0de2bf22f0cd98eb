"""The metrics of `storage/figures.sql`."""

from servicecert_worker.storage.figures import Figure

FIGURES = (
    Figure(
        "servicecert_clocks_open", "Cases whose clock runs, by clock: completion (A12), delivery (A13).", ("clock",)
    ),
    Figure(
        "servicecert_clock_left_seconds",
        "Seconds until the first of the clocks that run ends; negative once it is late. None where none runs.",
        ("clock",),
    ),
    Figure("servicecert_keys_blocked", "Keys that are never certified again.", ("reason",)),
    Figure(
        "servicecert_unasked_certificates",
        "Certificates that the issuer signed for cases that intake does not know, at most 1,000; any is an attack.",
    ),
)
