"""Personal taste through the server: what picks teach it, what it keeps, and what it refuses."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import OpenAI
from tests.serving_fixtures import small_policy
from tests.serving_server import Served, served

from slhf.cli import main
from slhf.errors import InputError
from slhf.judges import Annotator, PanelJudge, toy_panel
from slhf.judges.among import among, as_panel
from slhf.judges.reward_models import RewardPanel
from slhf.policies import CausalPolicy
from slhf.serving import Refiner
from slhf.serving.personal import Personal, TasteError, Tastes, improve
from slhf.serving.picks import Pick, PickStore
from slhf.serving.request_fields import Limits
from slhf.taste import information, prior

USER = {"role": "user", "content": "a b"}


def words(prompt: str, response: str, columns: Any) -> float:
    return float(len(response.split()))


def letter(wanted: str) -> Callable[[str, str, Any], float]:
    return lambda prompt, response, columns: float(response.count(wanted))


PANEL = PanelJudge(
    [Annotator("brevity", words, lower_is_better=True), Annotator("b", letter("b")), Annotator("c", letter("c"))]
)
NAMES = ["brevity", "b", "c"]


def pick(session: str, chosen: str, *rejected: str, prompt: str = "other", when: float = 0.0) -> Pick:
    return Pick(session, prompt, chosen, rejected, "m", when)


BRIEF = [pick("short", "a", "b b c", "c b c"), pick("short", "d", "b c d"), pick("short", "a d", "b c c b", "b b d")]
"""Picks of somebody who always takes the shortest, however many b and c the others have."""


@pytest.fixture(scope="module")
def policy() -> CausalPolicy:
    return small_policy()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picks") / "picks.sqlite"
    with PickStore(path) as store:
        for one in BRIEF:
            store.add(one)
    return path


@pytest.fixture(scope="module")
def server(policy: CausalPolicy, file: Path) -> Iterator[Served]:
    with served(Refiner(policy), picks=file, panel=PANEL, candidates=5) as found:
        yield found


def asked(server: Served, session: str = "short", seed: int = 1, **refine: Any) -> dict[str, Any]:
    status, _, reply = server.ask(seed=seed, refine={"taste": session, **refine})
    assert status == 200, reply
    return reply


def choice(reply: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return reply["choices"][0]["message"]["content"], reply["choices"][0]["refine"]["taste"]


def by_hand(picks: list[Pick]) -> np.ndarray:
    belief = prior(NAMES)
    for one in picks:
        belief = belief.picked(among(PANEL, "other", [one.chosen, *one.rejected]), 0)
    return belief.weights


def test_picks_that_favour_brevity_are_learned_and_the_shortest_is_kept(server: Served) -> None:
    lengths = set()
    for seed in range(6):
        text, taste = choice(asked(server, seed=seed, answer="a b c d"))
        assert taste["session"] == "short"
        assert list(taste["annotators"]) == NAMES
        np.testing.assert_allclose(list(taste["annotators"].values()), by_hand(BRIEF))
        assert taste["annotators"]["brevity"] > 0.95
        assert taste["candidates"][taste["kept"]] == text
        assert len(text.split()) == min(len(one.split()) for one in taste["candidates"])
        lengths |= {len(one.split()) for one in taste["candidates"]}
    assert len(lengths) > 1  # there was a choice


def test_who_picked_nothing_is_like_anybody(server: Served) -> None:
    _, nobody = choice(asked(server, "never-seen"))
    np.testing.assert_allclose(list(nobody["annotators"].values()), 1 / 3)
    differs = [choice(asked(server, "never-seen", seed))[0] != choice(asked(server, seed=seed))[0] for seed in range(8)]
    assert any(differs)  # and so is offered other answers


def test_the_pair_to_compare_is_the_one_that_tells_most(server: Served) -> None:
    for seed in range(6):
        _, taste = choice(asked(server, "nobody", seed))
        told = information(prior(NAMES), among(PANEL, "a b", taste["candidates"]))
        i, j = taste["compare"]
        assert told[i, j] == pytest.approx(told.max())
        assert i < j


def test_every_step_is_chosen_and_every_candidate_counted(server: Served, policy: CausalPolicy) -> None:
    reply = asked(server, seed=4, steps=2, **{"return": "all"})
    refine = reply["choices"][0]["refine"]
    assert [one["step"] for one in refine["answers"]] == [0, 1, 2]
    refiner, total, previous = Refiner(policy), 0, None
    for step, answer in enumerate(refine["answers"]):
        found = [
            refiner.refine(
                "a b", steps=0 if previous is None else 1, answer=previous, seed=4, sample=5 * step + i
            ).steps[-1]
            for i in range(5)
        ]  # fmt: skip
        total += sum(one.count for one in found)
        assert answer["content"] in {one.text for one in found}
        previous = answer["content"]
    texts = list(dict.fromkeys(one.text for one in found))
    assert refine["taste"]["candidates"] == [text for text in texts if text]  # nobody can pick an empty answer
    assert reply["usage"]["completion_tokens"] == total


def test_a_stream_ends_with_what_is_kept(server: Served) -> None:
    whole = asked(server, seed=3, steps=1)
    with OpenAI(base_url=server.url, api_key="none", max_retries=0, timeout=60) as client:
        chunks = list(
            client.chat.completions.create(
                model="m", messages=[USER], seed=3, stream=True, extra_body={"refine": {"taste": "short", "steps": 1}}
            )
        )
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == choice(whole)[0]
    assert chunks[-1].choices[0].refine == whole["choices"][0]["refine"]  # type: ignore[attr-defined]


def test_several_choices_are_chosen_each(server: Served) -> None:
    status, _, reply = server.ask(seed=2, n=2, refine={"taste": "short", "steps": 0})
    assert status == 200
    first, second = (one["refine"]["taste"]["candidates"] for one in reply["choices"])
    assert first != second
    _, _, alone = server.ask(seed=2, refine={"taste": "short", "steps": 0})
    assert alone["choices"][0] == reply["choices"][0]


def test_answers_the_user_knows_are_not_kept_again(policy: CausalPolicy) -> None:
    refiner = Refiner(policy)
    picks: list[Pick] = []
    kept: list[str] = []
    for _ in range(4):  # the same candidates every time: one seed
        found = improve(refiner, "a b", "a b c d", picks, PANEL, candidates=6, seed=5)
        assert found.taste is not None
        fresh = set(found.taste.candidates) - set(kept)
        assert (found.steps[-1].text in fresh) == bool(fresh)
        kept.append(found.steps[-1].text)
        picks.append(pick("one", "a b c d", kept[-1], prompt="a b"))
    assert len(set(kept)) > 2


def test_who_changes_their_mind_is_heard_the_last_time() -> None:
    before = [pick("s", "a", "b b b"), pick("s", "b b b", "a")]
    tastes = Tastes(PANEL, lambda _: before)
    np.testing.assert_allclose(tastes.known("s", "x").belief.weights, by_hand(before[1:]))
    thrice = Tastes(PANEL, lambda _: [BRIEF[1]] * 3)  # said three times, heard once
    np.testing.assert_allclose(thrice.known("s", "x").belief.weights, by_hand([BRIEF[1]]))


def test_before_any_pick_tastes_are_as_common_as_the_panel_says() -> None:
    panel = PanelJudge(PANEL.annotators, weights=[3, 1, 0])
    np.testing.assert_allclose(Tastes(panel, lambda _: []).known("s", "x").belief.weights, [0.75, 0.25, 0])
    after = Tastes(panel, lambda _: [BRIEF[1]]).known("s", "x").belief.weights
    assert after[0] > 0.75
    assert after[2] == 0


class Heads:
    """Two rewards from one network, as a panel of trained reward models has them."""

    names = ("brief", "b")

    def scores(self, responses: list[tuple[str, str]]) -> np.ndarray:
        return np.array([[-float(len(y.split())) for _, y in responses], [float(y.count("b")) for _, y in responses]])


def test_trained_reward_models_are_annotators_too() -> None:
    panel = as_panel(RewardPanel([Heads()], soft=True))  # type: ignore[list-item]
    found = Tastes(panel, lambda _: [pick("s", "b b b", "a")]).known("s", "x").belief
    like_brief, like_b = 1 / (1 + np.exp(2)), 1 / (1 + np.exp(-3))  # σ of the difference of rewards
    clicked = 0.9 * np.array([like_brief, like_b]) + 0.05
    np.testing.assert_allclose(found.weights, clicked / clicked.sum())
    assert found.names == ("brief", "b")


def test_of_a_very_long_session_the_last_picks_are_heard() -> None:
    """600 picks over prompts of their own; the first 88 would say the opposite."""
    early = [pick("s", "b b b", "a", prompt=f"x {n}") for n in range(88)]
    late = [pick("s", "a", "b b b", prompt=f"y {n}") for n in range(512)]
    found = Tastes(PANEL, lambda _: [*early, *late]).known("s", "z").belief
    np.testing.assert_array_equal(found.log_weights, Tastes(PANEL, lambda _: late).known("s", "z").belief.log_weights)


def test_what_was_learned_survives_a_restart(policy: CausalPolicy, file: Path, server: Served) -> None:
    with served(Refiner(policy), picks=file, panel=PANEL, candidates=5) as again:
        assert asked(again)["choices"] == asked(server)["choices"]


def test_a_pick_by_http_is_heard_at_once(policy: CausalPolicy) -> None:
    with served(Refiner(policy), panel=PANEL) as server:
        _, before = choice(asked(server, "new"))
        body = {"session": "new", "messages": [USER], "chosen": "b b b", "rejected": ["a"], "model": "m"}
        status, _, _ = server.raw("POST", "/v1/picks", json.dumps(body).encode(), content_type="application/json")
        assert status == 201
        _, after = choice(asked(server, "new"))
        _, other = choice(asked(server, "somebody-else"))
    assert after["annotators"]["b"] > before["annotators"]["b"] == pytest.approx(1 / 3)
    assert other["annotators"] == before["annotators"]


@pytest.mark.parametrize(
    ("refine", "param", "words"),
    [
        ({"taste": "a b"}, "refine.taste", "1 to 64"),
        ({"taste": ""}, "refine.taste", "1 to 64"),
        ({"taste": "x" * 65}, "refine.taste", "1 to 64"),
        ({"taste": 3}, "refine.taste", "a session's name is needed"),
        ({"taste": "s", "return": "best"}, "refine.return", "best"),
        ({"tast": "s"}, "refine.tast", "Did you mean 'taste'"),
    ],
)
def test_what_is_wrong_is_refused_by_name(server: Served, refine: dict[str, Any], param: str, words: str) -> None:
    status, _, reply = server.ask(refine=refine)
    assert (status, reply["error"]["param"]) == (400, param)
    assert words in reply["error"]["message"]


def test_without_annotators_taste_is_refused(policy: CausalPolicy) -> None:
    with served(Refiner(policy)) as server:
        status, _, reply = server.ask(refine={"taste": "short"})
    assert (status, reply["error"]["param"], reply["error"]["code"]) == (400, "refine.taste", "unsupported_parameter")
    assert "--annotators" in reply["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_prompts_that_the_annotators_cannot_score_are_refused(policy: CausalPolicy, stream: bool) -> None:
    with served(Refiner(policy), panel=toy_panel()) as server:
        status, _, body = server.raw(
            "POST",
            "/v1/chat/completions",
            json.dumps({"model": "m", "messages": [USER], "refine": {"taste": "s"}, "stream": stream}).encode(),
            content_type="application/json",
        )
        reply = json.loads(body)
    assert (status, reply["error"]["param"], reply["error"]["code"]) == (400, "refine.taste", "taste_unscored")
    assert "cannot score" in reply["error"]["message"]


def test_picks_that_cannot_be_scored_tell_nothing_which_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    prompt = "How much is 7 and 4 together?"
    strange = [pick("s", "x", "y", prompt="not of this world"), pick("s", "y", "z", prompt="nor this")]
    fair = pick("s", "11.", "By counting on fingers, 7 plus 4 is 11.", prompt=prompt)
    with caplog.at_level(logging.WARNING):
        found = Tastes(toy_panel(), lambda _: [*strange, fair]).known("s", prompt)
    assert [r.message for r in caplog.records if "taste" in r.message] == [
        "some picks tell nothing about taste: the annotators cannot score their prompts or answers"
    ]
    alone = Tastes(toy_panel(), lambda _: [fair]).known("s", prompt)
    np.testing.assert_array_equal(found.belief.weights, alone.belief.weights)
    assert alone.belief.weights[4] > 0.25  # verbosity, of which less is better
    with pytest.raises(TasteError):
        Tastes(toy_panel(), lambda _: []).between("not of this world", ["x", "y"])


def test_more_candidates_than_there_is_room_for(policy: CausalPolicy) -> None:
    with served(Refiner(policy), panel=PANEL, candidates=4, max_batch=4, max_queue=3) as server:
        assert server.ask(refine={"taste": "s"})[0] == 200
        status, _, reply = server.ask(n=2, refine={"taste": "s"})
    assert status == 400
    assert "8 answers at once" in reply["error"]["message"]


def test_candidates_are_at_least_one(policy: CausalPolicy) -> None:
    with pytest.raises(InputError, match="candidates=0"):
        Personal(Refiner(policy), Tastes(PANEL, lambda _: []), 0)


def test_a_judge_without_annotators_is_refused_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--model", "no-such-folder", "--annotators", "toy_correct"]) == 2
    assert "annotators: 'toy_correct' has no annotators" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("stream", [False, True])
def test_whoever_leaves_takes_all_candidates_along(policy: CausalPolicy, stream: bool) -> None:
    limits = Limits(max_steps=5000)
    with served(Refiner(policy), panel=PANEL, candidates=3, limits=limits) as server:
        refine = {"taste": "s", "steps": 4000}
        body = json.dumps({"model": "m", "messages": [USER], "refine": refine, "stream": stream, "n": 2}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
            until = time.monotonic() + 20
            while inside(server) != 6 and time.monotonic() < until:
                time.sleep(0.005)
            assert inside(server) == 6  # two choices of three candidates
        began = time.monotonic()
        while inside(server) and time.monotonic() < began + 20:
            time.sleep(0.01)
        assert inside(server) == 0
        assert server.ask(refine={"taste": "s"})[0] == 200


def inside(server: Served) -> int:
    return json.loads(server.raw("GET", "/health")[2])["answers_inside"]
