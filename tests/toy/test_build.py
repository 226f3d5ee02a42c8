"""The script that makes the files: twice the same, bit for bit. (The full one: see CONTRIBUTING.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from slhf.errors import InputError
from slhf.toy import shipped
from slhf.toy.build import TRAIN, build, differences, fingerprints, main
from slhf.toy.model import Settings
from slhf.toy.world import questions


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
    import numpy as np

    stream = np.random.default_rng(Settings().seed).spawn(2)[0]
    made = questions(stream, TRAIN + 400)
    assert [q.columns() for q in made[:TRAIN]] == shipped.prompts("train")
    assert [q.columns() for q in made[TRAIN:]] == shipped.prompts("test")


def test_building_leaves_the_callers_threads_alone(tmp_path: Path) -> None:
    import torch

    from slhf.toy.build import TINY

    before = torch.get_num_threads()
    build(tmp_path, TINY, (12, 4), report=lambda _: None)
    assert torch.get_num_threads() == before
    assert not differences(tmp_path, tmp_path)
