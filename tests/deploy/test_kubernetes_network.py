"""Each workload of deploy/kubernetes reaches what its settings name and nothing else; workers fit the partitions."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from manifests import (
    BASE_MAPS,
    BY_NAME,
    COMPONENT,
    DEPLOYED,
    KUBERNETES,
    NIGHTLY,
    PAGE,
    PLAIN,
    PODS,
    PRODUCTION_MAPS,
    SCALED,
    SHELLS,
    Object,
    containers,
    environment,
)
from servicecert_cli.commands.crl import serve
from servicecert_pki.identity import identity_in
from servicecert_revoker.ocsp.settings import Settings as ResponderSettings
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage.database import LOGINS

CONNECTIONS = 8
"""Of the database for each worker: docs/scaling.md."""


def selected(policy: Object) -> set[str]:
    """Return the components that a NetworkPolicy selects."""
    selector = policy["spec"]["podSelector"]
    if "matchLabels" in selector:
        return {selector["matchLabels"][COMPONENT]}
    (expression,) = selector["matchExpressions"]
    assert (expression["key"], expression["operator"]) == (COMPONENT, "In")
    return set(expression["values"])


def reaching(name: str) -> set[str]:
    return selected(BY_NAME["NetworkPolicy", name])


def having(variable: str) -> set[str]:
    """Return the workloads that are given a variable."""
    return {each for each, pod in PODS.items() if any(variable in environment(c, BASE_MAPS) for c in containers(pod))}


def ports(policy: str, direction: str = "egress") -> set[Any]:
    return {port["port"] for rule in BY_NAME["NetworkPolicy", policy]["spec"][direction] for port in rule["ports"]}


def test_everything_is_denied_at_first() -> None:
    assert BY_NAME["NetworkPolicy", "deny-all"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_no_policy_selects_what_is_not_there_or_allows_everybody() -> None:
    for (kind, name), each in BY_NAME.items():
        if kind == "NetworkPolicy" and name != "deny-all":
            assert selected(each) <= set(PODS)
            for direction, peers in (("egress", "to"), ("ingress", "from")):
                assert all(rule[peers] and rule["ports"] for rule in each["spec"].get(direction, []))
                assert (direction in each["spec"]) is (direction.capitalize() in each["spec"]["policyTypes"])


def test_kafka_and_names_are_reached_by_who_is_given_the_brokers() -> None:
    assert reaching("to-kafka") == reaching("to-dns") == having("KAFKA_BOOTSTRAP_SERVERS")
    brokers = BASE_MAPS["kafka"]["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    assert ports("to-kafka") == {int(each.rpartition(":")[2]) for each in brokers}


def test_the_database_is_reached_by_services_and_jobs() -> None:
    assert reaching("to-database") == {*SERVICES, "lag", *NIGHTLY, *SHELLS, "prepare"}


def test_mail_is_reached_by_the_notifier() -> None:
    assert reaching("to-mail") == having("SMTP_HOST") == {"notifier", "notifier-shell"}
    assert ports("to-mail") == {int(BASE_MAPS["mail"]["SMTP_PORT"])}


def test_crls_and_ocsp_are_reached_by_who_checks_what_is_published() -> None:
    revoker = having("SERVICECERT_CRL_DIR") & having("SERVICECERT_CA_DIR")
    assert reaching("to-pki") == (revoker | having("SERVICECERT_OCSP_CRL_URL")) - set(SHELLS) == {"revoker", "ocsp"}


def test_the_canary_reaches_crls_and_ocsp_where_the_world_does_and_is_no_exception_behind_the_ingress() -> None:
    assert reaching("to-ingress") == having("SERVICECERT_CANARY_MAIL") | {"operator-shell"}
    (rule,) = BY_NAME["NetworkPolicy", "to-ingress"]["spec"]["egress"]
    (namespace,) = [peer for peer in rule["to"] if "namespaceSelector" in peer]
    served = BY_NAME["NetworkPolicy", "from-ingress"]["spec"]["ingress"][0]["from"]
    assert namespace in served
    assert not any("canary" in str(peer) for peer in served)


def test_the_token_is_reached_by_who_signs() -> None:
    signing = {"issuer", "revoker"}
    assert reaching("to-hsm") == having("SERVICECERT_CA_DIR") == signing | {f"{each}-shell" for each in signing}


def test_metrics_are_scraped_by_prometheus_alone() -> None:
    assert reaching("from-prometheus") == having("SERVICECERT_HEALTH_PORT")
    assert ports("from-prometheus", "ingress") == {"health"}
    (rule,) = BY_NAME["NetworkPolicy", "from-prometheus"]["spec"]["ingress"]
    assert all(peer.keys() == {"namespaceSelector", "podSelector"} for peer in rule["from"])


def test_what_certificates_name_is_served_at_those_hosts() -> None:
    services = {name for kind, name in BY_NAME if kind == "Service"}
    assert reaching("from-ingress") == services == {"crl", "ocsp"}
    assert ports("from-ingress", "ingress") == {"http"}
    served = {
        rule["host"]: path["backend"]["service"]["name"]
        for rule in BY_NAME["Ingress", "pki"]["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    named = identity_in(KUBERNETES / "base").repository
    assert named is not None
    assert served == {urlsplit(named.crls).hostname: "crl", urlsplit(named.ocsp or "").hostname: "ocsp"}


def test_services_lead_to_the_ports_that_processes_listen_on() -> None:
    (port,) = [each for each in serve.params if each.name == "port"]
    for name, listens in (("crl", port.default), ("ocsp", ResponderSettings.model_fields["ocsp_port"].default)):
        (container,) = PODS[name]["containers"]
        assert {"name": "http", "containerPort": listens} in container["ports"]
        service = BY_NAME["Service", name]["spec"]
        assert service["selector"] == {COMPONENT: name}
        assert [each["targetPort"] for each in service["ports"]] == ["http"]


def scaled(service: str) -> Object:
    spec: Object = BY_NAME["ScaledObject", service]["spec"]
    return spec


@pytest.mark.parametrize("service", SERVICES)
def test_workers_are_scaled_by_the_lag_of_their_group_up_to_the_partitions(service: str) -> None:
    spec = scaled(service)
    assert spec["scaleTargetRef"] == {"name": service}
    most = max(topic.partitions for topic in CATALOGUE if service in topic.readers)
    assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= most
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "kafka"
    assert trigger["metadata"]["consumerGroup"] == Cluster("").group(service)
    assert trigger["metadata"]["bootstrapServers"] == PRODUCTION_MAPS["kafka"]["KAFKA_BOOTSTRAP_SERVERS"]
    assert ("TriggerAuthentication", trigger["authenticationRef"]["name"]) in BY_NAME


def test_only_scaled_services_leave_their_number_to_the_scaler() -> None:
    """A number in the file would be set again with each release."""
    free = {each for each in DEPLOYED if "replicas" not in BY_NAME["Deployment", each]["spec"]}
    assert free == {each["metadata"]["name"] for each in SCALED if each["kind"] == "ScaledObject"} == set(SERVICES)


def test_the_page_says_how_many_connections_the_database_needs() -> None:
    workers = sum(scaled(service)["maxReplicaCount"] for service in SERVICES)
    assert f"{workers} workers" in PAGE.read_text()
    assert f"{workers * CONNECTIONS} connections" in PAGE.read_text()


def test_prepared_passwords_are_those_of_the_services() -> None:
    assert {each["metadata"]["name"] for each in PLAIN if each["kind"] == "Job"} == {"prepare"}
    roles = PODS["prepare"]["initContainers"][1]
    given = {name for name in environment(roles, BASE_MAPS) if name.endswith("_DATABASE_PASSWORD_FILE")}
    assert given == {f"SERVICECERT_{service.upper()}_DATABASE_PASSWORD_FILE" for service in (*SERVICES, *LOGINS)}
