"""The doctor at a whole system with TLS and rights, as the user and the role that it is meant for."""

from __future__ import annotations

import pytest
from servicecert_cli.doctor.domain.check import Check, Severity
from servicecert_cli.doctor.examine import examine
from servicecert_worker.kafka.cluster import Cluster

FAULTS = (Severity.UNKNOWN, Severity.WARNING, Severity.CRITICAL)


async def look(cluster: Cluster, patch: pytest.MonkeyPatch, *names: str) -> dict[str, Check]:
    for name, value in cluster.environment.items():
        patch.setenv(name, value)
    return {check.name: check for check in await examine(names)}


async def test_a_secured_system_is_well_and_each_user_sees_what_it_may(tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "LOOK_SECONDS", 0.0)
    async with System(tmp_path, secure=True) as system:
        reader = await asyncio.to_thread(add_reader, system.backends.admin_url, "doctor")
        monkeypatch.setenv("DATABASE_URL", reader)
        monkeypatch.setenv("SERVICECERT_SERVICE_KEYS", str(system.keys_folder))
        monkeypatch.delenv("SERVICECERT_INSECURE")
        case = await apply_for(example(CertificateType.TEST_SERVER), system)
        await state_of(case, system)

        operator = await look(system.cluster_of(Principal.OPERATOR), monkeypatch)
        assert list(operator) == list(CATALOGUE)
        assert {name: c.finding for name, c in operator.items() if c.severity in FAULTS} == {
            "replication": "All topics: one copy only."
        }
        skipped = {name for name, check in operator.items() if check.severity is Severity.SKIPPED}
        # The CA's folder and the mail server are the services' alone; one broker has no copies.
        assert skipped == {
            *("broker-clock", "min-in-sync", "transactions", "database-disk", "crl-disk", "key-lists", "secret-files"),
            *("ca", "ca-validity", "ca-profiles", "ca-keys", "trial-ca", "root-crl", "mail-server", "mail-login"),
        }
        assert operator["broker-rights"].finding.startswith("operator: as `servicecert topics acls`")
        assert operator["ocsp"].finding.startswith("1 asked")
        assert operator["aia"].finding == "1 fetched."
        assert operator["crl"].finding.startswith("2 fetched")
        assert operator["database-link"].finding == "TLS verifies the server."
        assert operator["worker-versions"].severity is Severity.OK

        administrator = system.cluster
        checks = await look(administrator, monkeypatch, "broker-rights", "broker-clock")
        assert {check.severity for check in checks.values()} == {Severity.OK}
        extra = Acl(AclResource.TOPIC, system.cluster.prefix + "applications", AclOperation.WRITE)
        await rights_creation.apply(administrator, {Principal.INTAKE: [extra]})
        check = (await look(administrator, monkeypatch, "broker-rights"))["broker-rights"]
        assert (check.severity, "User:intake Write on" in check.finding) == (Severity.WARNING, True)
