"""The common way to train SLHF, written plainly: two generations from text, four full forwards.

This is what a careful person writes with `generate`, a tokenizer and `log_softmax`. It is
here to be compared with; its loss is the same as the package's (sequence log-ratios,
baseline ½). Nothing is made slow on purpose, and nothing is shared between the two roles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import StepClock

Conversation = list[dict[str, str]]
Judge = Callable[[list[str], list[str], list[str]], Sequence[float]]


@dataclass
class Sampled:
    """Answers of one role to one micro-batch.

    Attributes:
        tokens: prompt (padded left) and answer (padded right), shape (B, P + T).
        mask: 1 on real tokens, same shape.
        answer: 1 on answer tokens, the end token included, shape (B, T).
        texts: the answers, decoded.
    """

    tokens: Tensor
    mask: Tensor
    answer: Tensor
    texts: list[str]


class PlainSLHF:
    """Leader and Follower in one adapter, trained by score-function gradients.

    Args:
        model: a causal language model with a PEFT adapter; its base is the reference.
        tokenizer: pads on the left and has a chat template.
        judge: (prompts, first, second) → P(first ≻ second).
        clock: charged with the phases of every step.
        autocast: train under bfloat16 autocast.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        judge: Judge,
        *,
        max_new_tokens: int,
        instruction: str,
        temperature: float = 0.9,
        kappa: float = 5.0,
        tau_leader: float = 1e-3,
        tau_follower: float = 1e-3,
        learning_rate: float = 1e-5,
        micro_batch: int = 8,
        autocast: bool = False,
        clock: StepClock | None = None,
    ):
        self.model, self.tokenizer, self.judge = model, tokenizer, judge
        self.max_new_tokens, self.instruction = max_new_tokens, instruction
        self.temperature, self.kappa = temperature, kappa
        self.tau_leader, self.tau_follower = tau_leader, tau_follower
        self.micro_batch, self.autocast = micro_batch, autocast
        self.clock = clock or StepClock()
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.trained, lr=learning_rate, weight_decay=0.0)

    def step(self, conversations: list[Conversation]) -> float:
        """Take one optimiser step on ``conversations``, micro-batch by micro-batch; return the loss."""
        parts = [conversations[i : i + self.micro_batch] for i in range(0, len(conversations), self.micro_batch)]
        total = 0.0
        for part in parts:
            leader, follower, preference = self.rollout(part)
            with self.clock.phase("forward"):
                loss = self.loss(leader, follower, preference) / len(parts)
            with self.clock.phase("backward"):
                loss.backward()
            total += loss.item()
        with self.clock.phase("optimise"):
            torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
        return total

    def rollout(self, conversations: list[Conversation]) -> tuple[Sampled, Sampled, Tensor]:
        """Answer, refine and judge: everything from text to text."""
        with self.clock.phase("generate"):
            leader = self.answer(conversations)
            refined = [
                [
                    *conversation,
                    {"role": "assistant", "content": text},
                    {"role": "user", "content": self.instruction},
                ]
                for conversation, text in zip(conversations, leader.texts, strict=True)
            ]
            follower = self.answer(refined)
        with self.clock.phase("score"):
            prompts = [conversation[-1]["content"] for conversation in conversations]
            preference = torch.tensor(
                list(self.judge(prompts, leader.texts, follower.texts)), device=leader.tokens.device
            )
        return leader, follower, preference

    @torch.no_grad()
    def answer(self, conversations: list[Conversation]) -> Sampled:
        """Render, tokenise, generate and decode."""
        texts = [
            self.tokenizer.apply_chat_template(c, tokenize=False, add_generation_prompt=True) for c in conversations
        ]
        prompt = self.tokenizer(
            texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
        ).to(self.model.device)
        self.model.eval()
        tokens = self.model.generate(
            input_ids=prompt["input_ids"],
            attention_mask=prompt["attention_mask"],
            max_new_tokens=self.max_new_tokens,
            do_sample=True,
            temperature=self.temperature,
            top_k=0,
            top_p=1.0,
        )
        self.model.train()
        answers = tokens[:, prompt["input_ids"].shape[1] :]
        ended = (answers == self.tokenizer.eos_token_id).long()
        answer = (ended.cumsum(1) - ended == 0).long()  # up to and with the first end token
        return Sampled(
            tokens,
            torch.cat([prompt["attention_mask"], answer], dim=1),
            answer,
            self.tokenizer.batch_decode(answers, skip_special_tokens=True),
        )

    def logprob(self, sampled: Sampled) -> Tensor:
        """Return log π(answer | prompt) of the active adapter, nats, shape (B,)."""
        positions = (sampled.mask.cumsum(1) - 1).clamp(min=0)
        with torch.autocast(sampled.tokens.device.type, torch.bfloat16) if self.autocast else nullcontext():
            logits = self.model(
                input_ids=sampled.tokens,
                attention_mask=sampled.mask,
                position_ids=positions,
                use_cache=False,
            ).logits
        logprobs = torch.log_softmax(logits[:, :-1] / self.temperature, dim=-1, dtype=torch.float32)
        taken = logprobs.gather(-1, sampled.tokens[:, 1:, None]).squeeze(-1)
        return (taken[:, -sampled.answer.shape[1] :] * sampled.answer).sum(1)

    @torch.no_grad()
    def reference_logprob(self, sampled: Sampled) -> Tensor:
        """Return log π_ref(answer | prompt): the same with the adapter switched off."""
        with self.model.disable_adapter():
            return self.logprob(sampled)

    def loss(self, leader: Sampled, follower: Sampled, preference: Tensor) -> Tensor:
        """Return the SLHF loss of one micro-batch.

        s_L = p + τ_F ℓ_F − τ_L ℓ_L,    s_F = p + τ_F ℓ_F
        loss = −mean[ sg(s_L − ½) log π(y|x) ] + κ mean[ sg(s_F − ½) log π(y'|x,y) ]
        """
        of_leader, of_follower = self.logprob(leader), self.logprob(follower)
        leader_ratio = of_leader.detach() - self.reference_logprob(leader)
        follower_ratio = of_follower.detach() - self.reference_logprob(follower)
        follower_signal = preference + self.tau_follower * follower_ratio
        leader_signal = follower_signal - self.tau_leader * leader_ratio
        return -((leader_signal - 0.5) * of_leader).mean() + self.kappa * ((follower_signal - 0.5) * of_follower).mean()
