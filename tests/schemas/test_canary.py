"""The ids of the canary's cases (RFC 9562 section 5.8)."""

from uuid import RFC_4122, UUID, uuid1, uuid4, uuid5

from servicecert_schemas.application import ApplicationWithdrawn
from servicecert_schemas.event import is_canary, new_case_id
from servicecert_schemas.topics import APPLICATIONS, CASES


def test_a_canarys_case_id_is_a_uuid_of_version_8_and_a_key_of_the_topics_of_cases() -> None:
    drawn = {new_case_id() for _ in range(2_000)}
    assert len(drawn) == 2_000
    for each in drawn:
        assert (each.version, each.variant) == (8, RFC_4122)
        assert is_canary(str(each))
        assert APPLICATIONS.has_key(str(each))
        assert CASES.has_key(str(each))


def test_all_bits_that_are_not_fixed_are_random() -> None:
    ones = zeros = 0
    for _ in range(200):
        id = new_case_id().int
        ones, zeros = ones | id, zeros | ~id
    assert (ones & zeros & (1 << 128) - 1).bit_count() == 74


def test_no_other_key_is_a_canarys() -> None:
    others = [
        *(str(uuid4()) for _ in range(100)),
        str(uuid1()),
        str(uuid5(UUID(int=0), "canary")),
        "",
        "account/canary",
        str(new_case_id()).upper(),
        f"{new_case_id()}\n",
        f"crl/{new_case_id()}",
        str(new_case_id()).replace("-8", "-4", 1),
    ]
    assert not [key for key in others if is_canary(key)]


def test_events_of_its_cases_are_read_as_any_other() -> None:
    case_id = new_case_id()
    actor = {"user_id": "canary", "account_id": "canary", "assurance": "substantial", "role": "colleague"}
    sent = ApplicationWithdrawn.model_validate({"case_id": case_id, "actor": actor})
    assert ApplicationWithdrawn.model_validate_json(sent.model_dump_json()).case_id == case_id
    assert is_canary(sent.key())
