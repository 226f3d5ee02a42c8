"""Which stream says what: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console


def progress_console() -> Console:
    """Return the console for progress and remarks."""
    return Console(stderr=True)


def result_console() -> Console:
    """Return the console for results."""
    return Console()


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Send whatever libraries print to stderr, and hide their progress bars: stdout holds the result alone."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    # PEFT asks transformers for a property by its old name each time it wraps a model
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
    with contextlib.redirect_stdout(sys.stderr):
        yield


def print_json(values: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout; a number that is not finite becomes null."""
    sys.stdout.write(json.dumps(_finite(values), ensure_ascii=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))) else value
