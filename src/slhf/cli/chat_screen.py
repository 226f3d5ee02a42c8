"""What ``slhf chat`` shows: words as they come, and differences that need no colour to be seen."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from slhf.reports.word_differences import REWRITTEN, share_kept, word_differences
from slhf.serving import DoneEvent, Refinement, TokenEvent
from slhf.serving.steps import Event

_DIRECTIONS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn text round


def printable(text: str) -> str:
    r"""Return a text that a terminal only shows: control characters, which could do more, are replaced.

    >>> printable("red: \x1b[31m!")
    'red: �[31m!'
    """
    return "".join("\ufffd" if _acts(character) else character for character in text)


def _acts(character: str) -> bool:
    return character in _DIRECTIONS or (unicodedata.category(character) == "Cc" and character not in "\n\t")


class Screen:
    """Shows answers on a terminal, or as plain text where the output is none.

    Args:
        console: where.
    """

    def __init__(self, console: Console):
        self._console = console
        self.styled = console.is_terminal and not console.is_dumb_terminal

    def heading(self, text: str) -> None:
        """Begin something."""
        self._line(Text(text, "bold"))

    def note(self, text: str) -> None:
        """Say something beside the answers."""
        self._line(Text(printable(text), "dim"))

    def error(self, error: Exception) -> None:
        """Say what could not be done."""
        self._line(Text.assemble(("error: ", "bold red"), printable(str(error))))

    def plain(self, text: str) -> None:
        """Show a text as it is."""
        self._write(text + "\n")

    def answer(self, events: Iterable[Event]) -> None:
        """Show one answer as it comes, and what a judge or the user's taste says of it."""
        shown, whole = False, None
        try:
            for event in events:
                if isinstance(event, TokenEvent) and event.text:
                    shown = True
                    self._write(event.text)
                elif isinstance(event, DoneEvent):
                    whole = event.refinement
            if whole is not None and not shown:  # words of an answer that is chosen among several come at the end
                self._write(whole.steps[-1].text)
        finally:
            self._write("\n")
        for text in () if whole is None else _notes(whole):
            self.note(text)

    def differences(self, before: str, after: str) -> None:
        """Show a text with its differences from another one: what is new underlined, what is gone struck out.

        Where nothing can be underlined, what is new stands in ``{+…+}`` and what is gone in ``[-…-]``.
        """
        pieces = word_differences(before, after)
        if before == after:
            self.note("it is the same text")
            return
        if share_kept(pieces) < REWRITTEN:
            self.note("it is written anew")
            return
        text = Text()
        for piece in pieces:
            text.append(printable(piece.kept))
            for changed, style, marks in (
                (piece.removed, "strike dim", "[-{}-]"),
                (piece.added, "underline", "{{+{}+}}"),
            ):
                shown = printable(changed)
                if shown:
                    text.append(shown if self.styled else marks.format(shown), style)
        self._line(text)

    def _write(self, text: str) -> None:
        self._console.file.write(printable(text))
        self._console.file.flush()

    def _line(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def _notes(refinement: Refinement) -> list[str]:
    """Return what is to be said of the last answer."""
    step, taste = refinement.steps[-1], refinement.taste
    notes = []
    if step.finish_reason == "length":
        notes.append("it was cut where it reached the largest number of tokens")
    if step.preferred is not None:
        notes.append(f"the judge prefers it to the one before with probability {step.preferred:.2f}")
    if taste is not None:
        shares = ", ".join(f"{name} {share:.2f}" for name, share in taste.annotators)
        notes.append(f"your taste, as far as picks tell: {shares}")
    return notes
