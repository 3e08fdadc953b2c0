"""The parts that the schemas are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping

Schema = dict[str, object]

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
YES_OR_NO: Schema = {"type": "boolean"}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
INSTANT: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$",
}
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def record(properties: Mapping[str, Schema], optional: Collection[str] = ()) -> Schema:
    """An object that has these fields, all of them but the optional ones.

    Other fields are not forbidden: a later version may add some, and a reader of today's must accept them.
    """
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
    }


def one_of(values: Collection[str]) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": list(values)}


def list_of(items: Schema) -> Schema:
    """An array of any length."""
    return {"type": "array", "items": items}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def described(schema: Schema, description: str) -> Schema:
    """The same, with what a reader should know of it."""
    return {**schema, "description": description}


def where(condition: Mapping[str, Schema], then: Mapping[str, Schema]) -> Schema:
    """A rule: where the fields of the condition are so, the others are so too."""
    return {
        "if": {"properties": dict(condition), "required": list(condition)},
        "then": {"properties": dict(then)},
    }
