"""`python -m events`: the catalogue as pages, and what was released.

    python -m events catalogue     prints docs/events.md
    python -m events asyncapi      prints docs/asyncapi.json, an AsyncAPI 3 document
    python -m events html          prints docs/asyncapi.html, the same for a browser
    python -m events pin           writes a draft of the schema of every event or state that is new or has changed
    python -m events check         says where one breaks what was released; exit 1 if one does
    python -m events release       makes the drafts promises: nobody changes them from then on

A changed event or state goes this way: add the optional field, `pin`, write the golden record that `check` asks for,
`release`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from events.asyncapi import asyncapi
from events.catalogue import CATALOGUE, language
from events.document import catalogue_page
from events.html import html_page
from events.releases import Golden, Pin, forgotten, newest, pin, problems, release
from events.states import STATES


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m events", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument(
        "--folder", type=Path, default=Path("libs/events"), help="with schemas, golden records and the ledger"
    )
    chosen = parser.parse_args(arguments)
    if not (chosen.folder / "schemas").is_dir():
        parser.error(f"there is no {chosen.folder}/schemas: start this in the repository, or say --folder")
    return COMMANDS[chosen.command](chosen.folder)


def print_catalogue(folder: Path) -> int:
    revisions = {type: last.revision for type, last in _newest(folder).items()}
    print(catalogue_page(CATALOGUE, revisions, STATES), end="")
    return 0


def print_asyncapi(folder: Path) -> int:
    print(json.dumps(asyncapi(CATALOGUE, _examples(folder), STATES), indent=1))
    return 0


def print_html(folder: Path) -> int:
    print(html_page(asyncapi(CATALOGUE, _examples(folder), STATES)), end="")
    return 0


def write_drafts(folder: Path) -> int:
    for path in pin(folder, language()):
        print(f"pinned {path}")
    return 0


def write_release(folder: Path) -> int:
    if found := problems(folder, language()):
        return _told(found)
    for path in release(folder):
        print(f"released {path}")
    return 0


def check(folder: Path) -> int:
    found = problems(folder, language())
    try:
        found += [f"the ledger lost the line {line}: take it back" for line in forgotten(folder)]
    except (OSError, subprocess.CalledProcessError):
        print("Without git's history nobody can tell whether a line of the ledger was taken out.", file=sys.stderr)
    return _told(found)


def _told(found: list[str]) -> int:
    for sentence in found:
        print(sentence, file=sys.stderr)
    return 1 if found else 0


def _newest(folder: Path) -> dict[str, Pin]:
    found = {event.event_type: newest(folder, event) for event in language()}
    if missing := [type for type, last in found.items() if last is None]:
        raise SystemExit(f"not pinned yet: {', '.join(missing)}. Do `python -m events pin` first")
    return {type: last for type, last in found.items() if last is not None}


def _examples(folder: Path) -> dict[str, Golden]:
    return {type: last.golden() for type, last in _newest(folder).items()}


COMMANDS: dict[str, Callable[[Path], int]] = {
    "catalogue": print_catalogue,
    "asyncapi": print_asyncapi,
    "html": print_html,
    "pin": write_drafts,
    "check": check,
    "release": write_release,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
