"""An AsyncAPI document of ours as one page for a browser: nothing is loaded from elsewhere, no script is run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from events.base import PERSONAL
from events.document import type_in_words

Node = Mapping[str, Any]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem 1.5rem 4rem; }
h2 { border-top: 2px solid var(--line); margin-top: 3rem; padding-top: 1rem; }
h3 { margin: 2.5rem 0 .3rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); overflow-x: auto; padding: .8rem; }
table { border-collapse: collapse; margin: .8rem 0; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
nav ul { columns: 3 14rem; }
.soft { opacity: .75; }
"""


def html_page(document: Node) -> str:
    """The page, from the document alone."""
    return "\n".join(_page(document)) + "\n"


def _page(document: Node) -> Iterator[str]:
    info, components = document["info"], document["components"]
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{STYLE}</style></head><body>"
    yield f"<h1>{escape(info['title'])}</h1>"
    yield f"<p>{_prose(info['description'])}</p>"
    made_from = '<a href="asyncapi.json">asyncapi.json</a>'
    yield f'<p class="soft">AsyncAPI {escape(document["asyncapi"])}, from {made_from}.</p>'
    yield from _contents(document)
    for name, trait in components["messageTraits"].items():
        yield f'<h2 id="headers-{escape(name)}">Headers of every record of {escape(name)}s</h2>'
        yield from _fields(trait["headers"])
    for name, channel in document["channels"].items():
        yield f'<h2 id="{escape(name)}">{escape(channel["title"])}: <code>{escape(channel["address"])}</code></h2>'
        yield f"<p>{_prose(channel['description'])}</p>"
        for reference in channel["messages"].values():
            yield from _message(_named(reference["$ref"]), components["messages"][_named(reference["$ref"])])
    yield '<h2 id="values">Values inside</h2>'
    for name, schema in components["schemas"].items():
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3>'
        yield f"<p>{_prose(schema.get('description', ''))}</p>"
        yield from _fields(schema)
    yield "</body></html>"


def _contents(document: Node) -> Iterator[str]:
    yield "<nav>"
    for name, channel in document["channels"].items():
        yield f'<p><a href="#{escape(name)}"><strong>{escape(channel["title"])}</strong></a></p><ul>'
        for title, reference in channel["messages"].items():
            yield f'<li><a href="#{escape(_named(reference["$ref"]))}">{escape(title)}</a></li>'
        yield "</ul>"
    yield "</nav>"


def _message(id: str, message: Node) -> Iterator[str]:
    yield f'<h3 id="{escape(id)}">{escape(message["title"])}</h3>'
    key = message["bindings"]["kafka"]["key"]["description"]
    yield f'<p class="soft"><code>{escape(message["name"])}</code>. {_prose(key)}</p>'
    yield f"<p>{_prose(message['description'])}</p>"
    yield from _fields(message["payload"])
    for example in message.get("examples", ()):
        shown = {"headers": example["headers"], "payload": example["payload"]}
        text = json.dumps(shown, indent=2, ensure_ascii=False)
        yield f"<details><summary>Example</summary><pre>{escape(text)}</pre></details>"


def _fields(schema: Node) -> Iterator[str]:
    required = schema.get("required", ())
    yield "<table><tr><th>name</th><th>type</th><th></th></tr>"
    for name, field in schema.get("properties", {}).items():
        said = [
            "required" if name in required else "optional",
            *(["personal data"] if PERSONAL in field else []),
            *([_prose(field["description"])] if "description" in field else []),
        ]
        yield f"<tr><td><code>{escape(name)}</code></td><td>{_type(field)}</td><td>{'; '.join(said)}</td></tr>"
    yield "</table>"


def _type(field: Node) -> str:
    reference = field.get("$ref") or field.get("items", {}).get("$ref")
    words = _prose(type_in_words(field))
    return f'<a href="#{escape(_named(reference))}">{words}</a>' if reference else words


def _named(reference: str) -> str:
    return reference.rpartition("/")[2]


def _prose(text: str) -> str:
    """Plain text with `code` in it."""
    parts = escape(text, quote=False).split("`")
    marked = "".join(part if n % 2 == 0 else f"<code>{part}</code>" for n, part in enumerate(parts))
    return marked.replace("\n\n", "</p><p>")
