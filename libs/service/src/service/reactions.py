"""Which event leads to which by itself: docs/reactions.md is made by `python -m service.reactions partner ...`.

Read out of the code, as refusals are: the events that a policy's `react` matches, the commands that it sends there, at
once or by a timer, and the events that the branch of `decide` for each of these can make. Rather one arrow too many
than one too few. Where a person decides there is no arrow: a cycle of arrows is one that nobody stops.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from engine import Command, Decider, Policy, Process
from engine.handlers import PolicyHandler, ProcessHandler
from events import CATALOGUE, Event
from fastapi import FastAPI

from service.matrix import unstarted
from service.refusals import _names, _resolved, _tree, _Walk

HEAD = """\
# What leads to what by itself

Made from the services' policies by `make docs`; do not edit. An arrow is what may follow without anybody deciding: a
policy hears the one event, and a command that it sends, at once or by a timer, may come to the other. What people
decide has no arrow, so that a cycle here is one that no person stops. Each is named below; `tests/test_reactions.py`
names the test that shows that it ends, and fails for any other.

"""


@dataclass(frozen=True, order=True)
class Arrow:
    """An event, what it may lead to, and by which policy."""

    cause: str
    effect: str
    policy: str


class _Emitted(_Walk):
    """What a command's branch of `decide` can make."""

    def __init__(self, service: str, package: str) -> None:
        super().__init__(service, package)
        self.events: set[type[Event]] = set()

    def call(self, node: ast.Call, names: Mapping[str, Any]) -> None:
        made = node.func.value if isinstance(node.func, ast.Attribute) else node.func  # also X.model_validate(...)
        called = _resolved(made, names)
        if isinstance(called, type) and issubclass(called, Event):
            self.events.add(called)
        super().call(node, names)


def arrows(app: FastAPI) -> set[Arrow]:
    """Of the policies of a service; its engine need not run."""
    service: str = app.state.service
    found = set()
    for policy in policies_of(app):
        for causes, nodes, names in _cases(policy, service):
            commands = _sent(nodes, names, service, set())
            effects = {event for command in commands for event in emitted(service, command)}
            sources = (policy.source,) if isinstance(policy, Policy) else policy.sources
            found |= {
                Arrow(name_of(cause), name_of(effect), f"{service}.{policy.name}")
                for cause in causes
                if owner(cause) in sources
                for effect in effects
            }
    return found


def policies_of(app: FastAPI) -> Iterator[Policy | Process[Any]]:
    for subscription in app.state.engine.policies():
        match subscription.handler:
            case PolicyHandler(policy=policy):
                yield policy
            case ProcessHandler(process=process):
                yield process


def owner(event: type[Event]) -> str:
    return event.event_type.split(".")[1]


def name_of(event: type[Event]) -> str:
    return f"{owner(event)}.{event.__name__}"


def deciders_of(service: str) -> list[Decider[Any, Any, Any]]:
    found: dict[str, Decider[Any, Any, Any]] = {}
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{service}.domain"):
            found |= {each.category: each for each in vars(module).values() if isinstance(each, Decider)}
    return [found[category] for category in sorted(found)]


def emitted(service: str, command: type[Command]) -> set[type[Event]]:
    events: set[type[Event]] = set()
    for decider in deciders_of(service):
        if command in decider.command_types.values():
            walk = _Emitted(service, service)
            walk.decide(decider, command)
            events |= walk.events & set(decider.event_types)
    return events


Case = tuple[set[type[Event]], list[ast.AST], Mapping[str, Any]]


def _cases(policy: Policy | Process[Any], package: str) -> Iterator[Case]:
    """What is done for which events; where nothing in `react` matches events, for all that it and its `gather` speak
    of."""
    react, gather = policy.react, getattr(policy, "gather", None)
    assert isinstance(react, FunctionType)  # noqa: S101
    matched = False
    for function in _reached_from(react, package, set()):
        tree, names = _tree(function), _names(function)
        for node in ast.walk(tree):
            if isinstance(node, ast.match_case) and (causes := _events_in(node.pattern, names)):
                matched = True
                yield causes, list(node.body), names
    if not matched:
        functions = [
            f for each in (react, gather) if isinstance(each, FunctionType) for f in _reached_from(each, package, set())
        ]
        yield {event for each in functions for event in _spoken_of(each)}, [_tree(react)], _names(react)


def _reached_from(function: FunctionType, package: str, seen: set[FunctionType]) -> set[FunctionType]:
    """The function and all of the service's own that it speaks of."""
    if function in seen or function.__module__.partition(".")[0] != package:
        return seen
    seen.add(function)
    names = _names(function)
    for node in ast.walk(_tree(function)):
        found = names.get(node.id) if isinstance(node, ast.Name) else None
        if isinstance(found, FunctionType):
            _reached_from(found, package, seen)
    return seen


def _spoken_of(function: FunctionType) -> set[type[Event]]:
    names = _names(function)
    found = {names.get(node.id) for node in ast.walk(_tree(function)) if isinstance(node, ast.Name)}
    return {each for each in found if isinstance(each, type) and issubclass(each, Event)}


def _events_in(node: ast.AST, names: Mapping[str, Any]) -> set[type[Event]]:
    found = {_resolved(each.cls, names) for each in ast.walk(node) if isinstance(each, ast.MatchClass)}
    return {each for each in found if isinstance(each, type) and issubclass(each, Event)}


def _sent(
    nodes: Iterable[ast.AST], names: Mapping[str, Any], package: str, seen: set[FunctionType]
) -> set[type[Command]]:
    commands: set[type[Command]] = set()
    for root in nodes:
        for node in ast.walk(root):
            found = names.get(node.id) if isinstance(node, ast.Name) else None
            if isinstance(found, type) and issubclass(found, Command):
                commands.add(found)
            elif (
                isinstance(found, FunctionType) and found.__module__.partition(".")[0] == package and found not in seen
            ):
                seen.add(found)
                commands |= _sent([_tree(found)], _names(found), package, seen)
    return commands


def cycles(all_arrows: Iterable[Arrow]) -> set[frozenset[str]]:
    """The events that lead to themselves, together with all that are on the way: strongly connected components."""
    after: dict[str, set[str]] = {}
    for arrow in all_arrows:
        after.setdefault(arrow.cause, set()).add(arrow.effect)
    reach = {event: _reached(event, after) for event in after}
    return {
        frozenset(other for other in reach if other in reach[event] and event in reach[other])
        for event in reach
        if event in reach[event]
    }


def _reached(event: str, after: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [event]
    while waiting:
        for effect in after.get(waiting.pop(), ()):
            if effect not in found:
                found.add(effect)
                waiting.append(effect)
    return found


def page(apps: Iterable[FastAPI]) -> str:
    everything = sorted(arrow for app in apps for arrow in arrows(app))
    published = {name_of(event) for events in CATALOGUE.values() for event in events}
    lines = [HEAD, "## Across services, of what is published\n\n```mermaid\nflowchart LR\n"]
    lines += sorted({f"    {a.cause} --> {a.effect}\n" for a in everything if _crosses(a) and a.effect in published})
    lines.append("```\n\n## All of it\n\n| event | policy | may lead to |\n|---|---|---|\n")
    for cause, policy in sorted({(arrow.cause, arrow.policy) for arrow in everything}):
        effects = [a for a in everything if (a.cause, a.policy) == (cause, policy)]
        told = ", ".join(arrow.effect for arrow in effects)
        lines.append(f"| {cause} | {policy} | {told} |\n")
    lines.append("\n## Cycles\n\n")
    found = sorted(", ".join(sorted(cycle)) for cycle in cycles(everything))
    lines += [f"- {cycle}\n" for cycle in found] or ["None.\n"]
    return "".join(lines)


def _crosses(arrow: Arrow) -> bool:
    return arrow.cause.partition(".")[0] != arrow.effect.partition(".")[0]


if __name__ == "__main__":
    sys.stdout.write(page(unstarted(sys.argv[1:])))
