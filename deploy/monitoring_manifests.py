"""Write the manifests of Kubernetes that are made of deploy/prometheus: `python deploy/monitoring_manifests.py`.

Kustomize puts no file into an object, and `kubectl apply -k` reads none from outside its folder.
"""

from pathlib import Path

DEPLOY = Path(__file__).resolve().parent
RULES = DEPLOY / "kubernetes" / "monitoring" / "rules.yaml"
_HEAD = """\
# Made of deploy/prometheus/{name}.yml by deploy/monitoring_manifests.py: change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: servicecert-{name}
spec:
"""


def rules() -> str:
    """Return a PrometheusRule for each file of rules: what such a file has is its spec."""
    return "---\n".join(_HEAD.format(name=name) + _indented(name) for name in ("recording", "alerts"))


def _indented(name: str) -> str:
    lines = (DEPLOY / "prometheus" / f"{name}.yml").read_text().splitlines()
    return "".join(f"  {line}\n" if line else "\n" for line in lines)


def manifests() -> dict[Path, str]:
    """Return the text of each manifest."""
    return {RULES: rules()}


def main() -> None:
    """Write them."""
    for path, text in manifests().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
