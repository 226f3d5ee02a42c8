"""A headless browser for tests of the page: one start a module, a fresh profile for each visitor."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving_fixtures import small_policy
from tests.serving_server import Served, served

from slhf.policies import RoleSettings
from slhf.serving import Refiner

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium, skipped where there is none; closed after each module: no other event loop runs beside its own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=_FLAGS.split())
        yield started
        started.close()


@pytest.fixture(scope="session")
def page_picks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that keeps what is picked on the page."""
    return tmp_path_factory.mktemp("picks") / "picks.sqlite"


@pytest.fixture(scope="session")
def page_server(page_picks: Path) -> Iterator[Served]:
    """A server with a page, slow enough for pieces of an answer to be seen; it always says the same."""
    policy = small_policy()
    policy.settings = RoleSettings(temperature=0.0, max_new_tokens=8)
    with served(Refiner(policy, watch=lambda rows: time.sleep(0.01)), picks=page_picks) as found:
        yield found


@pytest.fixture
def url(page_server: Served) -> str:
    """Where the page is."""
    return page_server.page


def expect(found: Any) -> Any:
    """Return Playwright's assertions, which wait."""
    from playwright.sync_api import expect

    return expect(found)


class Visit:
    """One visitor: a page, and whatever it did that a page should not do.

    Args:
        browser: a running one.
        url: where to go.
        settings: of the visitor's browser: ``viewport``, ``color_scheme`` and so on.
    """

    def __init__(self, browser: Any, url: str, **settings: Any):
        self.url = url
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings})
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self._waiting: list[Any] = []
        self._answers: Any = None
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))
        self.page.on("request", self._request)
        # from the beginning: a request that is sent while interception is being switched on can escape it
        self.page.route("**/v1/chat/completions", self._answered)

    def _console(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.wrong.append(said.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.url):
            self.wrong.append(request.url)
        if request.method == "POST":
            self.sent.append((request.url.removeprefix(self.url), json.loads(request.post_data)))

    def _answered(self, route: Any) -> None:
        if self._answers is None:
            route.continue_()
        else:
            self._answers(route)

    def __enter__(self) -> Visit:
        self.page.goto(self.url)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is not None:  # pytest shows what is printed
            print(self.wrong, self.sent, self.page.locator("body").inner_text(), sep="\n")
        self.context.close()
        if error is None:
            assert not self.wrong

    def ask(self, prompt: str) -> None:
        """Send a prompt as most people would."""
        self.page.locator("#prompt").fill(prompt)
        self.page.get_by_role("button", name="Send").click()

    def answers(self, count: int) -> list[str]:
        """Wait for as many answers to be complete; return what is on the screen."""
        texts = self.page.locator("#answers .text")
        expect(texts).to_have_count(count)
        expect(self.page.locator("#answers .text[aria-busy=false]")).to_have_count(count)
        return texts.all_inner_texts()

    def told(self, *choices: dict[str, Any] | None, error: str | None = None) -> None:
        """Have chat completions answered with these chunks from now on; None breaks off, before the stream's end."""
        events = [{"choices": [choice]} for choice in choices if choice is not None]
        lines = [json.dumps(one) for one in [*events, *([{"error": {"message": error}}] if error else [])]]
        if None not in choices:
            lines.append("[DONE]")
        body = "".join(f"data: {line}\n\n" for line in lines)
        self.answer(lambda route: route.fulfill(status=200, content_type="text/event-stream", body=body))

    def silence(self) -> None:
        """Have chat completions wait for an answer from now on."""
        self.answer(lambda route: self._waiting.append(route))

    def answer(self, handler: Callable[[Any], Any]) -> None:
        """Have chat completions answered by ``handler`` from now on."""
        self._answers = handler


def said(text: str, **more: Any) -> dict[str, Any]:
    """Return one chunk's choice."""
    return {"index": 0, "delta": {"content": text}, "finish_reason": None, **more}
