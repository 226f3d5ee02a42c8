from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from slhf.errors import InputError, JudgeError
from slhf.evaluation import Store, judge_identity, remembered, scores, tournament
from slhf.evaluation.store import JudgeCounts, StoredAnswer, StoredJudgement
from slhf.judges import Annotator, CallableJudge, PanelJudge, RuleJudge, preferences
from slhf.types import Comparison

TEXTS = [f"text {i}" for i in range(7)]


def questions(prompts=3):
    return [Comparison(f"x{k}", a, b) for k in range(prompts) for a in TEXTS for b in TEXTS if a != b]


def test_answers_as_the_judge_does_and_asks_each_pair_once_in_one_order(store, judge):
    direct = judge.prefer(questions())
    judge.asked.clear()
    kept = remembered(judge, store)
    np.testing.assert_allclose(kept.prefer(questions()), direct, rtol=0, atol=1e-15)
    assert set(judge.asked.values()) == {1}
    assert sum(judge.asked.values()) == 3 * 7 * 6 / 2
    assert all(first < second for _, first, second in judge.asked)
    assert kept.name == "counting"


def test_nothing_is_judged_twice_by_later_calls_processes_or_orders(store, judge, tmp_path):
    kept = remembered(judge, store)
    once = kept.prefer(questions())
    np.testing.assert_array_equal(kept.prefer(questions()), once)
    with Store(tmp_path / "store.sqlite") as again:
        np.testing.assert_array_equal(remembered(judge, again).prefer(questions()), once)
        swapped = remembered(judge, again).prefer([q.swap() for q in questions()])
    np.testing.assert_allclose(swapped, 1.0 - once, rtol=0, atol=1e-15)
    assert set(judge.asked.values()) == {1}


def test_each_order_by_itself_where_the_judge_is_not_antisymmetric(store):
    class First:
        name, identity = "first", "first"

        def prefer(self, comparisons):
            return np.full(len(comparisons), 0.75)

    asked = [Comparison("x", "a", "b"), Comparison("x", "b", "a")]
    assert remembered(First(), store, antisymmetric=False).prefer(asked).tolist() == [0.75, 0.75]
    assert remembered(First(), store, identity="symmetric").prefer(asked).tolist() == [0.75, 0.25]


def test_judgements_of_different_judges_prompts_and_columns_are_never_mixed(store, judge):
    by_column = RuleJudge(lambda prompt, response, columns: columns["sign"] * len(response), name="j")
    others = RuleJudge(lambda prompt, response, columns: -len(response), name="j")
    pair = [Comparison("x", "a", "bb", {"sign": sign}) for sign in (1, -1)]
    assert remembered(by_column, store).prefer(pair).tolist() == [0.0, 1.0]
    assert remembered(others, store).prefer(pair).tolist() == [1.0, 1.0]
    assert remembered(by_column, store).prefer(pair).tolist() == [0.0, 1.0]
    assert remembered(by_column, store, identity="another").identity != remembered(by_column, store).identity
    assert judge_identity(remembered(judge, store)) != judge_identity(judge)


def test_hard_and_soft_panel_share_a_name_and_no_judgement(store):
    panel = [Annotator("size", lambda prompt, response, columns: float(len(response)))]
    hard, soft = PanelJudge(panel), PanelJudge(panel, soft=True)
    asked = [Comparison("x", "a", "bbb")]
    assert remembered(hard, store).prefer(asked)[0] == 0.0
    assert remembered(soft, store).prefer(asked)[0] == pytest.approx(1 / (1 + np.exp(2)))


def test_batches_hold_the_comparisons_of_a_prompt_together(store, judge):
    mixed = [Comparison(f"x{k}", a, b) for a, b in pairwise(TEXTS) for k in range(4)]
    remembered(judge, store, batch=6).prefer(mixed)
    assert judge.calls == [6, 6, 6, 6]
    order = [prompt for prompt, _, _ in judge.asked]
    assert order == sorted(order)


def test_a_bad_answer_keeps_nothing_of_its_batch_and_all_of_those_before(store):
    calls = []

    class Breaks:
        name, identity = "breaks", "breaks"

        def prefer(self, comparisons):
            calls.append(len(comparisons))
            return np.full(len(comparisons), 0.25 if len(calls) < 3 else 1.5)

    with pytest.raises(JudgeError, match=r"answered 1\.5"):
        remembered(Breaks(), store, batch=10).prefer(questions())
    assert store.counts()["judgements"] == 20


def test_a_plain_callable_is_kept_under_its_code(store):
    kept = remembered(CallableJudge(lambda x, y, z: [float(len(a) > len(b)) for a, b in zip(y, z, strict=True)]), store)
    assert preferences(kept, [Comparison("x", "aa", "b"), Comparison("x", "a", "a")]).tolist() == [1.0, 0.5]


def test_the_first_value_stays():
    with Store(":memory:") as store:
        first = {"k": StoredJudgement("j", "x", "a", "b", 0.25)}
        second = {"k": StoredJudgement("j", "x", "a", "b", 0.75)}
        assert store.keep_judgements(first) == {"k": 0.25}
        assert store.keep_judgements(second) == {"k": 0.25}
        row = StoredAnswer("m", "leader", "x", None, "", 0, 0, 0, "one")
        assert store.keep_answers({"k": row}) == {"k": "one"}
        assert store.answers(["k", "none"]) == {"k": "one"}


def test_content_can_be_read_by_people_and_other_tools(store, judge, tmp_path):
    remembered(judge, store).prefer([Comparison("x", "a", "b")])
    store.keep_answers({"k": StoredAnswer("m", "follower", "x", "a", "T=1", 7, 0, 1, "b")})
    with sqlite3.connect(tmp_path / "store.sqlite") as other:
        assert other.execute("SELECT judge, prompt, first, second FROM judged").fetchall() == [
            ("counting", "x", "a", "b")
        ]
        assert other.execute("SELECT model, role, prompt, previous, answer FROM answered").fetchall() == [
            ("m", "follower", "x", "a", "b")
        ]
    other.close()


def test_scores_are_asked_once_and_signed(store):
    seen = []

    def size(prompt, response, columns):
        seen.append(response)
        return float(len(response))

    annotators = [Annotator("long", size), Annotator("short", size, lower_is_better=True)]
    names = ["long 1", "short 1"]
    found = scores(annotators, ["x", "z"], [["a", "bb"], ["a", "a"]], store, identities=names)
    assert found.tolist() == [[[1, 2], [1, 1]], [[-1, -2], [-1, -1]]]
    assert sorted(seen) == sorted(["a", "bb", "a"] * 2)
    seen.clear()
    np.testing.assert_array_equal(
        scores(annotators, ["x", "z"], [["a", "bb"], ["a", "a"]], store, identities=names), found
    )
    assert seen == []


@pytest.mark.parametrize(
    ("responses", "message"),
    [([["a"], ["a", "b"]], r"same number of responses.*\[1, 2\]"), ([["a"]], "1 rows of responses")],
)
def test_bad_responses(store, responses, message):
    with pytest.raises(InputError, match=message):
        scores([Annotator("n", lambda x, y, c: 0.0)], ["x", "z"], responses, store)


def test_a_score_that_is_no_number(store):
    with pytest.raises(JudgeError, match="'n' gave nan to response 'a'"):
        scores([Annotator("n", lambda x, y, c: float("nan"))], ["x"], [["a"]], store)


def test_files_that_are_no_store(tmp_path):
    text = tmp_path / "text"
    text.write_text("no database at all, " * 100)
    with pytest.raises(InputError, match="is no store of answers and judgements"):
        Store(text)
    with sqlite3.connect(tmp_path / "other.sqlite") as other:
        other.execute("CREATE TABLE t (a)")
    other.close()
    before = (tmp_path / "other.sqlite").read_bytes()
    with pytest.raises(InputError, match="another program's database"):
        Store(tmp_path / "other.sqlite")
    assert (tmp_path / "other.sqlite").read_bytes() == before
    with pytest.raises(InputError, match="folder does not exist"):
        Store(tmp_path / "none" / "store.sqlite")
    with Store(tmp_path / "later.sqlite") as later:
        later._connection.execute("PRAGMA user_version = 9")
    with pytest.raises(InputError, match="layout 9"):
        Store(tmp_path / "later.sqlite")


OLDER = """
CREATE TABLE texts (digest BLOB PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE judgements (
    key TEXT PRIMARY KEY, judge TEXT NOT NULL, prompt BLOB NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL,
    p REAL NOT NULL CHECK (p BETWEEN 0 AND 1)
) WITHOUT ROWID;
CREATE VIEW judged AS SELECT judge, p FROM judgements;
INSERT INTO texts VALUES (x'00', 'x'), (x'01', 'a'), (x'02', 'b');
INSERT INTO judgements VALUES ('k', 'old', x'00', x'01', x'02', 0.25);
PRAGMA application_id = 1936484454;
PRAGMA user_version = 1;
"""


def test_a_store_of_the_layout_before_is_brought_up_to_date(tmp_path):
    with sqlite3.connect(tmp_path / "older.sqlite") as older:
        older.executescript(OLDER)
    older.close()
    for _ in range(2):
        with Store(tmp_path / "older.sqlite") as store:
            assert store.judgements(["k"]) == {"k": 0.25}
            assert next(store.judged()) == StoredJudgement("old", "x", "a", "b", 0.25, "")
    with Store(tmp_path / "older.sqlite") as store:
        store.keep_judgements({"l": StoredJudgement("new", "x", "a", "b", 0.5, "one of a kind")})
        assert [(j.judge, j.identity, j.judgements) for j in store.judges()] == [
            ("new", "one of a kind", 1), ("old", "", 1)
        ]  # fmt: skip


def test_what_there_is_of_each_judge(store):
    rows = {
        "1": StoredJudgement("j", "x", "a", "b", 0.5, "one"),
        "2": StoredJudgement("j", "x", "a", "c", 1.0, "one"),
        "3": StoredJudgement("j", "z", "a", "b", 0.75, "one"),
        "4": StoredJudgement("j", "x", "a", "b", 0.0, "two"),
    }
    store.keep_judgements(rows)
    assert store.judges() == [
        JudgeCounts("j", "one", judgements=3, prompts=2, mean=0.75, ties=1 / 3),
        JudgeCounts("j", "two", judgements=1, prompts=1, mean=0.0, ties=0.0),
    ]
    assert sorted(store.judged(), key=repr) == sorted(rows.values(), key=repr)


def test_text_that_cannot_be_written_is_refused_before_judging(store, judge):
    with pytest.raises(InputError, match="cannot be written as UTF-8"):
        remembered(judge, store).prefer([Comparison("x", "a", "half \ud83d")])
    assert not judge.calls


WORKER = """
import sys, time
import numpy as np
from slhf.evaluation import Store, remembered, tournament

class Slow:
    name, identity = "slow", "slow"

    def prefer(self, comparisons):
        time.sleep(0.01)
        with open(sys.argv[2], "a") as log:
            log.write("".join(f"{c.prompt} {c.first} {c.second}\\n" for c in comparisons))
        return np.array([(len(c.first) + 1) / (len(c.first) + len(c.second) + 2) for c in comparisons])

answers = {name: [name * (1 + (i * k) % 5) for i in range(30)] for k, name in enumerate("abcde", 1)}
with Store(sys.argv[1]) as store:
    print("ready", flush=True)
    table = tournament(remembered(Slow(), store, batch=10), [f"x{i}" for i in range(30)], answers).per_prompt
print(table.tobytes().hex())
"""


def start(tmp_path: Path, name: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path / f"{name}.sqlite"), str(tmp_path / f"{name}.log")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def killed(tmp_path: Path, kind: signal.Signals, wait: float) -> None:
    worker = start(tmp_path, "killed")
    assert worker.stdout is not None
    worker.stdout.readline()
    time.sleep(wait)
    worker.send_signal(kind)
    worker.communicate(timeout=60)


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_table_of_an_undisturbed_run(tmp_path):
    whole = start(tmp_path, "whole").communicate(timeout=60)[0].splitlines()[-1]
    waits = np.random.default_rng(0).uniform(0.0, 0.08, 10)
    for number, wait in enumerate(waits):
        killed(tmp_path, (signal.SIGKILL, signal.SIGINT)[number % 2], float(wait))
    last = start(tmp_path, "killed").communicate(timeout=60)[0].splitlines()[-1]
    assert last == whole
    undisturbed = (tmp_path / "whole.log").read_text().splitlines()
    disturbed = (tmp_path / "killed.log").read_text().splitlines()
    assert set(disturbed) == set(undisturbed)
    assert len(undisturbed) == len(set(undisturbed))
    assert len(disturbed) - len(set(disturbed)) <= 10 * 10  # at most the batch in hand, each time


def test_several_processes_may_share_a_new_store(tmp_path):
    workers = [start(tmp_path, "both") for _ in range(3)]
    tables = {worker.communicate(timeout=60)[0].splitlines()[-1] for worker in workers}
    assert len(tables) == 1
    with Store(tmp_path / "both.sqlite") as store:
        asked = set((tmp_path / "both.log").read_text().splitlines())
        assert store.counts()["judgements"] == len(asked)


def test_who_makes_a_new_store_waits_for_another_who_does(tmp_path):
    other = sqlite3.connect(tmp_path / "store", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    leaving = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    leaving.start()
    with Store(tmp_path / "store") as store:  # SQLite by itself says at once that the file is locked
        assert store.counts()["judgements"] == 0
    leaving.join()
    other.close()


def test_a_transaction_that_is_interrupted_leaves_nothing(store):
    def rows():
        yield "a", StoredJudgement("j", "x", "a", "b", 0.5)
        raise KeyboardInterrupt

    class Breaking(dict):
        def items(self):
            return rows()

    with pytest.raises(KeyboardInterrupt):
        store.keep_judgements(Breaking({"a": StoredJudgement("j", "x", "a", "b", 0.5)}))
    assert store.counts()["judgements"] == 0
    assert store.keep_judgements({"a": StoredJudgement("j", "x", "a", "b", 0.5)}) == {"a": 0.5}


def test_a_table_through_the_store_is_the_table_without_it(store, judge):
    prompts = [f"x{i}" for i in range(12)]
    answers = {name: [f"{name}{i % 3}" for i in range(12)] for name in "abc"}
    plain = tournament(judge, prompts, answers)
    for _ in range(2):
        kept = tournament(remembered(judge, store), prompts, answers)
        np.testing.assert_allclose(kept.per_prompt, plain.per_prompt, rtol=0, atol=1e-15)
