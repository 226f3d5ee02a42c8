"""A language model on this machine as critic: how likely each verdict is as its next words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from slhf.errors import InputError, JudgeError
from slhf.judges.chat_template import Template, load_template
from slhf.judges.critic import CriticJudge
from slhf.judges.critic_models import loaded, longest, pad_token, refuse_long
from slhf.judges.reward_weights import batch_limit, length_sorted, weights_digest
from slhf.types import Comparison


class VerdictReader:
    """Reads a language model's verdict from the probabilities of one token, without generating anything.

        q(y, y′) = Σ_v value(v) P(v) / Σ_v P(v)

    P(v) is the probability that the reply begins with verdict v; what all verdicts begin with (``[[`` for ``[[A]]``
    and ``[[B]]``) is put in front. Texts are padded on the left, so that all replies begin at the same place.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer; with a chat template the question is a chat, otherwise plain text.
        template: the question, and what each verdict means.
        batch_tokens: tokens of one forward, padding included.
        least_mass: a reply whose verdicts have less probability than this together is an error: the model means to
            say something else.

    Raises:
        InputError: no single token tells the verdicts apart, or the chat template refuses the question.
    """

    def __init__(
        self, model: Any, tokenizer: Any, template: Template, batch_tokens: int | None = None, least_mass: float = 0.05
    ):
        if not 0.0 <= least_mass < 1.0:
            raise InputError(f"least_mass={least_mass}: must lie in [0, 1)")
        self.model, self.tokenizer, self.template = model.eval(), tokenizer, template
        self.batch_tokens, self.least_mass = batch_tokens, least_mass
        self._longest = longest(model, tokenizer)
        self._pad = pad_token(tokenizer)
        self._lead, self._tokens = verdict_tokens(tokenizer, template)
        self._values = torch.tensor(list(template.verdicts.values()), dtype=torch.float64)
        self._question(Comparison("?", "one", "two"))

    def ask(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return q(first, second) of each comparison, in batches of similar length.

        Raises:
            JudgeError: a question is too long for the model, or it would reply with something that is no verdict.
        """
        texts = [[*self._question(c), *self._lead] for c in comparisons]
        for text, comparison in zip(texts, comparisons, strict=True):
            refuse_long(len(text), self._longest, comparison)
        found = np.empty(len(texts))
        for batch in length_sorted(list(map(len, texts)), batch_limit(self.model, self.batch_tokens)):
            logits = self._next([texts[i] for i in batch])
            chances = torch.stack([logits[:, tokens].logsumexp(-1) for tokens in self._tokens], dim=-1)
            self._check(chances.exp().sum(-1), logits, [comparisons[i] for i in batch])
            found[batch] = (chances.softmax(-1) @ self._values).numpy()
        return found

    def digest(self) -> str:
        """Return a hash of the weights and all settings that decide an answer."""
        told = (self.template.digest, self._lead, self._tokens, getattr(self.tokenizer, "chat_template", None))
        return weights_digest(self.model, told)

    def _next(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the log-probabilities of the token after each text, (B, V), on the CPU."""
        width = max(map(len, texts))
        rows = torch.tensor([[*[self._pad] * (width - len(text)), *text] for text in texts])
        mask = torch.tensor([[*[0] * (width - len(text)), *[1] * len(text)] for text in texts])
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        inputs = {"input_ids": rows, "attention_mask": mask, "position_ids": places}
        with torch.inference_mode():
            here = {name: value.to(self.model.device) for name, value in inputs.items()}
            logits = self.model(**here, use_cache=False, logits_to_keep=1).logits[:, -1]
            return logits.double().log_softmax(-1).cpu()

    def _question(self, comparison: Comparison) -> list[int]:
        turns = self.template.messages(comparison.prompt, comparison.first, comparison.second)
        if getattr(self.tokenizer, "chat_template", None) is None:
            text = "\n\n".join(turn["content"] for turn in turns) + "\n\n"
            begin = self.tokenizer.bos_token_id
            return [*([] if begin is None else [begin]), *self.tokenizer.encode(text, add_special_tokens=False)]
        try:
            return self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        except Exception as error:  # templates raise whatever they like
            raise InputError(
                f"the model's chat template refuses the judge template {self.template.name!r}: {error}; many take no "
                "[system] section: put its text into [user]"
            ) from error

    def _check(self, mass: torch.Tensor, logits: torch.Tensor, comparisons: Sequence[Comparison]) -> None:
        low = torch.nonzero(~(mass >= self.least_mass)).flatten().tolist()
        if low:
            i = low[0]
            likeliest = self.tokenizer.decode([int(logits[i].argmax())])
            raise JudgeError(
                f"the model would not answer with a verdict of {self.template.name!r} to prompt "
                f"{comparisons[i].prompt!r}: together they have probability {mass[i].item():.2g}, and the likeliest "
                f"beginning is {likeliest!r}; take a template the model was trained for, or lower least_mass"
            )


def verdict_tokens(tokenizer: Any, template: Template) -> tuple[list[int], list[list[int]]]:
    """Find the tokens all verdicts begin with, and for each verdict those that then tell it from the others.

    Args:
        tokenizer: the model's.
        template: names the verdicts.

    Returns:
        The common beginning, and for each verdict one token, or two where a blank may stand in front of it.

    Raises:
        InputError: two verdicts are not told apart by one token.
    """
    labels = list(template.verdicts)
    spelled = [_spelled(tokenizer, label) for label in labels]
    same = 0
    while all(len(tokens) > same for tokens in spelled) and len({tokens[same] for tokens in spelled}) == 1:
        same += 1
    lead = spelled[0][:same]
    own = [
        tokens[same] if len(tokens) > same and _begins(tokenizer, template, label, [*lead, tokens[same]]) else None
        for label, tokens in zip(labels, spelled, strict=True)
    ]
    if None in own or len(set(own)) < len(own):
        raise InputError(
            f"this tokenizer does not tell the verdicts {', '.join(labels)} of judge template {template.name!r} apart "
            "by one token; choose other words for them"
        )
    found = [[int(token)] for token in own if token is not None]
    if not lead:
        for label, tokens in zip(labels, found, strict=True):
            spaced = _spelled(tokenizer, f" {label}")[0]
            if spaced not in own and _begins(tokenizer, template, label, [spaced]):
                tokens.append(spaced)
    return lead, found


def _spelled(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


def _begins(tokenizer: Any, template: Template, label: str, tokens: list[int]) -> bool:
    """Say whether tokens read as a verdict, or as so much of one that it can be no other."""
    read, whole, common = ("".join(t.split()) for t in (tokenizer.decode(tokens), label, template.common))
    return len(read) > len(common) and whole.startswith(read)


def critic(
    model: str,
    template: str = "skywork",
    batch_tokens: int | None = None,
    least_mass: float = 0.05,
    dtype: str = "float32",
    device: str | None = None,
) -> CriticJudge:
    """Load a language model as a critic that compares two responses by its verdict token.

    Args:
        model: a folder or a hub name.
        template: the question: a judge template's name, or a text file like those.
        batch_tokens: tokens of one forward, padding included; bounds memory. None: 1,024 on a CPU, 8,192 elsewhere.
        least_mass: least probability that all verdicts must have together; less is an error.
        dtype: type of the weights, ``float32`` or ``bfloat16``.
        device: where they live; the first GPU if there is one, else the CPU.

    Raises:
        InputError: no such model or template, or the two do not go together.
    """
    made, tokenizer = loaded(model, "AutoModelForCausalLM", dtype, device, batch_tokens)
    reader = VerdictReader(made, tokenizer, load_template(template), batch_tokens, least_mass)
    return CriticJudge(reader, name=f"{model.rstrip('/').rpartition('/')[2]}/{reader.template.name}")
