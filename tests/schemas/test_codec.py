import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from examples import encode
from hypothesis import given
from hypothesis import strategies as st
from servicecert_schemas.account import AccountOpened
from servicecert_schemas.application import ApplicationSubmitted, CsrAttached
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.codec import (
    MAX_HEADER_BYTES,
    Headers,
    Record,
    TooLarge,
    Undecodable,
    decode,
    read_envelope,
    structure_of,
    to_record,
)
from servicecert_schemas.event import EventData
from servicecert_schemas.export import stored_examples
from servicecert_schemas.register import RegisterEntry
from servicecert_schemas.topics import MAX_EVENT_BYTES

ID = UUID("996ffc53-4695-4702-a388-9f6e142f77ae")
NOW = datetime(2026, 11, 24, 8, 15, 2, tzinfo=UTC)
PERSONAL = "Maija Mallikas"


def example(event: type[EventData]) -> EventData:
    return event.model_validate_json(json.dumps(stored_examples()[event.TYPE][0]["value"]))


def record(event: type[EventData] = ApplicationSubmitted) -> Record:
    return to_record(example(event), source="/e-service", id=ID, time=NOW)


def changed(header: str, raw: bytes | None) -> list[tuple[str, bytes | None]]:
    """The headers of a good record, one of them replaced, or left out where `raw` is None."""
    others: list[tuple[str, bytes | None]] = [(name, value) for name, value in record().headers if name != header]
    return others if raw is None else [*others, (header, raw)]


def undecodable(headers: list[tuple[str, bytes | None]], *, key: bytes | None = None) -> Undecodable:
    good = record()
    with pytest.raises(Undecodable) as caught:
        decode(good.topic, key or good.key, headers, good.value)
    return caught.value


def wrong_schema(event: type[EventData], **fields: object) -> str:
    """The reader's text for fields with other values, by paths with `__`; `...` leaves a field out."""
    good = record(event)
    value = json.loads(good.value)
    for path, field in fields.items():
        *parents, last = path.split("__")
        place = value
        for parent in parents:
            place = place[parent]
        if field is ...:
            del place[last]
        else:
            place[last] = field
    with pytest.raises(Undecodable) as caught:
        decode(good.topic, good.key, good.headers, json.dumps(value).encode())
    assert caught.value.code == "wrong-schema"
    return caught.value.text


def test_what_was_written_is_read() -> None:
    good = record()
    envelope, data = decode(good.topic, good.key, good.headers, good.value)
    assert data == example(ApplicationSubmitted)
    assert (envelope.id, envelope.source, envelope.type, envelope.time) == (ID, "/e-service", data.TYPE, NOW)
    assert envelope.subject == envelope.partitionkey == data.key() == good.key.decode()
    assert good.topic == "applications"


def test_an_unknown_additional_field_and_header_are_ignored() -> None:
    good = record()
    value = json.loads(good.value)
    value["new"] = value["form"]["new"] = {"a": 1}
    more: list[tuple[str, bytes | None]] = [*good.headers, ("ce_new", b"1"), ("other", None)]
    _, data = decode(good.topic, good.key, more, json.dumps(value).encode())
    assert data == example(ApplicationSubmitted)


@pytest.mark.parametrize("header", ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"])
def test_a_missing_attribute_is_named(header: str) -> None:
    fault = undecodable(changed(header, None))
    assert (fault.code, fault.text) == ("no-event", f"The header {header} is missing.")


@pytest.mark.parametrize(
    ("header", "raw"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_id", PERSONAL.encode()),
        ("ce_source", PERSONAL.encode()),
        ("ce_source", b"/e-service\n"),
        ("ce_source", b""),
        ("ce_time", PERSONAL.encode()),
        ("ce_time", b"2026-11-24T08:15:02"),
        ("ce_time", b"0001-01-01T00:00:00+02:00"),
        ("ce_time", b"9999-12-31T23:59:59-02:00"),
        ("ce_type", b"\xff"),
        ("ce_subject", b"x" * (MAX_HEADER_BYTES + 1)),
    ],
)
def test_a_malformed_attribute_is_named_and_its_value_is_not_shown(header: str, raw: bytes) -> None:
    fault = undecodable(changed(header, raw))
    assert fault.code == "no-event"
    assert header in fault.text
    assert PERSONAL not in fault.text


@pytest.mark.parametrize(("key", "expected"), [(b"\xff", "UTF-8"), (b"k" * (MAX_HEADER_BYTES + 1), "longer")])
def test_a_key_that_is_no_text_or_too_long_makes_no_event(key: bytes, expected: str) -> None:
    fault = undecodable([*record().headers], key=key)
    assert fault.code == "no-event"
    assert expected in fault.text


def test_a_record_without_key_is_no_event() -> None:
    with pytest.raises(Undecodable, match="no key"):
        read_envelope(None, record().headers)


def test_a_subject_is_the_key_where_none_is_named() -> None:
    envelope, _ = decode(record().topic, record().key, changed("ce_subject", None), record().value)
    assert envelope.subject == envelope.partitionkey


@pytest.mark.parametrize("name", ["servicecert.application.submitted.v2", PERSONAL])
def test_an_unknown_type_is_not_shown(name: str) -> None:
    fault = undecodable(changed("ce_type", name.encode()))
    assert fault.code == "unknown-type"
    assert name not in fault.text


def test_a_trace_context_is_carried_and_a_malformed_one_is_dropped() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    good = to_record(example(CsrAttached), source="/e-service", id=ID, time=NOW, traceparent=trace)
    assert ("traceparent", trace.encode()) in good.headers

    def read(headers: Headers) -> str | None:
        plain = record()
        return decode(plain.topic, plain.key, headers, plain.value)[0].traceparent

    assert decode(good.topic, good.key, good.headers, good.value)[0].traceparent == trace
    assert read(changed("traceparent", f"{trace}\n".encode())) is None
    assert read(changed("ce_traceparent", trace.encode())) == trace


def test_a_record_without_value_and_one_too_large_are_not_read() -> None:
    good = record()
    with pytest.raises(Undecodable) as caught:
        decode(good.topic, good.key, good.headers, None)
    assert caught.value.code == "no-value"
    with pytest.raises(Undecodable) as caught:
        decode(good.topic, good.key, good.headers, b" " * (MAX_EVENT_BYTES + 1))
    assert caught.value.code == "too-large"


def test_an_event_of_another_key_is_refused() -> None:
    assert undecodable([*record().headers], key=b"another").code == "wrong-key"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"form__orderer__email": ...}, "form.orderer.email: Field required"),
        ({"actor": ...}, "actor: Field required"),
        ({"case_id": PERSONAL}, "case_id: is malformed (uuid_parsing)"),
        ({"form__orderer__name": [PERSONAL]}, "form.orderer.name: Input should be a valid string"),
        ({"form__orderer__name": PERSONAL * 20}, "form.orderer.name: String should have at most 200 characters"),
        ({"form__language": PERSONAL}, "form.language: Input should be 'sv', 'fi' or 'en'"),
        ({"form__start_date": PERSONAL}, "form.start_date: is malformed"),
        ({"form__validity_days": "365"}, "form.validity_days: Input should be a valid integer"),
        ({"form__validity_days": 0}, "form.validity_days: Input should be greater than or equal to 1"),
        ({"form__names__dns": ["a.example"] * 101}, "form.names.dns: Tuple should have at most 100 items"),
        ({"form__signatory__signed_at": 0}, "form.signatory.signed_at: is malformed"),
        (
            {"form__signatory__signed_at": "2026-11-24T10:00:00"},
            "form.signatory.signed_at: Input should have timezone info",
        ),
        ({"form": PERSONAL}, "form: "),
        ({"actor__user_id": PERSONAL}, "actor.user_id: String should match pattern"),
    ],
)
def test_a_missing_or_malformed_field_is_named_and_its_value_is_not_shown(
    fields: dict[str, object], expected: str
) -> None:
    text = wrong_schema(ApplicationSubmitted, **fields)
    assert expected in text
    assert PERSONAL not in text


def test_A5_a_malformed_business_id_of_an_account_is_answered_with_its_shape() -> None:
    text = wrong_schema(AccountOpened, business_id="0204819-7")
    assert text.startswith("business_id: is not a business id: seven digits")
    assert "0204819-7" not in text


def test_a_register_entry_of_an_unknown_kind_is_refused_without_its_name() -> None:
    assert wrong_schema(RegisterEntry, entry__kind=PERSONAL) == "entry: is of a kind that this version does not know"
    assert "kind" in wrong_schema(RegisterEntry, entry__kind=...)


def test_many_faults_are_counted_and_ten_are_named() -> None:
    text = wrong_schema(ApplicationSubmitted, form={}, actor={})
    assert text.count(";") == 10
    assert text.endswith("; and 1 more")


def test_f5_of_a_list_the_first_fault_is_named() -> None:
    text = wrong_schema(ApplicationSubmitted, form__names__dns=["a.example", 1, 2], form__names__ip=[3])
    assert text == "; ".join(f"form.names.{path}: Input should be a valid string" for path in ("dns.1", "ip.0"))


def test_f5_an_event_of_more_structure_than_its_type_can_have_is_not_read() -> None:
    good = record()
    with pytest.raises(Undecodable, match="more fields, lists and objects than any event of its type") as caught:
        decode(good.topic, good.key, good.headers, b'{"attachments":[%b]}' % b",".join([b"{}"] * 80_000))
    assert caught.value.code == "too-large"


JSON = st.recursive(
    st.none() | st.integers() | st.text(r'",:[]{}\a'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(r'",:[]{}\a'), inner),
)


def test_f5_what_a_value_of_much_structure_lacks_is_said_as_of_any_other() -> None:
    stored = next(it for it in stored_examples()[CaseChanged.TYPE] if it["value"]["certificate"])
    headers = [(name, text.encode()) for name, text in stored["headers"].items()]

    def fault(value: object) -> str:
        with pytest.raises(Undecodable) as caught:
            decode(stored["topic"], stored["key"].encode(), headers, json.dumps(value).encode())
        assert caught.value.code == "wrong-schema"
        return caught.value.text

    lacking = {name: each for name, each in stored["value"].items() if name not in ("account_id", "version")}
    del lacking["certificate"]["serial"]
    large = lacking | {"unknown": {f"{number:x}": "z" for number in range(5_000)}}
    assert fault(large) == fault(lacking)
    assert fault(lacking).count("Field required") == 3
    assert fault(json.loads(json.dumps(large))["unknown"]).count("Field required") == 10


def structure(value: Any) -> int:
    match value:
        case dict():
            return 8 + max(0, len(value) - 1) + len(value) + sum(map(structure, value.values()))
        case list():
            return 8 + max(0, len(value) - 1) + sum(map(structure, value))
        case _:
            return 0


@given(JSON)
def test_f5_whatever_texts_hold_only_the_structure_is_counted(value: Any) -> None:
    assert structure_of(json.dumps(value).encode()) == structure(value)


@given(st.binary(max_size=60))
def test_I6_bytes_that_are_no_event_are_undecodable(value: bytes) -> None:
    good = record()
    with pytest.raises(Undecodable):
        decode(good.topic, good.key, good.headers, value)


@pytest.mark.parametrize("value", [b"", b"{", b"null", b"[]", b'"' + PERSONAL.encode() + b'"', b"\xff", b"[" * 4_000])
def test_I6_what_is_no_json_object_is_undecodable_without_its_value(value: bytes) -> None:
    good = record()
    with pytest.raises(Undecodable) as caught:
        decode(good.topic, good.key, good.headers, value)
    assert caught.value.text.startswith("the value: ")
    assert PERSONAL not in caught.value.text


@given(
    st.lists(
        st.tuples(st.sampled_from(["ce_id", "ce_time", "ce_type", "traceparent"]), st.binary(max_size=40) | st.none())
    )
)
def test_I6_whatever_stands_in_the_headers_raises_undecodable_only(headers: list[tuple[str, bytes | None]]) -> None:
    with pytest.raises(Undecodable):
        decode(record().topic, record().key, headers, b"{}")


def test_a_writer_is_told_of_an_event_that_nobody_would_read() -> None:
    form = example(ApplicationSubmitted).model_dump()["form"]
    form["names"] = {"dns": ["🂡" * 200] * 100, "ip": ["🂡" * 200] * 100, "more": None}
    attachment = stored_examples()[ApplicationSubmitted.TYPE][1]["value"]["attachments"][0]
    attachment["reference"] = "urn:" + "🂡" * 1_900
    large = ApplicationSubmitted.model_validate(
        {**example(ApplicationSubmitted).model_dump(), "form": form, "attachments": [attachment] * 50}
    )
    with pytest.raises(TooLarge, match=r"application\.submitted.*shorten"):
        to_record(large, source="/e-service", id=ID, time=NOW)


def test_times_are_written_in_utc() -> None:
    helsinki = NOW.astimezone(timezone(timedelta(hours=2)))
    good = to_record(example(CsrAttached), source="/e-service", id=ID, time=helsinki)
    assert dict(good.headers)["ce_time"] == b"2026-11-24T08:15:02+00:00"


def test_the_envelope_alone_makes_the_same_headers() -> None:
    good = record()
    envelope, data = decode(good.topic, good.key, good.headers, good.value)
    assert encode(envelope, data) == (good.headers, good.value)
