"""The script that makes the files: twice the same, bit for bit. (The full one: see CONTRIBUTING.)"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.toy import shipped
from slhf.toy.build import SIZES, build, differences, fingerprints, main, split
from slhf.toy.model import Settings
from slhf.toy.world import ask, fact, questions, tasks


def test_two_builds_are_equal_bit_for_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "one"
    assert main(["--out", str(out), "--tiny"]) == 0
    assert main(["--out", str(out), "--tiny", "--check"]) == 0
    assert "the same bit for bit" in capsys.readouterr().out
    assert set(fingerprints(out)) == {
        "model/chat_template.jinja",
        "model/config.json",
        "model/generation_config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
        "model/tokenizer_config.json",
        "preferences.jsonl",
        "test.jsonl",
        "train.jsonl",
        "validation.jsonl",
    }


def test_a_changed_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "one"
    main(["--out", str(out), "--tiny"])
    (out / "train.jsonl").write_text("")
    assert main(["--out", str(out), "--tiny", "--check"]) == 1
    assert "different: train.jsonl" in capsys.readouterr().out


def test_checking_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="build it first"):
        main(["--out", str(tmp_path / "none"), "--check"])


def test_the_shipped_prompts_are_the_scripts(tmp_path: Path) -> None:
    """Only the model takes minutes; the prompts can be made again here."""
    stream = np.random.default_rng(Settings().seed).spawn(2)[0]
    for name, asked in split(questions(stream, sum(SIZES)), *SIZES[1:]).items():
        assert [q.columns() for q in asked] == shipped.prompts(name)


@pytest.mark.parametrize(("size", "validation", "test"), [(1700, 200, 400), (300, 31, 57)])
def test_a_split_holds_out_each_family_in_proportion_and_each_fact_once(size: int, validation: int, test: int) -> None:
    asked = questions(np.random.default_rng(5), size)
    parts = split(asked, validation, test)
    assert [len(parts[name]) for name in shipped.SPLITS] == [size - validation - test, validation, test]
    assert sorted(q.prompt for part in parts.values() for q in part) == sorted(q.prompt for q in asked)
    held_out = [fact(q.prompt) for name in ("validation", "test") for q in parts[name]]
    assert len(set(held_out)) == len(held_out)
    counts = Counter(q.task for q in asked)
    for name, wanted in (("validation", validation), ("test", test)):
        found = Counter(q.task for q in parts[name])
        for task, count in counts.items():
            assert abs(found[task] - count * wanted / size) < 1


def test_a_split_that_would_hold_a_fact_out_twice_is_refused() -> None:
    task = tasks()["capital"]
    asked = [ask(task, task.items[0], way) for way in range(3)]
    with pytest.raises(InputError, match="3 questions ask about too few facts to hold 2 out: capital"):
        split(asked, 1, 2)


def test_building_leaves_the_callers_threads_alone(tmp_path: Path) -> None:
    import torch

    from slhf.toy.build import TINY

    before = torch.get_num_threads()
    build(tmp_path, TINY, (40, 5, 10), report=lambda _: None)
    assert torch.get_num_threads() == before
    assert not differences(tmp_path, tmp_path)
