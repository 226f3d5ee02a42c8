"""The reference's log-probabilities are computed once, found again, and never mixed up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model

from games import WORDS, lora
from pair_games import pair_rows, pair_trainer
from slhf.errors import InputError
from slhf.policies import CausalPolicy, make_roles
from slhf.policies.branches import Branches
from slhf.policies.reference_store import FILE, ReferenceStore, weights_digest
from slhf.training import pair_scores
from slhf.training.pair_scores import Scorer
from tiny import CHAT, model, sequence_log_probs, tokenizer

ITEMS = [
    Branches((1, 3, 4, 0, 2), ((5, 5, 0), (6, 0))),
    Branches((1, 4, 0, 2), ((3, 0), (5, 5, 5, 6, 0), ())),
    Branches((1, 5, 0, 2), ((6, 3, 0), (6, 0))),
]


def policy(seed: int = 0, adapter: bool = True) -> CausalPolicy:
    tok = tokenizer(WORDS, template=CHAT)
    base = model(len(WORDS), layers=2, scale=0.5, seed=seed)
    return CausalPolicy(get_peft_model(base, lora()) if adapter else base, tok, make_roles(tok, base))


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many responses each forward scored."""
    counted: list[int] = []
    plain = pair_scores.response_log_probs

    def count(lm: Any, layout: Any, *more: Any) -> torch.Tensor:
        counted.append(layout.count)
        return plain(lm, layout, *more)

    monkeypatch.setattr(pair_scores, "response_log_probs", count)
    return counted


@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_numbers_are_the_references_and_are_found_again(tmp_path: Path, forwards: list[int], adapter: bool) -> None:
    first = Scorer(policy(adapter=adapter), cache=tmp_path).reference(ITEMS)
    base = model(len(WORDS), layers=2, scale=0.5)
    with torch.no_grad():
        want = [
            sequence_log_probs(base, list(item.prompt), [list(r)])[0] if r else torch.zeros(())
            for item in ITEMS
            for r in item.responses
        ]
    assert torch.allclose(first.float(), torch.stack(want), atol=1e-4)
    assert forwards == [7]
    again = Scorer(policy(adapter=not adapter), cache=tmp_path)  # the same base, held another way
    assert torch.equal(again.reference(ITEMS), first)
    assert torch.equal(again.reference(ITEMS[::-1])[:2], first[-2:])
    assert forwards == [7]


def test_one_store_keeps_references_temperatures_and_contexts_apart(tmp_path: Path) -> None:
    found = [
        Scorer(policy(), cache=tmp_path),
        Scorer(policy(seed=1), cache=tmp_path),
        Scorer(policy(), temperature=0.5, cache=tmp_path),
        Scorer(policy(), arithmetic="bf16", cache=tmp_path),
    ]
    values = [scorer.reference(ITEMS) for scorer in found]
    fresh = [
        Scorer(policy()).reference(ITEMS),
        Scorer(policy(seed=1)).reference(ITEMS),
        Scorer(policy(), temperature=0.5).reference(ITEMS),
    ]
    assert all(torch.equal(a, b) for a, b in zip(values[:3], fresh, strict=True))
    assert (values[0] - values[1]).abs().max() > 0.1
    assert (values[0] - values[2]).abs().max() > 0.1
    keys = [key for scorer in found for key in scorer._store.keys(ITEMS)]
    moved = [Branches((*item.prompt, item.responses[0][0]), (item.responses[0][1:],)) for item in ITEMS[:1]]
    keys += found[0]._store.keys(moved)  # the same tokens, divided elsewhere
    assert len(set(keys)) == len(keys)


def test_a_number_missing_in_a_batch_is_computed_in_that_batch(tmp_path: Path, forwards: list[int]) -> None:
    """So that a run that was stopped in between goes on to the same numbers, bit for bit."""
    scorer = Scorer(policy(), cache=tmp_path)
    part = scorer.reference(ITEMS[1:2])
    whole = scorer.reference(ITEMS)
    assert forwards == [3, 7]
    assert torch.equal(whole[2:5], part)  # what was known stays as it was
    other = Scorer(policy()).reference(ITEMS)
    assert torch.equal(other[:2], whole[:2])
    assert torch.equal(other[5:], whole[5:])


def test_training_adapters_does_not_change_the_digest_and_training_weights_does() -> None:
    mine, same, other = policy(), policy(), policy(seed=1)
    digest = weights_digest(mine.model)
    with torch.no_grad():
        for parameter in mine.model.parameters():
            if parameter.requires_grad:
                parameter.add_(1.0)
    assert weights_digest(mine.model) == digest == weights_digest(same.model)
    assert weights_digest(model(len(WORDS), layers=2, scale=0.5)) == digest
    assert weights_digest(other.model) != digest
    with torch.no_grad():
        next(iter(same.plain.parameters())).flatten()[3].add_(1e-3)
    assert weights_digest(same.model) != digest


@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_the_reference_is_scored_once_whatever_the_epochs(tmp_path: Path, forwards: list[int], adapter: bool) -> None:
    """Three epochs of 12 pairs in steps of 4; then another run from the same folder; then an evaluation."""
    asked: list[int] = []
    settings: dict[str, Any] = {"peft": lora() if adapter else None, "max_steps": 9, "lm": None}
    made = pair_trainer(tmp_path / "one", reference_cache=str(tmp_path / "cache"), **settings)
    put = made.scorer._store.put
    made.scorer._store.put = lambda values: (asked.append(len(values)), put(values))[1]  # type: ignore[method-assign]
    made.train()
    assert sum(asked) == 24
    assert forwards == [8] * 12  # policy and reference in each of the three steps of the first epoch, then policy alone
    forwards.clear()
    second = pair_trainer(tmp_path / "two", reference_cache=str(tmp_path / "cache"), **settings)
    second.margins(pair_rows())
    assert sum(forwards) == 24  # the policy alone
    assert (tmp_path / "cache" / FILE).is_file()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"reference_cache .*file"):
        ReferenceStore(tmp_path / "file", "about")
    (tmp_path / FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match=r"reference_cache .*not a database"):
        ReferenceStore(tmp_path, "about")
