from __future__ import annotations

import json

import pytest

from slhf.errors import InputError
from slhf.evaluation import (
    Model,
    Request,
    Store,
    ask,
    chain_answers,
    leader_answers,
    read_answers,
    refined_answers,
    write_answers,
)

PROMPTS = [f"x{i}" for i in range(9)]
CHAT = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Yes?"},
    {"role": "user", "content": "So"},
]


def test_each_answer_is_generated_once(store, fake):
    m = fake("m")
    first = leader_answers(m.model(), PROMPTS, store, samples=3)
    assert [len(row) for row in first] == [3] * 9
    assert leader_answers(m.model(), PROMPTS, store, samples=3) == first
    assert [row[:2] for row in first] == leader_answers(m.model(), PROMPTS, store, samples=2)
    assert set(m.asked.values()) == {1}
    assert m.calls == [27]


@pytest.mark.parametrize("change", [{"seed": 1}, {"sampling": "T=2"}])
def test_other_settings_are_other_answers(store, fake, change):
    m = fake("m")
    leader_answers(m.model(), PROMPTS, store)
    leader_answers(m.model(**change), PROMPTS, store)
    assert m.calls == [9, 9]
    leader_answers(Model("renamed", m, "fake m"), PROMPTS, store)
    assert m.calls == [9, 9]


def test_chain_asks_the_follower_about_the_last_answer(store, fake):
    m = fake("m")
    chains = chain_answers(m.model(), PROMPTS, store, length=3, samples=2)
    for x, row in zip(PROMPTS, chains, strict=True):
        for sample, (first, second, third) in enumerate(row):
            assert [first] == m([Request(x, None, sample, 0)])
            assert [second] == m([Request(x, first, sample, 1)])
            assert [third] == m([Request(x, second, sample, 2)])
    assert [[c[0] for c in row] for row in chains] == leader_answers(m.model(), PROMPTS, store, samples=2)


def test_an_answer_that_is_kept_as_it_is_does_not_end_a_chain(store):
    """The same text at another step is another request: its noise is new."""
    asked = []

    def same(requests):
        asked.extend(requests)
        return ["same"] * len(requests)

    chain_answers(Model("m", same, "m"), ["x"], store, length=4)
    assert len({r.noise_key(0) for r in asked}) == 4
    assert [r.role for r in asked] == ["leader", "follower", "follower", "follower"]


def test_noise_belongs_to_prompt_sample_step_and_seed_alone():
    request = Request("x", "y", 2, 1)
    assert request.noise_key(5) == Request("x", "another", 2, 1).noise_key(5)
    others = [Request("z", "y", 2, 1), Request("x", "y", 3, 1), Request("x", "y", 2, 2)]
    assert len({r.noise_key(5) for r in [request, *others]} | {request.noise_key(6)}) == 5


def test_batches_after_an_interruption_are_those_of_an_undisturbed_run(store, fake):
    calls = []

    def breaks(requests):
        calls.append([r.prompt for r in requests])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return [f"{r.prompt}!" for r in requests]

    model = Model("m", breaks, "m")
    with pytest.raises(KeyboardInterrupt):
        leader_answers(model, PROMPTS, store, batch=2)
    assert store.counts()["answers"] == 4
    assert leader_answers(model, PROMPTS, store, batch=2) == [[f"{x}!"] for x in PROMPTS]
    assert calls == [["x0", "x1"], ["x2", "x3"], ["x4", "x5"], ["x4", "x5"], ["x6", "x7"], ["x8"]]


def test_batches_are_cut_before_what_is_kept_is_left_out(store, fake):
    m = fake("m")
    leader_answers(m.model(), ["x1", "x4"], store)
    leader_answers(m.model(), PROMPTS, store, batch=3)
    assert m.calls == [2, 2, 2, 3]


def test_conversations_are_prompts_too(store, fake):
    m = fake("m", 10**9)
    other = [*CHAT[:-1], {"role": "user", "content": "Then"}]
    answers = leader_answers(m.model(), [CHAT, other], store)
    assert answers[0] != answers[1]
    assert leader_answers(m.model(), [list(map(dict, CHAT))], store) == answers[:1]


def test_whose_answer_is_refined_matters(store, fake):
    m = fake("m")
    refined = refined_answers(m.model(), ["x"], [["one", "two"]], store)
    assert refined == [m([Request("x", "one", 0, 1)]) + m([Request("x", "two", 1, 1)])]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda requests: ["a"], "'m' returned 1 answers to 9 requests"),
        (lambda requests: [None] * len(requests), "'m' answered NoneType to the prompt 'x0'"),
        (lambda requests: ["\ud800"] * len(requests), "UTF-8"),
    ],
)
def test_bad_answers_are_not_kept(store, answer, message):
    with pytest.raises(InputError, match=message):
        leader_answers(Model("m", answer, "m"), PROMPTS, store)
    assert store.counts()["answers"] == 0


def test_bad_numbers(store, fake):
    m = fake("m").model()
    for call, message in [
        (lambda: leader_answers(m, PROMPTS, store, samples=0), "samples=0"),
        (lambda: chain_answers(m, PROMPTS, store, length=0), "length=0"),
        (lambda: ask(m, [Request("x")], store, batch=0), "batch=0"),
        (lambda: refined_answers(m, PROMPTS, [["a"]], store), "answers to 1 prompts, there are 9"),
    ]:
        with pytest.raises(InputError, match=message):
            call()


def test_files_in_any_order_with_several_samples(tmp_path):
    path = tmp_path / "theirs.jsonl"
    rows = [("z", "3"), ("x", "1"), (CHAT, "2"), ("x", "ü\n4"), ("unasked", "5")]
    path.write_text("\n".join(json.dumps({"prompt": p, "answer": a, "model": "m"}) for p, a in rows) + "\n\n")
    assert read_answers(path, ["x", CHAT, "z", "x"]) == [["1", "ü\n4"], ["2"], ["3"], ["1", "ü\n4"]]


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "ours.jsonl"
    answers = [["a", "b\u2028c"], ["d"]]
    write_answers(path, ["x", CHAT], answers)
    assert read_answers(path, ["x", CHAT]) == answers
    assert [p.name for p in tmp_path.iterdir()] == ["ours.jsonl"]
    with pytest.raises(InputError, match="answers to 1 prompts, there are 2"):
        write_answers(path, ["x", "y"], [["a"]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"prompt": "x", "answer": "1"}', "another set of prompts: 1 of 2 have no answer in it, the first 'z'"),
        ("", "holds no answers"),
        ('{"prompt": "x", "answer": "1"}\n{', "line 2: not JSON"),
        ('["x"]', "line 1: a line is an object"),
        ('{"prompt": "x", "anwser": "1"}', "line 1: no field 'answer'.*Did you mean 'anwser'"),
        ('{"prompt": "x", "answer": 1}', "line 1: the answer is 1"),
        ('{"prompt": 3, "answer": "1"}', "line 1: the prompt is 3"),
        ('{"prompt": "x", "answer": "\\ud800"}', "cannot be written as UTF-8"),
    ],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / "theirs.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_answers(path, ["x", "z"])


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_answers(tmp_path / "none.jsonl", ["x"])
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_answers(tmp_path / "bytes.jsonl", ["x"])


def test_memory_store_needs_no_file(fake):
    with Store(":memory:") as store:
        assert leader_answers(fake("m").model(), ["x"], store) == [fake("m")([Request("x")])]
