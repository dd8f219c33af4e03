"""What the OpenAPI documents of all services have in common, and whether they are true."""

from __future__ import annotations

import base64
import importlib
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from fastapi import FastAPI

SERVICES = ("partner", "contract", "training", "performance", "risk")
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
NOT_COLLECTIONS = {"livez", "readyz", "log", "backfill", "metrics", "consumer-feedback"}
METHODS = ("get", "put", "post", "delete", "patch")


@pytest.fixture(scope="session")
def documents() -> dict[str, dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("POSTGRES_URL", "postgresql://x"), ("KAFKA_BOOTSTRAP", "x:1"), ("JWKS", "none.json")):
            patch.setenv(f"CAUCE_{name}", value)
        patch.setenv("CAUCE_SEALING_KEYS", f"2026={base64.b64encode(bytes(32)).decode()}")
        made: dict[str, FastAPI] = {name: importlib.import_module(f"{name}.app").app() for name in SERVICES}
        return {name: app.openapi() for name, app in made.items()}


def operations(documents: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Where it is, its path, the operation, and its document."""
    for service, document in documents.items():
        for path, item in document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield f"{service} {method.upper()} {path}", path, item[method], document


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every content that it takes or gives, by where it stands."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"takes {media_type}", content
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            yield f"{status} {media_type}", content


def examples_of(content: dict[str, Any]) -> list[Any]:
    several = [each["value"] for each in content.get("examples", {}).values()]
    return [*([content["example"]] if "example" in content else []), *several]


def test_every_operation_says_what_it_does(documents: dict[str, dict[str, Any]]) -> None:
    silent = [
        where
        for where, _, operation, _ in operations(documents)
        if not operation.get("summary")
        or not operation.get("operationId")
        or not operation.get("tags")
        or not operation.get("description", "").partition("\n\nScope:")[0].removeprefix("Scope:").strip(" `a-z:")
    ]
    assert silent == []


def test_every_operation_id_is_there_once_and_in_snake_case(documents: dict[str, dict[str, Any]]) -> None:
    for service, document in documents.items():
        ids = [operation["operationId"] for where, _, operation, _ in operations({service: document})]
        assert len(set(ids)) == len(ids)
        assert [id for id in ids if not SNAKE.fullmatch(id)] == []


def test_paths_are_of_plurals_in_kebab_case(documents: dict[str, dict[str, Any]]) -> None:
    for where, path, _, _ in operations(documents):
        words = [part for part in path.strip("/").split("/") if not part.startswith("{")]
        assert all(KEBAB.fullmatch(word) for word in words), where
        assert words[0].endswith("s") or words[0] in NOT_COLLECTIONS, where
        names = re.findall(r"{(\w+)}", path)
        assert all(SNAKE.fullmatch(name) for name in names), where


def test_what_is_a_list_is_a_page_of_items(documents: dict[str, dict[str, Any]]) -> None:
    for where, _, operation, document in operations(documents):
        schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        named = document["components"]["schemas"].get(str(schema.get("$ref", "")).rpartition("/")[2], schema)
        assert named.get("type") != "array", where
        if operation["operationId"].startswith("list_"):
            assert named["properties"].keys() == {"items", "next"}, where
            assert {"limit", "after"} <= {parameter["name"] for parameter in operation["parameters"]}, where


def test_fields_and_parameters_are_in_snake_case_and_parameters_say_what_they_are_for(
    documents: dict[str, dict[str, Any]],
) -> None:
    for document in documents.values():
        for name, schema in document["components"]["schemas"].items():
            wrong = [field for field in schema.get("properties", {}) if not SNAKE.fullmatch(field)]
            assert wrong == [], name
    for where, _, operation, _ in operations(documents):
        for parameter in operation.get("parameters", []):
            if parameter["in"] != "header":
                assert SNAKE.fullmatch(parameter["name"]), where
            if parameter["in"] == "query":
                assert parameter.get("description"), (where, parameter["name"])


def test_every_operation_has_examples_that_fit_its_schemas(documents: dict[str, dict[str, Any]]) -> None:
    checked = 0
    for where, _, operation, document in operations(documents):
        for place, content in contents(operation):
            if "plain" in place:
                continue
            found = examples_of(content)
            assert found, (where, place)
            if "json" not in place or "ndjson" in place:
                continue
            schema = {**content["schema"], "components": document["components"]}
            validator = jsonschema_rs.validator_for(schema, validate_formats=True)
            for each in found:
                wrong = [str(error) for error in validator.iter_errors(each)]
                assert wrong == [], (where, place, each)
                checked += 1
    assert checked > 500


def test_every_operation_names_the_codes_of_every_problem_that_it_answers_with(
    documents: dict[str, dict[str, Any]],
) -> None:
    for where, _, operation, _ in operations(documents):
        assert any(status.startswith("2") for status in operation["responses"]), where
        for status, response in operation["responses"].items():
            if not status.startswith("2"):
                codes = response["x-problem-codes"]
                assert codes, (where, status)
                assert all(f"`{code}`" in response["description"] for code in codes)
                assert [each["code"] for each in examples_of(response["content"]["application/problem+json"])] == codes


def test_rules_are_found_where_a_command_meets_them_and_nowhere_else(documents: dict[str, dict[str, Any]]) -> None:
    def codes(service: str, method: str, path: str, status: str) -> set[str]:
        operation = documents[service]["paths"][path][method]
        return {code.partition(".")[2] for code in operation["responses"].get(status, {}).get("x-problem-codes", [])}

    signing = codes("contract", "post", "/contracts/{contract_id}/signatures", "409")
    assert {"disclosure_period_running", "already_signed", "effective_from_differs", "term_over"} <= signing
    assert "not_in_force" not in signing
    assert "not_in_force" in codes("contract", "post", "/contracts/{contract_id}/termination", "409")
    assert codes("contract", "get", "/contracts/{contract_id}", "409") == set()
    assert "contract_unknown" in codes("contract", "get", "/contracts/{contract_id}", "404")
    assert "contract_unknown" in codes("contract", "get", "/contracts/{id}/history", "404")
    scoring = "/applications/{application_id}/scores"
    assert "scores_do_not_fit_standard" in codes("partner", "post", scoring, "409")
    assert {"application_unknown", "standard_unknown"} <= codes("partner", "post", scoring, "404")
    approval = documents["partner"]["paths"]["/applications/{application_id}/approval"]["post"]
    assert approval["responses"]["428"]["x-problem-codes"] == ["version_needed"]
