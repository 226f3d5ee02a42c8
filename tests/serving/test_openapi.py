"""The server's description of itself against its parser and its replies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.serving_fixtures import small_policy
from tests.serving_server import Served, served

from slhf.serving import Refiner
from slhf.serving.chat_request import ASKS_NOTHING, FIELDS, parse_request
from slhf.serving.openapi import PICK, chat_examples, described
from slhf.serving.pick_paths import FIELDS as PICK_FIELDS
from slhf.serving.refine_field import FIELDS as REFINE_FIELDS
from slhf.serving.request_fields import Limits, RequestError

LIMITS = Limits(max_tokens=6, max_choices=3, judged=True, taste=True)
CHAT = "/v1/chat/completions"


def shorter(prompts: list[str], first: list[str], second: list[str]) -> list[float]:
    return [0.5 if len(a) == len(b) else float(len(a) < len(b)) for a, b in zip(first, second, strict=True)]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    limits = Limits(max_tokens=6, judged=True)
    with served(Refiner(small_policy(), judge=shorter), limits=limits) as found:
        yield found


@pytest.fixture(scope="module")
def document(server: Served) -> dict[str, Any]:
    status, headers, body = server.raw("GET", "/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    return json.loads(body)


def body_of(document: dict[str, Any], path: str) -> dict[str, Any]:
    return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]


def check(document: dict[str, Any], name: str, value: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def refusal(body: Any, limits: Limits = LIMITS) -> str | None:
    try:
        parse_request(body, "m", limits)
    except RequestError as error:
        return error.message
    return None


def test_every_field_is_described() -> None:
    document = described("m", LIMITS, keyed=True)
    chat = body_of(document, CHAT)["schema"]["properties"]
    assert set(chat) == {*FIELDS, *ASKS_NOTHING}
    assert set(chat["refine"]["anyOf"][0]["properties"]) == set(REFINE_FIELDS)
    assert set(body_of(document, "/v1/picks")["schema"]["properties"]) == set(PICK_FIELDS)
    without = described("m", Limits(), keyed=True)
    refine = body_of(without, CHAT)["schema"]["properties"]["refine"]["anyOf"][0]["properties"]
    assert "taste" not in refine
    assert "best" not in refine["return"]["enum"]


def test_every_schema_is_one() -> None:
    document = described("m", LIMITS, keyed=True)
    for path in (CHAT, "/v1/picks"):
        jsonschema.Draft202012Validator.check_schema(body_of(document, path)["schema"])
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_path_is_there_and_no_other(server: Served, document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method in ("GET", "POST"):
            status = server.raw(method, path)[0]
            if method.lower() in operations:
                assert str(status) in operations[method.lower()]["responses"], (method, path, status)
            else:
                assert status == 405
    assert server.raw("GET", "/v1/nothing")[0] == 404
    assert all("security" not in one for operations in document["paths"].values() for one in operations.values())
    with served(Refiner(small_policy()), key="k") as keyed:
        paths = json.loads(keyed.raw("GET", "/openapi.json")[2])["paths"]
        for path, operations in paths.items():
            for method, operation in operations.items():
                assert (keyed.raw(method.upper(), path)[0] == 401) == ("security" in operation), path


def test_examples_and_replies_fit(server: Served, document: dict[str, Any]) -> None:
    schema = body_of(document, CHAT)["schema"]
    examples = [one["value"] for one in body_of(document, CHAT)["examples"].values()]
    assert len(examples) == len(chat_examples(LIMITS)) > 3
    for example in examples:
        jsonschema.Draft202012Validator(schema).validate(example)
        status, headers, content = server.raw(
            "POST", CHAT, json.dumps(example).encode(), content_type="application/json"
        )
        assert status == 200
        if not example.get("stream"):
            check(document, "ChatCompletion", json.loads(content))
            continue
        assert headers["content-type"].startswith("text/event-stream")
        *events, end, rest = content.decode().split("\n\n")
        assert (end, rest) == ("data: [DONE]", "")
        for event in events:
            check(document, "ChatChunk", json.loads(event.removeprefix("data: ")))
    for fields in ({"refine": {"return": "best", "steps": 2}}, {"refine": {"return": "all"}, "stream": True}):
        assert jsonschema.Draft202012Validator(schema).is_valid(
            {"model": "m", "messages": [{"role": "user", "content": "a"}], **fields}
        )
    for wrong in ({"temperature": 3}, {"model": "gpt"}, {"user": "me"}):
        check(document, "Error", server.ask(**wrong)[2])
    for path, name in (("/v1/models", "Models"), ("/health", "Health"), ("/page/settings.json", "PageSettings")):
        check(document, name, json.loads(server.raw("GET", path)[2]))
    pick = {**PICK, "model": "m"}
    jsonschema.Draft202012Validator(body_of(document, "/v1/picks")["schema"]).validate(pick)
    status, _, content = server.raw("POST", "/v1/picks", json.dumps(pick).encode(), content_type="application/json")
    assert status == 201
    check(document, "Picked", json.loads(content))


def strange() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-3, 30)
        | st.floats(-1, 3)
        | st.sampled_from(["", " ", "a", "last", "all"]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["steps", "type", "x"]), inner, max_size=2)
        ),
        max_leaves=4,
    )


SCHEMA = described("m", LIMITS, keyed=False)["paths"][CHAT]["post"]["requestBody"]["content"]["application/json"][
    "schema"
]
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
ALONE = [field for field in FIELDS if field not in ("model", "messages", "stream_options", "top_logprobs")]


@given(field=st.sampled_from([*ALONE, *ASKS_NOTHING, "temprature"]), value=strange())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_the_description_and_the_parser_agree_on_one_field(field: str, value: Any) -> None:
    """A body with one more field is described as right exactly if it is accepted.

    What a schema cannot say is left out: fields that need one another.
    """
    body = {"model": "m", "messages": [{"role": "user", "content": "a b"}], field: value}
    refine = value if field == "refine" and isinstance(value, dict) else {}
    if refine.get("steps") == 0 and "answer" in refine:
        return
    assert VALIDATOR.is_valid(body) == (refusal(body) is None), refusal(body)


TURN = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "x"])}, optional={"content": strange()})


@given(turns=st.lists(TURN, max_size=3))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_conversation_that_is_accepted_is_described_as_right(turns: list[Any]) -> None:
    body = {"model": "m", "messages": turns}
    if refusal(body) is None:
        VALIDATOR.validate(body)
