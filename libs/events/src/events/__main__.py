"""`python -m events`: the catalogue as a page, and the pinned schemas.

    python -m events catalogue          prints docs/events.md
    python -m events pin FOLDER         writes the JSON Schema of every public event that has none yet

A schema that is pinned is released: it is never overwritten, a test compares it with the code.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from events.catalogue import CATALOGUE, topic_of
from events.document import catalogue_page, schema_of


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m events", description=__doc__.split("\n")[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("catalogue", help="print the event catalogue as Markdown")
    pin = commands.add_parser("pin", help="write the schema of every public event that is not pinned yet")
    pin.add_argument("folder", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.command == "catalogue":
        print(catalogue_page(CATALOGUE, topic_of), end="")
        return 0
    for event in (event for events in CATALOGUE.values() for event in events):
        path: Path = chosen.folder / f"{event.event_type}.json"
        if not path.exists():
            path.write_text(json.dumps(schema_of(event), indent=2, sort_keys=True) + "\n")
            print(f"pinned {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
