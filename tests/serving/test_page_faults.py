"""The page when a key is asked for, when something fails, and when the server knows of tastes."""

from __future__ import annotations

from typing import Any

from tests.browser import Visit, expect, said
from tests.serving_fixtures import small_policy
from tests.serving_server import served

from slhf.serving import Refiner


def test_the_key_is_asked_for_once(browser: Any) -> None:
    with served(Refiner(small_policy()), key="open-sesame") as server, Visit(browser, server.page) as visit:
        door = visit.page.get_by_role("dialog")
        expect(door).to_contain_text("asks for a key")
        for key in ("wrong", "open-sesame"):
            visit.page.get_by_label("Key", exact=True).fill(key)
            visit.page.keyboard.press("Enter")
            if key == "wrong":
                expect(door).to_contain_text("does not know this key")
        expect(door).to_be_hidden()
        visit.ask("a b")
        visit.answers(1)
        visit.page.reload()
        visit.ask("a b")
        visit.answers(1)
        assert "open-sesame" not in visit.page.content() + visit.page.url
        assert all("401" in one for one in visit.wrong)  # what the browser says of the two it was refused
        assert len(visit.wrong) == 2
        visit.wrong.clear()


def test_what_goes_wrong_is_said_in_words(browser: Any, url: str) -> None:
    with Visit(browser, url) as visit:
        page, problem = visit.page, visit.page.locator("#problem")
        visit.told(said("one"))
        visit.ask("a b")
        visit.answers(1)
        busy = '{"error": {"message": "the server is busy with 9 answers; try again later"}}'
        visit.answer(lambda route: route.fulfill(status=429, headers={"Retry-After": "7"}, body=busy))
        page.keyboard.press("i")
        expect(problem).to_have_text("the server is busy with 9 answers; try again later Try again in 7 s.")
        visit.answer(lambda route: route.fulfill(status=502, body="<html>"))
        page.keyboard.press("i")
        expect(problem).to_have_text("The server answered with status 502.")
        visit.answer(lambda route: route.abort())
        page.keyboard.press("i")
        expect(problem).to_have_text("The server cannot be reached. Is it running?")
        visit.told(said("half an ans"), None)
        page.keyboard.press("i")
        expect(problem).to_have_text("The answer broke off: the server is gone.")
        visit.silence()
        page.keyboard.press("i")
        expect(page.locator("#status")).to_have_text("The answer is being improved …")
        expect(problem).to_be_hidden()
        page.keyboard.press("s")
        expect(page.locator("#status")).to_have_text("Stopped.")
        visit.silence()
        page.keyboard.press("i")
        page.keyboard.press("1")  # picking stops, and what is half written is no alternative
        expect(page.locator("#status")).to_have_text(
            "Answer 1 stays. With no other beside it there is nothing to store."
        )
        assert page.get_by_role("button", name="answer ").count() == 1
        visit.told(said("two"))
        page.keyboard.press("i")
        expect(page.get_by_role("button", name="answer ")).to_have_count(2)
        page.route(
            "**/v1/picks", lambda route: route.fulfill(status=503, body='{"error": {"message": "disk is full"}}')
        )
        page.keyboard.press("1")
        expect(problem).to_have_text("The pick is not stored. disk is full")
        expect(page.locator("#stored")).to_be_hidden()
        visit.wrong = [one for one in visit.wrong if "Failed to load resource" not in one]


def test_taste_is_shown_and_asks(browser: Any, url: str) -> None:
    with Visit(browser, url) as visit:
        page = visit.page
        known = '{"name": "m", "judged": false, "taste": true, "max_steps": 8}'
        page.route("**/page/settings.json", lambda route: route.fulfill(body=known, content_type="application/json"))
        page.reload()
        visit.told(said("one"))
        visit.ask("a b")
        visit.answers(1)
        taste = {
            "session": "s",
            "annotators": {"verbosity": 0.25, "helpfulness <b>": 0.75},
            "candidates": ["short", "<i>long</i> and long", "other"],
            "kept": 2,
            "compare": [1, 0],
        }
        visit.told(said("other", refine={"step": 1, "steps": 1, "taste": taste}))
        page.keyboard.press("i")
        visit.answers(2)
        session = visit.sent[-1][1]["refine"]["taste"]
        assert visit.sent[-1][1]["refine"] == {"answer": "one", "steps": 1, "taste": session}
        assert page.locator("#annotators li").all_inner_texts() == ["helpfulness <b>\n75 %", "verbosity\n25 %"]
        assert page.get_by_role("meter", name="verbosity").get_attribute("value") == "0.25"
        expect(page.get_by_text("Which do you prefer?")).to_be_visible()
        assert page.locator("#comparison .text").all_inner_texts() == ["<i>long</i> and long", "short"]
        page.get_by_role("button", name="I prefer this the second").click()
        expect(page.locator("#comparison")).to_have_text("Thank you, stored.")
        path, body = visit.sent[-1]
        assert (path, body["session"], body["chosen"]) == ("v1/picks", session, "short")
        assert body["rejected"] == ["<i>long</i> and long"]
        refusal = '{"error": {"message": "no scores", "code": "taste_unscored"}}'

        def unscored(route: Any) -> None:
            tasted = "taste" in route.request.post_data_json["refine"]
            whole = 'data: {"choices": [{"delta": {"content": "plain"}}]}\n\ndata: [DONE]\n\n'
            kind = {"status": 400, "body": refusal} if tasted else {"status": 200, "body": whole}
            route.fulfill(content_type="text/event-stream", **kind)

        visit.answer(unscored)
        page.keyboard.press("i")
        assert visit.answers(3)[2] == "plain"
        expect(page.locator("#answers .card").nth(2)).to_contain_text("Without regard to taste")
        assert visit.sent[-1][1]["refine"] == {"answer": "other", "steps": 1}
        visit.told(said("other", refine={"step": 1, "steps": 1, "taste": taste}))
        visit.ask("c d")
        visit.answers(1)
        page.get_by_role("button", name="Start afresh").click()
        expect(page.locator("#taste")).to_be_hidden()
        page.keyboard.press("i")
        visit.answers(2)
        assert visit.sent[-1][1]["refine"]["taste"] != session
        visit.wrong = [one for one in visit.wrong if "400" not in one]


def test_a_slow_start_takes_no_key_and_no_prompt_away(browser: Any, url: str) -> None:
    """Sent before the page knows the server's name; then reading, when the page is let in at last."""
    held: list[Any] = []
    visit = Visit(browser, url)
    for path in ("**/page/settings.json", "**/v1/models"):
        visit.page.route(path, lambda route: held.append(route))
    with visit:
        visit.ask("How much is it?")
        expect(visit.page.locator("#answers .text")).to_have_count(0)
        assert not visit.sent
        held.pop(0).continue_()
        visit.answers(1)
        assert visit.sent[-1][1]["model"].endswith(":leader")
        assert len(visit.sent[-1][1]["model"]) > len(":leader")
        visit.page.wait_for_timeout(50)
        held.pop(0).continue_()
        visit.page.wait_for_timeout(100)
        expect(visit.page.locator("#prompt")).not_to_be_focused()
        visit.page.keyboard.press("i")
        visit.answers(2)
        assert not held
