"""Who speaks when: how a prompt, an answer and the instruction become tokens (Figure 1)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from slhf.errors import InputError, TemplateError
from slhf.types import Message, Prompt

log = logging.getLogger(__name__)

INSTRUCTION = "Improve the previous answer!"
"""The paper's instruction to the Follower."""


class Roles(Protocol):
    """Turns a prompt, and an answer to it, into the tokens each role continues."""

    @property
    def extends(self) -> bool:
        """True if the Follower's context is the Leader's context, the answer's tokens and more."""
        ...

    @property
    def end_tokens(self) -> tuple[int, ...]:
        """Tokens that end an answer; never empty."""
        ...

    def leader_context(self, prompt: Prompt) -> list[int]:
        """Tokens the Leader's answer continues."""
        ...

    def follower_context(self, prompt: Prompt, context: list[int], tokens: list[int], text: str) -> list[int]:
        """Tokens a refinement continues.

        Args:
            prompt: x.
            context: what the answer continued.
            tokens: the answer y as sampled.
            text: the answer as text; used only where the template does not extend.
        """
        ...

    def answer_tokens(self, text: str) -> list[int]:
        """Tokens of an answer that came as text, its end token included."""
        ...


def end_tokens(tokenizer: Any, model: Any = None) -> tuple[int, ...]:
    """Collect every end token the tokenizer, the model and its generation settings name.

    Raises:
        InputError: there is none, so no answer could ever end.
    """
    found: list[int] = []
    config = getattr(model, "config", None)
    sources = (tokenizer, getattr(model, "generation_config", None), config)
    for source in sources:
        named = getattr(source, "eos_token_id", None)
        for token in named if isinstance(named, list | tuple) else [named]:
            if isinstance(token, int) and token >= 0 and token not in found:
                found.append(token)
    if not found:
        raise InputError(
            "the model has no end token: neither tokenizer.eos_token nor config.eos_token_id is set, so an "
            "answer could never end; set tokenizer.eos_token to the token that ends a turn"
        )
    return tuple(found)


def as_messages(prompt: Prompt) -> list[Message]:
    """Return the prompt as a conversation; plain text becomes one user turn."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return list(prompt)


def as_text(prompt: Prompt) -> str:
    """Return the prompt as a person would read it; one user turn reads as its text alone."""
    if isinstance(prompt, str):
        return prompt
    turns = list(prompt)
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n\n".join(f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns)


class ChatRoles:
    """Roles by the tokenizer's chat template.

    The Leader continues the chat; the Follower continues the chat, the answer as an assistant
    turn, and a user turn with the instruction. When the template renders the longer chat as a
    token-for-token extension of the shorter one (checked here on probe conversations), the
    tokens after an answer are the same for every answer and are kept as ``suffix``; otherwise
    the longer chat is rendered afresh from the answer's text.

    Args:
        tokenizer: has a chat template.
        instruction: the user turn that asks for an improvement.
        ends: tokens that end an answer.

    Raises:
        TemplateError: the template drops a turn, so the Follower would not see the answer.
    """

    def __init__(self, tokenizer: Any, instruction: str = INSTRUCTION, ends: tuple[int, ...] | None = None):
        self._tokenizer = tokenizer
        self._instruction = instruction
        known = ends if ends is not None else end_tokens(tokenizer)
        self._check_turns_survive()
        suffixes = [self._probe(prompt, answer) for prompt, answer in _PROBES]
        self._suffix = suffixes[0] if all(s is not None and s == suffixes[0] for s in suffixes) else None
        if self._suffix is None:
            log.warning(
                "the chat template does not render a longer chat as an extension of the shorter one; "
                "each role gets its own forward and the answer is re-tokenised between them (slower)"
            )
        elif self._suffix[0] not in known and self._suffix[0] in set(tokenizer.all_special_ids):
            known = (*known, self._suffix[0])  # the template closes a turn with a token of its own
        self._ends = known

    @property
    def extends(self) -> bool:
        """True if the template renders longer chats as extensions, token for token."""
        return self._suffix is not None

    @property
    def end_tokens(self) -> tuple[int, ...]:
        """Tokens that end an answer."""
        return self._ends

    def _render(self, messages: Sequence[Message], *, generation: bool = True) -> list[int]:
        return self._tokenizer.apply_chat_template(
            [dict(m) for m in messages], add_generation_prompt=generation, tokenize=True, return_dict=False
        )

    def _improved(self, prompt: Prompt, text: str) -> list[Message]:
        answer = {"role": "assistant", "content": text}
        return [*as_messages(prompt), answer, {"role": "user", "content": self._instruction}]

    def _check_turns_survive(self) -> None:
        prompt, answer = _PROBES[0]
        rendered = self._tokenizer.apply_chat_template(
            [dict(m) for m in self._improved(prompt, answer)], add_generation_prompt=True, tokenize=False
        )
        turns = {"the prompt": as_text(prompt), "the answer": answer, "the instruction": self._instruction}
        for what, text in turns.items():
            if text not in rendered:
                raise TemplateError(
                    f"the chat template drops {what}: {text!r} is missing from the rendering {rendered!r}, so the "
                    "Follower could not see it; use a template that keeps all turns, or roles='plain'"
                )

    def _probe(self, prompt: Prompt, answer: str) -> list[int] | None:
        shorter = self._render(as_messages(prompt))
        middle = self._tokenizer.encode(answer, add_special_tokens=False)
        longer = self._render(self._improved(prompt, answer))
        head = shorter + middle
        return longer[len(head) :] if longer[: len(head)] == head and len(longer) > len(head) else None

    def leader_context(self, prompt: Prompt) -> list[int]:
        """Tokens the Leader's answer continues: the chat as it is."""
        return self._render(as_messages(prompt))

    def follower_context(self, prompt: Prompt, context: list[int], tokens: list[int], text: str) -> list[int]:
        """Tokens a refinement continues; see ``Roles``."""
        if self._suffix is None:
            return self._render(self._improved(prompt, text))
        # an answer that ended by itself already carries the token that closes its turn
        closed = bool(tokens) and tokens[-1] == self._suffix[0] and tokens[-1] in self._ends
        return context + tokens + self._suffix[1 if closed else 0 :]

    def answer_tokens(self, text: str) -> list[int]:
        """Tokens of an answer that came as text, its end token included."""
        close = self._suffix[0] if self._suffix and self._suffix[0] in self._ends else self._ends[0]
        return [*self._tokenizer.encode(text, add_special_tokens=False), close]


_PROBES: tuple[tuple[Prompt, str], ...] = (
    ("Which colour is the sky?", "Blue."),
    ("Name two animals.", "A cat\nand a dog"),
    (
        (
            {"role": "user", "content": "Hello there."},
            {"role": "assistant", "content": "Good day."},
            {"role": "user", "content": "What is new?"},
        ),
        "Nothing at all",
    ),
)


class PlainRoles:
    """Roles for models without a chat template: the text itself, then the instruction, then the text again.

    The Leader continues the prompt. The Follower sees the prompt, the answer, its end token,
    the instruction, and the prompt once more (begin token included), and continues that: a
    story model, say, begins the same story again.

    Args:
        tokenizer: any tokenizer.
        instruction: text between the answer and the repeated prompt; may be empty.
        ends: tokens that end an answer.
        repeat_prompt: give the prompt again after the instruction.
    """

    def __init__(
        self,
        tokenizer: Any,
        instruction: str = INSTRUCTION,
        ends: tuple[int, ...] | None = None,
        *,
        repeat_prompt: bool = True,
    ):
        self._tokenizer = tokenizer
        self._ends = ends if ends is not None else end_tokens(tokenizer)
        self._instruction = tokenizer.encode(instruction, add_special_tokens=False) if instruction else []
        self._repeat_prompt = repeat_prompt
        if not self._instruction and not repeat_prompt:
            raise InputError("plain roles need an instruction or repeat_prompt=True; the Follower has no cue otherwise")

    @property
    def extends(self) -> bool:
        """Always True: the Follower's context is the Leader's, the answer, and more."""
        return True

    @property
    def end_tokens(self) -> tuple[int, ...]:
        """Tokens that end an answer."""
        return self._ends

    def leader_context(self, prompt: Prompt) -> list[int]:
        """Tokens the Leader's answer continues: begin token (if there is one) and the prompt."""
        if not isinstance(prompt, str):
            raise InputError(
                "this prompt is a conversation but the model has no chat template; give text prompts, or a "
                "tokenizer with a chat template"
            )
        begin = self._tokenizer.bos_token_id
        text = self._tokenizer.encode(prompt, add_special_tokens=False)
        return text if begin is None else [begin, *text]

    def follower_context(self, prompt: Prompt, context: list[int], tokens: list[int], text: str) -> list[int]:
        """Tokens a refinement continues; see ``Roles``."""
        closed = bool(tokens) and tokens[-1] in self._ends
        again = self.leader_context(prompt) if self._repeat_prompt else []
        return context + tokens + ([] if closed else [self._ends[0]]) + self._instruction + again

    def answer_tokens(self, text: str) -> list[int]:
        """Tokens of an answer that came as text, its end token included."""
        return [*self._tokenizer.encode(text, add_special_tokens=False), self._ends[0]]


def make_roles(
    tokenizer: Any,
    model: Any = None,
    *,
    kind: str = "auto",
    instruction: str = INSTRUCTION,
    repeat_prompt: bool = True,
) -> Roles:
    """Choose the roles for a tokenizer.

    Args:
        tokenizer: decides ``auto``: chat roles if it has a chat template.
        model: asked for further end tokens.
        kind: ``auto``, ``chat`` or ``plain``.
        instruction: what asks the Follower for an improvement.
        repeat_prompt: plain roles only, see ``PlainRoles``.
    """
    ends = end_tokens(tokenizer, model)
    has_template = getattr(tokenizer, "chat_template", None) is not None
    if kind == "chat" and not has_template:
        raise TemplateError("roles='chat' needs a tokenizer with a chat template; set one, or use roles='plain'")
    if kind not in ("auto", "chat", "plain"):
        raise InputError(f"roles={kind!r} is not one of 'auto', 'chat', 'plain'")
    if kind == "plain" or not has_template:
        return PlainRoles(tokenizer, instruction, ends, repeat_prompt=repeat_prompt)
    return ChatRoles(tokenizer, instruction, ends)
