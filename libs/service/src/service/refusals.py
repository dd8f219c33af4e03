"""Which refusals a route can answer with, read out of the code: the rules that its commands are judged by."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from engine import Command, Decider, Rejected, Send, Unknown, seconds
from engine.drafts import drafted, publishable

from service.paging import Collection
from service.problems import ProblemError

Codes = dict[str, int]
"""Code to status."""


def refusals(endpoint: Callable[..., Any], service: str) -> Codes:
    """What a call of the endpoint may be refused with: 409, or 404 for what does not exist.

    Rules are found by following calls through the service's own modules, and, in a `decide`, the branch of each command
    that the endpoint has handled. What is called by a method's name counts for every class of the service that has such
    a method: rather one code too many than one too few.
    """
    function = inspect.unwrap(endpoint)
    marked: Codes = getattr(function, "cauce_refusals", {})
    declared = {code.format(service=service): status for code, status in marked.items()}
    if not isinstance(function, FunctionType):
        return declared
    walk = _Walk(service, function.__module__.partition(".")[0])
    walk.endpoint(function)
    return declared | walk.codes


class _Walk:
    def __init__(self, service: str, package: str) -> None:
        self.service = service
        self.package = package
        self.codes: Codes = {}
        self._seen: set[Any] = set()

    def endpoint(self, function: FunctionType) -> None:
        self.function(function)
        tree, names = _tree(function), _names(function)
        referred = [names.get(node.id) for node in ast.walk(tree) if isinstance(node, ast.Name)]
        made = [_returned(each) for each in referred if isinstance(each, FunctionType)]
        commands = {each for each in (*referred, *made) if isinstance(each, type) and issubclass(each, Command)}
        for decider in _handled_by(tree, names):
            taken = tuple(decider.command_types.values())
            for command in [each for each in commands if issubclass(each, taken)] or taken:
                self.decide(decider, command)
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "also" and isinstance(node.value, ast.Call):
                self.sent(_resolved(node.value.func, names))

    def sent(self, makes: Any) -> None:
        """By the function that makes the commands which a `handle(..., also=...)` has to do as well."""
        if not isinstance(makes, FunctionType):
            return
        tree, names = _tree(makes), _names(makes)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (called := _resolved(node.func, names)) is not None:
                decider = names.get(node.args[0].id) if node.args and isinstance(node.args[0], ast.Name) else None
                if called is Send and isinstance(decider, Decider):
                    kinds = {names.get(each.id) for each in ast.walk(tree) if isinstance(each, ast.Name)}
                    for command in decider.command_types.values():
                        if command in kinds:
                            self.decide(decider, command)
                elif isinstance(called, FunctionType) and called is not makes:
                    self.sent(called)

    def function(self, function: FunctionType) -> None:
        if function not in self._seen and function.__module__.partition(".")[0] == self.package:
            self._seen.add(function)
            self.nodes([_tree(function)], _names(function))

    def decide(self, decider: Decider[Any, Any, Any], command: type[Command]) -> None:
        decide = decider.decide
        if isinstance(decide, FunctionType) and (decide, command) not in self._seen:
            self._seen.add((decide, command))
            tree, names = _tree(decide), _names(decide)
            first = next(iter(inspect.signature(decide).parameters))
            self.nodes(_branch(tree.body, first, command, names), names)

    def nodes(self, nodes: Iterable[ast.AST], names: Mapping[str, Any]) -> None:
        for root in nodes:
            for node in ast.walk(root):
                if isinstance(node, ast.Call):
                    self.call(node, names)

    def call(self, node: ast.Call, names: Mapping[str, Any]) -> None:
        called = _resolved(node.func, names)
        match node.args:
            case [code, *_] if isinstance(called, type) and issubclass(called, Rejected):
                self.code(_text(code, names), 404 if issubclass(called, Unknown) else 409)
            case [ast.Constant(value=int(status)), code, *_] if called is ProblemError:
                self.code(_text(code, names), status)
            case [*_, code] if called is seconds:
                self.code(_text(code, names), 409)
            case [_, service, *_] if called is drafted:
                self.code(f"{_text(service, names)}.nothing_drafted", 409)
            case [_, _, service, *_] if called is publishable:
                for refusal in ("nothing_drafted", "draft_changes_nothing"):
                    self.code(f"{_text(service, names)}.{refusal}", 409)
        if isinstance(called, FunctionType) and called.__name__ != "<lambda>":
            self.function(called)
        elif isinstance(node.func, ast.Attribute):
            self.method(node, node.func.attr, names)

    def code(self, code: str | None, status: int) -> None:
        if code is not None:
            self.codes[code] = status

    def method(self, node: ast.Call, name: str, names: Mapping[str, Any]) -> None:
        about = names.get(node.args[0].id) if node.args and isinstance(node.args[0], ast.Name) else None
        if name == "one" and isinstance(about, Collection):
            self.codes[about.unknown or f"{self.service}.{about.decider.category}_unknown"] = 404
        elif name == "state" and isinstance(about, Decider):
            self.codes[f"{self.service}.{about.category}_unknown"] = 404
        for function in _methods(self.package).get(name, ()):
            self.function(function)


def _handled_by(tree: ast.FunctionDef, names: Mapping[str, Any]) -> list[Decider[Any, Any, Any]]:
    """The deciders that the endpoint calls `handle(...)` with, whatever it calls that parameter."""
    parameters = {each.arg for each in (*tree.args.args, *tree.args.kwonlyargs)}
    called = [
        names.get(node.args[0].id)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in parameters
        if node.args and isinstance(node.args[0], ast.Name)
    ]
    return [each for each in called if isinstance(each, Decider)]


def _branch(
    body: Iterable[ast.stmt], parameter: str, command: type[Command], names: Mapping[str, Any]
) -> Iterator[ast.AST]:
    """The statements of a `decide` that a command of this type can reach."""
    for statement in body:
        match statement:
            case ast.If(test=ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), kind])) if (
                name == parameter
            ):
                if _is(command, kind, names):
                    yield from statement.body
                    return
                yield from statement.orelse
            case ast.Match(subject=ast.Name(id=name)) if name == parameter:
                for each in statement.cases:
                    ways = each.pattern.patterns if isinstance(each.pattern, ast.MatchOr) else [each.pattern]
                    if any(not isinstance(way, ast.MatchClass) or _is(command, way.cls, names) for way in ways):
                        yield from each.body
            case _:
                yield statement


def _is(command: type[Command], kind: ast.expr, names: Mapping[str, Any]) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    found = [_resolved(each, names) for each in kinds]
    return any(not isinstance(each, type) or issubclass(command, each) or issubclass(each, command) for each in found)


def _resolved(node: ast.expr, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _resolved(node.value, names)
        return getattr(owner, node.attr, None) if isinstance(owner, ModuleType | type) else None
    return None


def _text(node: ast.expr, names: Mapping[str, Any]) -> str | None:
    """What a constant or an f-string of known names says; None where that is only known when it runs."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            texts = [_text(each, names) for each in parts]
            return None if None in texts else "".join(text for text in texts if text is not None)
        case ast.FormattedValue(value=ast.Name(id=name)) if isinstance(names.get(name), str):
            return str(names[name])
    return None


NOTHING = ast.parse("def nothing(): ...")


@cache
def _tree(function: FunctionType) -> ast.FunctionDef:
    try:
        parsed = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):  # its source is not there, or another one by now: what can be said is said
        parsed = NOTHING
    tree = parsed.body[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101
    return tree  # type: ignore[return-value]


def _names(function: FunctionType) -> dict[str, Any]:
    return {**function.__globals__, **inspect.getclosurevars(function).nonlocals}


def _returned(function: FunctionType) -> Any:
    try:
        return inspect.signature(function, eval_str=True).return_annotation
    except (NameError, TypeError):
        return None


@cache
def _methods(package: str) -> dict[str, list[FunctionType]]:
    """The methods of the classes of a service, by name."""
    found: dict[str, list[FunctionType]] = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == package:
            for cls in {each for each in vars(module).values() if isinstance(each, type) and each.__module__ == name}:
                for member in vars(cls).values():
                    function = member.fget if isinstance(member, property) else member
                    if isinstance(function, FunctionType) and function.__module__ == name:
                        found.setdefault(function.__name__, []).append(function)
    return found
