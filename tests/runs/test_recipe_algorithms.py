"""A recipe names any of the algorithms, and its settings are read as strictly."""

from __future__ import annotations

from typing import Any

import pytest

from slhf.algorithms import ALGORITHMS, RLOO, SPPO, NashMD, OnlineIPO, StackelbergGDA
from slhf.errors import InputError
from slhf.runs.build import build_algorithm
from slhf.runs.recipe import parse_recipe

NAMED: list[Any] = [
    ({"kappa": 2.0}, StackelbergGDA(kappa=2.0)),
    ({"name": "rloo", "samples": 4, "kl": "exact"}, RLOO(samples=4, kl="exact")),
    ({"name": "rloo", "reward": "score", "tau": 1e-2}, RLOO(tau=1e-2, reward="score")),
    ({"name": "nash_md", "mixture": 0.25, "mixture_samples": 2}, NashMD(mixture=0.25, mixture_samples=2)),
    ({"name": "online_ipo", "tau": 0.1}, OnlineIPO(tau=0.1)),
    ({"name": "sppo", "eta": 50.0}, SPPO(eta=50.0)),
    ("nash_md", NashMD()),
]


def test_every_algorithm_can_be_named() -> None:
    assert {kind for _, made in NAMED for kind in [type(made)]} == set(ALGORITHMS.values())


@pytest.mark.parametrize(("section", "want"), NAMED)
def test_a_name_becomes_its_algorithm(recipe_values: dict, section: Any, want: Any) -> None:
    recipe = parse_recipe({**recipe_values, "algorithm": section}, "t.yaml")
    assert build_algorithm(recipe) == want
    assert build_algorithm(parse_recipe(recipe.as_dict(), "again.yaml")) == want


def test_published_defaults() -> None:
    """SLHF's experiments: mixture .75 and τ = .001; SPPO's: η = 1,000 and five answers."""
    assert (NashMD().mixture, NashMD().tau) == (0.75, 1e-3)
    assert (SPPO().eta, SPPO().samples) == (1e3, 5)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "rlo"}, r"t\.yaml: algorithm\.name: there is no algorithm 'rlo'.*Did you mean 'rloo'"),
        ({"name": "nash_md", "kappa": 2.0}, r"algorithm\.kappa: there is no such setting.*Known here: baseline, kl"),
        ({"name": "nash_md", "mixture": 2.0}, r"t\.yaml: algorithm\.mixture=2\.0: the reference's share"),
        ({"name": "rloo", "reward": "points"}, r"algorithm\.reward: expected"),
        ({"name": "sppo", "eta": 0.0}, r"algorithm\.eta=0\.0: must be a finite number > 0"),
    ],
)
def test_wrong_settings_are_named(recipe_values: dict, section: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_recipe({**recipe_values, "algorithm": section}, "t.yaml")
