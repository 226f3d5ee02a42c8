"""``slhf merge``: make an adapter part of the weights it stands on."""

from __future__ import annotations

from pathlib import Path

from slhf.cli.options import Json
from slhf.cli.streams import print_json, result_console


def merge(*, model: str, output: Path, role: str | None = None, json: Json = False) -> None:
    """Write a model whose adapter is part of its weights, to be trained further, or served by other programs.

    Example: slhf merge --model runs/quickstart --output merged

    Parameters
    ----------
    model
        A run's folder, a model's folder, or a hub name.
    output
        A new folder for the model.
    role
        Whose adapter, leader or follower, where each has its own.
    json
        Print what was written as JSON, and nothing else, on stdout.
    """
    from slhf.policies import merge as run

    adapter = run(model, output, role=role)
    if json:
        print_json({"model": str(output), "adapter": adapter})
    else:
        result_console().print(f"{output}: the weights of {model} with its adapter {adapter!r} merged in", markup=False)
