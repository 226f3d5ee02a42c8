"""Log-probabilities of whole responses under a reference, computed once and kept."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel

from slhf.errors import InputError
from slhf.policies.branches import Branches

FILE = "reference.sqlite"
"""Name of the store in its folder."""

_NOT_WEIGHTS = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version", "use_cache")
_MOST = 500  # keys in one question; older SQLite takes 999


def weights_digest(model: Any) -> str:
    """Return a hash of a model's weights, adapters left out: two models with the same digest answer alike.

    Args:
        model: plain, or with adapters, whose base is meant.
    """
    prefix = str(model.base_model.prefix) if isinstance(model, PeftModel) else None
    plain: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    shape = {k: v for k, v in plain.config.get_text_config().to_dict().items() if k not in _NOT_WEIGHTS}
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True, default=str).encode())
    found: dict[str, torch.Tensor] = {}
    for name, parameter in plain.named_parameters():
        if prefix is None or prefix not in name:
            found[name.replace(".base_layer.", ".")] = parameter
    for name in sorted(found):
        value = found[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


class ReferenceStore:
    """Numbers by what they are of: the reference's weights, the tokens, the temperature, the arithmetic.

    Args:
        folder: where ``reference.sqlite`` lies or is made, and may be shared by runs; None keeps it in memory.
        about: the reference's digest, and whatever else changes its numbers.

    Raises:
        InputError: the folder cannot be written, or the file is no such store.
    """

    def __init__(self, folder: str | Path | None, about: str):
        self._about = about
        self._lock = threading.Lock()
        try:
            if folder is not None:
                Path(folder).mkdir(parents=True, exist_ok=True)
            where = ":memory:" if folder is None else str(Path(folder, FILE))
            self._base = sqlite3.connect(where, timeout=60.0, isolation_level=None, check_same_thread=False)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("CREATE TABLE IF NOT EXISTS log_prob (key BLOB PRIMARY KEY, value REAL) WITHOUT ROWID")
            weakref.finalize(self, self._base.close)
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"reference_cache {str(folder)!r}: {error}; name a folder that can be written") from error

    def keys(self, items: Sequence[Branches]) -> list[bytes]:
        """Return the key of every response, in order."""
        found = []
        for item in items:
            start = hashlib.sha256(self._about.encode())
            start.update(np.array([len(item.prompt), *item.prompt], dtype=np.int64).tobytes())
            for response in item.responses:
                whole = start.copy()
                whole.update(np.array(response, dtype=np.int64).tobytes())
                found.append(whole.digest())
        return found

    def get(self, keys: Sequence[bytes]) -> dict[bytes, float]:
        """Return what is known."""
        known: dict[bytes, float] = {}
        with self._lock:
            for at in range(0, len(keys), _MOST):
                part = list(keys[at : at + _MOST])
                asked = f"SELECT key, value FROM log_prob WHERE key IN ({','.join('?' * len(part))})"
                known.update(self._base.execute(asked, part).fetchall())
        return known

    def put(self, values: Mapping[bytes, float]) -> None:
        """Keep numbers; one that is there already stays as it is."""
        with self._lock, self._base:
            self._base.execute("BEGIN")
            self._base.executemany("INSERT OR IGNORE INTO log_prob VALUES (?, ?)", list(values.items()))
