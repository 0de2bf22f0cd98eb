"""What a process may not do more than, and what it needs, from the broker's answers (F4)."""

import pytest
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE
from servicecert_worker.core.broker_rights import Found, missing, named, shown, surplus

NOTHING: dict[str, frozenset[str]] = dict.fromkeys((topic.name for topic in CATALOGUE), frozenset())
OWN = {
    "certificate-standings": {"Read", "Describe"},
    "ocsp-responders": {"Read", "Write", "Describe"},
}


def found(groups=(), sees_acls=False, **topics):
    return Found({**NOTHING, **OWN, **{name.replace("_", "-"): ops for name, ops in topics.items()}}, groups, sees_acls)


@pytest.mark.parametrize(
    ("bits", "operations"),
    [
        (0, set()),
        (-(2**31), set()),
        (1 << 3 | 1 << 8, {"Read", "Describe"}),
        (1 << 12 | 1 << 6 | 1 << 2, {"IdempotentWrite", "Delete"}),
    ],
)
def test_the_brokers_bits_have_names(bits, operations):
    assert named(bits) == operations


def test_f4_exactly_its_own_rights_are_fine():
    assert surplus(Principal.OCSP_RESPONDER, "", found()) == []
    assert missing(Principal.OCSP_RESPONDER, "", found()) == []


def test_f4_every_right_beyond_its_own_is_named():
    wider = found(
        groups=["revoker"],
        sees_acls=True,
        cases={"Describe"},
        certificate_standings={"Read", "Write", "Describe"},
        registers={"Read", "Describe", "Alter"},
    )
    assert surplus(Principal.OCSP_RESPONDER, "", wider) == [
        "Describe on cases",
        "Write on certificate-standings",
        "Alter on registers",
        "Read on registers",
        "Describe on the group revoker",
        "Describe on the cluster",
    ]
    assert surplus(Principal.REVOKER, "", Found({}, ["revoker"], sees_acls=False)) == []


def test_f4_a_right_that_was_forgotten_is_named_where_the_topic_exists():
    assert missing(Principal.OCSP_RESPONDER, "", found(ocsp_responders={"Read"})) == ["Write on ocsp-responders"]
    assert missing(Principal.OCSP_RESPONDER, "", Found({}, (), sees_acls=False)) == []


def test_a_sentence_names_the_first_three():
    assert shown(["a", "b"]) == "a, b"
    assert shown(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
