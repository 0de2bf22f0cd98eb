"""F2: nothing follows from a record that none of its topic's writers has signed, byte for byte. Pure."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from identities import Identities
from servicecert_schemas import topics
from servicecert_schemas.codec import Record as Made
from servicecert_schemas.codec import Undecodable, to_record
from servicecert_schemas.export import stored_examples
from servicecert_schemas.headers import SIGNATURE, signed_bytes
from servicecert_schemas.revocation import RevocationRequested
from servicecert_schemas.topics import CATALOGUE, SERVICES, TOPIC_OF, TOPICS, Topic, unversioned
from servicecert_worker.audit.checkpoints import is_signed
from servicecert_worker.core.decider import Event
from servicecert_worker.core.record import Poison, Record, arrive
from servicecert_worker.core.service_keys import make_keys, read_key, read_public_keys
from servicecert_worker.core.signatures import Signer, Verifier
from servicecert_worker.kafka.reading import change_of

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
SIGNED = [
    (topic, event)
    for topic in CATALOGUE
    for event in topic.events
    if topic.signers(event.TYPE) and event.TYPE in TOPIC_OF
]


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("identities") / "service-keys")


def example(type: str, source: str = "/intake", **changes: Any) -> Made:
    """Return the record of a stored example, with changed fields, not signed."""
    event = next(event for _, event in SIGNED if type == event.TYPE)
    data = event.model_validate({**stored_examples()[type][0]["value"], **changes})
    return to_record(data, source=source, id=uuid4(), time=NOW)


def read(made: Made, verifier: Verifier) -> str:
    """Return how a turn and a follower read a record: its reason as poison, or its type."""
    fetched = Record(made.topic, 0, 7, made.key, made.headers, made.value, NOW)
    arrival = arrive(fetched, verifier)
    if isinstance(arrival.what, Poison):
        with pytest.raises(Undecodable) as refused:
            change_of(TOPICS[made.topic.removeprefix(verifier.prefix)], fetched, verifier)
        assert refused.value.code == arrival.what.reason
        return arrival.what.reason
    change = change_of(TOPICS[made.topic.removeprefix(verifier.prefix)], fetched, verifier)
    assert change.data == arrival.what.data
    return arrival.what.data.TYPE


ACCEPTED = "servicecert.application.accepted.v1"


@pytest.mark.parametrize(("topic", "type"), [(topic, event.TYPE) for topic, event in SIGNED])
def test_F2_every_event_of_a_service_is_believed_with_its_writer_s_signature_only(
    identities: Identities, topic: Topic, type: str
) -> None:
    verifier = identities.verifier()
    assert read(example(type), verifier) == "unsigned"
    writers = [writer for writer in topic.writers if writer in SERVICES]
    for service in SERVICES:
        signed = identities.signer(service).signed(example(type, f"/{service}"))
        assert read(signed, verifier) == (type if service in writers else "wrong-signature")


def test_F2_A8_signed_are_the_bytes_as_they_came_and_not_the_cleaned_text(identities: Identities) -> None:
    clean = example(ACCEPTED)
    marked = replace(clean, value=clean.value.replace(b'"name":"', '"name":"\u200b'.encode()))
    signed = identities.signer("intake").signed(marked)
    assert read(signed, identities.verifier()) == ACCEPTED
    assert read(replace(signed, value=clean.value), identities.verifier()) == "wrong-signature"


@pytest.mark.parametrize(
    ("source", "is_its_own"),
    [
        ("/intake", True),
        # A command of an earlier release named itself below the service whose key it used.
        ("/intake/standings", True),
        ("/revoker", False),
        ("/intake-2", False),
        ("/revoker/intake", False),
        ("x/intake", False),
        ("intake", False),
        ("/", False),
    ],
)
def test_F2_a_key_signs_in_the_name_of_its_own_service_only(
    identities: Identities, source: str, is_its_own: bool
) -> None:
    """Intake and revoker both write to `deadlines`: with the key of one, nobody speaks for the other."""
    warned = "servicecert.deadline.warned.v1"
    made = identities.signer("intake").signed(example(warned, source))
    verifier = identities.verifier()
    assert read(made, verifier) == (warned if is_its_own else "wrong-signature")
    assert verifier.is_from("intake", made.topic, made.key, made.headers, made.value) is is_its_own
    assert not verifier.is_from("revoker", made.topic, made.key, made.headers, made.value)


def test_F2_what_our_services_alone_write_is_signed_and_what_others_write_is_named() -> None:
    unsigned = {
        (topic.name, event.TYPE) for topic in CATALOGUE for event in topic.events if not topic.signers(event.TYPE)
    }
    assert {topic for topic, _ in unsigned} == {
        "applications",
        "accounts",
        "registers",
        "revocations",
        "ocsp-responders",
    }
    assert ("ocsp-responders", "servicecert.ocsp-responder.certified.v1") not in unsigned


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)
def test_F2_who_signs_a_type_signs_every_version_of_it(topic: Topic) -> None:
    for event in topic.events:
        for version in range(1, 4):
            other = f"{unversioned(event.TYPE)}.v{version}"
            assert topic.signers(other) == topic.signers(event.TYPE)


def _moved(made: Made, header: str, value: bytes) -> Made:
    headers = [(name, value if name == header else raw) for name, raw in made.headers]
    return Made(made.topic, made.key, headers, made.value)


CHANGES: dict[str, Callable[[Made], Made]] = {
    "a byte of the value": lambda it: Made(it.topic, it.key, it.headers, it.value.replace(b"Oy", b"oy", 1)),
    "another case": lambda it: Made(it.topic, str(uuid4()).encode(), it.headers, it.value),
    "another topic": lambda it: Made("deadlines", it.key, it.headers, it.value),
    "another type": lambda it: _moved(it, "ce_type", b"servicecert.accepted-application.withdrawn.v1"),
    "another id": lambda it: _moved(it, "ce_id", str(uuid4()).encode()),
    "another time": lambda it: _moved(it, "ce_time", b"2026-11-23T10:00:00+00:00"),
    "another type at the end": lambda it: Made(it.topic, it.key, [*it.headers, ("ce_type", b"x")], it.value),
    "two signatures": lambda it: Made(it.topic, it.key, [*it.headers, it.headers[-1]], it.value),
    "a malformed signature": lambda it: _moved(it, SIGNATURE, b"0"),
    "an empty signature": lambda it: _moved(it, SIGNATURE, b""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_F2_a_signature_is_of_this_record_and_no_other(identities: Identities, change: str) -> None:
    signed = identities.signer("intake").signed(example(ACCEPTED))
    assert read(signed, identities.verifier()) == ACCEPTED
    changed = CHANGES[change](signed)
    assert changed != signed
    assert read(changed, identities.verifier()) == "wrong-signature"


def test_F2_another_installation_s_intake_is_a_stranger(identities: Identities, tmp_path: Path) -> None:
    test_installation = Identities(tmp_path / "service-keys")
    assert read(test_installation.signer("intake").signed(example(ACCEPTED)), identities.verifier()) == (
        "wrong-signature"
    )
    assert read(identities.signer("intake").signed(example(ACCEPTED)), Verifier({})) == "wrong-signature"


def test_F2_the_topic_is_the_catalogue_s_whatever_stands_before_its_name(identities: Identities) -> None:
    signed = identities.signer("intake").signed(example(ACCEPTED))
    installed = Made(f"a.{signed.topic}", signed.key, signed.headers, signed.value)
    assert read(installed, identities.verifier("a.")) == ACCEPTED


def test_F2_a_key_is_replaced_while_both_count_and_the_removed_one_is_refused(tmp_path: Path) -> None:
    first = Identities(tmp_path / "service-keys")
    (tmp_path / "new").mkdir()
    make_keys(tmp_path / "new", ["intake"])
    old = first.signer("intake").signed(example(ACCEPTED))
    new = Signer("intake", read_key(tmp_path / "new" / "intake.key")).signed(example(ACCEPTED))
    assert [read(each, first.verifier()) for each in (old, new)] == [ACCEPTED, "wrong-signature"]
    (tmp_path / "new" / "intake.pub").rename(first.folder / "intake-2027.pub")
    assert [read(each, first.verifier()) for each in (old, new)] == [ACCEPTED, ACCEPTED]
    (first.folder / "intake.pub").unlink()
    assert [read(each, first.verifier()) for each in (old, new)] == ["wrong-signature", ACCEPTED]


def test_F2_a_key_counts_until_its_end_by_the_reader_s_clock_whatever_its_records_say(identities: Identities) -> None:
    """Who has an exposed key writes what time he likes into a record, and into the producer's timestamp."""
    backdated = identities.signer("intake").signed(example(ACCEPTED))
    keys = {id: replace(each, not_after=NOW + timedelta(days=1)) for id, each in identities.verifier().keys.items()}

    def at(moment: datetime) -> str:
        return read(backdated, Verifier(keys, clock=lambda: moment))

    assert at(NOW + timedelta(days=1)) == ACCEPTED
    assert at(NOW + timedelta(days=1, microseconds=1)) == "wrong-signature"


def test_F2_an_outsider_s_record_takes_neither_the_id_nor_the_key_that_it_names(identities: Identities) -> None:
    """Otherwise it would stop the case, and the genuine event would count as handled already."""
    forged = example(ACCEPTED)
    arrival = arrive(Record(forged.topic, 0, 7, forged.key, forged.headers, forged.value, NOW), identities.verifier())
    genuine = identities.signer("intake").signed(forged)
    real = arrive(Record(genuine.topic, 0, 8, genuine.key, genuine.headers, genuine.value, NOW), identities.verifier())
    assert isinstance(arrival.what, Poison)
    assert isinstance(real.what, Event)
    assert arrival.key == "accepted-applications/0/7"
    assert real.key == forged.key.decode()
    assert arrival.id != real.id


def test_F2_a_checkpoint_s_signature_is_none_of_an_event_nor_the_other_way_round(identities: Identities) -> None:
    made = example(ACCEPTED)
    header = dict(identities.signer("intake").signed(made).headers)[SIGNATURE]
    signature = b64decode(header.partition(b":")[2])
    text = signed_bytes(made.topic, made.key, made.headers, made.value)
    (key,) = (each.key for each in read_public_keys(identities.folder).values() if "intake" in each.services)
    key.verify(signature, text)
    assert not is_signed(text.decode(), signature, key)


def test_F2_the_signer_foresees_the_record_of_the_relay(identities: Identities) -> None:
    made = example(ACCEPTED)
    id = dict(made.headers)["ce_id"].decode()
    signature = identities.signer("intake").sign(
        topics.ACCEPTED_APPLICATIONS.name, made.key.decode(), UUID(id), ACCEPTED, made.value, NOW
    )
    assert identities.signer("intake").signed(made).headers[-1] == (SIGNATURE, signature.encode())


CASE = UUID("7d2c1c52-1f0e-4d1e-9a44-0c2f8f2f6a01")


def revocation() -> Any:
    return RevocationRequested.model_validate(
        {**stored_examples()[RevocationRequested.TYPE][0]["value"], "case_id": CASE}
    )


def received(made: Made) -> Record:
    return Record(made.topic, 0, 7, made.key, made.headers, made.value, NOW)


FORESEEN = uuid5(CASE, "what a service would derive")


def test_f2_who_is_no_service_takes_no_id_that_a_service_derives(identities: Identities) -> None:
    """Ids of a service's events can be foreseen: with one, a customer could have theirs taken for a repetition."""
    made = to_record(revocation(), source="/e-service", id=FORESEEN, time=NOW)
    arrival, again = (arrive(received(made), identities.verifier()) for _ in range(2))
    assert isinstance(arrival.what, Event)
    assert arrival.id != FORESEEN
    assert again.id == arrival.id, "a repeated event has one effect"
    made = to_record(revocation(), source="/revoker", id=FORESEEN, time=NOW)
    own = arrive(received(identities.signer("revoker").signed(made)), identities.verifier())
    assert (type(own.what), own.id) == (Event, FORESEEN)


@pytest.mark.parametrize("id", [FORESEEN, uuid4()])
def test_f2_junk_among_requests_for_revocation_holds_up_and_replaces_nothing(identities: Identities, id: UUID) -> None:
    """Otherwise the authority's own revocation of the case would wait behind it."""
    made = to_record(revocation(), source="/e-service", id=id, time=NOW)
    arrival = arrive(received(replace(made, value=b"{}")), identities.verifier())
    assert isinstance(arrival.what, Poison)
    assert arrival.key == "revocations/0/7"
    assert arrival.id != id
