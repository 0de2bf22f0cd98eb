"""I2: an event that is made again is told by its content, whatever its id and the version of its texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import servicecert_schemas
from servicecert_schemas.codec import EVENTS
from servicecert_schemas.event import EventData
from servicecert_worker.domain.owed import Known, content_id, is_owed

EXAMPLES = Path(servicecert_schemas.__file__).parent / "exported" / "examples"


def example(name: str, **changes: Any) -> EventData:
    """Return the data of a stored record."""
    record = json.loads((EXAMPLES / f"{name}.json").read_text())
    return EVENTS[record["headers"]["ce_type"]].model_validate_json(json.dumps(record["value"] | changes))


OTHERS = {
    "servicecert.case.changed.v2": {"version": 99},
    "servicecert.certificate.issued.v1": {"serial": "4d8a31f07c5be29461a0d3c97e18f2b6"},
    "servicecert.certificate.refused.v1": {"code": "another"},
    "servicecert.certificate.revoked.v1": {"request_id": "0b0b7c61-50a5-4f5d-a1a6-3d7e3f1b9b11"},
    "servicecert.mail.handed-over.v1": {"mail_id": "0b0b7c61-50a5-4f5d-a1a6-3d7e3f1b9b11"},
    "servicecert.key.compromised.v1": {"key_sha256": "7" * 64},
}
SAME: dict[str, dict[str, Any]] = {
    "servicecert.case.changed.v2": {"next_step": {"sv": "a", "fi": "b", "en": "c"}},
    "servicecert.certificate.issued.v1": {"recipients": []},
    "servicecert.certificate.refused.v1": {"texts": {"sv": "a", "fi": "b", "en": "c"}},
    "servicecert.certificate.revoked.v1": {"crl_number": 99},
    "servicecert.mail.handed-over.v1": {"attempts": 9},
    "servicecert.key.compromised.v1": {"known_at": "2020-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("name", OTHERS)
def test_I2_an_event_is_known_by_what_tells_it_apart(name: str) -> None:
    known = Known([example(name)])
    assert example(name, **SAME[name]) in known
    assert example(name, **OTHERS[name]) not in known
    assert content_id(example(name)) == content_id(example(name, **SAME[name]))


def test_an_event_that_no_table_keeps_is_left_out() -> None:
    refused = example("servicecert.event.refused.v1")
    assert not is_owed(type(refused))
    Known().add(refused)
