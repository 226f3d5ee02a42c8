"""One case of the benchmark: what every contender is told, and the prompts it is given."""

from __future__ import annotations

import argparse
import json
import math
import random
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch
from peft import LoraConfig, TaskType

from benchmarks.models import SIZES, SPECIAL, build_model, build_tokenizer

GAMES = {
    "stackelberg": ("slhf", "plain", "rloo"),
    "nash_md": ("slhf", "trl_nash"),
    "pairs": ("pair_slhf", "pair_trl"),
}
"""Game → its contenders; ``pairs`` is DPO, which has a command of its own."""
PEERS = {"rloo", "trl_nash", "pair_trl"}
"""Contenders that run in an environment of their own."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TEMPLATE_TOKENS = 5
"""<|im_start|> user … <|im_end|> <|im_start|> assistant: what the template adds to a prompt."""


@dataclass(frozen=True)
class Case:
    """Settings of one process, equal for all contenders of a game but for ``contender`` and ``options``.

    Attributes:
        game: which game is played, a key of ``GAMES``.
        contender: who runs, one of the game's.
        size: model, a key of ``SIZES``.
        prompt_tokens: tokens of a prompt, its template included.
        new_tokens: most tokens of an answer; exactly as many with fixed lengths. Of pairs: of a response.
        lengths: "fixed" (the end token is never sampled) or "varied" (geometric, mean new_tokens / 2).
        micro_batch: prompts a backward pass; completions for RLOO.
        accumulation: micro-batches an optimiser step.
        dtype: "fp32", or "bf16" (weights and autocast in bfloat16, adapters in float32).
        device: "cpu" or "cuda".
        threads: threads of torch.
        warmup, steps: optimiser steps before timing, and timed.
        seed: weights, prompts and sampling.
        options: settings of this contender alone; they stand in the results.
    """

    game: str = "stackelberg"
    contender: str = "slhf"
    size: str = "tiny"
    prompt_tokens: int = 64
    new_tokens: int = 64
    lengths: str = "fixed"
    micro_batch: int = 8
    accumulation: int = 1
    dtype: str = "fp32"
    device: str = "cpu"
    threads: int = 1
    warmup: int = 2
    steps: int = 5
    seed: int = 0
    learning_rate: float = 1e-5
    temperature: float = 0.9
    kappa: float = 5.0
    tau: float = 1e-3
    mixture: float = 0.75
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values no contender knows."""
        for name, known in (
            ("game", GAMES),
            ("contender", GAMES.get(self.game, ())),
            ("size", SIZES),
            ("lengths", ("fixed", "varied")),
            ("dtype", DTYPES),
            ("device", ("cpu", "cuda")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is not one of {', '.join(known)}")

    @property
    def batch(self) -> int:
        """Rows of the data set an optimiser step uses."""
        return self.micro_batch * self.accumulation

    def model(self) -> Any:
        """Build the model of this case, without an adapter."""
        return build_model(
            self.size,
            seed=self.seed,
            dtype=DTYPES[self.dtype],
            device=self.device,
            mean_length=math.inf if self.lengths == "fixed" else self.new_tokens / 2,
        )

    def tokenizer(self) -> Any:
        """Build the tokenizer of this case."""
        return build_tokenizer(self.size)

    def lora(self) -> LoraConfig:
        """Return the adapter of every contender: rank 32, alpha 64, no dropout, all linear layers."""
        return LoraConfig(r=32, lora_alpha=64, lora_dropout=0.0, target_modules=LINEAR, task_type=TaskType.CAUSAL_LM)

    def prompts(self, steps: int) -> list[list[dict[str, str]]]:
        """Return the conversations of ``steps`` optimiser steps, each ``prompt_tokens`` long."""
        words = self.prompt_tokens - TEMPLATE_TOKENS
        if words < 1:
            raise ValueError(f"prompt_tokens={self.prompt_tokens}: the template alone has {TEMPLATE_TOKENS}")
        texts = self.texts([words] * (steps * self.batch), self.seed)
        return [[{"role": "user", "content": text}] for text in texts]

    def texts(self, lengths: list[int], seed: int) -> list[str]:
        """Return random texts of so many words, a token each."""
        generator = torch.Generator().manual_seed(seed)
        high = SIZES[self.size].vocabulary - 2 * len(SPECIAL) - 8
        drawn = torch.randint(0, high, (len(lengths), max(lengths)), generator=generator).tolist()
        return [" ".join(f"w{i}" for i in row[:length]) for row, length in zip(drawn, lengths, strict=True)]

    def pairs(self, steps: int) -> list[dict[str, Any]]:
        """Return the pairs of ``steps`` optimiser steps: responses of ``new_tokens``, or a quarter of it to all of it.

        The end token is one of them.
        """
        prompts, rng = self.prompts(steps), random.Random(self.seed)
        least = self.new_tokens if self.lengths == "fixed" else max(2, self.new_tokens // 4)
        sides = {}
        for number, side in enumerate(("chosen", "rejected"), start=1):
            lengths = [rng.randint(least, self.new_tokens) - 1 for _ in prompts]
            sides[side] = self.texts(lengths, self.seed + number)
        return [
            {"prompt": prompt, "chosen": chosen, "rejected": rejected}
            for prompt, chosen, rejected in zip(prompts, sides["chosen"], sides["rejected"], strict=True)
        ]

    def arguments(self) -> list[str]:
        """Return the command-line arguments that make this case again."""
        flat = asdict(self) | {"options": json.dumps(self.options)}
        return [f"--{name.replace('_', '-')}={value}" for name, value in flat.items()]


def parse_case(arguments: list[str]) -> Case:
    """Read a case from the command line; every field of ``Case`` is a flag."""
    parser = argparse.ArgumentParser(description="Time one contender and print one line of JSON.")
    for f in fields(Case):
        default: Any = {} if f.name == "options" else f.default
        kind: Callable[[str], Any] = json.loads if f.name == "options" else type(default)
        parser.add_argument(f"--{f.name.replace('_', '-')}", type=kind, default=default)
    return Case(**vars(parser.parse_args(arguments)))


def free_judge(prompts: list[str], first: list[str], second: list[str]) -> list[float]:
    """Prefer by a hash of the two texts: costs nothing, and P(a ≻ b) + P(b ≻ a) = 1."""
    return [0.5 + (_unit(a) - _unit(b)) / 2 for a, b in zip(first, second, strict=True)]


def _unit(text: str) -> float:
    return zlib.crc32(text.encode()) / 2**32
