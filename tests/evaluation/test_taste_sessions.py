"""Simulated users: against chains and samples made by other code, the exact game, and a run that was killed."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evaluation.conftest import number

from slhf.errors import InputError
from slhf.evaluation import Model, Store, chain_answers, leader_answers
from slhf.evaluation.taste_exact import chance_by_click
from slhf.evaluation.taste_sessions import Place, Users, World, run_sessions
from slhf.evaluation.taste_tally import Tally, pooled
from slhf.evaluation.taste_visits import Chained, Independent, Personal
from slhf.judges import Annotator
from slhf.taste import prior

PROMPTS = [f"prompt {x}" for x in range(6)]
NAMES = ("large", "small", "round")


def large(prompt, response, columns):
    return float(response[1:])


def small(prompt, response, columns):
    return -float(response[1:])


def round_(prompt, response, columns):
    return float(float(response[1:]) % 10 == 0)


PANEL = (Annotator("large", large), Annotator("small", small), Annotator("round", round_))
LEVELS = np.tile([45.0, -4.0, 1.0], (len(PROMPTS), 1))  # 45 or more of 0 … 49; 4 or less; a multiple of ten


def world(model: Model, store: Store, annotators=PANEL, prompts=PROMPTS) -> World:
    return World(model, annotators, prompts, [{}] * len(prompts), store, batch=16)


def run(made: World, method, *, copies: int = 1, clicks: int = 8, groups=None, lapse: float = 0.05, seed: int = 0):
    users = Users(NAMES, copies, clicks, lapse, seed)
    groups = [[0, 1, 2], [3, 4, 5]] if groups is None else groups
    return run_sessions(made, users, groups, LEVELS, method, [prior(NAMES)] * 3)


def test_chains_and_samples_are_those_of_other_code(fake, store) -> None:
    model = fake("m").model()
    iid = leader_answers(model, PROMPTS, store, samples=8)
    chains = [chain for (chain,) in chain_answers(model, PROMPTS, store, length=8)]
    for method, answers in ((Independent(), iid), (Chained(), chains)):
        for place in run(world(model, store), method):
            utility = [PANEL[place.user].score("", y, {}) for y in answers[place.prompt]]
            reached = [n for n, u in enumerate(utility, start=1) if u >= LEVELS[place.prompt, place.user]]
            assert place.clicks == (reached[0] if reached else 9)
            assert place.asked == 0


def test_every_user_goes_through_every_session_in_order(fake, store) -> None:
    places = run(world(fake("m").model(), store), Personal(3), copies=2)
    assert [(p.session, p.user, p.copy, p.place) for p in places] == [
        (g, user, copy, place) for g in range(2) for user in range(3) for copy in range(2) for place in range(3)
    ]
    assert [p.prompt for p in places[:3]] == [0, 1, 2]
    assert [p.prompt for p in places[-3:]] == [3, 4, 5]
    assert all(p.belief == pytest.approx(1 / 3) for p in places if p.place == 0)
    first = {(p.session, p.user): p.clicks for p in places if p.copy == 0}
    assert first != {(p.session, p.user): p.clicks for p in places if p.copy == 1}  # copies draw their own samples


def test_picks_are_remembered_from_prompt_to_prompt(fake, store) -> None:
    """Twenty users of each kind: the belief in their own annotator grows, and with it fewer clicks are needed."""
    places = run(world(fake("m").model(), store), Personal(4), copies=20)
    believed = [np.mean([p.belief for p in places if p.place == n]) for n in range(3)]
    assert believed[0] == pytest.approx(1 / 3)
    assert believed[0] < believed[1] < believed[2]


def test_the_simulation_meets_the_exact_game(store) -> None:
    """Condorcet's paradox, a Leader and a Follower that draw from (π, ω); 1,500 users, seeds in the requests.

    The share content by the n-th click lies within four standard errors of the exact chance, for every method, with
    comparisons asked and with users who lapse.
    """
    pi, omega = np.array([0.5, 0.3, 0.2]), np.array([[0, 0.4, 0.6], [0.7, 0.1, 0.2], [0.25, 0.5, 0.25]])
    u = np.array([[2.0, 1, 0], [0, 2.0, 1], [1, 0, 2.0]])

    def answer(requests):
        laws = [pi if r.previous is None else omega["ABC".index(r.previous)] for r in requests]
        drawn = [int(np.searchsorted(np.cumsum(q), number(repr(r)))) for q, r in zip(laws, requests, strict=True)]
        return ["ABC"[y] for y in drawn]

    def judge(k):
        return Annotator(f"a{k}", lambda prompt, response, columns: u[k]["ABC".index(response)])

    made = World(Model("exact", answer, "exact"), [judge(k) for k in range(3)], ["x"], [{}], store)
    names, copies = ("a0", "a1", "a2"), 500
    belief = prior(names, [0.5, 0.3, 0.2], lapse=0.1)
    for method in (Independent(), Chained(), Personal(2), Personal(2, ask=0.05)):
        places = run_sessions(
            made, Users(names, copies, 4, 0.1, seed=3), [[0]], np.full((1, 3), 2.0), method, [belief] * 3
        )
        for user in range(3):
            chance = chance_by_click(method, belief, user, pi, omega, u, 4)
            clicks = np.array([p.clicks for p in places if p.user == user])
            share = np.array([(clicks <= n).mean() for n in range(1, 5)])
            assert (np.abs(share - chance) <= 4 * np.sqrt(chance * (1 - chance) / copies) + 1e-12).all(), method


def test_a_killed_run_goes_on_to_the_same_result(fake, tmp_path) -> None:
    whole = fake("m")
    with Store(tmp_path / "whole.sqlite") as store:
        expected = run(world(whole.model(), store), Personal(3, ask=0.2), copies=2)
    killed, calls = fake("m"), 0

    def stopping(requests):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return killed(requests)

    model = Model("m", stopping, "fake m")
    with Store(tmp_path / "killed.sqlite") as store, pytest.raises(KeyboardInterrupt):
        run(world(model, store), Personal(3, ask=0.2), copies=2)
    with Store(tmp_path / "killed.sqlite") as store:
        assert run(world(model, store), Personal(3, ask=0.2), copies=2) == expected
    assert set(killed.asked.values()) == {1}  # what was kept is not asked again
    assert killed.asked == whole.asked


def tally(**clicks: list[int]) -> Tally:
    """Twelve sessions of two prompts and two users; clicks are given session by session."""
    places = {
        name: [
            Place(g, 2 * g + place, place, user, 0, values[(4 * g + 2 * user + place) % len(values)], user, 0.5)
            for g in range(12)
            for user in range(2)
            for place in range(2)
        ]
        for name, values in clicks.items()
    }
    return Tally(places, ("a", "b"), 5)


def test_means_and_differences_are_clustered_by_session() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.integers(1, 7, size=48), rng.integers(1, 7, size=48)
    found = tally(one=one.tolist(), two=two.tolist())
    sums = (one - two).reshape(12, 4).mean(axis=1)
    gap = found.difference("one", "two")
    assert gap.mean == pytest.approx((one - two).mean())
    assert gap.stderr == pytest.approx(sums.std(ddof=1) / np.sqrt(12))  # equal sessions: that of their means
    assert gap.count == 12
    assert found.mean("one").mean == pytest.approx(one.mean())
    assert found.mean("one", user=1).mean == pytest.approx(one.reshape(12, 2, 2)[:, 1].mean())
    assert found.mean("one", place=1).mean == pytest.approx(one.reshape(12, 2, 2)[:, :, 1].mean())
    np.testing.assert_allclose(found.content("one").mean, [(one <= n).mean() for n in range(1, 6)])
    told = found.as_dict()
    assert told["methods"]["two"]["clicks"] == found.mean("two").as_dict()
    assert told["methods"]["one"]["comparisons"] == 0.5
    assert [(d["more"], d["than"]) for d in told["differences"]] == [("one", "two"), ("two", "one")]
    assert told["differences"][0]["mean"] == pytest.approx(-told["differences"][1]["mean"])


def test_models_are_pooled_by_session() -> None:
    a, b = tally(one=[1, 2, 3, 4, 5]), tally(one=[3, 3, 3, 3, 1])
    together = pooled([a, b])
    assert together.mean("one").mean == pytest.approx((a.mean("one").mean + b.mean("one").mean) / 2)
    assert together.mean("one").count == 12
    with pytest.raises(InputError, match="only tallies of the same methods"):
        pooled([a, tally(other=[1])])
    with pytest.raises(InputError, match=r"no method 'on'.*Did you mean 'one'"):
        a.mean("on")
