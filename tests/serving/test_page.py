"""The page in a real browser: ask, improve, compare, pick; with a mouse, by keyboard alone, on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser import Visit, expect, said
from tests.serving_fixtures import small_policy
from tests.serving_server import served

from slhf.serving import Refiner
from slhf.serving.picks import PickStore
from slhf.serving.request_fields import Limits

EVIL = '<img src="https://evil.example/x.png" onerror="alert(1)"><script>alert(2)</script><b>bold</b>'


WATCH = """() => {
  window.seen = [];
  const look = () => {
    const busy = document.querySelector('#answers .text[aria-busy="true"]');
    if (busy) window.seen.push(busy.textContent.length);
  };
  new MutationObserver(look).observe(document.querySelector('#answers'), {subtree: true, childList: true});
}"""


def _pick(page: Any, number: int) -> Any:
    """Return the button that picks an answer, picked or not."""
    return page.get_by_role("button", name=f"answer {number}")


def test_ask_improve_pick_and_go_on(browser: Any, url: str, page_picks: Path) -> None:
    with Visit(browser, url) as visit:
        page = visit.page
        page.evaluate(WATCH)
        visit.ask("a b")
        visit.answers(1)
        seen = page.evaluate("window.seen")
        assert len(set(seen)) > 3  # longer and longer: it streamed in
        assert seen == sorted(seen)
        page.get_by_role("button", name="Improve").click()
        visit.answers(2)
        page.get_by_role("button", name="Improve").click()
        page.get_by_label("Mark what an improvement changed").uncheck()
        texts = visit.answers(3)
        boxes = [page.locator("#answers .card").nth(i).bounding_box() for i in range(3)]
        assert len({box["y"] for box in boxes}) == 1  # side by side
        assert len({box["x"] for box in boxes}) == 3
        bodies = [body for path, body in visit.sent if path == "v1/chat/completions"]
        assert [body["model"] for body in bodies] == ["m:leader", "m", "m"]
        assert [body.get("refine") for body in bodies] == [None, *({"answer": text, "steps": 1} for text in texts[:2])]
        _pick(page, 2).click()
        expect(page.locator("#status")).to_have_text("Answer 2 is stored as your pick.")
        expect(page.locator("#stored")).to_contain_text("2 pairs stored")
        session = visit.sent[-1][1]["session"]
        with PickStore(page_picks) as store:
            (pick,) = store.rows(session)
        assert (pick.prompt, pick.chosen, pick.rejected, pick.model) == ("a b", texts[1], (texts[0], texts[2]), "m")
        visit.ask("c d")
        visit.answers(1)
        assert visit.sent[-1][1]["messages"] == [
            {"role": "user", "content": "a b"},
            {"role": "assistant", "content": texts[1]},
            {"role": "user", "content": "c d"},
        ]
        assert page.locator("#talk").inner_text().split("\n")[-1] == texts[1]


def test_differences_are_marked_and_the_mind_may_change(browser: Any, url: str, page_picks: Path) -> None:
    with Visit(browser, url) as visit:
        page = visit.page
        visit.told(said("The red cat sat, quietly, on the mat."))
        visit.ask("a b")
        visit.answers(1)
        visit.told(said("The blue cat sat on "), said("the red mat.", finish_reason="length"))
        page.keyboard.press("i")
        visit.answers(2)
        second = page.locator("#answers .card").nth(1)
        assert second.locator("ins").all_inner_texts() == ["blue", "red"]
        assert second.locator("del").all_inner_texts() == ["red", ", quietly,"]
        expect(second).to_contain_text("Cut: it became too long")
        page.get_by_label("Mark what an improvement changed").uncheck()
        assert second.locator(".text").inner_text() == "The blue cat sat on the red mat."
        page.get_by_label("Mark what an improvement changed").check()
        assert second.locator("ins").count() == 2
        visit.told(said("Quite another answer altogether"))
        page.get_by_role("button", name="Improve").click()
        visit.answers(3)
        expect(page.locator("#answers .card").nth(2)).to_contain_text("Written anew")
        _pick(page, 1).click()
        expect(page.locator("#stored")).to_contain_text("2 pairs stored")
        visit.told(said("The red cat sat, quietly, on the mat."))
        page.get_by_role("button", name="Improve").click()  # goes on from the pick
        visit.answers(4)
        expect(page.locator("#answers .card").nth(3)).to_contain_text("The same as answer 1")
        _pick(page, 2).click()
        expect(page.locator("#stored")).to_contain_text("3 pairs stored")  # of 1 and 2, 1 and 3, 2 and 3
        expect(_pick(page, 2)).to_have_attribute("aria-pressed", "true")
        expect(_pick(page, 1)).to_have_attribute("aria-pressed", "false")
        with PickStore(page_picks) as store:
            assert [len(one.rejected) for one in store.rows(visit.sent[-1][1]["session"])] == [2, 2]


def test_by_keyboard_alone(browser: Any, url: str, page_picks: Path) -> None:
    with Visit(browser, url) as visit:
        press = visit.page.keyboard.press
        expect(visit.page.locator("#prompt")).to_be_focused()
        visit.page.keyboard.type("a b i s n 1 /")  # letters are letters in the prompt
        press("Control+Enter")
        visit.answers(1)
        assert visit.sent[-1][1]["messages"][-1]["content"] == "a b i s n 1 /"
        visit.told(said("another"))
        press("i")
        visit.answers(2)
        press("1")
        expect(visit.page.locator("#status")).to_have_text("Answer 1 is stored as your pick.")
        press("7")  # there is none
        press("/")
        expect(visit.page.locator("#prompt")).to_be_focused()
        press("Escape")
        expect(visit.page.locator("#prompt")).not_to_be_focused()
        backwards = []
        visit.page.locator("#prompt").focus()
        for _ in range(5):
            press("Shift+Tab")
            backwards.append(visit.page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert backwards[:3] == ["Pick this one answer 22", "✓ Your pick answer 11", "marks"]  # each with its key
        assert backwards[4] == "new"  # the list of keys lies between
        visit.page.get_by_text("Keys", exact=True).click()
        visit.page.get_by_label("Single keys work").uncheck()
        press("n")
        assert len(visit.answers(2)) == 2
        visit.page.get_by_label("Single keys work").check()
        press("n")
        expect(visit.page.locator("#round")).to_be_hidden()
        expect(visit.page.locator("#prompt")).to_be_focused()
        with PickStore(page_picks) as store:
            assert [one.rejected for one in store.rows(visit.sent[-1][1]["session"])] == [("another",)]


def test_on_a_phone_nothing_sticks_out(browser: Any, url: str) -> None:
    with Visit(browser, url, viewport={"width": 375, "height": 667}, has_touch=True, is_mobile=True) as visit:
        visit.told(said("w" * 300 + " and more"))
        visit.ask("x" * 300)
        visit.answers(1)
        visit.page.get_by_role("button", name="Improve").tap()
        visit.answers(2)
        _pick(visit.page, 2).tap()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 375
        boxes = [visit.page.locator("#answers .card").nth(i).bounding_box() for i in range(2)]
        assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]  # one below the other
        for name in ("Improve", "Stop", "Pick this one answer 1", "New conversation"):
            assert visit.page.get_by_role("button", name=name).bounding_box()["height"] >= 40


def test_markup_is_shown_as_text(browser: Any, url: str) -> None:
    with Visit(browser, url) as visit:
        visit.told(said(EVIL))
        visit.ask(EVIL)
        assert visit.answers(1) == [EVIL]
        visit.told(said(EVIL.replace("bold", "bolder")), error=None)
        visit.page.keyboard.press("i")
        visit.answers(2)
        assert visit.page.locator("#answers ins").all_inner_texts() == ["bolder"]
        visit.page.keyboard.press("2")
        expect(visit.page.locator("#stored")).to_contain_text("1 pair")
        assert visit.page.locator("#question").inner_text() == EVIL
        visit.told(said(""), error=EVIL)
        visit.ask("a b")
        expect(visit.page.locator("#problem")).to_have_text(EVIL)
        assert EVIL in visit.page.locator("#talk").inner_text()
        assert visit.page.locator("main img, main script, main b:not(#intro b)").count() == 0


def test_a_server_that_refines_nothing_offers_no_improvement(browser: Any) -> None:
    limits = Limits(steps=0, max_steps=0)
    with served(Refiner(small_policy()), limits=limits) as server, Visit(browser, server.page) as visit:
        visit.ask("a b")
        visit.answers(1)
        expect(visit.page.locator("#improve")).to_have_attribute("aria-disabled", "true")
        visit.page.keyboard.press("i")
        assert len(visit.answers(1)) == 1
