from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy.special import expit

from slhf.errors import InputError
from slhf.evaluation import (
    Chains,
    Independent,
    best_of_n_against,
    best_of_n_curve,
    best_of_n_curves,
    curve_against_one,
    estimate,
    preference_of_best,
)
from slhf.games import best_of_n, chain_distributions
from slhf.judges import Annotator, PanelJudge, RuleJudge

PROMPTS = [f"x{i}" for i in range(12)]
SIZE = Annotator("size", lambda prompt, response, columns: float(int(response.strip("abcdefghijklmnopqrstuvwxyz"))))
PANEL = PanelJudge([SIZE, Annotator("small", SIZE.score, lower_is_better=True)], weights=[3, 1])


def vote(a, b, temperature):
    return expit((a - b) / temperature) if temperature else 0.5 + 0.5 * np.sign(a - b)


def by_subsets(ours, theirs, n, temperature):
    """Every subset of n of ours against every subset of n of theirs."""
    pairs = product(combinations(ours, n), combinations(theirs, n))
    return np.mean([vote(max(a), max(b), temperature) for a, b in pairs])


@pytest.mark.parametrize("temperature", [None, 0.7])
def test_curve_is_the_mean_over_all_subsets(temperature):
    rng = np.random.default_rng(1)
    ours, theirs = (rng.integers(0, 5, (2, 3, m)).astype(float) for m in (6, 5))
    curve = best_of_n_curve(
        "c", Independent(ours), Independent(theirs), ["a", "b"], n=5, weights=[1, 3], temperature=temperature
    )
    for n, a, x in product(range(5), range(2), range(3)):
        expected = by_subsets(ours[a, x], theirs[a, x], n + 1, temperature)
        assert curve.per_prompt[n, a, x] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(curve.average, 0.25 * curve.per_prompt[:, 0] + 0.75 * curve.per_prompt[:, 1], atol=1e-15)


def test_chain_is_the_best_of_its_beginning():
    rng = np.random.default_rng(2)
    chains, theirs = rng.integers(0, 5, (1, 4, 3, 4)).astype(float), rng.integers(0, 5, (1, 4, 6)).astype(float)
    curve = best_of_n_curve("c", Chains(chains), Independent(theirs), ["a"], n=4)
    for n, x in product(range(1, 5), range(4)):
        expected = np.mean(
            [[vote(max(c[:n]), max(b), None) for b in combinations(theirs[0, x], n)] for c in chains[0, x]]
        )
        assert curve.per_prompt[n - 1, 0, x] == pytest.approx(expected, abs=1e-12)


def test_paradox_follows_the_exact_distributions():
    """100,000 chains and samples of the three-type game, against slhf.games: pass@N 1/3, 2/3, 1."""
    rng = np.random.default_rng(3)
    utility = np.array([2.0, 1.0, 0.0])
    follower = np.array([2, 0, 1])  # A → C, B → A, C → B
    first = rng.integers(0, 3, 100_000)
    chain = np.stack([first, follower[first], follower[follower[first]]], axis=-1)
    favourite = Independent(np.full((1, 1, 3), 2.0))
    curve = best_of_n_curve("chain", Chains(utility[chain][None, None]), favourite, ["a1"], n=3)
    assert 2 * curve.per_prompt[:, 0, 0] == pytest.approx([1 / 3, 2 / 3, 1], abs=0.005)
    omega = np.eye(3)[follower]
    np.testing.assert_allclose(chain_distributions(np.full(3, 1 / 3), omega, 3), np.full((3, 3), 1 / 3), atol=1e-12)
    samples = Independent(utility[rng.integers(0, 3, (1, 20_000, 5))])
    theirs = Independent(utility[rng.integers(0, 3, (1, 20_000, 5))])
    uniform = best_of_n(np.full(3, 1 / 3), utility, 3)
    found = best_of_n_curve("i.i.d.", samples, theirs, ["a1"], n=3, baseline_n=1).per_prompt.mean(axis=2)[:, 0]
    exact = [(d[0] * 2.5 + d[1] * 1.5 + d[2] * 0.5) / 3 for d in uniform]
    assert found == pytest.approx(exact, abs=0.005)


def test_using_all_subsets_is_unbiased_and_steadier_than_the_first_n():
    rng = np.random.default_rng(4)
    ours, theirs = rng.normal(0.3, 1, (1, 4000, 8)), rng.normal(0, 1.5, (1, 4000, 8))
    every = best_of_n_curve("c", Independent(ours), Independent(theirs), ["a"], n=3).average
    first = best_of_n_curve("c", Independent(ours[..., :3]), Independent(theirs[..., :3]), ["a"], n=3).average
    np.testing.assert_allclose(every.mean(axis=1), first.mean(axis=1), atol=0.025)
    assert (every.std(axis=1) < 0.75 * first.std(axis=1)).all()


def test_same_answers_on_both_sides_are_a_draw():
    scores = np.random.default_rng(5).integers(0, 4, (2, 20, 6)).astype(float)
    curve = best_of_n_curve("c", Independent(scores), Independent(scores), ["a", "b"], n=6)
    np.testing.assert_allclose(curve.per_prompt, 0.5, atol=1e-12)


def test_a_fixed_baseline_lets_no_curve_fall_and_one_with_as_many_answers_does():
    """A policy that says always the same, a little above the mean, against one that varies."""
    ours = np.full((1, 50, 5), 0.2)
    theirs = np.random.default_rng(6).normal(0, 1, (1, 50, 5))
    fixed = best_of_n_curve("c", Independent(ours), Independent(theirs), ["a"], n=5, baseline_n=1)
    same = best_of_n_curve("c", Independent(ours), Independent(theirs), ["a"], n=5)
    assert (np.diff(fixed.average.mean(axis=1)) >= -1e-12).all()
    assert (np.diff(same.average.mean(axis=1)) < 0).all()


def test_intervals_are_those_of_the_values():
    rng = np.random.default_rng(7)
    one, two, base = (Independent(rng.normal(m, 1, (2, 40, 4))) for m in (0.5, 0.2, 0.0))
    a = best_of_n_curve("a", one, base, ["u", "v"], n=4)
    b = best_of_n_curve("b", two, base, ["u", "v"], n=4)
    assert a.estimates()[2].as_dict() == pytest.approx(estimate(a.average[2]).as_dict())
    assert a.by_annotator()[3, 1].as_dict() == pytest.approx(estimate(a.per_prompt[3, 1]).as_dict())
    assert a.gain(3) == estimate(a.average[2] - a.average[0])
    assert a.gain(4, "v") == estimate(a.per_prompt[3, 1] - a.per_prompt[0, 1])
    assert a.difference(b, 2) == estimate(a.average[1] - b.average[1])
    table = a.as_table()
    assert table["average"][2] == a.estimates()[2].as_dict()
    assert table["annotators"]["v"][3] == a.by_annotator()[3, 1].as_dict()
    for call, message in [
        (lambda: a.gain(5), "N=5: there are 4 answers"),
        (lambda: a.gain(2, "w"), "no annotator 'w'; there are u, v"),
    ]:
        with pytest.raises(InputError, match=message):
            call()


def test_judge_without_annotators_takes_the_answer_it_prefers_most():
    rng = np.random.default_rng(8)
    p = rng.random((1, 12, 5))
    curve = curve_against_one("c", Independent(p), "j", n=3)
    for n, x in product(range(1, 4), range(12)):
        assert curve.per_prompt[n - 1, 0, x] == pytest.approx(np.mean([max(c) for c in combinations(p[0, x], n)]))
    chain = curve_against_one("c", Chains(p[:, :, None]), "j", n=5)
    np.testing.assert_allclose(chain.average, np.maximum.accumulate(p[0], axis=1).T)
    with pytest.raises(InputError, match="preferences lie in"):
        curve_against_one("c", Independent(p + 1), "j", n=1)


def test_curves_of_models(store, fake):
    base, one = fake("base", 10), fake("one", 10)
    settings = {"chains": [one.model()], "independent": [one.model()], "n": 3, "samples": 2, "drawn": 4}
    chain, samples = best_of_n_curves(PANEL, PROMPTS, base.model(), store, **settings)
    assert (chain.name, samples.name, chain.annotators) == ("one chain", "one i.i.d.", ("size", "small"))
    assert chain.weights.tolist() == [0.75, 0.25]
    for x, prompt in enumerate(PROMPTS):
        numbers = {name: _numbers(store, name, prompt) for name in ("base", "one")}
        theirs = [numbers["base"][s, 0] for s in range(4)]
        for n in range(1, 4):
            mine = [max(numbers["one"][s, t] for t in range(n)) for s in range(2)]
            expected = np.mean([[vote(a, max(b), None) for b in combinations(theirs, n)] for a in mine])
            assert chain.per_prompt[n - 1, 0, x] == pytest.approx(expected, abs=1e-12)
            drawn = [numbers["one"][s, 0] for s in range(4)]
            assert samples.per_prompt[n - 1, 0, x] == pytest.approx(by_subsets(drawn, theirs, n, None), abs=1e-12)
            small = by_subsets([-v for v in drawn], [-v for v in theirs], n, None)
            assert samples.per_prompt[n - 1, 1, x] == pytest.approx(small, abs=1e-12)
    before = (store.counts(), dict(one.asked))
    again = best_of_n_curves(PANEL, PROMPTS, base.model(), store, **settings)
    np.testing.assert_array_equal(again[0].per_prompt, chain.per_prompt)
    assert (store.counts(), one.asked) == before


def _numbers(store, name, prompt):
    """Read a model's answers to a prompt from the store itself: (sample, step) → the number in the text."""
    rows = store._connection.execute(
        "SELECT sample, step, answer FROM answered WHERE model = ? AND prompt = ?", (name, prompt)
    )
    return {(sample, step): int(answer.removeprefix(name)) for sample, step, answer in rows}


def test_curves_of_a_plain_judge(store, fake):
    judge = RuleJudge(SIZE.score, temperature=5.0, name="size")
    base, one = fake("base", 30), fake("one", 30)
    chain, samples = best_of_n_against(
        judge, PROMPTS, base.model(), store, chains=[one.model()], independent=[one.model()], n=3
    )
    for x, prompt in enumerate(PROMPTS):
        mine, theirs = _numbers(store, "one", prompt), _numbers(store, "base", prompt)
        p = [expit((mine[0, t] - theirs[0, 0]) / 5) for t in range(3)]
        np.testing.assert_allclose(chain.average[:, x], np.maximum.accumulate(p), rtol=1e-12)
        q = [expit((mine[s, 0] - theirs[0, 0]) / 5) for s in range(3)]
        np.testing.assert_allclose(samples.average[0, x], np.mean(q), rtol=1e-12)
    assert (chain.annotators, samples.name) == (("size",), "one i.i.d.")


def test_bad_requests(store, fake):
    m = fake("m").model()
    for settings, message in [
        ({"chains": [m], "n": 5, "drawn": 4}, "drawn=4: the best of 5"),
        ({"chains": [m], "n": 2, "baseline_n": 3}, "drawn=2: the best of 3"),
        ({}, "no models"),
        ({"chains": [m, m]}, "two models are called 'm'"),
    ]:
        with pytest.raises(InputError, match=message):
            best_of_n_curves(PANEL, PROMPTS, m, store, **settings)
    with pytest.raises(InputError, match="no models"):
        best_of_n_against(PANEL, PROMPTS, m, store)


def test_bad_scores():
    good, bad = Independent(np.zeros((2, 3, 4))), Independent(np.full((2, 3, 4), np.nan))
    for ours, base, names, message in [
        (good, Independent(np.zeros((2, 4, 4))), ["a", "b"], r"baseline's answers.*shape \(2, 4, 4\)"),
        (good, good, ["a"], r"answers are finite.*\(1, 3\)"),
        (bad, good, ["a", "b"], "finite"),
    ]:
        with pytest.raises(InputError, match=message):
            best_of_n_curve("c", ours, base, names, n=2)
    with pytest.raises(InputError, match="N=5: there are 4"):
        best_of_n_curve("c", good, good, ["a", "b"], n=5)
    with pytest.raises(InputError, match="N=0"):
        good.best(0)
    assert preference_of_best(good.best(2), good.best(4)).tolist() == [[0.5] * 3] * 2


def test_curves_over_other_prompts_are_not_compared():
    base, more = Independent(np.zeros((1, 12, 2))), Independent(np.zeros((1, 13, 2)))
    a, b = (best_of_n_curve(n, s, s, ["a"], n=2) for n, s in (("a", base), ("b", more)))
    with pytest.raises(InputError, match="'a' has 12 prompts, 'b' 13"):
        a.difference(b, 1)
