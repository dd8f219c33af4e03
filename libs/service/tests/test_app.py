from __future__ import annotations

import json

import pytest
from fastapi import APIRouter, Depends, Request, Response
from service import Handle, NewId, Receipt, UnsafeRoute, history_of, scope
from starlette.routing import Route

READ = [scope("lending:read")]


async def nothing() -> None: ...


def router(path="/things", endpoint=nothing, **options):
    made = APIRouter(tags=["things"])
    made.add_api_route(path, endpoint, **options)
    return made


def test_a_route_without_a_scope_is_refused_at_creation_and_named(make_app):
    with pytest.raises(UnsafeRoute, match=r"GET /things has no scope"):
        make_app(router())


def test_a_scope_on_the_router_holds_for_its_routes(make_app):
    made = APIRouter(prefix="/things", tags=["things"], dependencies=READ)
    made.add_api_route("", nothing)
    assert make_app(made)


def test_a_scope_where_a_router_is_included_holds_for_its_routes(make_app):
    inner, outer = router("/inner"), APIRouter()
    outer.include_router(inner, prefix="/outer", dependencies=READ)
    routes = {r.path: r.scopes for r in make_app(outer).routes if hasattr(r, "scopes")}
    assert routes["/outer/inner"] == ("lending:read",)


def test_a_route_that_is_no_api_route_is_refused(make_app):
    async def plain(request: Request) -> Response:
        return Response()

    made = APIRouter()
    made.routes.append(Route("/plain", plain))
    with pytest.raises(UnsafeRoute, match=r"/plain is not an API route"):
        make_app(made)


def test_two_routes_of_one_name_are_refused(make_app):
    with pytest.raises(UnsafeRoute, match=r"are both called things_nothing"):
        make_app(router("/a", dependencies=READ), router("/b", dependencies=READ))


def test_a_route_that_another_one_hides_is_refused(make_app):
    async def other() -> None: ...

    with pytest.raises(UnsafeRoute, match=r"GET /log is there twice"):
        make_app(router("/log", other, dependencies=READ))


def test_a_history_route_must_say_id_in_its_path(make_app, lending):
    made = router("/loans/{loan_id}/history", history_of(lending.loans), dependencies=READ)
    with pytest.raises(UnsafeRoute, match=r"needs \{id\} in its path"):
        make_app(made)


def test_fastapis_own_body_limit_is_refused_as_its_answer_would_be_no_problem(make_app):
    with pytest.raises(UnsafeRoute, match="body_limit"):
        make_app(router(methods=["POST"], max_body_size=5, dependencies=READ))


@pytest.mark.parametrize(("root", "servers"), [("", None), ("/lending", [{"url": "/lending"}])], ids=["alone", "proxy"])
async def test_behind_a_proxy_the_document_says_where_the_service_is_and_routes_stay_the_same(
    make_app, connect, root, servers
):
    client = connect(make_app(root_path=root))
    assert (await client.get("/openapi.json")).json().get("servers") == servers
    assert f"'{root}/openapi.json'" in (await client.get("/docs")).text
    assert (await client.get("/log")).status_code == 200
    assert (await client.get("/nothing")).json()["instance"] == "/nothing"


async def test_the_engine_starts_and_stops_with_the_app(make_app, engine):
    app = make_app()
    async with app.router.lifespan_context(app):
        assert engine.calls == [("start",)]
    assert engine.calls == [("start",), ("stop",)]


async def test_the_engine_stops_where_serving_fails(make_app, engine):
    app = make_app()
    with pytest.raises(KeyError):
        async with app.router.lifespan_context(app):
            raise KeyError
    assert engine.calls[-1] == ("stop",)


async def test_an_engine_that_does_not_start_says_why_in_one_line(make_app, engine, monkeypatch, capsys):
    async def refuse():
        raise ConnectionRefusedError("no database at x")

    monkeypatch.setattr(engine, "start", refuse)
    app = make_app()
    with pytest.raises(ConnectionRefusedError):
        async with app.router.lifespan_context(app):
            pass
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["event"]) == ("critical", "not_started")
    assert line["why"] == "ConnectionRefusedError: no database at x"


async def test_the_documentation_is_open(make_app, connect):
    client = connect(make_app(), token=None)
    assert (await client.get("/docs")).status_code == 200
    assert (await client.get("/openapi.json")).status_code == 200


async def test_the_openapi_names_operations_scopes_and_problems(make_app, connect):
    document = (await connect(make_app(), token=None).get("/openapi.json")).json()
    assert document["info"]["title"] == "Cauce lending"
    operation = document["paths"]["/loans"]["post"]
    assert operation["operationId"] == "loans_open"
    assert operation["security"] == [{"bearer": ["lending:write"]}]
    assert operation["description"] == "Opens a loan.\n\nScope: `lending:write`"
    codes = {status: r["x-problem-codes"] for status, r in operation["responses"].items() if status != "201"}
    assert codes == {
        "400": ["request_unreadable"],
        "401": ["token_invalid", "token_missing"],
        "403": ["lending.backfill_scope_needed", "partner_closed", "scope_missing"],
        "409": ["conflict", "lending.amount_too_high", "request_in_flight"],
        "412": ["version_mismatch"],
        "413": ["body_too_large", "event_too_large"],
        "422": ["idempotency_key_reused", "request_invalid", "value_unstorable"],
        "429": ["rate_exceeded"],
        "503": ["not_admitted", "request_timeout", "unavailable"],
    }
    approving = document["paths"]["/loans/{id}/approvals"]["post"]["responses"]
    assert approving["404"]["x-problem-codes"] == ["lending.loan_unknown"]
    for status in codes:
        content = operation["responses"][status]["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert list(content["examples"]) == codes[status]
    assert operation["requestBody"]["content"]["application/json"]["example"] == {"amount": 1}
    assert {"Problem", "FieldError", "Receipt"} <= document["components"]["schemas"].keys()
    assert not {"HTTPValidationError", "ValidationError"} & document["components"]["schemas"].keys()
    ids = [op["operationId"] for operations in document["paths"].values() for op in operations.values()]
    assert len(ids) == len(set(ids))
    assert "loans_list" in ids


async def test_what_the_kit_provides_is_no_parameter_in_the_openapi(make_app, connect):
    document = (await connect(make_app(), token=None).get("/openapi.json")).json()
    approve = document["paths"]["/loans/{id}/approvals"]["post"]
    assert [p["name"] for p in approve["parameters"] if p["in"] != "header"] == ["id"]


async def test_headers_that_commands_go_by_are_in_the_openapi(make_app, connect):
    document = (await connect(make_app(), token=None).get("/openapi.json")).json()
    named = {
        path: [p["name"] for p in document["paths"][path]["post"].get("parameters", []) if p["in"] == "header"]
        for path in ("/loans", "/loans/bulk", "/loans/lines")
    }
    assert named == {"/loans": ["Idempotency-Key", "If-Match"], "/loans/bulk": ["Idempotency-Key"], "/loans/lines": []}


async def test_every_reference_of_the_openapi_resolves(make_app, connect):
    document = (await connect(make_app(), token=None).get("/openapi.json")).json()
    schemas = document["components"]["schemas"]

    def references(node):
        if isinstance(node, dict):
            yield from [node["$ref"]] if "$ref" in node else []
            node = list(node.values())
        if isinstance(node, list):
            for each in node:
                yield from references(each)

    assert {ref.rpartition("/")[2] for ref in references(document)} <= schemas.keys()


async def test_a_route_may_ask_for_the_request_beside_what_the_kit_provides(make_app, connect, lending):
    made = APIRouter(tags=["asking"])

    @made.get("/asking/{word}", dependencies=READ)
    async def asking(word: str, handle: Handle, request: Request) -> list[str]:
        return [word, request.url.path, type(handle).__name__]

    answer = await connect(make_app(made)).get("/asking/x")
    assert answer.json() == ["x", "/asking/x", "Handling"]


async def test_what_the_kit_provides_may_be_asked_for_in_a_dependency(make_app, connect, lending, engine):
    made = APIRouter(tags=["asking"])

    async def opened(handle: Handle, id: NewId) -> Receipt:
        return await handle(lending.loans, id, lending.Open(amount=5))

    @made.post("/asking", dependencies=[scope("lending:write")])
    async def asking(receipt: Receipt = Depends(opened)) -> Receipt:  # noqa: B008
        return receipt

    answer = await connect(make_app(made)).post("/asking")
    assert (answer.status_code, answer.json()["version"], len(engine.facts)) == (200, 1, 1)


async def test_a_generator_endpoint_streams_its_items(make_app, connect):
    made = APIRouter(tags=["streaming"])

    @made.get("/streaming", dependencies=READ)
    async def streaming():
        for n in range(3):
            yield {"n": n}

    answer = await connect(make_app(made)).get("/streaming")
    assert [json.loads(line) for line in answer.text.splitlines() if line] == [{"n": 0}, {"n": 1}, {"n": 2}]
