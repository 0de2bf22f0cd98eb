"""`topics acls`: the printed rights and quotas are the catalogue's, in Kafka's words and in Strimzi's (F4, F5)."""

import shlex

import pytest
import yaml
from commandline import one_sentence
from servicecert_schemas.broker import PRODUCER_BYTE_RATES, Principal
from servicecert_worker.core.broker_acls import Acl, AclOperation, AclResource, acls

PREFIX = "trial."


LOGIN = ["--bootstrap-server", "$KAFKA_BOOTSTRAP_SERVERS", "--command-config", "$KAFKA_ADMIN_CONFIG"]


def lines_of(printed, tool):
    """Return the words of the lines of the shell that call a tool of Kafka."""
    lines = [shlex.split(line) for line in printed.splitlines()]
    assert {line[0] for line in lines} <= {"kafka-acls.sh", "kafka-configs.sh"}
    assert all(line[1:5] == LOGIN for line in lines)
    return [line[5:] for line in lines if line[0] == tool]


def rights_of(line):
    """Return whose rights a line gives, as `kafka-acls.sh` reads it."""
    words = iter(line)
    options = ("operation", "topic", "group", "resource-pattern-type", "allow-principal")
    given: dict[str, list[str]] = {f"--{each}": [] for each in options}
    for word in words:
        if word in given:
            given[word].append(next(words))
        else:
            assert word == "--add"
    (who,) = given["--allow-principal"]
    prefixed = given["--resource-pattern-type"] == ["prefixed"]
    return who, {
        Acl(resource, name, AclOperation(operation), prefixed)
        for resource in AclResource
        for name in given[f"--{resource}"]
        for operation in given["--operation"]
    }


@pytest.mark.parametrize(
    ("option", "shape"), [((), "User:{}"), (("--user", "User:CN={}, O=Kela"), "User:CN={}, O=Kela")]
)
def test_f4_the_commands_for_kafkas_tool_give_the_rights_of_the_catalogue(servicecert, monkeypatch, option, shape):
    monkeypatch.setenv("SERVICECERT_TOPIC_PREFIX", PREFIX)
    given: dict[str, set[Acl]] = {}
    for line in lines_of(servicecert("topics", "acls", *option).stdout, "kafka-acls.sh"):
        who, rights = rights_of(line)
        assert not rights & given.setdefault(who, set())
        given[who] |= rights
    assert given == {shape.format(who): mine for who, mine in acls(prefix=PREFIX).items()}


@pytest.mark.parametrize(("option", "shape"), [((), "{}"), (("--user", "User:CN={}, O=Kela"), "CN={}, O=Kela")])
def test_f5_the_commands_for_kafkas_tool_give_the_quotas_of_the_catalogue(servicecert, option, shape):
    lines = lines_of(servicecert("topics", "acls", *option).stdout, "kafka-configs.sh")
    expected = [
        [
            *("--alter", "--entity-type", "users", "--entity-name", shape.format(who)),
            *("--add-config", f"producer_byte_rate={rate}"),
        ]
        for who in Principal
        if (rate := PRODUCER_BYTE_RATES.get(who))
    ]
    assert lines == expected


def test_f4_strimzis_users_have_the_rights_of_the_catalogue(servicecert, monkeypatch):
    monkeypatch.setenv("SERVICECERT_TOPIC_PREFIX", PREFIX)
    printed = servicecert("topics", "acls", "--strimzi", "kafka", "--authentication", "tls").stdout
    given: dict[str, set[Acl]] = {}
    quotas = {}
    for user in yaml.safe_load_all(printed):
        assert (user["kind"], user["metadata"]["labels"]) == ("KafkaUser", {"strimzi.io/cluster": "kafka"})
        assert user["spec"]["authentication"] == {"type": "tls"}
        if "quotas" in user["spec"]:
            quotas[user["metadata"]["name"]] = user["spec"]["quotas"]
        given[user["metadata"]["name"]] = {
            Acl(
                AclResource(rule["resource"]["type"]),
                rule["resource"]["name"],
                AclOperation(operation),
                rule["resource"]["patternType"] == "prefix",
            )
            for rule in user["spec"]["authorization"]["acls"]
            for operation in rule["operations"]
        }
    assert given == acls(prefix=PREFIX)
    assert quotas == {who: {"producerByteRate": rate} for who, rate in PRODUCER_BYTE_RATES.items()}


def test_f4_users_of_a_second_release_have_names_of_their_own(servicecert):
    printed = servicecert("topics", "acls", "--strimzi", "kafka", "--user", "User:rehearsal-{}").stdout
    assert {user["metadata"]["name"] for user in yaml.safe_load_all(printed)} == {
        f"rehearsal-{each}" for each in Principal
    }


def test_one_user_can_be_chosen_and_a_name_without_a_place_is_refused(servicecert):
    printed = servicecert("topics", "acls", "--only", "eraser").stdout
    rights = [rights_of(line) for line in lines_of(printed, "kafka-acls.sh")]
    assert rights == [("User:eraser", set(acls()[Principal.ERASER]))]
    assert len(lines_of(printed, "kafka-configs.sh")) == 1
    assert servicecert("topics", "acls", "--user", "User:admin").exit_code == 2


def test_a_broker_that_checks_no_rights_is_told(servicecert, cluster):
    refused = servicecert("topics", "acls", "--apply")
    assert refused.exit_code == 78
    assert "authorizer.class.name" in one_sentence(refused.stderr)
