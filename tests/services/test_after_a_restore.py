"""F7, I2: what a restore needs of each effect: it is repeatable, or recalled from the topics, or harmless twice.

Otherwise a replay leaves its intent open, and the first worker does again what was done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import pytest
from identities import Identities
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.decider import Service, Task
from servicecert_worker.core.published import PublishedEvent, PublishedEvents

HARMLESS_TWICE: Mapping[tuple[str, str], str] = {
    ("intake", "shared-primes"): "a search of all keys finds the same ones again",
    ("issuer", "recheck"): "a check of all certificates reports the same again",
    ("revoker", "alarm"): "an alarm rings again",
}


class Asked(PublishedEvents):
    """No published events, but whether somebody looked for any."""

    asked = False

    def of(self, key: str) -> Sequence[PublishedEvent]:
        self.asked = True
        return super().of(key)

    def following(self, cause: UUID) -> Iterator[PublishedEvent]:
        self.asked = True
        return super().following(cause)

    def all_following(self, cause: UUID, type: type[EventData]) -> Iterator[PublishedEvent]:
        self.asked = True
        return super().all_following(cause, type)


@pytest.fixture
def opened(service: str, authority: Path, tmp_path: Path) -> AbstractAsyncContextManager[Service[Any, Any]]:
    """A service as its worker opens it, without a database."""
    readers = Identities(tmp_path / "service-keys").folder
    passphrases, where = authority.with_name("ca.passphrases"), "http://crl.example.fi"
    keys: dict[str, Any] = {"ca_dir": authority, "ca_passphrase_file": passphrases, "crl_base_url": where}
    given: dict[str, dict[str, Any]] = {
        "intake": {},
        "issuer": {**keys, "kafka_bootstrap_servers": "none:1", "servicecert_service_keys": readers},
        "revoker": {**keys, "crl_dir": tmp_path},
        "notifier": {"smtp_host": "127.0.0.1", "servicecert_mail_from": "ca@example.fi"},
    }
    module = import_module(f"servicecert_{service}.service")
    it: AbstractAsyncContextManager[Service[Any, Any]] = module.open_service(
        module.Settings(**given[service]), MagicMock()
    )
    return it


@pytest.mark.parametrize("service", SERVICES)
async def test_F7_I2_each_effect_is_repeatable_recalled_or_harmless_twice(
    service: str, opened: AbstractAsyncContextManager[Service[Any, Any]]
) -> None:
    async with opened as it:
        repeated = {kind for kind, effect in it.effects.items() if not effect.repeatable and not _recalls(it, kind)}
    assert repeated == {kind for name, kind in HARMLESS_TWICE if name == service}


def _recalls(service: Service[Any, Any], kind: str) -> bool:
    """Return whether the service looks in its published events for the result of an intent of this kind."""
    published = Asked()
    service.recall.result(Task(UUID(int=1), "a key", kind, MagicMock(), datetime(2026, 11, 24, tzinfo=UTC)), published)
    return published.asked
