from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.evaluation import cycle_report, cycles, estimate, preference_graphs, remembered
from slhf.judges import MatrixJudge

TEXTS = "abcde"


def tables(count, seed):
    """Antisymmetric tables on a grid of tenths, so that ties happen."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(0, 11, (count, 5, 5)) / 10, 1)
    return upper + np.tril(1 - upper.swapaxes(1, 2), -1) + 0.5 * np.eye(5)


class ByPrompt:
    """A judge with a table a prompt."""

    name, identity = "by prompt", "by prompt"

    def __init__(self, p):
        self.p = p

    def prefer(self, comparisons):
        return np.array([self.p[int(c.prompt), TEXTS.index(c.first), TEXTS.index(c.second)] for c in comparisons])


def circle_by_search(p):
    """Try every circle of three or more answers."""
    beats = p > 0.5
    for size in range(3, len(p) + 1):
        for path in permutations(range(len(p)), size):
            if all(beats[a, b] for a, b in zip(path, (*path[1:], path[0]), strict=True)):
                return True
    return False


def test_shares_against_a_search_of_all_circles():
    p = tables(60, 1)
    prompts = [str(x) for x in range(60)]
    found = cycles(ByPrompt(p), prompts, [list(TEXTS)] * 60)
    for x, graph in enumerate(found.graphs):
        np.testing.assert_allclose(graph.p, p[x], atol=1e-15)
        assert bool(found.cyclic[x]) == circle_by_search(p[x])
        winners = [y for y in range(5) if all(p[x, y, z] > 0.5 for z in range(5) if z != y)]
        assert found.winners[x] == (winners[0] if winners else -1)
        triples = [
            all(p[x, a, b] > 0.5 for a, b in ((i, j), (j, k), (k, i))) for i, j, k in permutations(range(5), 3)
        ]  # each circle is met three times in 60 ordered triples
        assert found.triples[x] == pytest.approx(sum(triples) / 3 / 10)
    assert 0.2 < found.rate().mean < 0.95
    assert found.share() == estimate(found.cyclic.astype(float))
    assert found.winner_share().mean == np.mean(found.winners >= 0)
    told = found.as_dict()
    assert told["cycles"] == found.share().as_dict()
    assert told["triples"]["mean"] == pytest.approx(found.triples.mean())
    assert told["different_answers"] == 5


def test_the_picture_is_of_the_most_cyclic_prompt():
    def circle(margin, fourth):
        p = np.full((4, 4), 0.5)
        for a, b in ((0, 1), (1, 2), (2, 0)):
            p[a, b], p[b, a] = 0.5 + margin, 0.5 - margin
        p[:3, 3], p[3, :3] = fourth, 1 - fourth
        return p

    judge = ByPrompt(np.array([circle(0.0, 0.9), circle(0.1, 0.9), circle(0.3, 0.9), circle(0.2, 0.9)]))
    found = cycles(judge, list("0123"), [list("abcd")] * 4)
    assert found.cyclic.tolist() == [False, True, True, True]
    assert found.most_cyclic is found.graphs[2]
    strongest = found.graphs[2].strongest_cycle
    assert strongest is not None
    assert strongest.actions == (0, 1, 2)
    assert cycles(judge, ["0"], [list("abcd")]).most_cyclic is None


def test_an_answer_that_came_twice_counts_once():
    p = [[0.5, 0.8, 0.8], [0.2, 0.5, 0.8], [0.2, 0.2, 0.5]]
    graph = preference_graphs(MatrixJudge("abc", p), ["x"], [["b", "a", "a", "c", "b", "a"]])[0]
    assert graph.answers == ("b", "a", "c")
    assert graph.counts.tolist() == [2, 3, 1]
    assert graph.winner == 1
    np.testing.assert_allclose(graph.p, [[0.5, 0.2, 0.8], [0.8, 0.5, 0.8], [0.2, 0.2, 0.5]])


def test_seeds_of_a_prompt_are_one_cluster():
    p = tables(20, 2)
    prompts = [str(x) for x in range(20)]
    once = cycles(ByPrompt(p), prompts, [list(TEXTS)] * 20)
    pooled = cycles(ByPrompt(p), prompts * 5, [list(TEXTS)] * 100)
    assert pooled.share().count == 20
    assert pooled.rate().stderr == pytest.approx(once.rate().stderr, rel=1e-12)
    assert pooled.share().low == pytest.approx(once.share().low, abs=1e-12)


def test_one_call_and_nothing_twice(store):
    calls = []

    class Counting(ByPrompt):
        def prefer(self, comparisons):
            calls.append(len(comparisons))
            return super().prefer(comparisons)

    judge = remembered(Counting(tables(6, 3)), store)
    prompts = [str(x) for x in range(6)]
    first = cycles(judge, prompts, [list(TEXTS)] * 6)
    again = cycles(judge, prompts, [list(reversed(TEXTS))] * 6)
    assert calls == [60]
    np.testing.assert_allclose(again.triples, first.triples)


@pytest.mark.parametrize(
    ("prompts", "answers", "message"),
    [
        ([], [], "no prompts"),
        (["x"], [], "answers to 0 prompts"),
        (["x"], [[]], "no list of answers to prompt 0"),
        (["x"], ["ab"], "no list of answers to prompt 0"),
    ],
)
def test_bad_answers(prompts, answers, message):
    with pytest.raises(InputError, match=message):
        cycles(ByPrompt(tables(1, 1)), prompts, answers)


def test_few_prompts_have_a_share_and_no_interval():
    found = cycle_report(preference_graphs(ByPrompt(tables(2, 4)), ["0", "1"], [list(TEXTS)] * 2))
    assert found.rate().count == 2
    with pytest.raises(InputError, match="at least 10 different prompts"):
        found.share()
