"""Write the manifests of Kubernetes that are made of other files: `python deploy/kubernetes_manifests.py`.

Kustomize puts no file into an object, and `kubectl apply -k` reads no file from outside its folder. The release's
version, which is in schemas/pyproject.toml, is written into the labels of the objects and of the image.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parent
BASE = DEPLOY / "kubernetes" / "base"
RULES = DEPLOY / "kubernetes" / "monitoring" / "rules.yaml"
SHELLS = BASE / "shells.yaml"
_RULE = """\
# Made of deploy/prometheus/{name}.yml by deploy/kubernetes_manifests.py: change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: servicecert-{name}
spec:
"""
_SHELLS = """\
# Made by deploy/kubernetes_manifests.py of the services' files and of nightly.yaml: change them there. None runs by
# itself. An operator makes a job of one, in which commands run as that service, or as an operator who only reads, and
# which ends after four hours: docs/kubernetes.md.
"""


def rules() -> str:
    """Return a PrometheusRule for each file of rules: what such a file has is its spec."""
    return "---\n".join(_RULE.format(name=name) + _indented(name) for name in ("recording", "alerts"))


def _indented(name: str) -> str:
    lines = (DEPLOY / "prometheus" / f"{name}.yml").read_text().splitlines()
    return "".join(f"  {line}\n" if line else "\n" for line in lines)


def shells() -> str:
    """Return a suspended CronJob for the operators, and one for each service that is its pod without the worker."""
    (reader,) = (each for each in _objects("nightly") if each["metadata"]["name"] == "audit-verify")
    pod = reader["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    # The same with a Secret of its own.
    pods = {"operator": yaml.safe_load(yaml.safe_dump(pod).replace("audit-verify", "operator"))}
    for name in ("intake", "issuer", "revoker", "notifier"):
        (deployment,) = (each for each in _objects(name) if each["kind"] == "Deployment")
        pods[name] = deployment["spec"]["template"]["spec"]
    return _SHELLS + yaml.safe_dump_all([_shell(f"{name}-shell", pod) for name, pod in pods.items()], sort_keys=False)


def _objects(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((BASE / f"{file}.yaml").read_text()))


def _shell(name: str, pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["containers"]
    kept = {key: value for key, value in container.items() if key != "ports" and not key.endswith("Probe")}
    settings = [each for each in container["envFrom"] if each != {"configMapRef": {"name": "health"}}]
    pod = {key: value for key, value in pod.items() if key != "topologySpreadConstraints"} | {
        "containers": [kept | {"args": ["sleep", "4h"], "envFrom": settings}],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
    }
    job = {
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": 60,
        "template": {"metadata": {"labels": {"app.kubernetes.io/component": name}}, "spec": pod},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": job}},
    }


def labelled(path: Path) -> str:
    """Return a file whose labels have the release's version."""
    version = tomllib.loads((DEPLOY.parent / "schemas" / "pyproject.toml").read_text())["project"]["version"]
    return re.sub(r"(version(?:=|: ))\d+\.\d+\.\d+", rf"\g<1>{version}", path.read_text())


def manifests() -> dict[Path, str]:
    """Return the text of each manifest, and of the image's file."""
    versioned = (DEPLOY / "Dockerfile", BASE / "kustomization.yaml")
    return {RULES: rules(), SHELLS: shells()} | {path: labelled(path) for path in versioned}


def main() -> None:
    for path, text in manifests().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
