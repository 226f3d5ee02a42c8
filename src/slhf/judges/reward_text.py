"""How a prompt and a response become the tokens a reward model reads, and where in them it is read off."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from slhf.errors import InputError

log = logging.getLogger(__name__)

_PROBES = (("Which colour is the sky?", "Blue."), ("Name two animals.", "A cat\nand a dog"), ("Go on", "!"))


class RewardText:
    """Turns prompts and responses into tokens that all end alike.

    With a chat template: the prompt as the user's turn, the response as the assistant's. Without one: begin
    token (if there is one), prompt, response, end token. A reward is read at the last token, which is the same
    for every text, so that it has seen everything and padding is told from it.

    Args:
        tokenizer: any tokenizer with an end token.
        max_length: longest text, tokens; a longer one loses its beginning, and the first time this is logged.

    Raises:
        InputError: there is no end token.
    """

    def __init__(self, tokenizer: Any, max_length: int | None = None):
        self.tokenizer, self.max_length = tokenizer, max_length
        self._chat = getattr(tokenizer, "chat_template", None) is not None
        self._end: list[int] = []
        last = {found[-1] for found in self._render(_PROBES)} if self._chat and self._closes() else set()
        if len(last) != 1:  # plain text, or a template that does not close the last turn
            if tokenizer.eos_token_id is None:
                raise InputError(
                    "the tokenizer has neither an end token nor a chat template that closes a turn, so a text's end "
                    "could not be told from padding; set tokenizer.eos_token"
                )
            self._end = [int(tokenizer.eos_token_id)]
            last = {self._end[0]}
        self.closing: int = last.pop()
        self._told = False

    @property
    def padding(self) -> int:
        """A token that never ends a text: the tokenizer's own where possible, any other where pad is the end token."""
        named = (getattr(self.tokenizer, f"{kind}_token_id", None) for kind in ("pad", "unk", "bos", "eos"))
        return next(int(t) for t in (*named, 0, 1) if t is not None and t != self.closing)

    def tokens(self, prompt: str, response: str) -> list[int]:
        """Return the tokens of one text, cut at the front to ``max_length``."""
        return self.all_tokens([(prompt, response)])[prompt, response]

    def all_tokens(self, responses: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[int]]:
        """Return the tokens of each distinct text, as ``tokens`` does; many are split faster together.

        Args:
            responses: pairs of prompt and response.
        """
        distinct = list(dict.fromkeys(responses))
        if not distinct:
            return {}
        return {r: self._cut([*found, *self._end]) for r, found in zip(distinct, self._render(distinct), strict=True)}

    def _cut(self, found: list[int]) -> list[int]:
        if self.max_length is None or len(found) <= self.max_length:
            return found
        if not self._told:
            self._told = True
            log.warning(
                "a prompt with its response has %d tokens; of a longer text the last %d are read (max_length)",
                len(found),
                self.max_length,
            )
        return found[-self.max_length :]

    def _closes(self) -> bool:
        """Tell whether the template writes anything after the last turn."""
        prompt, response = _PROBES[0]
        written = self.tokenizer.apply_chat_template(_turns(prompt, response), tokenize=False)
        return bool(written.rpartition(response)[2].strip())

    def _render(self, responses: Sequence[tuple[str, str]]) -> list[list[int]]:
        if self._chat:
            return self._split(self.tokenizer.apply_chat_template([_turns(*r) for r in responses], tokenize=False))
        begin = self.tokenizer.bos_token_id
        first = [] if begin is None else [begin]
        prompts, said = self._split([prompt for prompt, _ in responses]), self._split([said for _, said in responses])
        return [[*first, *prompt, *response] for prompt, response in zip(prompts, said, strict=True)]

    def _split(self, texts: list[str]) -> list[list[int]]:
        # not verbose: the library would warn of a text that is longer than the model holds, which is cut later
        return self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]


def _turns(prompt: str, response: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]


def padded(texts: Sequence[Sequence[int]], padding: int) -> dict[str, Any]:
    """Return texts as one batch, padded on the right: ``input_ids`` and ``attention_mask``, (B, T)."""
    import torch

    longest = max(map(len, texts))
    rows = torch.tensor([[*text, *[padding] * (longest - len(text))] for text in texts])
    lengths = torch.tensor([[len(text)] for text in texts])
    return {"input_ids": rows, "attention_mask": (torch.arange(longest)[None] < lengths).long()}
