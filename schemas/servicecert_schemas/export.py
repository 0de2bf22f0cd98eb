"""Exports the models to files that need no Python: JSON Schemas, the topic catalogue, an AsyncAPI document.

    python -m servicecert_schemas.export            writes them to this package's folder `exported`
    python -m servicecert_schemas.export --check    exit code 1 if a file differs from the models

The stored examples in the same folder are written by hand and never change.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from .asyncapi import asyncapi
from .codec import VERSIONS, versions_on
from .json_schemas import Document, json_schema
from .topics import CATALOGUE, Topic

EXPORTED = Path(__file__).parent / "exported"
COMMAND = "python -m servicecert_schemas.export"


def stored_examples(folder: Path = EXPORTED) -> dict[str, list[Document]]:
    """Return the example records of each event type: `examples/<type>.json` and `examples/<type>.<variant>.json`."""
    examples: dict[str, list[Document]] = {}
    for path in sorted((folder / "examples").glob("*.json")):
        example = json.loads(path.read_text())
        examples.setdefault(example["headers"]["ce_type"], []).append(example)
    return examples


def exported_files() -> dict[str, str]:
    """Return the content of the files, by path below `exported`."""
    schemas = {f"json/{event.TYPE}.json": json_schema(event) for event in VERSIONS.values()}
    return {
        name: json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for name, content in {
            **schemas,
            "topics.json": [_topic(topic) for topic in CATALOGUE],
            "asyncapi.json": asyncapi(stored_examples()),
        }.items()
    }


def _topic(topic: Topic) -> Document:
    return {
        "name": topic.name,
        "key": topic.key,
        "partitions": topic.partitions,
        "config": topic.config,
        "writers": topic.writers,
        "readers": topic.readers,
        "events": [event.TYPE for event in versions_on(topic)],
    }


def differing(folder: Path = EXPORTED) -> list[str]:
    """Return the files below `folder` that differ from the models: changed, missing, or of a type that was removed."""
    files = exported_files()
    stale = [f"json/{path.name}" for path in (folder / "json").glob("*.json") if f"json/{path.name}" not in files]
    changed = [
        name for name, text in files.items() if not (folder / name).exists() or (folder / name).read_text() != text
    ]
    return sorted(stale + changed)


def write(folder: Path = EXPORTED) -> list[str]:
    """Update the files below `folder` to the models. Return those that changed."""
    files = exported_files()
    names = differing(folder)
    for name in names:
        path = folder / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name])
        else:
            path.unlink()
    return names


def main(arguments: Sequence[str], folder: Path = EXPORTED) -> int:
    """Run the command. Return its exit code: 1 if the check finds a difference, 2 for a wrong argument."""
    match arguments:
        case []:
            for name in write(folder):
                print(f"{'wrote' if (folder / name).exists() else 'removed'} {name}")
            return 0
        case ["--check"]:
            names = differing(folder)
            if names:
                print(f"The exported files are outdated: {', '.join(names)}. Run `{COMMAND}`.", file=sys.stderr)
            return 1 if names else 0
        case _:
            print(f"Usage: {COMMAND} [--check]", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
