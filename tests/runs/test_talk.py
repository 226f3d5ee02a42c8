"""A session of asking, improving and picking: what is asked of the model, and what becomes of picks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.serving_fixtures import small_policy

from slhf import toy
from slhf.errors import InputError
from slhf.judges import named_judge
from slhf.judges.among import as_panel
from slhf.policies import CausalPolicy, load_policy
from slhf.runs.talk import Scene, Talk
from slhf.serving import Asked, Refiner, StepEvent
from slhf.serving.picks import PickStore


@pytest.fixture(scope="module")
def policy() -> CausalPolicy:
    return small_policy()


def talk(policy: CausalPolicy, **more: Any) -> Talk:
    return Talk(Refiner(policy), "m", "s", asked=Asked(seed=3), **more)


def test_each_answer_is_the_refiners_with_a_number_of_its_own(policy: CausalPolicy) -> None:
    here, there = talk(policy), Refiner(policy)
    events = list(here.ask("a b"))
    first = there.refine("a b", steps=0, seed=3, sample=0).text
    assert [event.step.text for event in events if isinstance(event, StepEvent)] == [first]
    list(here.improve())
    second = there.refine("a b", steps=1, answer=first, seed=3, sample=1).text
    list(here.improve())
    third = there.refine("a b", steps=1, answer=second, seed=3, sample=2).text
    assert here.scene.answers == (first, second, third)
    here.pick(1)
    list(here.improve())  # of the picked one, and not of the last
    fourth = there.refine("a b", steps=1, answer=first, seed=3, sample=3).text
    assert here.scene.answers == (first, second, third, fourth)
    list(here.ask("c"))
    turns = [
        {"role": "user", "content": "a b"},
        {"role": "assistant", "content": fourth},
        {"role": "user", "content": "c"},
    ]
    assert here.scene == Scene(tuple(turns), (there.refine(turns, steps=0, seed=3, sample=4).text,))


def test_a_picked_answer_is_what_the_next_prompt_follows(policy: CausalPolicy) -> None:
    here = talk(policy)
    list(here.ask("a b"))
    list(here.improve())
    chosen = here.answer(1)
    here.pick(1)
    list(here.ask("c"))
    assert here.scene.turns[1] == {"role": "assistant", "content": chosen}


def test_picks_are_stored(policy: CausalPolicy, tmp_path: Path) -> None:
    file = tmp_path / "picks.sqlite"
    with PickStore(file) as store:
        here = talk(policy, store=store)
        list(here.ask("a b"))
        with pytest.raises(InputError, match="needs two different answers"):
            here.pick(1)
        for _ in range(3):
            list(here.improve())
        here.pick(2)
        (pick,) = store.rows()
        assert (pick.session, pick.prompt, pick.model) == ("s", "a b", "m")
        assert pick.chosen == here.answer(2)
        assert set(pick.rejected) == set(here.scene.answers) - {pick.chosen}
        assert pick.rejected
        here.undo()
        assert here.scene.picked is None
        assert list(store.rows()) == [pick]


def test_undo_and_begin(policy: CausalPolicy) -> None:
    here = talk(policy)
    seen = [here.scene]
    with pytest.raises(InputError, match="nothing to take back"):
        here.undo()
    list(here.ask("a b"))
    seen.append(here.scene)
    list(here.improve())
    seen.append(here.scene)
    here.begin()
    assert here.scene == Scene()
    for scene in reversed(seen):
        here.undo()
        assert here.scene == scene
    list(here.ask("a b"))
    assert here.scene.answers != seen[1].answers  # asked again, something else may be said


def test_what_is_stopped_or_fails_leaves_no_trace(policy: CausalPolicy) -> None:
    here = talk(policy)
    list(here.ask("a b"))
    before = here.scene
    events = here.improve()
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert here.scene == before
    for wrong, words in (("", "is empty"), ("a " * 130, "the model holds 128")):
        with pytest.raises(InputError, match=words):
            list(here.ask(wrong))
    assert here.scene == before


def test_what_cannot_be_done_yet(policy: CausalPolicy) -> None:
    here = talk(policy)
    with pytest.raises(InputError, match="no answer to improve yet"):
        here.improve()
    with pytest.raises(InputError, match="there is no answer 1; there are 0"):
        here.pick(1)
    with pytest.raises(InputError, match="nothing to compare"):
        here.compare()


def test_saving(policy: CausalPolicy, tmp_path: Path) -> None:
    here = talk(policy)
    list(here.ask("a b"))
    list(here.improve())
    here.pick(2)
    here.save(tmp_path / "talk.json")
    assert json.loads((tmp_path / "talk.json").read_text(encoding="utf-8")) == {
        "model": "m",
        "messages": [{"role": "user", "content": "a b"}],
        "answers": list(here.scene.answers),
        "picked": 2,
    }
    with pytest.raises(InputError, match="is there already"):
        here.save(tmp_path / "talk.json")
    with pytest.raises(InputError, match="cannot be written"):
        here.save(tmp_path / "nowhere" / "talk.json")


@pytest.mark.parametrize("stored", [True, False])
def test_taste_chooses_among_several(tmp_path: Path, stored: bool) -> None:
    """Picks that always go to the shorter of two answers make the user like the annotator of brevity (seed 3)."""
    panel = as_panel(named_judge("toy"))
    with PickStore(tmp_path / "picks.sqlite") as store:
        here = Talk(Refiner(load_policy("toy")), "m", "s", store if stored else None, panel, 4, Asked(seed=3))
        before = share(here, "What is 2 plus 3?")
        picked = 0
        for prompt in toy.prompts("train")[:8]:
            here.begin()
            list(here.ask(prompt["prompt"]))
            if here.scene.compare is not None:  # all that were sampled may read the same
                here.pick(min(here.compare(), key=lambda one: len(here.answer(one))))
                picked += 1
        here.begin()
        after = share(here, "What is 2 plus 3?")
    assert picked > 4
    assert before["verbosity"] == pytest.approx(0.2)
    assert after["verbosity"] > 0.3


def share(here: Talk, prompt: str) -> dict[str, float]:
    *_, done = here.ask(prompt)
    return dict(done.refinement.taste.annotators)  # type: ignore[union-attr]
