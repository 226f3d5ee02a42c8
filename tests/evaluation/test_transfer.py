from __future__ import annotations

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.evaluation import Request, estimate, transfer, transfer_table
from slhf.judges import RuleJudge

PROMPTS = [f"x{i}" for i in range(12)]
LONGER = RuleJudge(lambda prompt, response, columns: columns.get("sign", 1.0) * len(response))


def test_table_by_hand():
    answers = {"s": [["a", "aaa"], ["b", "b"]], "t": [["aa"], ["bb"]]}
    refined = {
        ("f", "s"): [["aa", "aa"], ["b", "bb"]],  # better, worse; tie, better
        ("f", "t"): [["a"], ["bbb"]],
        ("g", "s"): [["a", "aaa"], ["", ""]],
        ("g", "t"): [["aaa"], ["bbb"]],
    }
    found = transfer_table(LONGER, ["x", "z"], answers, refined)
    assert (found.followers, found.sources) == (("f", "g"), ("s", "t"))
    expected = [[[0.5, 0.75], [0.0, 1.0]], [[0.5, 0.0], [1.0, 1.0]]]
    np.testing.assert_array_equal(found.per_prompt, expected)
    assert found.rate("f", "s").mean == 0.625
    signed = transfer_table(LONGER, ["x", "z"], answers, refined, [{"sign": -1.0}, {}])
    np.testing.assert_array_equal(signed.per_prompt[0], [[0.5, 0.75], [1.0, 1.0]])


def test_every_model_refines_everybodys_answers(store, judge, fake):
    one, two = fake("one"), fake("two")
    others = {"theirs": [[f"t{i}", f"u{i}"] for i in range(12)]}
    models = [one.model(), two.model()]
    found = transfer(judge, PROMPTS, models, store, sources=models, others=others)
    assert found.per_prompt.shape == (2, 3, 12)
    for f, follower in enumerate((one, two)):
        for s, source in enumerate((one, two)):
            for x, prompt in enumerate(PROMPTS):
                (y,) = source([Request(prompt)])
                (refined,) = follower([Request(prompt, y, 0, 1)])
                p = 0.5 if refined == y else np.tanh(judge.rank(refined) - judge.rank(y)) / 2 + 0.5
                assert found.per_prompt[f, s, x] == pytest.approx(p, abs=1e-15)
    assert found.rate("two", "theirs").mean == pytest.approx(found.per_prompt[1, 2].mean())
    cell = found.estimates()[1, 2]
    assert cell.as_dict() == pytest.approx(estimate(found.per_prompt[1, 2]).as_dict(), abs=1e-12)
    assert found.as_table()[1]["on"]["theirs"] == cell.as_dict()
    assert found.difference("one", "two", "theirs") == estimate(found.per_prompt[0, 2] - found.per_prompt[1, 2])


def test_again_asks_nobody(store, judge, fake):
    models = [fake("one").model(), fake("two").model()]
    first = transfer(judge, PROMPTS, models, store, sources=models)
    calls = list(judge.calls), dict(models[0].answer.asked)
    again = transfer(judge, PROMPTS, models, store, sources=models)
    np.testing.assert_array_equal(first.per_prompt, again.per_prompt)
    assert (judge.calls, models[0].answer.asked) == calls
    assert set(judge.asked.values()) == {1}


def test_prompts_listed_again_are_one_cluster(store, judge, fake):
    m = [fake("one").model()]
    assert transfer(judge, PROMPTS * 2, m, store, sources=m).rate("one", "one").count == 12


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no answers to refine"),
        ({"others": {"theirs": [["a"]]}}, "'theirs' has answers to 1 prompts, there are 12"),
        ({"others": {"theirs": ["a"] * 12}}, "'theirs' has no list of answers to prompt 0"),
        ({"others": {"theirs": [[]] * 12}}, "'theirs' has no list of answers to prompt 0"),
        ({"others": {"one": [["a"]] * 12}, "sources": ["one"]}, "two sources of answers are called 'one'"),
        ({"sources": ["one", "one"]}, "two models are called 'one'"),
    ],
)
def test_bad_sources(store, judge, fake, settings, message):
    if "sources" in settings:
        settings = settings | {"sources": [fake(n).model() for n in settings["sources"]]}
    with pytest.raises(InputError, match=message):
        transfer(judge, PROMPTS, [fake("f").model()], store, **settings)
    assert store.counts()["answers"] == 0


def test_no_follower(store, judge, fake):
    with pytest.raises(InputError, match="there are no models"):
        transfer(judge, PROMPTS, [], store, sources=[fake("one").model()])


@pytest.mark.parametrize(
    ("refined", "message"),
    [
        ({("f", "s"): [["a"]]}, "'t' were not refined by 'f'"),
        ({("f", "s"): [["a", "b"]], ("f", "t"): [["a"]]}, "'f' refined 2 of 1 answers of 's' to prompt 0"),
        ({("f", "s"): [], ("f", "t"): [["a"]]}, "'f on s' has answers to 0 prompts, there are 1"),
    ],
)
def test_bad_refinements(refined, message):
    with pytest.raises(InputError, match=message):
        transfer_table(LONGER, ["x"], {"s": [["a"]], "t": [["b"]]}, refined)
    with pytest.raises(InputError, match="2 rows of columns"):
        transfer_table(LONGER, ["x"], {}, {}, [{}, {}])


def test_unknown_names():
    found = transfer_table(LONGER, ["x"], {"s": [["a"]]}, {("f", "s"): [["b"]]})
    with pytest.raises(InputError, match="no Follower 'g'; there are f"):
        found.rate("g", "s")
    with pytest.raises(InputError, match="no source 't'; there are s"):
        found.rate("f", "t")
