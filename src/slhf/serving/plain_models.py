"""Models that were not trained to refine here: they are served too, and that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slhf.policies.load import SETTINGS, RoleSettings, resolve
from slhf.serving.remote_player import Remote


def plain_notes(*models: str | Remote | None) -> list[dict[str, Any]]:
    """Return a line for the log of each model of this process that has no ``slhf.json`` beside its weights.

    Such a model is a Leader as it is. A refinement shows it its answer and the usual instruction, as any chat would,
    at the usual temperature and length.

    Args:
        models: names, as they are loaded by; models behind servers and None are passed over.
    """
    usual = RoleSettings()
    return [
        {
            "event": "plain_model",
            "model": model,
            "message": f"no {SETTINGS} beside the weights: not trained to refine here. NAME:leader is the model as it "
            f"is; NAME:refine-N shows it its answer and asks {usual.instruction!r}; temperature {usual.temperature:g} "
            f"and {usual.max_new_tokens} new tokens unless a request says otherwise",
        }
        for model in models
        if isinstance(model, str) and not Path(resolve(model), SETTINGS).is_file()
    ]
