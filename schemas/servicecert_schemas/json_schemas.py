"""JSON Schemas of the events, from which generators of other languages make good types.

Each field has its meaning, and each thing that a generator would otherwise number has a name: `NullableNotify` where
null stands for no `Notify`, `KnownRole` for the members of the open list `Role` that this version knows. A reference
stands alone, since what stands beside it makes another type of each use: what its field means is said of the object.
"""

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import ModelSchema, NullableSchema, WithDefaultSchema

from .event import EventData
from .headers import dataschema
from .meanings import meanings

Document = dict[str, Any]
"""A JSON object of a file."""

_DEFS = "#/$defs/"


class _Generator(GenerateJsonSchema):
    """Adds the meanings of fields instead of titles, and makes one schema of a plain value that may be null."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        for name, meaning in meanings(schema["cls"]).items():
            part = made["properties"].get(name, {})
            if "type" in part:
                part["description"] = meaning
            elif part:
                made["description"] += f"\n\n`{name}`: {meaning}"
        return made

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        made = self.generate_inner(schema["schema"])
        return {**made, "type": [made["type"], "null"]} if "type" in made else super().nullable_schema(schema)

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        # A generator of Java makes code of it that does not compile.
        return {keyword: part for keyword, part in made.items() if keyword != "default" or part != []}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  -- no field has one
        return False


def json_schema(event: type[EventData]) -> Document:
    """Return the JSON Schema 2020-12 of an event's data. Fields with a default are optional, unknown ones ignored."""
    made = event.model_json_schema(mode="validation", schema_generator=_Generator)
    named: Document = {}
    whole = _named({name: part for name, part in made.items() if name != "$defs"}, named, _DEFS)
    definitions = _definitions(made.get("$defs", {}), named, _DEFS)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": dataschema(event.TYPE),
        **({"$defs": definitions} if definitions else {}),
        **whole,
    }


def all_definitions(events: Iterable[type[EventData]], at: str) -> tuple[dict[type[EventData], Document], Document]:
    """Return a reference to each event's schema, and all definitions of one document, which has them at `at`."""
    references, made = models_json_schema(
        [(event, "validation") for event in events], ref_template=f"{at}{{model}}", schema_generator=_Generator
    )
    return {event: references[event, "validation"] for event in events}, _definitions(made["$defs"], {}, at)


def _definitions(made: Document, named: Document, at: str) -> Document:
    whole = {name: _named(part, named, at) for name, part in made.items()}
    return dict(sorted((whole | named).items()))


def _named(node: Any, named: Document, at: str, field: str = "") -> Any:
    """Return a schema with references for what has no name of its own. Add the definitions to `named`."""

    def reference(name: str, definition: Document) -> Document:
        named[name] = {"title": name, **definition}
        return {"$ref": at + name}

    match node:
        case {"$ref": _}:
            return {"$ref": node["$ref"]}
        case {"anyOf": [{"$ref": of}, {"type": "null"}] as kinds}:
            return reference(f"Nullable{of.removeprefix(at)}", {"anyOf": kinds})
        case {"anyOf": [{"enum": _} as known, other], "title": name}:
            about = {"description": f"The members of {name} that this version knows."}
            return {**node, "anyOf": [reference(f"Known{name}", about | known), other]}
        case {"oneOf": kinds}:
            return reference(field.capitalize(), {"oneOf": kinds})
        case dict():
            return {name: _named(part, named, at, name) for name, part in node.items()}
        case list():
            return [_named(part, named, at) for part in node]
        case _:
            return node
