"""Who may call what, as a table: docs/routes.md is made by `python -m service.matrix partner contract ...`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module

from fastapi import FastAPI

from service import ops
from service.partners import Own
from service.roles import Role, Roles, standard
from service.routing import KitRoute

HEAD = """\
# Who may call what

Made from the services' own routes by `make docs`; do not edit. Each route wants one scope, and a role has it or not. A
role that is for a partner's own people has no yes or no but what it comes to:

- *own*: the thing is their own partner's, or there is nothing there (404);
- *own list*: the list is narrowed to their own partner, and another partner's is refused (403);
- *own, sent*: the body names their own partner, or it is refused (403); and where it says so, only this;
- *all*: what belongs to no partner, such as courses.

How it is done, and what the roles are for: [access.md](access.md). The probes `/livez`, `/readyz` and `/metrics` want
no token.
"""


def matrix(apps: Iterable[FastAPI], roles: Roles | None = None) -> str:
    table = standard() if roles is None else roles
    return HEAD + "".join(f"\n## {app.state.service}\n\n{_of(app, table)}" for app in apps)


def _of(app: FastAPI, table: Roles) -> str:
    lines = [line(["route", "scope", *table]), line(["---"] * 2 + [":-:"] * len(table))]
    for route, method in routes_of(app):
        says = [_says(role, route, app.state.service) for role in table.values()]
        lines.append(line([f"`{method} {route.path}`", ", ".join(f"`{scope}`" for scope in route.scopes), *says]))
    return "".join(lines)


def routes_of(app: FastAPI) -> Iterator[tuple[KitRoute, str]]:
    """In order, those that want a token."""
    for route in app.routes:
        if isinstance(route, KitRoute) and route.path not in ops.OPEN:
            for method in sorted(route.methods or ()):
                yield route, method


def _says(role: Role, route: KitRoute, service: str) -> str:
    if not set(route.scopes) <= role.scopes_in(service):
        return ""
    if not role.of_a_partner:
        return "yes"
    return "" if route.own is None else told(route.own)


def told(own: Own) -> str:
    """What a route comes to for a partner's own people, in a word."""
    only = "".join(f", {name} {value}" for name, value in own.only.items())
    if own.query is not None:
        return f"own list{only}"
    if own.body is not None:
        return f"own, sent{only}"
    return f"own{only}" if own.path is not None else f"all{only}"


def line(cells: Sequence[str]) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(cells)} |\n"


def unstarted(names: Iterable[str]) -> list[FastAPI]:
    """The services' apps. Needs no settings: nothing is started."""
    unneeded = {"POSTGRES_URL": "unneeded", "KAFKA_BOOTSTRAP": "unneeded:1", "JWKS": "unneeded", "LOG_LEVEL": "error"}
    os.environ.update({f"CAUCE_{name}": value for name, value in unneeded.items()})
    return [import_module(f"{name}.app").app() for name in names]


if __name__ == "__main__":
    sys.stdout.write(matrix(unstarted(sys.argv[1:])))
