"""The metrics of `storage/figures.sql`."""

from servicecert_worker.storage.figures import Figure

FIGURES = (
    Figure("servicecert_mails_deferred", "Mails that are retried.", ("kind",)),
    Figure("servicecert_mails_deferred_oldest_seconds", "Age of the oldest mail that is retried."),
    Figure(
        "servicecert_reminders_held_back", "Reminders that the rate limits hold back, by when they are sent.", ("goes",)
    ),
)
