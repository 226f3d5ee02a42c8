"""A model whose adapter has become part of its weights."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from peft import PeftModel

from slhf.errors import InputError, suggestion
from slhf.policies.load import RoleSettings, load_model, load_tokenizer, resolve


def merge(name: str | os.PathLike[str], output: str | os.PathLike[str], *, role: str | None = None) -> str:
    """Write a model with W + (α/r) B A in the place of each W that carries an adapter.

    What is written stands on nothing else: any program that loads the base's architecture loads it, it can be trained
    with a new adapter, and as a reference it is itself, not the base it came from.

    Args:
        name: a run's folder, a model's folder, or a hub name.
        output: a new folder, written as a whole or not at all.
        role: whose adapter, where ``leader`` and ``follower`` have one each.

    Returns:
        The name of the adapter.

    Raises:
        InputError: the model carries no adapter, one a role and none is named, or ``output`` is taken.
    """
    into = Path(output)
    partial = into.with_name(f"{into.name}.partial")
    for folder in (into, partial):  # what lies there may be somebody's own
        if folder.exists():
            raise InputError(f"output: {str(folder)!r} is there already; name a new folder, or remove it")
    model = load_model(name)
    if not isinstance(model, PeftModel):
        raise InputError(f"{str(name)!r} carries no adapter: it is whole as it is")
    chosen = _adapter(model, role)
    model.set_adapter(chosen)
    whole: Any = model
    whole = whole.merge_and_unload(safe_merge=True, adapter_names=[chosen])
    partial.mkdir(parents=True)
    try:
        whole.save_pretrained(partial)
        load_tokenizer(name).save_pretrained(partial)
        replace(RoleSettings.load(resolve(name)), adapters=None, base_model=None).save(partial)
        partial.rename(into)
    except BaseException:  # an interrupt too
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return chosen


def _adapter(model: PeftModel, role: str | None) -> str:
    names = list(model.peft_config)
    if len(names) == 1 and role is None:
        return names[0]
    if role in names:
        return str(role)
    carried = ", ".join(map(repr, names))
    if role is None:
        raise InputError(f"role is missing: the model carries {carried}, and one of them can become its weights")
    raise InputError(f"role={role!r}: the model carries {carried}.{suggestion(role, names)}")
