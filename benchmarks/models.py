"""The models of the benchmark: Qwen2 architecture, random weights, and a tokenizer of random words.

Whether an answer ends is decided by the weights, so that no contender needs a logits
processor for it: one coordinate of the residual stream holds the same value at every
position, and the end token's row of the output head reads that coordinate. The head of
Qwen2 has no bias; this gives it one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

SPECIAL = ("<|pad|>", "<|unk|>", "<|im_start|>", "<|im_end|>")
END = SPECIAL.index("<|im_end|>")
INSTRUCTION = "Improve the previous answer!"
ROLES = ("system", "user", "assistant")
CONSTANT = 0.1
"""Value of the constant coordinate of the residual stream."""
NEVER = -60.0
"""Log-odds, against an average token, of a token that must not be sampled."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }} {{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)


@dataclass(frozen=True)
class Size:
    """Shape of one model; heads have 64 channels, as in Qwen2.

    Attributes:
        hidden: channels of the residual stream.
        layers: decoder layers.
        heads: query heads.
        kv_heads: key and value heads.
        intermediate: channels of the feed-forward block.
        vocabulary: rows of the (tied) embedding.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int


SIZES = {
    "nano": Size(64, 2, 2, 1, 128, 256),  # for the tests only
    "tiny": Size(256, 6, 4, 2, 1024, 8_192),
    "small": Size(512, 8, 8, 2, 2048, 32_768),
    "qwen2.5-0.5b": Size(896, 24, 14, 2, 4864, 151_936),
}


def build_tokenizer(size: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer of whole words whose decoded text encodes to the same tokens again."""
    fixed = [*SPECIAL, *ROLES, *INSTRUCTION.split()]
    words = [*fixed, *(f"w{i}" for i in range(SIZES[size].vocabulary - len(fixed)))]
    raw = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<|unk|>"))
    raw.pre_tokenizer = WhitespaceSplit()  # type: ignore[assignment]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<|pad|>",
        unk_token="<|unk|>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_config(size: str) -> Qwen2Config:
    """Return the configuration of ``size``, end and padding tokens included."""
    shape = SIZES[size]
    return Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=END,
        pad_token_id=0,
    )


def build_model(
    size: str,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    mean_length: float = math.inf,
) -> Qwen2ForCausalLM:
    """Return a model with random weights that ends its answers when it is told to.

    Args:
        size: a key of ``SIZES``.
        seed: seed of the weights.
        dtype: precision of the weights.
        device: where the weights live.
        mean_length: mean of the (geometric) length of an answer before it is cut, tokens;
            infinity: the end token is never sampled.
    """
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(build_config(size))
    odds = NEVER if math.isinf(mean_length) else math.log(SIZES[size].vocabulary / mean_length)
    bias = dict.fromkeys(range(len(SPECIAL)), NEVER) | {END: odds}
    _give_the_head_a_bias(model, bias)
    # Sampling is plain: no top-k, no top-p, whatever the library's defaults are.
    model.generation_config = GenerationConfig(
        do_sample=True, top_k=0, top_p=1.0, eos_token_id=END, pad_token_id=0, bos_token_id=None
    )
    return model.to(device=torch.device(device), dtype=dtype).eval()  # type: ignore[arg-type]


@torch.no_grad()
def _give_the_head_a_bias(model: Qwen2ForCausalLM, bias: dict[int, float]) -> None:
    """Hold coordinate 0 of the residual stream constant and let the head's rows read it.

    Every embedding has the same coordinate 0 and no layer writes there, so after the last
    RMSNorm it is CONSTANT / rms, which is measured on random tokens. Under a tied head the
    common value shifts all logits alike; a row that differs by δ has its logit shifted by
    δ · CONSTANT / rms.
    """
    embedding: Any = model.get_input_embeddings().weight
    embedding[:, 0] = CONSTANT
    layers: Any = model.model.layers
    for layer in layers:
        layer.self_attn.o_proj.weight[0] = 0.0
        layer.mlp.down_proj.weight[0] = 0.0
    tokens = torch.randint(len(SPECIAL), model.config.vocab_size, (4, 64))
    constant = model.model(input_ids=tokens).last_hidden_state[..., 0].mean().item()
    for token, odds in bias.items():
        embedding[token, 0] += odds / constant
