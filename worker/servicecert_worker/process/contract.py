"""Our AsyncAPI document as FastStream's specification, for `faststream docs gen` and `/asyncapi.json`.

FastStream's own is generated from the handlers' annotations and lacks our headers, keys and retention.
"""

import json
from importlib.resources import files
from typing import Any, Self

from faststream.specification.base import SpecificationFactory


class Contract(SpecificationFactory):
    """A specification factory and its result in one: the document does not depend on brokers or routes."""

    title = "Service certificates"
    version = description = contact = license = None

    def add_broker(self, broker: Any, /) -> Self:  # noqa: ARG002  -- FastStream's signature
        return self

    def add_http_route(self, path: str, handler: Any) -> Self:  # noqa: ARG002  -- FastStream's signature
        return self

    def to_specification(self) -> Self:
        return self

    def to_jsonable(self) -> Any:
        return json.loads(self.to_json())

    def to_json(self) -> str:
        return (files("servicecert_schemas") / "exported" / "asyncapi.json").read_text(encoding="utf-8")

    def to_yaml(self) -> str:
        import yaml

        return str(yaml.safe_dump(self.to_jsonable(), sort_keys=False))
