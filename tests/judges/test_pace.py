"""How many comparisons a judge likes at once: what an interrupted evaluation can lose."""

from __future__ import annotations

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.evaluation import Store, judge_identity, remembered
from slhf.judges import MixtureJudge, RuleJudge
from slhf.judges.critic import CriticJudge
from slhf.judges.protocol import pace
from slhf.types import Comparison

LONGER = RuleJudge(lambda prompt, response, columns: len(response), name="longer")


class Slow:
    """A judge that wants few questions at once, and notes how many came."""

    def __init__(self, at_once):
        self.name = self.identity = f"slow {at_once}"
        self.at_once, self.asked = at_once, []

    def prefer(self, comparisons):
        self.asked.append(len(comparisons))
        return np.full(len(comparisons), 0.5)


def test_a_mixture_goes_at_the_pace_of_its_slowest_judge():
    """What is lost when it is interrupted is as dear as the dearest judge; a mixture in a mixture too."""
    slow = Slow(5)
    inner = MixtureJudge({"slow": slow, "slower than none": Slow(300)})
    outer = MixtureJudge({"inner": inner, "longer": LONGER})
    assert (pace(LONGER), pace(MixtureJudge({"longer": LONGER}))) == (1024, 1024)
    assert (pace(inner), pace(outer)) == (5, 5)
    assert judge_identity(outer), "the pace is no part of what tells a judge from others"
    view = remembered(outer, Store(":memory:"))
    view.prefer([Comparison(f"x{i}", "a", "bb") for i in range(12)])
    assert slow.asked == [5, 5, 2]
    assert pace(MixtureJudge({"kept": view, "longer": LONGER})) == 5


class Counted:
    """A model that reads pairs, and notes how many came."""

    def __init__(self):
        self.seen: list[int] = []

    def ask(self, comparisons):
        self.seen.append(len(comparisons))
        return np.full(len(comparisons), 0.5)

    def digest(self):
        return "counted"


def test_a_critic_asks_for_few_comparisons_at_once():
    """A large model takes seconds for each: what an interrupted evaluation loses is bounded."""
    reader = Counted()
    assert pace(CriticJudge(reader)) == 64
    assert CriticJudge(reader).identity == CriticJudge(reader, at_once=3).identity
    with Store(":memory:") as store:
        remembered(CriticJudge(reader, at_once=3), store).prefer([Comparison(f"x{i}", "a", "b") for i in range(8)])
    assert reader.seen == [6, 6, 4], "both orders of 3, 3 and 2"
    with pytest.raises(InputError, match="at_once=0"):
        CriticJudge(reader, at_once=0)
