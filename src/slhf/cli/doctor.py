"""``slhf doctor``: what this machine has, and what more could be installed."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from slhf.cli.options import Json
from slhf.cli.streams import print_json, quiet_stdout, result_console

EXTRAS = {
    "chat": ("openai", "a language model behind any OpenAI-compatible server: as judge, or to answer and refine"),
    "checks": ("jsonschema", "JSON schemas as checks: judge.name=json_schema"),
    "lm-eval": ("lm_eval", "IFEval with its own checks: slhf ifeval"),
    "reward": ("trl", "reward models as adapters: slhf reward train"),
    "serve": ("uvicorn", "an OpenAI-compatible server of a model and its refinements: slhf serve"),
    "tensorboard": ("tensorboard", "training curves in TensorBoard: args.report_to=tensorboard"),
    "wandb": ("wandb", "training curves in Weights & Biases: args.report_to=wandb"),
    "trackio": ("trackio", "training curves in Trackio: args.report_to=trackio"),
    "test": ("pytest", "the test suite and its tools"),
    "docs": ("mkdocstrings", "building the documentation"),
    "dev": ("ruff", "lint, types, tests and documentation"),
}
"""Extra → a module that shows it is installed, and what it adds."""


def doctor(*, json: Json = False) -> None:
    """Show versions, devices and threads, and what each extra would add.

    Example: slhf doctor --json

    Parameters
    ----------
    json
        Print the findings as JSON, and nothing else, on stdout.
    """
    with quiet_stdout():
        found = findings()
    if json:
        print_json(found)
        return
    from rich.table import Table

    console = result_console()
    for section in ("versions", "devices", "threads"):
        table = Table(title=section, title_justify="left", show_header=False)
        for key, value in found[section].items():
            table.add_row(key, str(value))
        console.print(table)
    table = Table("extra", "installed", "adds", "install with", title="extras", title_justify="left")
    for name, extra in found["extras"].items():
        table.add_row(name, "yes" if extra["installed"] else "no", extra["adds"], f'pip install "slhf\\[{name}]"')
    console.print(table)


def findings() -> dict[str, Any]:
    """Return versions, devices, threads and extras."""
    import torch

    from slhf.runs.run import versions

    return {
        "versions": {"python": platform.python_version(), **versions()},
        "devices": _devices(),
        "threads": {
            "cores": os.cpu_count(),
            "torch": torch.get_num_threads(),
            **{name: os.environ.get(name, "not set") for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")},
        },
        "extras": {
            name: {"installed": find_spec(module) is not None, "adds": adds}
            for name, (module, adds) in EXTRAS.items()
            if name in (metadata.metadata("slhf").get_all("Provides-Extra") or [])
        },
    }


def _devices() -> dict[str, str]:
    import torch

    has = torch.cpu.get_capabilities()
    emulates = platform.machine() == "x86_64" and not (has.get("avx512_bf16") or has.get("amx_bf16"))
    note = "; no bfloat16 arithmetic: bf16 is emulated, many times slower than fp32" if emulates else ""
    found = {"cpu": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}{note}"}
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        found[f"cuda:{number}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    if len(found) == 1:
        found["cuda"] = "none; training runs on the CPU"
    return found
