"""The page in Chromium: no error, no dialog, names as text, everything has a name, it moves with the data."""

import shutil
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from serving import HOSTILE, ladder

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
DONE = "main:not([aria-busy]) #view > *"
NAMELESS = """() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0'], svg[role]")]
    .filter((e) => e.offsetParent !== null || e.tagName === "svg")
    .filter((e) => !(e.getAttribute("aria-label") || e.textContent || e.labels?.[0]?.textContent || "").trim())
    .map((e) => e.outerHTML.slice(0, 100))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "ladder.csv"
    ladder(20).write_csv(path)
    return path


@pytest.fixture(scope="module")
def address(page_of, log):
    return page_of(log, poll_seconds=0.1)[0]


@pytest.fixture
def open_page(browser):
    """Opens a page that fails the test for anything it complains of."""
    complaints, pages = [], []

    def open_at(url, width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on(
            "request", lambda asked: None if asked.url.startswith("http://127.0.0.1:") else complaints.append(asked.url)
        )
        pages.append(page)
        page.goto(url)
        page.wait_for_selector(DONE, state="attached")
        return page

    yield open_at
    for page in pages:
        page.close()
    assert complaints == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_view_shows_hostile_names_as_text_and_fits_the_window(address, open_page, width, scheme):
    page = open_page(f"{address}overview", width, scheme)
    for view in ("Runs", "Curves", "Law", "Residuals", "Laws compared", "Planner", "Contrast"):
        page.get_by_role("link", name=view, exact=True).click()
        page.wait_for_selector(f"{DONE}", state="attached")
        page.wait_for_selector("#origin:not([hidden])")
        assert page.evaluate(NAMELESS) == [], view
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, view
        assert page.evaluate("document.querySelectorAll('img, script:not([src]), iframe').length") == 0, view
        if view in ("Runs", "Planner"):
            assert HOSTILE[0] in page.inner_text("#view")
            assert HOSTILE[1] in page.inner_text("#view")
        assert page.is_hidden("#problem"), page.inner_text("#problem")


def test_a_chart_is_read_with_the_keyboard_and_with_the_mouse(address, open_page):
    page = open_page(f"{address}curves?axis=data")
    plot = page.get_by_role("application")
    plot.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    first = page.inner_text("#spoken")
    assert HOSTILE[0] in first
    assert "test loss" in first
    page.keyboard.press("ArrowUp")
    assert HOSTILE[1] in page.inner_text("#spoken")
    page.keyboard.press("Escape")
    assert page.is_hidden(".tip")
    box = plot.bounding_box()
    for across in range(10, 90, 4):
        page.mouse.move(box["x"] + box["width"] * across / 100, box["y"] + box["height"] * 0.35)
        if page.is_visible(".tip"):
            break
    assert page.is_visible(".tip")


def test_the_law_follows_the_window_while_a_handle_moves(address, open_page):
    page = open_page(f"{address}curves")
    before = page.inner_text(".values")
    handle = page.get_by_role("slider", name="first step of the fit")
    handle.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_url("**/curves?window=7%3A")
    page.wait_for_selector("text=steps from 7 on")
    assert page.inner_text(".values") != before
    assert "--window 7:" in page.inner_text("#origin code")
    page.wait_for_selector("text=90 % intervals")
    page.reload()
    page.wait_for_selector("text=steps from 7 on")


def test_the_page_follows_a_log_that_grows(address, log, open_page):
    page = open_page(f"{address}overview")
    page.wait_for_selector("text=live")
    assert "20" in page.inner_text("tbody tr")
    whole = ladder(24)
    whole.filter(pl.col("step") <= 23).write_csv(log)
    page.wait_for_selector("td:text-is('23')")
    page.wait_for_selector("#live:has-text('changed')")
