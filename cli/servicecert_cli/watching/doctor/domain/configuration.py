"""What is set in the environment of this process, and the keys that it names."""

from collections.abc import Mapping
from datetime import timedelta

from servicecert_schemas.topics import SERVICES

from .check import Finding, critical, fault, naming, ok, warning

OLD_LIST_DAYS = 90
ENDS_SOON = timedelta(days=30)
_NO_TIME = timedelta(0)


def check_insecure(facts: tuple[str, bool]) -> Finding:
    tolerated, in_the_clear = facts
    if tolerated:
        return fault(f"SERVICECERT_INSECURE={tolerated}, which is for trials.", "Remove it in production.")
    if in_the_clear:
        return fault("Kafka is reached in the clear.", "Set KAFKA_SECURITY_PROTOCOL=SASL_SSL or SSL.")
    return ok("Nothing insecure is tolerated.")


def check_service_keys(left: Mapping[str, timedelta]) -> Finding:
    copy = "Copy its *.pub there, and restart the readers."
    if missing := [service for service in SERVICES if left.get(service, _NO_TIME) <= _NO_TIME]:
        return critical(f"No public key of {', '.join(missing)}, or it has ended.", copy)
    if ending := [f"{service} in {left[service].days} days" for service in SERVICES if left[service] < ENDS_SOON]:
        return warning(f"The last public key ends: {', '.join(ending)}.", f"Make a new key. {copy}")
    return ok("Each service has a public key.")


def check_key_lists_age(days: Mapping[str, float]) -> Finding:
    old = [f"{name} ({each:.0f} days)" for name, each in days.items() if each >= OLD_LIST_DAYS]
    return naming("Old: {}.", "No list is old.", old)
