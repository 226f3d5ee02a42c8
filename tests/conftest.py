"""Settings every test runs under: one thread, no network, no window, and where real inputs lie."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from pathlib import Path

# Before anything imports torch, matplotlib or a Hugging Face library: they read these only once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
for switch in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ[switch] = "1"

# A shell that starts the tests in the background lets them ignore Ctrl-C, and their children too; some of them send it.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real inputs beside the project; tests that need it are skipped without it."""
    folder = Path(os.environ.get("SLHF_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no real inputs: neither SLHF_SHARED nor {folder} names a folder")
    return folder


@pytest.fixture(scope="session")
def stories(shared: Path) -> Path:
    """The really pretrained story model."""
    folder = shared / "models" / "stories260K"
    if not folder.is_dir():
        pytest.skip(f"no story model at {folder}")
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Keep torch to one thread in every worker: two that compete can be forty times slower."""
    import sys

    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)
