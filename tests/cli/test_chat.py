"""``slhf chat``: lines in, text out; on a terminal marks that need no colour, and Ctrl-C that stops an answer."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from chat_server import says, serving, streams
from slhf.cli import main
from slhf.cli.chat_screen import Screen, printable
from slhf.serving.picks import PickStore

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def chat(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``slhf chat`` with lines as its input; returns the exit code, stdout and stderr."""

    def run(*lines: str, options: tuple[str, ...] = (), model: str = "toy") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        code = main(["chat", "--model", model, "--seed", "1", *options])
        streams = capsys.readouterr()
        return code, streams.out, " ".join(streams.err.split())

    return run


def by_turns(*texts: str) -> Callable[[dict[str, Any]], Any]:
    """Answer with these texts, one after the other, in pieces."""
    left = iter(texts)
    return lambda body: streams(*re.findall(r"\S+\s*", next(left)))


def test_a_script_of_lines(chat: Run, tmp_path: Path) -> None:
    file = tmp_path / "picks.sqlite"
    with serving(by_turns("a red cat", "a blue cat", "a blue cat sat", "and then", "nothing")) as server:
        code, out, err = chat(
            "A cat?", "", "/improve", "/diff 1 3", "/diff 2", "/pick 2", "//etc", "/undo", "/new", "/quit", "unread",
            options=("--picks", str(file), "--session", "me"), model=f"{server.url}#m",
        )  # fmt: skip
        requests = server.requests
    assert (code, err) == (0, "")
    assert out == (
        "[1] Leader\na red cat\n"
        "[2] improves 1\na blue cat\nchanges from 1 to 2:\na [-red-]{+blue+} cat\n"
        "[3] improves 2\na blue cat sat\nchanges from 2 to 3:\na blue cat{+ sat+}\n"
        "changes from 1 to 3:\na [-red-]{+blue+} cat{+ sat+}\n"
        "changes from 2 to 3:\na blue cat{+ sat+}\n"
        f"picked 2, preferred to 2 other answers; kept in {file}\n"
        "[1] Leader\nand then\n"
        "back at: A cat?\n[1]\na red cat\n[2] picked\na blue cat\n[3]\na blue cat sat\n"
        "a new conversation\n"
    )
    with PickStore(file) as store:
        (pick,) = store.rows()
    assert (pick.session, pick.prompt, pick.chosen, pick.model) == ("me", "A cat?", "a blue cat", "m")
    assert pick.rejected == ("a red cat", "a blue cat sat")
    assert [turn["content"] for turn in requests[3]["messages"]] == ["A cat?", "a blue cat", "/etc"]


def test_the_embedded_model_and_a_judge(chat: Run) -> None:
    code, out, _ = chat("What is 2 plus 3?", "", "/pick 1", options=("--judge", "toy"))
    assert code == 0
    assert re.match(r"\[1\] Leader\n.+\n\[2\] improves 1\n.+\nthe judge prefers it .* with probability 0\.\d\d\n", out)
    assert "forgotten when you leave" in out
    assert chat("What is 2 plus 3?", "", "/pick 1", options=("--judge", "toy"))[1] == out


def test_taste(chat: Run) -> None:
    code, out, _ = chat("What is 2 plus 3?", "", "/compare", options=("--annotators", "toy"))
    assert code == 0
    assert out.count("your taste, as far as picks tell: ") == 2
    assert re.search(r"which is better\? /pick \d or /pick \d\n\Z", out)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["/pikc 1"], "there is no command /pikc. Did you mean '/pick'?"),
        (["hm", "/pick one"], "write /pick N"),
        (["hm", "/pick 2"], "there is no answer 2; there are 1"),
        (["hm", "/pick 1"], "a pick needs two different answers"),
        (["hm", "/diff"], "there is no answer 0"),
        ([""], "no answer to improve yet"),
        (["/undo"], "nothing to take back"),
        (["/save"], "needs the name of a file"),
        (["/compare"], "nothing to compare"),
    ],
)
def test_a_mistake_ends_a_script(chat: Run, lines: list[str], words: str) -> None:
    with serving(lambda body: says("one")) as server:
        code, out, err = chat(*lines, "/help", model=f"{server.url}#m")
    assert code == 2
    assert words in err
    assert "/help" not in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--session", "a b"), "session='a b'"),
        (("--temperature", "-1"), "temperature=-1.0"),
        (("--judge", "toi"), "Did you mean 'toy'"),
        (("--annotators", "toi"), "Did you mean 'toy'"),
        (("--picks", "nowhere/picks.sqlite"), "the folder does not exist"),
        (("--model", "http://127.0.0.1:9/v1#m"), "http://127.0.0.1:9/v1 does not answer"),
        (("--follower", "./nowhere"), "nowhere"),
    ],
)
def test_wrong_options_exit_2(chat: Run, options: tuple[str, ...], words: str) -> None:
    if "--model" in options:
        code, out, err = chat(model=options[1])
    else:
        code, out, err = chat(options=options)
    assert (code, out) == (2, "")
    assert words in err


def test_what_a_model_says_cannot_command_the_terminal(chat: Run) -> None:
    with serving(lambda body: streams("red \x1b[31m", "[bold]x[/]\x07\r\u202e!", "\nü 🙂\t.")) as server:
        _, out, _ = chat("hm", "", model=f"{server.url}#m")
    said = "red \ufffd[31m[bold]x[/]\ufffd\ufffd\ufffd!\nü 🙂\t."
    assert out == f"[1] Leader\n{said}\n[2] improves 1\n{said}\nchanges from 1 to 2:\nit is the same text\n"
    assert printable("plain\n\ttext") == "plain\n\ttext"


def test_marks_without_colour() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, color_system="truecolor", no_color=True, width=200)
    Screen(console).differences("a [red] cat", "a [blue] cat")
    underlined = re.search(r"\x1b\[4m(.*?)\x1b\[0m", shown.getvalue())
    struck = re.search(r"\x1b\[(?:2;)?9m(.*?)\x1b\[0m", shown.getvalue())
    assert underlined is not None
    assert struck is not None
    assert (underlined.group(1), struck.group(1)) == ("blue", "red")
    assert not re.search(r"\x1b\[3\d", shown.getvalue())


class Terminal:
    """A pseudo-terminal with a program on it."""

    def __init__(self, *command: str, folder: Path):
        self._own, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "HOME": str(folder)}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment, start_new_session=True,
            preexec_fn=lambda: _controlling(theirs),
        )  # fmt: skip
        os.close(theirs)
        self._unread = ""

    def until(self, words: str, seconds: float = 60.0) -> str:
        """Read on until ``words`` have come; return what came, these included."""
        end = time.monotonic() + seconds
        while words not in self._unread:
            ready, _, _ = select.select([self._own], [], [], max(end - time.monotonic(), 0.0))
            assert ready, f"no {words!r} in {self._unread!r}"
            self._unread += os.read(self._own, 65536).decode(errors="replace")
        found, there, self._unread = self._unread.partition(words)
        return found + there

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._own, keys.encode())

    def close(self) -> None:
        """End what is left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)
        os.close(self._own)


def _controlling(terminal: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # tests that run in the background would hand on that it is ignored


@pytest.mark.slow
def test_on_a_terminal(tmp_path: Path) -> None:
    """Keys are pressed as a person would; Ctrl-C stops an answer that never ends, and leaves at the prompt."""

    def endless(body: dict[str, Any]) -> Iterator[bytes]:
        if body["messages"][-1]["content"] == "short":
            yield from streams("a red ", "cat")
            return
        if len(body["messages"]) == 3:
            yield from streams("a blue ", "cat")
            return
        yield from streams("on ", ended=None, usage=None, end=False)
        while True:
            yield streams("and on ", ended=None, usage=None, end=False)[1]
            time.sleep(0.01)

    with serving(endless) as server:
        command = [sys.executable, "-m", "slhf.cli", "chat", "--model", f"{server.url}#m"]
        terminal = Terminal(*command, folder=tmp_path)
        try:
            assert "Ctrl-D leaves" in terminal.until("> ")
            terminal.type("for ever\r")
            terminal.until("and on and on")
            terminal.type("\x03")
            terminal.until("stopped; this answer is not kept")
            terminal.until("> ")
            assert wait_for(lambda: server.left == 1)
            terminal.type("short\r")
            terminal.until("a red cat")
            terminal.until("> ")
            terminal.type("\r")
            terminal.until("a blue cat")
            terminal.until("changes from 1 to 2")
            terminal.until("\x1b[4mblue\x1b[0m")
            terminal.until("> ")
            terminal.type("/pikc\r")
            terminal.until("Did you mean '/pick'")
            terminal.until("> ")
            time.sleep(1.0)  # a key between the prompt and the reading of it would be seen with the next one
            terminal.type("\x03")
            terminal.until("interrupted")
            assert terminal.process.wait(timeout=30) == 130
        finally:
            terminal.close()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]  # settings of libraries, perhaps
    assert not [path for path in written if b"for ever" in path.read_bytes()]


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()
