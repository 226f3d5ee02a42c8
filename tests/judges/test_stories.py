from __future__ import annotations

import numpy as np
import pytest

from slhf.judges import stories_panel
from slhf.judges.stories import READERS, cheer, detail, dialogue, ending, length
from slhf.types import Comparison

LONG = (
    'One sunny day, Lily saw a big red ball in the soft grass. "Can I play?" she asked. "Yes, you can!" said '
    "her new friend. They were so happy, and they laughed and hugged all"
)
SHORT = "She went home."
PLAIN = "He saw a small red house and then he went to the park and he went to the store and he"


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        (dialogue, LONG, 2),
        (dialogue, '"Hi there!" "Hi there!" "hi there!"', 1),
        (dialogue, '"Go!" he said. "Not finished', 0),
        (dialogue, '"a b." "c d!" "e f?" "g h," "i j."', 3),
        (detail, LONG, 5),
        (detail, "big big big", 1),
        (cheer, LONG, 4),
        (cheer, "She was sad and scared but happy.", -1),
        (ending, SHORT, 1),
        (ending, LONG, 0),
        (ending, '"Yes," she said', 0),
        (ending, 'She said, "I love you."', 1),
        (ending, 'She said, "I love you.', 0),
        (ending, "", 0),
        (ending, "...", 0),
        (length, SHORT, 3),
        (length, "", 0),
    ],
)
def test_rules(rule, text, expected):
    assert rule("x", text, {}) == expected


def test_every_two_stories_are_disputed():
    """Of these, no story is liked better by all readers who see a difference."""
    cheerful = "They were happy. They smiled and laughed and were glad to be good friends and went"
    texts = [LONG, SHORT, PLAIN, cheerful]
    pairs = [Comparison("x", a, b) for a in texts for b in texts if a != b]
    votes = stories_panel().per_annotator(pairs)
    assert votes.shape == (len(READERS), 12)
    disputed = (votes == 1.0).any(axis=0) & (votes == 0.0).any(axis=0)
    assert disputed.all()
    assert np.all((votes == 1.0).any(axis=1))


def test_the_panel_prefers_in_a_circle():
    """Equal length, none finished: dialogue ranks A B C, detail B C A and cheer C A B."""
    a = '"We can play!" said Tom. "Yes, we can!" said Sue with a smile and'
    b = '"Look at this!" said Tom. It was a big blue ball from him and'
    c = "They were happy and glad to see a small ball at the park and"
    p = stories_panel().prefer([Comparison("x", *pair) for pair in ((a, b), (b, c), (c, a))])
    np.testing.assert_allclose(p, 0.6)
