"""``slhf simulate taste``: the command, its files, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.contest_fixtures import PROMPTS, lines

from slhf.cli import main
from slhf.evaluation import Store, policy_model
from slhf.evaluation.taste_sessions import Users, World, run_sessions
from slhf.evaluation.taste_visits import Chained, Wanted
from slhf.policies import Sampling, load_policy
from slhf.runs.judges import judge_of
from slhf.taste import prior

NAMES = ["i.i.d.", "chain", "personal", "not learning", "user known"]


@pytest.fixture
def slhf(ground, capsys):
    """Run ``slhf simulate taste`` on the small prompts; returns exit code, stdout and stderr."""

    def call(*arguments: str, judge: str = "judges.py:panel") -> tuple[int, str, str]:
        given = ["--data", "prompts.jsonl", "--split", "all", "--judge", judge, "--session", "2"]
        code = main(["simulate", "taste", *arguments, *given])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return call


@pytest.fixture
def model(tiny) -> str:
    return f"a={tiny}@max_new_tokens=6"


def test_figures_are_those_of_the_library(slhf, model, tiny):
    code, out, err = slhf("--model", model, "--clicks", "4", "--candidates", "3", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["judge"], told["prompts"], told["sessions"], told["top"]) == ("panel", 24, 12, "reference")
    assert list(told["methods"]) == NAMES
    player = policy_model("a", load_policy(str(tiny)), Sampling((), max_new_tokens=6, temperature=0.9))
    panel = judge_of("judges.py:panel")
    order = np.random.default_rng(0).permutation(range(24)).tolist()
    with Store(":memory:") as store:
        world = World(player, panel.annotators, PROMPTS, [{}] * 24, store)
        levels = reference(world, copies=1)
        places = run_sessions(
            world,
            Users(("words", "letters"), 1, 4, 0.05, 0),
            [order[i : i + 2] for i in range(0, 24, 2)],
            levels,
            Chained(),
            [prior(("words", "letters"))] * 2,
        )
    clicks = [p.clicks for p in places]
    assert told["methods"]["chain"]["clicks"]["mean"] == pytest.approx(np.mean(clicks))
    assert told["methods"]["chain"]["content"][1]["mean"] == pytest.approx(np.mean([c <= 2 for c in clicks]))
    assert {len(m["content"]) for m in told["methods"].values()} == {4}
    assert all(m["places"] and set(m["annotators"]) == {"words", "letters"} for m in told["methods"].values())
    # before anything was picked, who learns does as well as who does not
    assert told["methods"]["personal"]["places"][0] == told["methods"]["not learning"]["places"][0]


def reference(world: World, copies: int) -> np.ndarray:
    """The pool of the page: ten answers of the Leader, and two chains of an answer and five refinements."""
    every = range(24)
    world.answers([(x, copies, Wanted(None, 0, range(10))) for x in every])
    for copy in (copies + 1, copies + 2):
        last = [y for (y,) in world.answers([(x, copy, Wanted(None, 0, range(1))) for x in every])]
        for step in range(1, 6):
            last = [y for (y,) in world.answers([(x, copy, Wanted(last[x], step, range(1))) for x in every])]
    return np.array([world.utilities(x).max(axis=1) for x in every])


def test_the_table_and_the_page_of_two_models(slhf, model, tiny):
    code, out, err = slhf(
        "--model", model, f"b={tiny}@max_new_tokens=4", "--clicks", "3", "--ask", "0.1", "--report", "page"
    )
    assert code == 0, err
    assert all(name.split()[0] in out for name in NAMES)
    assert "chain less personal" in out
    page = Path("page/report.html").read_text()
    assert "<svg" in page
    assert "Clicks of the users of each annotator" in page
    assert Path("page/figures/taste.svg").is_file()
    code, out, err = slhf("--model", model, f"b={tiny}@max_new_tokens=4", "--clicks", "3", "--ask", "0.1", "--json")
    told = json.loads(out)  # from the store: nothing is answered again
    assert list(told["models"]) == ["a", "b"]
    each = [told["models"][name]["methods"]["chain"]["clicks"]["mean"] for name in ("a", "b")]
    assert told["methods"]["chain"]["clicks"]["mean"] == pytest.approx(np.mean(each))


def test_the_papers_example(capsys):
    assert main(["simulate", "taste", "--paradox", "1", "1", "1"]) == 0
    shown = capsys.readouterr().out
    assert all(number in shown for number in ("0.5556", "0.7037", "0.6667", "1.0000"))
    assert main(["simulate", "taste", "--paradox", "1", "1", "1", "--clicks", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["methods"]["Stackelberg chain"]["average"] == pytest.approx([1 / 3, 2 / 3])


def test_the_embedded_worlds_top_is_the_best_right_answer(ground, capsys):
    """On the embedded model: every annotator's top level is that of the best well-formed right answer, 4 of 0 … 4."""
    from slhf.runs.contest import Contest, arena
    from slhf.runs.taste import _by_rule
    from slhf.toy import annotate
    from slhf.toy.game import sentences
    from slhf.toy.world import question_of

    with arena(Contest(limit=12, store="store.sqlite"), []) as a:
        levels = _by_rule(a, a.deciding)  # type: ignore[arg-type]
        for x, row in enumerate(a.columns):
            scores = [annotate(a.texts[x], y, row) for y in sentences(question_of(a.texts[x], row), row["answer"])]
            best = [max(s[n] for s in scores) for n in ("helpfulness", "correctness", "coherence")]
            best += [-min(s[n] for s in scores) for n in ("complexity", "verbosity")]
            assert levels[x].tolist() == best


@pytest.mark.parametrize(
    ("arguments", "judge", "message"),
    [
        ((), "judges.py:panel", "--model is missing"),
        (("--model", "M", "--top", "best"), "judges.py:panel", "top='best'"),
        (("--model", "M", "--top", "rule"), "judges.py:panel", "only the embedded world"),
        (("--model", "M", "--clicks", "0"), "judges.py:panel", "clicks=0"),
        (("--model", "M", "--candidates", "0"), "judges.py:panel", "candidates=0"),
        (("--model", "M", "--users-per-annotator", "0"), "judges.py:panel", "users=0"),
        (("--model", "M", "--lapse", "0.5"), "judges.py:panel", "lapse=0.5"),
        (("--model", "M", "--ask", "-1"), "judges.py:panel", "ask=-1"),
        (("--model", "M"), "judges.py:shorter", "has no annotators that score by rules"),
        (("--model", "M", "--prompts", "18"), "judges.py:panel", "make 9 sessions of 2"),
        (("--paradox", "1", "1", "1", "--model", "M"), "judges.py:panel", "--paradox takes neither"),
        (("--paradox", "1", "-1", "1"), "judges.py:panel", "shares|weights"),
    ],
)
def test_what_makes_no_sense_is_refused(slhf, model, arguments, judge, message):
    code, out, err = slhf(*(model if a == "M" else a for a in arguments), judge=judge)
    assert (code, out) == (2, "")
    assert any(part in err for part in message.split("|"))


def test_prompts_that_come_twice_are_asked_once(slhf, model):
    lines("prompts.jsonl", [{"prompt": x} for x in PROMPTS + PROMPTS[:6]])
    code, out, err = slhf("--model", model, "--clicks", "2", "--json")
    assert code == 0, err
    assert json.loads(out)["sessions"] == 12
