"""The quickstart and the README are run as they stand, and the pages they link to are there."""

import re
import shlex
from pathlib import Path

import pytest

import rlaw
from rlaw.cli import main

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
QUICKSTART = re.findall(r"^\$ rlaw ([^#\n]+)", (ROOT / "docs" / "quickstart.md").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("command", QUICKSTART)
def test_every_command_of_the_quickstart_works(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_every_public_name_is_documented():
    page = (ROOT / "docs" / "api.md").read_text()
    documented = set(re.findall(r":: rlaw\.(\w+)$", page, flags=re.MULTILINE))
    assert set(dir(rlaw)) - {"__version__"} <= documented
