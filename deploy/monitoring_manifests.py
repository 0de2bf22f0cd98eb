"""Write the manifests of Kubernetes that are made of other files: `python deploy/monitoring_manifests.py`.

Kustomize puts no file into an object and takes no patterns of names, and `kubectl apply -k` reads no file from outside
its folder.
"""

from pathlib import Path

DEPLOY = Path(__file__).resolve().parent
RULES = DEPLOY / "kubernetes" / "monitoring" / "rules.yaml"
DASHBOARDS = DEPLOY / "grafana" / "kustomization.yaml"
_RULE = """\
# Made of deploy/prometheus/{name}.yml by deploy/monitoring_manifests.py: change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: servicecert-{name}
spec:
"""
_KUSTOMIZATION = """\
# Made by deploy/monitoring_manifests.py: a ConfigMap for each dashboard, with the label that Grafana's sidecar seeks.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
generatorOptions:
  disableNameSuffixHash: true
  labels: {grafana_dashboard: "1"}
configMapGenerator:
"""


def rules() -> str:
    """Return a PrometheusRule for each file of rules: what such a file has is its spec."""
    return "---\n".join(_RULE.format(name=name) + _indented(name) for name in ("recording", "alerts"))


def _indented(name: str) -> str:
    lines = (DEPLOY / "prometheus" / f"{name}.yml").read_text().splitlines()
    return "".join(f"  {line}\n" if line else "\n" for line in lines)


def dashboards() -> str:
    """Return the kustomization of the dashboards."""
    names = sorted(file.stem for file in (DASHBOARDS.parent / "dashboards").glob("*.json"))
    maps = (
        f"  - name: dashboard-{name}\n    files: [servicecert-{name}.json=dashboards/{name}.json]\n" for name in names
    )
    return _KUSTOMIZATION + "".join(maps)


def manifests() -> dict[Path, str]:
    """Return the text of each manifest."""
    return {RULES: rules(), DASHBOARDS: dashboards()}


def main() -> None:
    """Write them."""
    for path, text in manifests().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
