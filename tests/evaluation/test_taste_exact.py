"""Clicks in finite games, exactly: against pass@N, closed forms, and every sequence of samples written out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.evaluation.taste_exact import by_utility, chance_by_click
from slhf.evaluation.taste_visits import Chained, Independent, Personal
from slhf.games import pass_at_n, pass_at_n_iid
from slhf.runs.taste import exact
from slhf.taste import prior

ACTIONS, TYPES, CLICKS = 4, 3, 4


def game(seed: int):
    rng = np.random.default_rng(seed)
    omega = rng.dirichlet(np.ones(ACTIONS), size=ACTIONS)
    omega[seed % ACTIONS] = np.eye(ACTIONS)[rng.integers(ACTIONS)]
    return rng.dirichlet(np.ones(ACTIONS)), omega, rng.integers(0, 3, size=(TYPES, ACTIONS)).astype(float)


def test_the_papers_example() -> None:
    """§4.1 with α = ⅓: Nash i.i.d. 1/3, 5/9, 19/27; the Stackelberg chain 1/3, 2/3, 1, and so the personal one."""
    found = exact([1, 1, 1])["methods"]
    for each in (*found["Nash i.i.d."]["each"].values(), found["Nash i.i.d."]["average"]):
        np.testing.assert_allclose(each, [1 / 3, 5 / 9, 19 / 27], atol=1e-12)
    for name in ("Stackelberg chain", "Stackelberg personal"):
        for each in (*found[name]["each"].values(), found[name]["average"]):
            np.testing.assert_allclose(each, [1 / 3, 2 / 3, 1], atol=1e-12)
    # of four uniform samples of the Leader, one is the favourite of a known user
    known = found["Stackelberg, user known"]["average"]
    assert known[0] == pytest.approx(1 - (2 / 3) ** 4)
    assert known[2] == pytest.approx(1.0)


def test_unequal_shares() -> None:
    """α = (.4, .35, .25): Nash (.5, .2, .3) and its samples; the Leader plays A, and the chain runs A, C, B."""
    found = exact([0.4, 0.35, 0.25])
    nash = [1 - (1 - q) ** n for q in (0.5,) for n in (1, 2, 3)]
    np.testing.assert_allclose(found["methods"]["Nash i.i.d."]["each"]["a1"], nash, atol=1e-9)
    chain = found["methods"]["Stackelberg chain"]["each"]
    assert (chain["a1"], chain["a3"], chain["a2"]) == ([1, 1, 1], [0, 1, 1], [0, 0, 1])
    np.testing.assert_allclose(found["methods"]["Stackelberg chain"]["average"], [0.4, 0.65, 1.0])


@pytest.mark.parametrize("seed", range(6))
def test_chains_and_samples_are_pass_at_n(seed: int) -> None:
    pi, omega, u = game(seed)
    tops = u == u.max(axis=1, keepdims=True)
    belief = prior(["a", "b", "c"])
    for user in range(TYPES):
        chain = chance_by_click(Chained(), belief, user, pi, omega, u, CLICKS)
        np.testing.assert_allclose(chain, pass_at_n(pi, omega, tops[user], CLICKS), atol=1e-14)
        iid = chance_by_click(Independent(), belief, user, pi, omega, u, CLICKS)
        np.testing.assert_allclose(iid, pass_at_n_iid(pi, tops[user], CLICKS), atol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_one_candidate_is_the_chain(seed: int) -> None:
    pi, omega, u = game(seed)
    for user in range(TYPES):
        one = chance_by_click(Personal(1), prior(["a", "b", "c"]), user, pi, omega, u, CLICKS)
        np.testing.assert_allclose(one, chance_by_click(Chained(), prior("abc"), user, pi, omega, u, CLICKS))


def written_out(pi, omega, u, weights, user: int, many: int) -> list[float]:
    """Two clicks of the personal choice: every set of first samples, then every set of second ones."""
    tops = u == u.max(axis=1, keepdims=True)

    def shown(seen, answers):
        different = [y for place, y in enumerate(answers) if y not in answers[:place]]
        new = [y for y in different if y not in seen] or different
        best = [[y for y in new if row[y] == max(row[z] for z in new)] for row in u]
        share = {y: sum(w / len(b) for w, b in zip(weights, best, strict=True) if y in b) for y in new}
        return next(y for y in new if share[y] >= max(share.values()) - 1e-12)

    by = [0.0, 0.0]
    for first in itertools.product(range(ACTIONS), repeat=many):
        p, y = math.prod(pi[a] for a in first), shown([], first)
        if tops[user, y]:
            by[0] += p
            continue
        for second in itertools.product(range(ACTIONS), repeat=many):
            q = math.prod(omega[y, a] for a in second)
            by[1] += p * q * tops[user, shown([y], second)]
    return [by[0], by[0] + by[1]]


@pytest.mark.parametrize("seed", range(4))
def test_the_personal_choice_is_the_sum_over_all_samples(seed: int) -> None:
    pi, omega, u = game(seed)
    weights = np.random.default_rng(seed).dirichlet(np.ones(TYPES))
    for user in range(TYPES):
        got = chance_by_click(Personal(3), prior(["a", "b", "c"], weights), user, pi, omega, u, 2)
        np.testing.assert_allclose(got, written_out(pi, omega, u, weights, user, 3), atol=1e-12)


def test_a_comparison_costs_a_click_and_tells() -> None:
    """0 → 1 → {2, 3}; the two types differ in the order of 0 and 1, and 2 or 3 is their favourite.

    Without asking, the third click guesses: ½ (each is the first of the two samples as often, and alone as often).
    Asking takes the third click and finds the user; the fourth shows the favourite if it is among two samples: ¾.
    """
    pi, omega = [1, 0, 0, 0], [[0, 1, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0, 1], [0, 0, 1, 0]]
    u = np.array([[1.0, 0, 3, 2], [0, 1.0, 2, 3]])
    belief = prior(["a", "b"], lapse=0.0)
    for user in (0, 1):
        silent = chance_by_click(Personal(2), belief, user, pi, omega, u, 5)
        np.testing.assert_allclose(silent, [0, 0, 0.5, 1, 1])
        asking = chance_by_click(Personal(2, ask=0.5), belief, user, pi, omega, u, 5)
        np.testing.assert_allclose(asking, [0, 0, 0, 0.75, 1])
        # at most ln 2 = .693 can be told, so more is never asked for
        np.testing.assert_allclose(chance_by_click(Personal(2, ask=0.7), belief, user, pi, omega, u, 5), silent)


def test_a_user_who_lapses_is_followed_both_ways() -> None:
    pi, omega = [1, 0, 0, 0], [[0, 1, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0, 1], [0, 0, 1, 0]]
    u = np.array([[1.0, 0, 3, 2], [0, 1.0, 2, 3]])
    got = chance_by_click(Personal(2, ask=0.1), prior(["a", "b"], lapse=0.2), 0, pi, omega, u, 4)
    # told right (.8): shown unless both samples are the other's, ¾; told wrong: only if both are this one's, ¼
    np.testing.assert_allclose(got, [0, 0, 0, 0.8 * 0.75 + 0.2 * 0.25])


def test_soft_preferences_are_logistic() -> None:
    u = np.array([[0.0, 1.0]])
    assert by_utility(u, 1.0)([0, 1])[0, 1, 0] == pytest.approx(1 / (1 + math.exp(-1)))
    np.testing.assert_array_equal(by_utility(u)([1, 0, 1])[0], [[0.5, 1, 0.5], [0, 0.5, 0], [0.5, 1, 0.5]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact([1, 1, 1], clicks=0), "clicks=0"),
        (lambda: exact([1, 1, 1], candidates=0), "candidates=0"),
        (lambda: exact([1, 1, 1], candidates=12), "too many sets"),
        (lambda: exact([0, 0, 0]), "shares|weights"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
