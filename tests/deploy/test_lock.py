"""requirements.lock names each package with the extras that others need of it.

pip takes the newest release for an extra that no line pins, and then refuses it: it has no hash. So the day of that
release would end every new checkout.
"""

from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"


def test_every_extra_that_an_installed_package_needs_is_locked() -> None:
    pins = [line.removesuffix("\\") for line in LOCK.read_text().splitlines() if line[:1].isalnum()]
    locked = {canonicalize_name(pin.name): pin.extras for pin in map(Requirement, pins)}
    needed = [
        requirement
        for distribution in distributions()
        if canonicalize_name(distribution.name) in locked
        for requirement in map(Requirement, distribution.requires or ())
        if requirement.extras and (requirement.marker is None or requirement.marker.evaluate({"extra": ""}))
    ]
    assert needed
    assert [str(each) for each in needed if not each.extras <= locked[canonicalize_name(each.name)]] == []
