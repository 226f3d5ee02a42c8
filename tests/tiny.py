"""Language models small enough to enumerate, and the finite games they are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from slhf.types import Comparison

WORDS = ("<end>", "a", "b", "c", "go", "<pad>")
CHAT = (
    "{% for m in messages %}{{ '<user> ' if m['role'] == 'user' else '<bot> ' }}{{ m['content'] }} <end> "
    "{% endfor %}{% if add_generation_prompt %}<bot> {% endif %}"
)


def tokenizer(words: tuple[str, ...] = WORDS, *, pad: str = "<pad>", template: str | None = None) -> Any:
    """A tokenizer with one token a word."""
    inner = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token=words[1]))
    inner.pre_tokenizer = WhitespaceSplit()  # type: ignore[assignment]
    made = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", pad_token=pad)
    if template is not None:
        made.chat_template = template
    return made


def model(vocabulary: int, *, seed: int = 0, hidden: int = 16, layers: int = 1, scale: float = 0.4, **more: Any) -> Any:
    """A Llama-type model with random weights."""
    torch.manual_seed(seed)
    settings = {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 128,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": vocabulary - 1,
        "tie_word_embeddings": False,
    }
    made = LlamaForCausalLM(LlamaConfig(**{**settings, **more})).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, scale)
    return made


def responses(vocabulary: int, length: int, end: int = 0) -> list[list[int]]:
    """Every answer of at most ``length`` tokens: those that end, and those that are cut."""
    others = [t for t in range(vocabulary) if t != end]
    found: list[list[int]] = []
    for n in range(length):
        found += [[*body, end] for body in itertools.product(others, repeat=n)]
    return found + [list(body) for body in itertools.product(others, repeat=length)]


def sequence_log_probs(lm: Any, context: list[int], answers: list[list[int]], temperature: float = 1.0) -> torch.Tensor:
    """log π(y | context) of every answer, (Y,), differentiable; by plain full-vocabulary softmax."""
    out = []
    for answer in answers:
        tokens = torch.tensor([context + answer])
        logits = lm(tokens).logits[0, len(context) - 1 : -1] / temperature
        out.append(logits.log_softmax(-1).gather(1, torch.tensor(answer).unsqueeze(1)).sum())
    return torch.stack(out)


def cyclic_preference(texts: list[str], seed: int = 0) -> np.ndarray:
    """A random antisymmetric preference matrix over distinct texts, values in [0, 1]."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.uniform(0.0, 1.0, (len(texts), len(texts))), 1)
    return upper + np.tril(1.0 - upper.T, -1) + 0.5 * np.eye(len(texts))


@dataclass
class TextMatrixJudge:
    """Judges by a matrix over texts."""

    texts: list[str]
    p: np.ndarray
    name: str = "matrix"

    def prefer(self, comparisons: list[Comparison]) -> np.ndarray:
        """Look the pair up."""
        at = {t: i for i, t in enumerate(self.texts)}
        return np.array([self.p[at[c.first], at[c.second]] for c in comparisons])


def stackelberg(
    p: np.ndarray, ref_leader: np.ndarray, ref_follower: np.ndarray, tau_leader: float, tau_follower: float
) -> tuple[np.ndarray, np.ndarray]:
    """Closed form of the regularised Stackelberg equilibrium: leader (Y,), follower (Y, Y)."""
    follower = ref_follower * np.exp(-p / tau_follower)
    value = -tau_follower * np.log(follower.sum(1))
    follower /= follower.sum(1, keepdims=True)
    leader = ref_leader * np.exp((value - value.max()) / tau_leader)
    return leader / leader.sum(), follower
