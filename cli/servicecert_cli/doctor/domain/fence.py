"""Whether the database is older than the topics: it was restored, or a replica that lagged took over."""

from collections.abc import Sequence

from servicecert_worker.core.unknown import Unknown

from .check import Finding, Subject, critical, examination, listed, ok

Services = Sequence[tuple[str, Sequence[Unknown]]]


@examination(
    "fence",
    Subject.DATABASE,
    "Do the tables know everything that the services have published?",
    "On a restored database a service decides again what was decided; so its workers do not start.",
)
def check_fence(services: Services) -> Finding:
    """Judge what each service has published that its tables do not know."""
    forgotten = [
        f"{service} does not know {each.count} of {each.topic} since {each.since:%Y-%m-%d %H:%M:%S} UTC"
        for service, unknown in services
        for each in unknown
    ]
    if forgotten:
        return critical(f"{listed(forgotten, '; ')}.", "Stop all workers, and run `servicecert restore check`.")
    return ok("Nothing that was published is unknown.")
