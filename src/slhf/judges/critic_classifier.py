"""A sequence classifier over a prompt and two responses as critic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from slhf.errors import InputError, JudgeError
from slhf.judges.chat_template import Template, load_template
from slhf.judges.critic import CriticJudge
from slhf.judges.critic_models import loaded, longest, refuse_long
from slhf.judges.reward_weights import batch_limit, length_sorted, weights_digest
from slhf.types import Comparison

PAIR = str(Path(__file__).with_name("critic_templates") / "pair.txt")
"""The text a classifier reads where no other is named."""


class PairReader:
    """Reads a classifier's outputs for one text that holds the prompt and both responses.

        q(y, y′) = σ(z),  or with an output a verdict  q(y, y′) = Σ_v value(v) softmax(z)_v

    Args:
        model: a sequence classifier; with one output, it is the log-odds of the first response.
        tokenizer: its tokenizer.
        template: the text, and what the outputs mean, in their order.
        batch_tokens: tokens of one forward, padding included.

    Raises:
        InputError: the outputs are not as many as the template's verdicts, or a text's end cannot be marked.
    """

    def __init__(self, model: Any, tokenizer: Any, template: Template, batch_tokens: int | None = None):
        self.model, self.tokenizer, self.template = model.eval(), tokenizer, template
        self.batch_tokens = batch_tokens
        outputs, values = int(model.config.num_labels), list(template.verdicts.values())
        if outputs != len(values) and not (outputs == 1 and values == [1.0, 0.0]):
            raise InputError(
                f"the classifier has {outputs} outputs, and the template {template.name!r} lists {len(values)} "
                f"verdicts ({', '.join(template.verdicts)}); give a template with a verdict an output, in their order"
            )
        self._outputs, self._values = outputs, torch.tensor(values, dtype=torch.float64)
        self._longest = longest(model, tokenizer)
        self._end, self._pad = self._ending()

    def ask(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Return q(first, second) of each comparison, in batches of similar length.

        Raises:
            JudgeError: a text is too long for the model, or an output is not a number.
        """
        texts = [self._text(c) for c in comparisons]
        for text, comparison in zip(texts, comparisons, strict=True):
            refuse_long(len(text), self._longest, comparison)
        found = np.empty(len(texts))
        for batch in length_sorted(list(map(len, texts)), batch_limit(self.model, self.batch_tokens)):
            z = self._forward([texts[i] for i in batch])
            q = z[:, 0].sigmoid() if self._outputs == 1 else z.softmax(-1) @ self._values
            found[batch] = q.numpy()
        bad = np.flatnonzero(~np.isfinite(found))
        if bad.size:
            raise JudgeError(
                f"the critic gives no number to prompt {comparisons[int(bad[0])].prompt!r}; its weights are damaged"
            )
        return found

    def digest(self) -> str:
        """Return a hash of the weights and all settings that decide an answer."""
        return weights_digest(self.model, (self.template.digest, list(self.template.verdicts.values())))

    def _forward(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        width = max(map(len, texts))
        rows = torch.tensor([[*text, *[self._pad] * (width - len(text))] for text in texts])
        mask = torch.tensor([[*[1] * len(text), *[0] * (width - len(text))] for text in texts])
        with torch.inference_mode():
            out = self.model(input_ids=rows.to(self.model.device), attention_mask=mask.to(self.model.device))
            return out.logits.double().cpu()

    def _text(self, comparison: Comparison) -> list[int]:
        turns = self.template.messages(comparison.prompt, comparison.first, comparison.second)
        tokens = list(self.tokenizer("\n\n".join(turn["content"] for turn in turns))["input_ids"])
        return tokens if self._end is None or tokens[-1] == self._end else [*tokens, self._end]

    def _ending(self) -> tuple[int | None, int]:
        """Choose what ends a text, if anything is to be added, and what pads it.

        A decoder reads its output at the last token that is no padding, as its configuration names it: so every text
        ends with the end token, and padding is another one. An encoder has both from its tokenizer.
        """
        pad, end = self.tokenizer.pad_token_id, self.tokenizer.eos_token_id
        if self.tokenizer.cls_token_id is not None and pad is not None:
            return None, int(pad)
        if end is None:
            raise InputError("the tokenizer has no end token, so a text's end could not be told from padding")
        named = (pad, self.tokenizer.unk_token_id, self.tokenizer.bos_token_id, 0, 1)
        chosen = next(int(token) for token in named if token is not None and token != end)
        self.model.config.get_text_config().pad_token_id = chosen
        return end, chosen


def pair_classifier(
    model: str,
    template: str | None = None,
    batch_tokens: int | None = None,
    dtype: str = "float32",
    device: str | None = None,
) -> CriticJudge:
    """Load a sequence classifier that reads a prompt and two responses as a critic.

    Args:
        model: a folder or a hub name.
        template: a text file like a judge template's: what the classifier was trained to read, and what its outputs
            mean, in their order; one that names the prompt, the first and the second answer if not given.
        batch_tokens: tokens of one forward, padding included; bounds memory. None: 1,024 on a CPU, 8,192 elsewhere.
        dtype: type of the weights, ``float32`` or ``bfloat16``.
        device: where they live; the first GPU if there is one, else the CPU.

    Raises:
        InputError: no such model or template, or the two do not go together.
    """
    made, tokenizer = loaded(model, "AutoModelForSequenceClassification", dtype, device, batch_tokens)
    reader = PairReader(made, tokenizer, load_template(template or PAIR), batch_tokens)
    return CriticJudge(reader, name=model.rstrip("/").rpartition("/")[2])
