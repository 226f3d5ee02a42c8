"""The fixtures of serving, which live beside this folder because the command needs them too; and a browser."""

from tests.browser import browser, page_picks, page_server, url
from tests.serving_fixtures import small, toy

__all__ = ["browser", "page_picks", "page_server", "small", "toy", "url"]
