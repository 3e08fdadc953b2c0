"""/docs: the OpenAPI document as one page of plain HTML, which loads nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from scripts.pages.templates import render

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
}


class Content(NamedTuple):
    """One form of a body: the schema's name, or an empty text where none is named, and the media type."""

    schema: str
    media_type: str


class Reply(NamedTuple):
    """A status and the content of its reply; description is shown where there is no content."""

    status: str
    contents: list[Content]
    description: str


class Operation(NamedTuple):
    """One path and method: what it takes and how it replies."""

    method: str
    path: str
    description: str
    takes: list[Content]
    replies: list[Reply]


def page(document: dict[str, Any]) -> str:
    """Every operation with its request and its replies, then every schema."""
    schemas = document["components"]["schemas"]
    return render(
        "serving/docs.html",
        title=document["info"]["title"],
        description=document["info"]["description"],
        operations=list(_operations(document["paths"])),
        schemas={name: json.dumps(schema, indent=2) for name, schema in schemas.items()},
    )


def _operations(paths: dict[str, Any]) -> Iterator[Operation]:
    for path, operations in paths.items():
        for method, operation in operations.items():
            replies = [
                Reply(status, _contents(response), response.get("description", "nothing"))
                for status, response in operation["responses"].items()
            ]
            takes = _contents(operation.get("requestBody", {}))
            yield Operation(method.upper(), path, operation["description"], takes, replies)


def _contents(part: dict[str, Any]) -> list[Content]:
    """The forms of a request's body or of a response."""
    return [
        Content(str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2], media_type)
        for media_type, content in part.get("content", {}).items()
    ]
