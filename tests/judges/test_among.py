"""A panel's annotators one by one; the oracle asks every ordered pair."""

from __future__ import annotations

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.judges import Annotator, PanelJudge, RuleJudge, stories_panel
from slhf.judges.among import among, as_panel
from slhf.types import Comparison


def test_preferences_are_those_of_every_ordered_pair() -> None:
    panel = stories_panel(soft=True)
    texts = ['"Go on!" she said.', "a big red dog", "The happy friend smiled and laughed.", "sad"]
    found = among(panel, "x", texts)
    for i, first in enumerate(texts):
        for j, second in enumerate(texts):
            each = panel.per_annotator([Comparison("x", first, second)])[:, 0]
            np.testing.assert_allclose(found[:, i, j], each, atol=1e-15)
    np.testing.assert_array_equal(among(panel, "x", ["alone"]), np.full((5, 1, 1), 0.5))


def test_judges_without_annotators_are_refused() -> None:
    panel = PanelJudge([Annotator("one", lambda prompt, response, columns: 1.0)])
    assert as_panel(panel) is panel
    with pytest.raises(InputError, match="annotators: 'short' has no annotators; name a panel"):
        as_panel(RuleJudge(lambda prompt, response, columns: 1.0, name="short"), "annotators")
