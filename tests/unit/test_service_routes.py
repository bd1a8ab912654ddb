"""The service's table of routes, and what is made of it: the checks, `openapi.json` and the reference."""

import json

import pytest
from jsonschema import Draft202012Validator

from jhkube.service.actions import Actions
from jhkube.service.hub_client import HUB_AWAY, HubClient
from jhkube.service.openapi import openapi, reference_tables
from jhkube.service.refusals import Refusal
from jhkube.service.routes import ROUTES
from jhkube.service.schemas import COMPONENTS
from jhkube.service.validation import read_request, route_named
from tests.ports import free_port


def refused(route, parts, query=None, body=b""):
    with pytest.raises(Refusal) as error:
        read_request(route_named(route), parts, query or {}, body)
    return error.value.status, error.value.field


def test_each_route_is_done_by_a_method_of_its_name():
    assert [route.name for route in ROUTES if not callable(getattr(Actions, route.name, None))] == []
    assert (
        len({route.name for route in ROUTES}) == len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    )


def test_the_schemas_are_schemas_and_refer_to_each_other():
    text = json.dumps(openapi())
    for name, schema in COMPONENTS.items():
        Draft202012Validator.check_schema(schema)
        assert f'"#/components/schemas/{name}"' in text
    for each in text.split('"#/components/schemas/')[1:]:
        assert each.partition('"')[0] in COMPONENTS


def test_openapi_has_each_route_with_its_parameters_and_answers():
    described = openapi("/jupyter/services/jhkube/")
    assert described["servers"] == [{"url": "/jupyter/services/jhkube/api"}]
    for route in ROUTES:
        operation = described["paths"][f"/{route.path}"][route.method.lower()]
        named = {each["name"] for each in operation["parameters"]}
        assert named == {*route.parts, *route.query}
        assert {str(route.status), "400", "403", "404", "503"} <= set(operation["responses"])


def test_the_reference_has_each_route_and_each_schema():
    tables = dict(reference_tables())
    assert len(tables["Routes"]) == len(ROUTES) + 1
    assert {name for name in tables if name != "Routes"} == set(COMPONENTS)


def test_what_is_left_out_has_its_default_and_a_tilde_is_the_default_server():
    request = read_request(route_named("log"), {"name": "~"}, {"tail": ["20"], "follow": ["true"]})
    assert request.parts == {"name": ""}
    assert request.query == {"container": None, "tail": 20, "previous": False, "follow": True}


@pytest.mark.parametrize(
    ("route", "parts", "query", "body", "told"),
    [
        ("log", {"name": "x"}, {"tail": ["0"]}, b"", (400, "tail")),
        ("log", {"name": "x"}, {"tail": ["many"]}, b"", (400, "tail")),
        ("log", {"name": "x"}, {"follow": ["perhaps"]}, b"", (400, "follow")),
        ("log", {"name": "x"}, {"container": ["../x"]}, b"", (400, "container")),
        ("log", {"name": "x"}, {"pod": ["jupyter-eve"]}, b"", (400, "pod")),
        ("server", {"name": "x\0"}, {}, b"", (404, "name")),
        ("claim", {"name": "../eve"}, {}, b"", (404, "name")),
        ("start_server", {"name": "x"}, {}, b"[]", (400, "")),
        ("start_server", {"name": "x"}, {}, b'{"options": 7}', (400, "options")),
        ("start_server", {"name": "x"}, {}, b'{"image": "lab"}', (400, "")),
        ("change_claim", {"name": "x"}, {}, b"{}", (400, "")),
        ("change_claim", {"name": "x"}, {}, b'{"size": "-1Gi"}', (400, "size")),
        ("remove_server", {"name": "x"}, {"claims": ["all"]}, b"", (400, "claims")),
        ("servers", {}, {}, b"{}", (400, "")),
    ],
)
def test_a_request_that_is_wrong_is_refused_with_its_field(route, parts, query, body, told):
    assert refused(route, parts, query, body) == told


async def test_a_hub_that_is_away_is_a_clear_answer():
    hub = HubClient(f"http://127.0.0.1:{free_port()}/hub/api")
    try:
        with pytest.raises(Refusal) as refused:
            await hub.servers("token", "ada")
        assert (refused.value.status, refused.value.message) == (503, HUB_AWAY)
    finally:
        await hub.close()
