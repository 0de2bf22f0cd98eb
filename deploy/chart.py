"""Make the Helm chart of what kustomize renders: `kubectl kustomize FOLDER | python deploy/chart.py CHART`.

The values of values.yaml become Helm's, the namespace that of the release. The maps of settings and the job that
prepares an upgrade get names that change with what they depend on, as kustomize's do, so that pods start anew.
"""

import re
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parent
SOURCE = DEPLOY / "helm"
_HASHED = re.compile(r"\b([a-z-]+)-[a-z0-9]{10}$", re.MULTILINE)
_DIGEST = "{{ list .Chart.Version .Values | toJson | sha256sum | trunc 10 }}"


def template(rendered: str, values: Mapping[str, Any]) -> str:
    """Return the objects with Helm's expressions. Raises ValueError for a value that no object has."""
    kept = [each for each in rendered.split("\n---\n") if not each.startswith("apiVersion: v1\nkind: Namespace\n")]
    text = "\n---\n".join(_with_release(each) for each in kept)
    for path, value in _leaves(values):
        if value not in text:
            raise ValueError(f"No object has {path}: {value}")
        text = text.replace(value, f"{{{{ .Values.{path} }}}}")
    return text


def _with_release(manifest: str) -> str:
    told = manifest.replace("  namespace: servicecert\n", "  namespace: {{ .Release.Namespace }}\n")
    if "\nkind: Job\n" in told:
        told = told.replace("\n  name: prepare\n", "\n  name: prepare-{{ .Release.Revision }}\n")
    return _HASHED.sub(rf"\1-{_DIGEST}", told)


def _leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, str):
            yield above + name, value
        else:
            yield from _leaves(value, f"{above}{name}.")


def write(chart: Path, rendered: str) -> None:
    release = tomllib.loads((DEPLOY.parent / "schemas" / "pyproject.toml").read_text())["project"]["version"]
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCE / "values.yaml", chart)
    (chart / "Chart.yaml").write_text((SOURCE / "Chart.yaml").read_text().replace("0.0.0", release))
    values = yaml.safe_load((SOURCE / "values.yaml").read_text())
    (chart / "templates" / "servicecert.yaml").write_text(template(rendered, values))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.stdin.read())
