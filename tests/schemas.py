"""The schemas of `--json` and `to_dict()`, taken strictly: no field may be there that a schema does not describe."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference" / "schemas"


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {name: _strict(each) for name, each in node.items()}
    if node.get("type") == "object" and "properties" in node and "additionalProperties" not in node:
        made["unevaluatedProperties"] = False
    return made


@cache
def validator(name: str, *, strict: bool = True, part: str = "") -> Draft202012Validator:
    """Return the validator of a schema, that of a command's output, or of a part of it."""
    schemas = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
    if strict:
        schemas = {name: _strict(schema) for name, schema in schemas.items()}
    resources = [(name, Resource.from_contents(schema)) for name, schema in schemas.items()]
    registry: Registry[Any] = Registry().with_resources(resources)
    # By reference: what it refers to lies in the same folder.
    return Draft202012Validator({"$ref": f"{name}.json{part}"}, registry=registry)


def check(command: str, output: str) -> dict[str, Any]:
    """Return the record that a command printed, which must be one line that its schema describes."""
    assert output.endswith("\n")
    assert output.count("\n") == 1
    record: dict[str, Any] = json.loads(output)
    validator(command).validate(record)
    return record
