from __future__ import annotations

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.evaluation import (
    Bootstrap,
    Player,
    Store,
    Tournament,
    clusters_of,
    estimate,
    rate,
    remembered,
    round_robin,
    tournament,
)
from slhf.judges import RuleJudge

PROMPTS = [f"x{i}" for i in range(14)]


def played(judge, repeat=1):
    answers = {name: [f"{name}{i % 5}" for i in range(14)] * repeat for name in "abcd"}
    return tournament(judge, PROMPTS * repeat, answers)


def test_intervals_of_every_cell_are_those_of_its_values(judge):
    t = played(judge)
    found = t.estimates(Bootstrap(seed=4))
    for i, a in enumerate("abcd"):
        for j, b in enumerate("abcd"):
            alone = estimate(t.per_prompt[i, j], None, Bootstrap(seed=4)).as_dict()
            assert found[i, j].as_dict() == pytest.approx(alone, abs=1e-12)
            if i != j:
                assert t.rate(a, b).stderr == pytest.approx(found[i, j].stderr, rel=1e-12)
                assert t.as_table(Bootstrap(seed=4))[i]["against"][b] == found[i, j].as_dict()
    np.testing.assert_allclose(found.low, 1.0 - found.high.T, atol=1e-12)
    assert (found.count, found.low[0, 0], found.high[0, 0]) == (14, 0.5, 0.5)


def test_averages_and_differences_by_hand(judge):
    t = played(judge)
    p = t.per_prompt
    mean = t.averages()
    assert mean[0].mean == pytest.approx((p[0, 1] + p[0, 2] + p[0, 3]).mean() / 3)
    against = t.difference("a", "b", "c")
    assert against == estimate(p[0, 2] - p[1, 2])
    assert t.difference("a", "b").mean == pytest.approx(mean[0].mean - mean[1].mean)
    with pytest.raises(InputError, match="no contender 'e'"):
        t.difference("a", "e")


def test_prompts_listed_again_add_no_certainty(judge):
    once, twice = played(judge), played(judge, repeat=2)
    assert twice.rate("a", "b").count == 14
    assert twice.rate("a", "b").stderr == pytest.approx(once.rate("a", "b").stderr, rel=1e-12)
    np.testing.assert_allclose(twice.estimates().low, once.estimates().low, atol=1e-12)


def test_a_table_made_by_hand_has_independent_prompts():
    table = np.full((2, 2, 20), 0.5)
    table[0, 1, :10], table[1, 0, :10] = 1.0, 0.0
    assert Tournament(("a", "b"), table).rate("a", "b") == rate(table[0, 1])


def test_few_prompts_have_a_mean_and_no_interval(judge):
    t = tournament(judge, ["x", "z"], {"a": ["1", "2"], "b": ["3", "4"]})
    assert t.rate("a", "b").count == 2
    with pytest.raises(InputError, match="at least 10 different prompts, there are 2"):
        t.estimates()


def test_players_in_both_roles_and_answers_from_elsewhere(store, judge, fake):
    one, two = fake("one"), fake("two")
    players = [Player(one.model()), Player(one.model(), "follower"), Player(two.model(), name="second")]
    others = {"theirs": [["t1", "t2"]] * 14, "fixed": ["f"] * 14}
    t = round_robin(judge, PROMPTS, players, store, others=others, samples=2, batch=5)
    assert t.names == ("one leader", "one follower", "second", "theirs", "fixed")
    assert t.per_prompt.shape == (5, 5, 14)
    assert sum(one.asked.values()) == 2 * 2 * 14
    assert sum(two.asked.values()) == 2 * 14
    np.testing.assert_array_equal(t.clusters, clusters_of(PROMPTS))

    judged, asked = dict(judge.asked), dict(one.asked)
    again = round_robin(judge, PROMPTS, players, store, others=others, samples=2, batch=3)
    np.testing.assert_array_equal(again.per_prompt, t.per_prompt)
    assert (judge.asked, one.asked) == (judged, asked)
    assert set(judged.values()) == {1}


def test_a_larger_tournament_asks_only_what_is_new(store, judge, fake):
    models = [fake(name, 10**9).model() for name in ("one", "two", "three")]
    round_robin(judge, PROMPTS, [Player(m) for m in models[:2]], store)
    assert sum(judge.asked.values()) == 14
    round_robin(judge, PROMPTS, [Player(m) for m in models], store)
    assert sum(judge.asked.values()) == 3 * 14


def test_a_remembered_judge_keeps_its_own_store(store, judge, fake):
    with Store(":memory:") as other:
        kept = remembered(judge, other)
        round_robin(kept, PROMPTS, [Player(fake("one", 10**9).model()), Player(fake("two").model())], store)
        assert other.counts() == {"answers": 0, "judgements": 14, "scores": 0}
        assert store.counts()["answers"] == 28


def test_interrupted_at_every_call_it_ends_with_the_same_table(judge, fake):
    """The judge and the model are interrupted at each of their calls in turn; every run goes on where it was."""

    def play(store, asked, answered):
        players = [Player(answered), Player(answered, "follower")]
        return round_robin(remembered(asked, store, batch=4), PROMPTS, players, store, batch=4).per_prompt

    with Store(":memory:") as whole:
        expected = play(whole, judge, fake("one").model())

    class Interrupted:
        def __init__(self, inner):
            self.inner, self.done = inner, 0

        def __call__(self, *arguments):
            self.done += 1
            if self.done % 2:
                raise KeyboardInterrupt
            return self.inner(*arguments)

    answers = Interrupted(fake("one"))
    rule = Interrupted(judge.prefer)

    class Breaking:
        name, identity = "counting", "counting 1"

        def prefer(self, comparisons):
            return rule(comparisons)

    model = fake("one").model()
    stopped, found = 0, None
    with Store(":memory:") as store:
        while found is None:
            try:
                found = play(store, Breaking(), type(model)("one", answers, model.identity))
            except KeyboardInterrupt:
                stopped += 1
    assert stopped >= 10
    np.testing.assert_array_equal(found, expected)


def test_conversations_reach_the_judge_as_people_read_them(store, fake):
    chat = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "?"},
    ]
    seen = []
    judge = RuleJudge(lambda prompt, response, columns: seen.append(prompt) or 0.0, name="j")
    players = [Player(fake("one", 10**9).model()), Player(fake("two").model())]
    round_robin(remembered(judge, store, identity="j"), [chat], players, store)
    assert set(seen) == {"User: Hi\n\nAssistant: Yes?\n\nUser: ?"}


@pytest.mark.parametrize(
    ("names", "others", "message"),
    [
        (["a", "a"], {}, "two contenders are called 'a'"),
        (["a"], {"a": ["1"] * 14}, "two contenders are called 'a'"),
        (["a"], {}, "at least two contenders"),
        ([], {}, "at least two contenders"),
        (["a"], {"b": ["1"]}, "'b' has answers to 1 prompts, there are 14"),
        (["a"], {"b": [[]] * 14}, "'b' has no answer to prompt 0"),
    ],
)
def test_bad_contenders(store, judge, fake, names, others, message):
    players = [Player(fake(n).model(), name=n) for n in names]
    with pytest.raises(InputError, match=message):
        round_robin(judge, PROMPTS, players, store, others=others)


def test_unknown_role(fake):
    with pytest.raises(InputError, match=r"role 'folower'.*Did you mean 'follower'"):
        Player(fake("a").model(), "folower")
