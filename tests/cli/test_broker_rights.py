"""`topics acls`: the printed rights are the catalogue's, in Kafka's words and in Strimzi's (F4)."""

import shlex

import pytest
import yaml
from commandline import one_sentence
from servicecert_schemas.principals import Principal
from servicecert_worker.domain.broker_acls import Acl, AclOperation, AclResource, acls

PREFIX = "trial."


def of_command(line):
    """Return whose rights a line of the shell gives, as `kafka-acls.sh` reads it."""
    words = iter(shlex.split(line))
    assert next(words) == "kafka-acls.sh"
    options = ("operation", "topic", "group", "resource-pattern-type", "allow-principal")
    given: dict[str, list[str]] = {f"--{each}": [] for each in options}
    for word in words:
        if word in given:
            given[word].append(next(words))
        elif word != "--add":
            assert word in ("--bootstrap-server", "--command-config")
            next(words)
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
    for line in servicecert("topics", "acls", *option).stdout.splitlines():
        who, rights = of_command(line)
        assert not rights & given.setdefault(who, set())
        given[who] |= rights
    assert given == {shape.format(who): mine for who, mine in acls(prefix=PREFIX).items()}


def test_f4_strimzis_users_have_the_rights_of_the_catalogue(servicecert, monkeypatch):
    monkeypatch.setenv("SERVICECERT_TOPIC_PREFIX", PREFIX)
    printed = servicecert("topics", "acls", "--strimzi", "kafka", "--authentication", "tls").stdout
    given: dict[str, set[Acl]] = {}
    for user in yaml.safe_load_all(printed):
        assert (user["kind"], user["metadata"]["labels"]) == ("KafkaUser", {"strimzi.io/cluster": "kafka"})
        assert user["spec"]["authentication"] == {"type": "tls"}
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


def test_one_user_can_be_chosen_and_a_name_without_a_place_is_refused(servicecert):
    lines = servicecert("topics", "acls", "--only", "eraser").stdout.splitlines()
    assert [of_command(line) for line in lines] == [("User:eraser", set(acls()[Principal.ERASER]))]
    assert servicecert("topics", "acls", "--user", "User:admin").exit_code == 2


def test_a_broker_that_checks_no_rights_is_told(servicecert, cluster):
    refused = servicecert("topics", "acls", "--apply")
    assert refused.exit_code == 78
    assert "authorizer.class.name" in one_sentence(refused.stderr)
