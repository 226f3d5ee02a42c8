"""Tokens or pieces become readable text as they come: whole characters, stop texts, no blanks at either end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_HALF = "\ufffd"

_COMPANY = 6
"""Tokens that have been read and are decoded again, at most, beside new ones."""


class Trimmed:
    """Turns the text of one answer, as it comes, into pieces that never have to be taken back.

    The pieces joined are the answer without blanks at either end, cut before the first stop text. A piece is held
    back while it is a blank that may be the answer's last, or what may turn out to be a stop text.

    Args:
        stops: texts that end the answer.
    """

    def __init__(self, stops: Sequence[str] = ()):
        self._stops = tuple(stops)
        self._held = ""
        self._said: list[str] = []
        self.stopped = False

    @property
    def text(self) -> str:
        """Everything said so far."""
        return "".join(self._said)

    def push(self, piece: str) -> str:
        """Take what comes next; return the text that is certain now."""
        if self.stopped:
            return ""
        text, self.stopped = _cut(self._held + piece, self._stops)
        if self.stopped:
            self._held = ""
            return self._kept(text.rstrip())
        certain = len(text) - _overlap(text, self._stops)
        certain = len(text[:certain].rstrip())
        self._held = text[certain:]
        return self._kept(text[:certain])

    def finish(self) -> str:
        """Return what was held back and belongs to the answer after all."""
        rest, self._held = self._held, ""
        return self._kept(rest.rstrip())

    def _kept(self, piece: str) -> str:
        if not self._said:
            piece = piece.lstrip()
        if piece:
            self._said.append(piece)
        return piece


class Words:
    """Turns the tokens of one answer into pieces of text that never have to be taken back; see :class:`Trimmed`.

    A piece is held back while it is half a character, too.

    Args:
        tokenizer: decodes.
        stops: texts that end the answer.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str] = ()):
        self._tokenizer, self._trimmed = tokenizer, Trimmed(stops)
        # some tokenizers join words only in company, so a few tokens before a new one are decoded with it
        self._window: list[int] = []
        self._read = 0  # tokens of the window whose text has been read
        self._text = ""  # that text

    @property
    def text(self) -> str:
        """Everything said so far."""
        return self._trimmed.text

    @property
    def stopped(self) -> bool:
        """True once a stop text has come."""
        return self._trimmed.stopped

    def push(self, token: int) -> str:
        """Take one token, not an end token; return the text that is certain now."""
        if self.stopped:
            return ""
        self._window.append(token)
        text = self._decoded(self._window)
        if text.endswith(_HALF) or len(text) <= len(self._text):
            return ""
        new = text[len(self._text) :]
        if self._read >= _COMPANY:
            del self._window[: self._read]
            text = self._decoded(self._window)
        self._read, self._text = len(self._window), text
        return self._trimmed.push(new)

    def finish(self) -> str:
        """Return what was held back and belongs to the answer after all."""
        if self.stopped:
            return ""
        piece = self._trimmed.push(self._decoded(self._window)[len(self._text) :])
        return piece + self._trimmed.finish()

    def _decoded(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True)


def _cut(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """Return the text before the first stop text, and whether there is one."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def _overlap(text: str, stops: Sequence[str]) -> int:
    """Return the length of the longest end of ``text`` that begins a stop text.

    >>> _overlap("one <en", ["<end>", "e"])
    3
    """
    return max(
        (size for stop in stops for size in range(1, min(len(stop), len(text)) + 1) if text.endswith(stop[:size])),
        default=0,
    )
