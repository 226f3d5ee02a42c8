"""Models that were not trained here, and chains that outgrow their model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.serving_fixtures import small_policy
from tests.serving_server import served

from slhf import toy
from slhf.policies import RoleSettings
from slhf.policies.roles import INSTRUCTION
from slhf.serving import Refiner, Remote, Server
from slhf.serving.plain_models import plain_notes


def test_a_model_without_settings_is_served_as_it_is_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    shutil.copytree(toy.model_path(), folder)
    (note,) = plain_notes(str(folder), None, Remote(Server("other", base_url="http://localhost:1/v1")))
    assert (note["event"], note["model"]) == ("plain_model", str(folder))
    assert INSTRUCTION in note["message"]
    assert "temperature 0.9 and 64 new tokens" in note["message"]
    with served(Refiner(str(folder))) as server:
        said = {model: server.ask(model=model, seed=1)[2]["choices"][0] for model in ("m:leader", "m:refine-2")}
    assert [one["refine"] for one in said.values()] == [{"step": 0, "steps": 0}, {"step": 2, "steps": 2}]
    RoleSettings(instruction="Better, please.").save(folder)
    assert plain_notes(str(folder), str(folder)) == []


def too_long_for_a_second_step() -> str:
    """Return a prompt whose first answer just fits the model of 128 places: its refinement does not."""
    roles = small_policy().roles
    fits = (prompt for count in range(128, 0, -1) if len(roles.leader_context(prompt := "a " * count)) + 4 <= 128)
    prompt = next(fits)
    assert len(roles.follower_context(prompt, roles.leader_context(prompt), [5], "a")) + 4 > 128
    return prompt


@pytest.mark.parametrize("steps", [1, 3])
def test_a_chain_that_outgrows_the_model(steps: int) -> None:
    """The step is named; a whole reply is refused with 400, a stream that has begun ends with the same error."""
    messages = [{"role": "user", "content": too_long_for_a_second_step()}]
    asked: dict[str, Any] = {"messages": messages, "max_tokens": 4}
    with served(Refiner(small_policy())) as server:
        assert server.ask(model="m:leader", **asked)[0] == 200
        status, _, body = server.ask(**asked, refine={"steps": steps})
        assert (status, body["error"]["code"]) == (400, "context_length_exceeded")
        assert "step 1: context and answer need" in body["error"]["message"]
        assert "the model holds 128" in body["error"]["message"]
        content = json.dumps(
            {"model": "m", "messages": messages, "max_tokens": 4, "stream": True, "refine": {"steps": steps}}
        )
        status, _, stream = server.raw(
            "POST", "/v1/chat/completions", content.encode(), content_type="application/json"
        )
        *_, last, rest = stream.decode().split("\n\n")
        assert (status, rest) == (200, "")
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "context_length_exceeded"
        with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            events = client.chat.completions.create(model=f"m:refine-{steps}", stream=True, **asked)
            with pytest.raises(openai.APIError, match="step 1: context and answer need"):
                list(events)
        assert server.ask(model="m:leader", **asked)[0] == 200
