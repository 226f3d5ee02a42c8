"""Openings of children's stories, written by rule from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slhf.data.splits import ALIASES, HELD_OUT
from slhf.errors import InputError, suggestion

if TYPE_CHECKING:
    from datasets import Dataset

SEED = 20260
TRAIN_SIZE, HELD_OUT_SIZE = 512, 128

_GIRLS = ("Lily", "Mia", "Sue", "Anna", "Lucy", "Sara", "Jane", "Emma", "Amy", "Molly")
_BOYS = ("Tom", "Tim", "Ben", "Max", "Sam", "Jack", "Bob", "Leo", "Billy", "Fred")
_ANIMALS = ("cat", "dog", "bird", "bear", "bunny", "frog", "fish", "mouse", "duck", "fox")
_LOOKS = ("little", "big", "small", "funny", "kind", "brave", "happy", "shy")
_PLACES = ("park", "garden", "forest", "beach", "farm", "zoo", "lake", "store", "playground", "yard")
_THINGS = ("ball", "box", "car", "hat", "kite", "book", "cake", "toy", "flower", "boat", "drum", "key")
_COLOURS = ("red", "blue", "green", "yellow", "shiny", "pink", "new", "brown")
_KIN = ("mom", "dad", "friend", "sister", "brother", "grandma")


def openings(count: int, seed: int = SEED) -> list[dict[str, str]]:
    """Write ``count`` different openings.

    Args:
        count: how many.
        seed: same seed, same openings; a larger count continues a smaller one.

    Returns:
        Rows with ``prompt``, the opening, and ``hero``, whom the story is about.
    """
    rng = np.random.default_rng(seed)
    rows: dict[str, dict[str, str]] = {}
    while len(rows) < count:
        row = _opening(rng)
        rows.setdefault(row["prompt"], row)
    return list(rows.values())


def prompts(split: str) -> Dataset:
    """Return the training or the held-out openings; no opening is in both.

    Args:
        split: "train" (512 openings), or "held_out" (128; also "test", "validation", "eval").

    Raises:
        InputError: an unknown split.
    """
    from datasets import Dataset

    if split not in ALIASES:
        raise InputError(f"the stories have no split {split!r}.{suggestion(split, ALIASES)}")
    rows = openings(TRAIN_SIZE + HELD_OUT_SIZE)
    held_out = ALIASES[split] == HELD_OUT
    return Dataset.from_list(rows[TRAIN_SIZE:] if held_out else rows[:TRAIN_SIZE])


def _opening(rng: np.random.Generator) -> dict[str, str]:
    def pick(words: tuple[str, ...]) -> str:
        return str(rng.choice(words))

    girl = rng.random() < 0.5
    name = pick(_GIRLS if girl else _BOYS)
    child, she, her = ("girl", "She", "her") if girl else ("boy", "He", "his")
    look, animal, place = pick(_LOOKS), pick(_ANIMALS), pick(_PLACES)
    thing, colour, kin = pick(_THINGS), pick(_COLOURS), pick(_KIN)
    other = f"{pick(_LOOKS)} {pick(_ANIMALS)}"
    patterns = (
        (f"Once upon a time, there was a {look} {child} named {name}. {she} had a {colour} {thing}.", name),
        (f"Once upon a time, there was a {look} {animal} named {name}. {name} lived near the {place}.", name),
        (f"One day, {name} went to the {place} with {her} {kin}. They saw a {colour} {thing}.", name),
        (f"{name} and {her} {kin} were at the {place}. {name} wanted to find a {colour} {thing}.", name),
        (f"One day, a {look} {animal} found a {colour} {thing} in the {place}.", animal),
        (f"{name} was a {look} {child}. One day, {she.lower()} saw a {animal} in the {place}.", name),
        (f"A {look} {animal} and a {other} were friends. They liked to play in the {place}.", animal),
        (f"{name} loved {her} {colour} {thing}. One day, {she.lower()} could not find it.", name),
    )
    prompt, hero = patterns[rng.integers(len(patterns))]
    return {"prompt": prompt, "hero": hero}
