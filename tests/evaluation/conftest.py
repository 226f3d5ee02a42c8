"""Models and judges that cost nothing, and count what they are asked."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest

from slhf.evaluation import Model, Store


class CountingJudge:
    """Prefers by a fixed antisymmetric rule over texts, and counts each question in the order it is asked."""

    name = "counting"
    identity = "counting 1"

    def __init__(self, shift=0.0):
        self.asked: Counter = Counter()
        self.calls: list[int] = []
        self.shift = shift

    def prefer(self, comparisons):
        self.calls.append(len(comparisons))
        self.asked.update((c.prompt, c.first, c.second) for c in comparisons)
        return np.array([np.tanh(self.rank(c.first) - self.rank(c.second)) / 2 + 0.5 for c in comparisons])

    def rank(self, text):
        return number(text) + self.shift * len(text)


class FakeModel:
    """Answers with words that depend on the request alone, and counts what it is asked."""

    def __init__(self, name, words=50):
        self.name, self.words = name, words
        self.asked: Counter = Counter()
        self.calls: list[int] = []

    def __call__(self, requests):
        self.calls.append(len(requests))
        self.asked.update(map(repr, requests))
        return [f"{self.name}{int(self.words * number(self.name + repr(r)))}" for r in requests]

    def model(self, **settings):
        return Model(self.name, self, f"fake {self.name}", **settings)


def number(text):
    """A number in [0, 1) fixed by a text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12


@pytest.fixture
def judge():
    return CountingJudge()


@pytest.fixture
def fake():
    return FakeModel


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.sqlite") as opened:
        yield opened
