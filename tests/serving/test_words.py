"""Text as it comes: the pieces are the whole, nothing is taken back, stop texts are cut."""

from __future__ import annotations

import numpy as np
import pytest

from slhf.policies import CausalPolicy
from slhf.serving.words import Words

TEXTS = [
    "Two plus three is five.",
    "  blanks around\n\nand   inside  ",
    "Größe, naïveté, 東京 and 🙂 have characters of several bytes.",
    "end",
]


def said(policy: CausalPolicy, tokens: list[int], stops: tuple[str, ...] = ()) -> tuple[list[str], Words]:
    words = Words(policy.tokenizer, stops)
    pieces = []
    for token in tokens:
        pieces.append(words.push(token))
        if words.stopped:
            break
    return [*pieces, words.finish()], words


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_are_the_whole(toy: CausalPolicy, text: str) -> None:
    tokens = toy.tokenizer.encode(text, add_special_tokens=False)
    pieces, words = said(toy, tokens)
    assert "".join(pieces) == words.text == toy.tokenizer.decode(tokens, skip_special_tokens=True).strip()
    assert not any("\ufffd" in piece for piece in pieces)


def test_any_tokens_read_as_they_do_together(toy: CausalPolicy) -> None:
    """Two hundred random sequences (seed 0), many of which are no text at all."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        tokens = rng.integers(len(toy.tokenizer), size=rng.integers(1, 30)).tolist()
        pieces, _ = said(toy, tokens)
        assert "".join(pieces) == toy.tokenizer.decode(tokens, skip_special_tokens=True).strip()


@pytest.mark.parametrize("stops", [("plus",), ("three is",), ("x", "s f"), ("ee", "e"), ("five.!",), (" is", "is")])
def test_the_answer_ends_before_the_first_stop_text(toy: CausalPolicy, stops: tuple[str, ...]) -> None:
    text = "Two plus three is five."
    tokens = toy.tokenizer.encode(text, add_special_tokens=False)
    pieces, words = said(toy, tokens, stops)
    first = min((text.find(stop) for stop in stops if stop in text), default=len(text))
    assert "".join(pieces) == words.text == text[:first].strip()
    assert words.stopped == any(stop in text for stop in stops)


def test_nothing_of_a_stop_text_is_told_before_it_is_certain(toy: CausalPolicy) -> None:
    words = Words(toy.tokenizer, ["three is six"])
    told = "".join(words.push(t) for t in toy.tokenizer.encode("Two plus three is", add_special_tokens=False))
    assert told == "Two plus"
    assert words.finish() == " three is"
