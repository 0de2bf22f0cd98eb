"""The rights of the broker's users: exactly those of the catalogue and of commands, and how others are named (F4)."""

import pytest
from servicecert_schemas.broker import PRODUCER_BYTE_RATES, Principal
from servicecert_schemas.topics import CATALOGUE, MAX_EVENT_BYTES, SERVICES
from servicecert_worker.core.broker_acls import (
    Acl,
    AclOperation,
    AclResource,
    Found,
    acls,
    missing,
    named,
    shown,
    surplus,
)

RIGHTS = acls()
BY_COMMANDS = {
    # `registers load` compares a topic before it writes to it.
    Principal.REGISTERS_LOADER: {"registers"},
    # `lag` and `ca reconcile --published`.
    Principal.OPERATOR: {
        *("accepted-applications", "applications", "cases", "certificate-standings", "certificate-status"),
        *("certificates", "notifications", "ocsp-responders", "revocations"),
    },
}


def on(topic, operation):
    return {who for who, mine in RIGHTS.items() if Acl(AclResource.TOPIC, topic.name, operation) in mine}


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)
def test_f4_who_writes_and_reads_a_topic_is_what_the_catalogue_says(topic):
    assert on(topic, AclOperation.WRITE) == set(topic.writers)
    commands = {who for who, topics in BY_COMMANDS.items() if topic.name in topics}
    # A service reads back what it has written: its fence, and `servicecert republish`.
    assert on(topic, AclOperation.READ) == set(topic.readers) | commands | set(topic.services)


def test_f4_orders_to_the_ca_keys_come_from_one_writer_each():
    names = {topic.name: set(topic.writers) for topic in CATALOGUE}
    assert names["accepted-applications"] == {Principal.INTAKE}
    assert names["certificates"] == {Principal.ISSUER}
    assert names["certificate-standings"] == {Principal.REVOKER}
    assert names["revocations"] == {Principal.E_SERVICE, Principal.CANARY, Principal.REVOKER}
    assert names["ocsp-responders"] == {Principal.OCSP_RESPONDER, Principal.REVOKER}


def test_f4_operators_monitoring_and_auditors_write_nothing():
    for who in (Principal.OPERATOR, Principal.MONITORING, Principal.AUDITOR, Principal.TOPICS_CREATOR):
        assert not {acl for acl in RIGHTS[who] if acl.operation is AclOperation.WRITE}
    assert not {acl for acl in RIGHTS[Principal.MONITORING] if acl.operation is AclOperation.READ}


def test_f4_groups_are_joined_by_their_own_service_alone():
    joined = {(who, acl) for who in Principal for acl in RIGHTS[who] if acl.resource is AclResource.GROUP}
    assert {(who, acl.name, acl.prefixed) for who, acl in joined if acl.operation is AclOperation.READ} == {
        *((Principal(service), service, False) for service in SERVICES),
        (Principal.E_SERVICE, "e-service", True),
    }
    assert {who for who, acl in joined if acl.operation is not AclOperation.READ} == {
        Principal.OPERATOR,
        Principal.MONITORING,
    }


def test_f4_a_prefix_is_before_every_name():
    assert {acl.name for mine in acls(prefix="trial.").values() for acl in mine} == {
        f"trial.{acl.name}" for mine in RIGHTS.values() for acl in mine
    }


def test_f5_who_writes_has_a_quota_and_nobody_else():
    assert set(PRODUCER_BYTE_RATES) == {writer for topic in CATALOGUE for writer in topic.writers}
    # A broker averages over 10 s: one event of the largest size is never held up.
    assert all(rate * 10 >= MAX_EVENT_BYTES for rate in PRODUCER_BYTE_RATES.values())


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
