"""The embedded model: tokenizer, architecture and its two trainings from scratch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from slhf.toy.muon import Muon
from slhf.toy.writer import Writer

PAD, BEGIN, END, USER, ASSISTANT = "<|pad|>", "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>"

CHAT_TEMPLATE = """{{- bos_token }}
{%- for message in messages %}
    {%- if message['role'] not in ('user', 'assistant') %}
        {{- raise_exception('the embedded model knows the roles user and assistant, not ' + message['role']) }}
    {%- endif %}
    {{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %}
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """Size and training of the embedded model.

    Attributes:
        hidden: width.
        layers: number of blocks.
        heads: attention heads.
        reading_steps: optimiser steps on pages of facts.
        chatting_steps: optimiser steps on chats.
        batch: pages or chats a step.
        learning_rate: highest learning rate of embeddings and norms, in each training.
        matrix_rate: the same for the matrices of the blocks.
        tokenizer_texts: pages and chats the tokenizer is built from.
        threads: CPU threads; part of what makes two builds equal bit for bit.
        seed: of the weights and of everything written.
    """

    hidden: int = 128
    layers: int = 2
    heads: int = 4
    reading_steps: int = 1200
    chatting_steps: int = 700
    batch: int = 40
    learning_rate: float = 1e-2
    matrix_rate: float = 0.02
    tokenizer_texts: int = 6000
    threads: int = 1
    seed: int = 0


def build_tokenizer(texts: Iterator[str]) -> PreTrainedTokenizerFast:
    """Build a byte-level BPE in which every word of ``texts`` that comes twice is one token."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore
    inner.decoder = decoders.ByteLevel()  # pyright: ignore
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        min_frequency=2,
        special_tokens=[PAD, BEGIN, END, USER, ASSISTANT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=PAD, bos_token=BEGIN, eos_token=END,
        additional_special_tokens=[USER, ASSISTANT], model_max_length=512, padding_side="left",
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    return int(tokenizer.get_vocab()[token])


def build_model(tokenizer: PreTrainedTokenizerFast, settings: Settings) -> LlamaForCausalLM:
    """Return a model with random weights drawn from ``settings.seed``."""
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=settings.hidden, intermediate_size=3 * settings.hidden,
        num_hidden_layers=settings.layers, num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads, max_position_embeddings=512, tie_word_embeddings=True,
        pad_token_id=_id(tokenizer, PAD), bos_token_id=_id(tokenizer, BEGIN),
        eos_token_id=_id(tokenizer, END), initializer_range=0.04,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return LlamaForCausalLM(config)


Example = tuple[list[int], list[bool]]
"""Token ids, and which of them are learnt."""


def page(tokenizer: PreTrainedTokenizerFast, entries: Sequence[tuple[str, str]]) -> Example:
    """Tokenise a page of questions and true answers, a line each; the answers are learnt."""
    ids, learnt = [_id(tokenizer, BEGIN)], [False]
    for question, answer in entries:
        for text, wanted in ((question, False), (answer, True)):
            tokens = tokenizer.encode(f"{text}\n", add_special_tokens=False)
            ids += tokens
            learnt += [wanted] * len(tokens)
    return ids, learnt


def conversation(tokenizer: PreTrainedTokenizerFast, messages: Sequence[dict[str, str]]) -> Example:
    """Tokenise a chat; only the assistant's words and end tokens are learnt."""
    text = str(tokenizer.apply_chat_template(list(messages), tokenize=False))
    ids = tokenizer.encode(text, add_special_tokens=False)
    assistant, end = _id(tokenizer, ASSISTANT), _id(tokenizer, END)
    learnt, speaking = [], False
    for token in ids:
        learnt.append(speaking)
        speaking = token == assistant or (speaking and token != end)
    return ids, learnt


def fit(
    model: LlamaForCausalLM,
    draw: Callable[[], Example],
    steps: int,
    settings: Settings,
    report: Callable[[str], None],
) -> None:
    """Minimise the next-token loss of what ``draw`` yields, on a cosine schedule."""
    model.train()
    optimisers = _optimisers(model, settings)
    groups = [group for optimiser in optimisers for group in optimiser.param_groups]
    highest = [group["lr"] for group in groups]
    for step, batch in enumerate(_batches(draw, steps, settings.batch)):
        share = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group, rate in zip(groups, highest, strict=True):
            group["lr"] = rate * min(1.0, (step + 1) / 30) * share
        loss = _loss(model, *_collate(batch, int(model.config.pad_token_id or 0)))
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        if (step + 1) % 100 == 0 or step + 1 == steps:
            report(f"step {step + 1}/{steps} loss {loss.item():.3f}")
    model.eval()


def _optimisers(model: LlamaForCausalLM, settings: Settings) -> list[torch.optim.Optimizer]:
    """Return Muon for the blocks' matrices and AdamW for the rest: half the steps of AdamW alone."""
    inside = [p for name, p in model.named_parameters() if p.ndim == 2 and "layers" in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "layers" not in name]
    return [
        Muon(inside, lr=settings.matrix_rate, momentum=0.95),
        torch.optim.AdamW(others, lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def _batches(draw: Callable[[], Example], steps: int, size: int, ahead: int = 8) -> Iterator[list[Example]]:
    """Yield ``steps`` batches; examples of like length go together, so that little is padding."""
    for start in range(0, steps, ahead):
        drawn = sorted((draw() for _ in range(size * ahead)), key=lambda example: len(example[0]))
        batches = [drawn[i : i + size] for i in range(0, len(drawn), size)]
        # A fixed stride mixes short and long without a draw of its own.
        yield from [batches[(5 * i) % ahead] for i in range(min(ahead, steps - start))]


def _loss(model: LlamaForCausalLM, ids: torch.Tensor, learnt: torch.Tensor) -> torch.Tensor:
    """Return the mean negative log-probability of the learnt tokens; logits nowhere else."""
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    wanted = learnt[:, 1:]
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]), ids[:, 1:][wanted])


def _collate(examples: Sequence[Example], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(ids) for ids, _ in examples)
    ids = torch.full((len(examples), width), pad)
    learnt = torch.zeros((len(examples), width), dtype=torch.bool)
    for i, (tokens, marks) in enumerate(examples):
        ids[i, : len(tokens)] = torch.tensor(tokens)
        learnt[i, : len(tokens)] = torch.tensor(marks)
    return ids, learnt


def train(
    writer: Writer, settings: Settings, report: Callable[[str], None] = print
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Make the embedded model: tokenizer, reading of facts, then chats.

    Args:
        writer: writes all of it.
        settings: sizes and steps.
        report: is told about progress.

    Returns:
        The model in evaluation mode and its tokenizer.
    """

    def texts() -> Iterator[str]:
        for _ in range(settings.tokenizer_texts):
            yield "".join(f"{question}\n{answer}\n" for question, answer in writer.page())
            yield from (message["content"] for message in writer.chat())

    tokenizer = build_tokenizer(texts())
    model = build_model(tokenizer, settings)
    report(f"{len(tokenizer)} tokens, {model.num_parameters():,} weights")
    fit(model, lambda: page(tokenizer, writer.page()), settings.reading_steps, settings, report)

    turn = 0

    def mixed() -> Example:
        nonlocal turn
        turn += 1
        if turn % 5 == 0:
            return page(tokenizer, writer.page())
        return conversation(tokenizer, writer.chat())

    fit(model, mixed, settings.chatting_steps, settings, report)
    return model, tokenizer
