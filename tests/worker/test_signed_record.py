"""A record that is kept verifies again, and what was never one does not."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from identities import InMemory
from servicecert_schemas.certificate import AcceptedWithdrawn
from servicecert_schemas.codec import to_record
from servicecert_worker.core.signed_record import SignedRecord

WRITERS = InMemory()


def test_F2_F3_what_is_kept_of_a_record_verifies_as_the_record_does() -> None:
    data = AcceptedWithdrawn(case_id=UUID(int=5))
    record = WRITERS.signed(to_record(data, source="/intake", id=UUID(int=6), time=datetime.now(UTC)))
    headers, value = SignedRecord.of([*record.headers, ("ce_empty", None), ("other", b"\xff")], record.value).parts()
    assert [name for name, _ in headers] == [
        name for name, _ in record.headers if name.startswith("ce_") or name == "servicecert-signature"
    ] + ["ce_empty"]
    assert WRITERS.verifier.is_from("intake", record.topic, record.key, headers[:-1], value)
    assert not WRITERS.verifier.is_from("intake", record.topic, b"another", headers[:-1], value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '[[["a"]], "b"]'])
def test_F3_a_text_that_is_no_record_has_no_parts(text: str) -> None:
    assert SignedRecord(text).parts() == ([], b"")


def test_F3_a_record_without_a_value_is_kept_as_it_was_signed() -> None:
    assert SignedRecord.of([], None).parts() == ([], b"")
