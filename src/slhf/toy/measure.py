"""What the base model is like: how often it is right, and on how many prompts the panel runs in circles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from slhf.games import has_cycle
from slhf.toy.game import preference_matrix, utilities
from slhf.toy.styles import GOOD
from slhf.toy.world import question_of, right

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Chat = Sequence[Mapping[str, str]]


def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    chats: Sequence[Chat],
    *,
    seed: int,
    temperature: float = 0.9,
    max_new_tokens: int = 40,
    batch_size: int = 512,
) -> list[str]:
    """Sample one answer to each chat.

    Args:
        model: the causal model.
        tokenizer: its tokenizer, with a chat template.
        chats: conversations that end with a user turn; repeat one to have several answers.
        seed: of this call's own random stream; the ambient one is left alone.
        temperature: divides the logits; nothing is cut off.
        max_new_tokens: longest answer.
        batch_size: chats sampled at once.

    Returns:
        Texts without special tokens, in the order of ``chats``.
    """
    import torch

    texts = [
        tokenizer.apply_chat_template([dict(m) for m in c], tokenize=False, add_generation_prompt=True) for c in chats
    ]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    answers = [""] * len(texts)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            batch = tokenizer(
                [str(texts[i]) for i in rows],
                return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False,
            )  # fmt: skip
            out = model.generate(  # pyright: ignore[reportCallIssue]
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                do_sample=True, temperature=temperature, top_k=0, top_p=1.0, max_new_tokens=max_new_tokens,
            )  # fmt: skip
            new = out[:, batch["input_ids"].shape[1] :]
            for i, text in zip(rows, tokenizer.batch_decode(new, skip_special_tokens=True), strict=True):
                answers[i] = text
    return answers


def sample_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Mapping[str, Any]],
    samples: int,
    *,
    seed: int,
    temperature: float = 0.9,
) -> list[list[str]]:
    """Sample ``samples`` first answers to each row's prompt."""
    chats = [[{"role": "user", "content": str(row["prompt"])}] for row in rows for _ in range(samples)]
    flat = sample(model, tokenizer, chats, seed=seed, temperature=temperature)
    return [flat[i : i + samples] for i in range(0, len(flat), samples)]


def right_share(rows: Sequence[Mapping[str, Any]], answers: Sequence[Sequence[str]]) -> float:
    """Return the share of right answers."""
    marks = [
        right(question_of(str(row["prompt"]), row), text)
        for row, texts in zip(rows, answers, strict=True)
        for text in texts
    ]
    return float(np.mean(marks))


def cycle_share(rows: Sequence[Mapping[str, Any]], answers: Sequence[Sequence[str]]) -> float:
    """Return the share of prompts whose answers the panel's strict majorities order in a circle."""
    return float(
        np.mean(
            [
                bool(has_cycle(preference_matrix(utilities(str(row["prompt"]), sorted(set(texts)), row))))
                for row, texts in zip(rows, answers, strict=True)
            ]
        )
    )


def style_values(rows: Sequence[Mapping[str, Any]], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return each good form's mean preference over sampled answers, the form filled with the right answer."""
    totals = dict.fromkeys(GOOD, 0.0)
    for row, texts in zip(rows, answers, strict=True):
        question = question_of(str(row["prompt"]), row)
        best = utilities(question.prompt, [write(question, question.answer) for write in GOOD.values()], row)
        means = preference_matrix(best, utilities(question.prompt, list(texts), row)).mean(axis=1)
        for name, value in zip(GOOD, means, strict=True):
            totals[name] += float(value) / len(rows)
    return totals


def style_shares(rows: Sequence[Mapping[str, Any]], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return how often an answer is exactly a good form with the right answer."""
    counts = dict.fromkeys(GOOD, 0)
    total = 0
    for row, texts in zip(rows, answers, strict=True):
        question = question_of(str(row["prompt"]), row)
        for name, write in GOOD.items():
            counts[name] += list(texts).count(write(question, question.answer))
        total += len(texts)
    return {name: count / total for name, count in counts.items()}


def second_over_first(rows: Sequence[Mapping[str, Any]], first: Sequence[str], second: Sequence[str]) -> float:
    """Return the panel's mean preference of second answers over first ones."""
    values = [
        preference_matrix(utilities(str(row["prompt"]), [b, a], row))[0, 1]
        for row, a, b in zip(rows, first, second, strict=True)
    ]
    return float(np.mean(values))
