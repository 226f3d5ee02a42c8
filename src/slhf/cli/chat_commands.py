"""What a line means in ``slhf chat``: a prompt, or a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from slhf.cli.chat_screen import Screen
from slhf.errors import InputError, suggestion
from slhf.runs.talk import Talk
from slhf.serving.steps import Event

HELP = """A line is a prompt; after its answers, another prompt goes on with the conversation. Commands:
  Enter, /improve  improve the picked answer, or the last one
  /pick N          keep answer N as the best of those shown
  /diff [N [M]]    show how answer M differs from answer N; the last one from the one before if not given
  /compare         show the two answers whose comparison tells most about your taste (--annotators)
  /undo            take back the last answer, pick or new conversation; a pick that is stored stays stored
  /new             begin a new conversation
  /save FILE       write the conversation and the answers shown as JSON
  /help            show this
  /quit            leave
Ctrl-C stops an answer, and leaves where you write. A prompt that begins with / is written with two of them."""


def obey(line: str, talk: Talk, screen: Screen) -> None:
    """Do what one line says; an empty one improves.

    Raises:
        InputError: there is no such command, or it cannot be done now.
    """
    text = line.strip()
    if not text.startswith("/") or text.startswith("//"):
        if text:
            _ask(text.removeprefix("/"), talk, screen)
        else:
            _improve("", talk, screen)
        return
    command, _, rest = text.partition(" ")
    if command not in _COMMANDS:
        raise InputError(f"there is no command {command}.{suggestion(command, _COMMANDS)} /help shows them all")
    _COMMANDS[command](rest.strip(), talk, screen)


def _ask(prompt: str, talk: Talk, screen: Screen) -> None:
    events = talk.ask(prompt)
    screen.heading("[1] Leader")
    _hear(events, screen)


def _improve(rest: str, talk: Talk, screen: Screen) -> None:
    scene, events = talk.scene, talk.improve()
    screen.heading(f"[{len(scene.answers) + 1}] improves {scene.place + 1}")
    _hear(events, screen)
    _changes(scene.place + 1, len(talk.scene.answers), talk, screen)


def _hear(events: Iterator[Event], screen: Screen) -> None:
    with closing(events):  # type: ignore[type-var]  # a generator: an interrupt stops the model at the next token
        screen.answer(events)


def _changes(first: int, second: int, talk: Talk, screen: Screen) -> None:
    before, after = talk.answer(first), talk.answer(second)
    screen.note(f"changes from {first} to {second}:")
    screen.differences(before, after)


def _pick(rest: str, talk: Talk, screen: Screen) -> None:
    (number,) = _numbers(rest, (1,), "/pick N")
    pick = talk.pick(number)
    kept = "forgotten when you leave (--picks keeps it)" if talk.store is None else f"kept in {talk.store.path}"
    others = "1 other answer" if len(pick.rejected) == 1 else f"{len(pick.rejected)} other answers"
    screen.note(f"picked {number}, preferred to {others}; {kept}")


def _differ(rest: str, talk: Talk, screen: Screen) -> None:
    last = len(talk.scene.answers)
    numbers = [*_numbers(rest, (0, 1, 2), "/diff [N [M]]"), last][:2]
    first, second = numbers if len(numbers) == 2 else (last - 1, last)
    _changes(first, second, talk, screen)


def _compare(rest: str, talk: Talk, screen: Screen) -> None:
    numbers = talk.compare()
    for number in numbers:
        screen.heading(f"[{number}]")
        screen.plain(talk.answer(number))
    screen.note("which is better? /pick {} or /pick {}".format(*numbers))


def _undo(rest: str, talk: Talk, screen: Screen) -> None:
    talk.undo()
    scene = talk.scene
    if not scene.turns:
        screen.note("back at the beginning of a conversation")
        return
    screen.note(f"back at: {scene.turns[-1]['content']}")
    for number, answer in enumerate(scene.answers, 1):
        screen.heading(f"[{number}] picked" if scene.picked == number - 1 else f"[{number}]")
        screen.plain(answer)


def _new(rest: str, talk: Talk, screen: Screen) -> None:
    talk.begin()
    screen.note("a new conversation")


def _save(rest: str, talk: Talk, screen: Screen) -> None:
    if not rest:
        raise InputError("/save needs the name of a file")
    talk.save(Path(rest))
    screen.note(f"saved to {rest}")


def _help(rest: str, talk: Talk, screen: Screen) -> None:
    screen.plain(HELP)


def _numbers(rest: str, counts: tuple[int, ...], usage: str) -> list[int]:
    words = rest.split()
    if len(words) not in counts or not all(word.isdecimal() for word in words):
        raise InputError(f"write {usage}, where N is the number of an answer")
    return [int(word) for word in words]


_COMMANDS: dict[str, Callable[[str, Talk, Screen], None]] = {
    "/improve": _improve,
    "/pick": _pick,
    "/diff": _differ,
    "/compare": _compare,
    "/undo": _undo,
    "/new": _new,
    "/save": _save,
    "/help": _help,
}
