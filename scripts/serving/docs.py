"""/docs: the OpenAPI document as one page of plain HTML, which loads nothing from anywhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any

_STYLE = """body { font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
pre { background: #eee; padding: 1em; overflow: auto }"""
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


def page(document: dict[str, Any]) -> str:
    """Every operation with what it takes and answers, then every schema."""
    about = document["info"]
    parts = [f"<h1>{escape(about['title'])}</h1><p>{escape(about['description'])}</p>"]
    parts.append('<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p>')
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts.append(f"<h2>{escape(method.upper())} {escape(path)}</h2><p>{escape(operation['description'])}</p>")
            body = operation.get("requestBody")
            if body is not None:
                parts.append(f"<p>Takes {_schemas_of(body)}.</p>")
            answers = operation["responses"].items()
            parts.append("<ul>")
            parts += (f"<li>{escape(status)}: {_schemas_of(response)}</li>" for status, response in answers)
            parts.append("</ul>")
    parts.append("<h2>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        text = escape(json.dumps(schema, indent=2))
        parts.append(f'<h3 id="{escape(name)}">{escape(name)}</h3><pre>{text}</pre>')
    head = f'<meta charset="utf-8"><title>{escape(about["title"])}</title><style>{_STYLE}</style>'
    return f'<!DOCTYPE html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _schemas_of(part: dict[str, Any]) -> str:
    """Links to the schemas of a request's body or of a response."""
    named = []
    for media_type, content in part.get("content", {}).items():
        name = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
        link = f'<a href="#{escape(name)}">{escape(name)}</a>, ' if name else ""
        named.append(f"{link}{escape(media_type)}")
    return " or ".join(named) or escape(part.get("description", "nothing"))
