"""Who may read the page, and that nobody can do more."""

import re

import pytest

from rlaw.serve.app import _DOCUMENTS, _PAGES, _STATIC
from rlaw.serve.guard import new_token

ROUTES = [
    *_PAGES,
    *(f"static/{name}" for name in _STATIC),
    *(f"api/{name}" for name in (*_DOCUMENTS, "events")),
    *(f"export/overview.{form}" for form in ("svg", "csv")),
]


def test_every_route_of_the_application_is_among_those_checked(client):
    paths = {re.sub(r"\{\w+\}", "X", route.path) for route in client.app.routes}
    base = "/t0k3n/"
    known = {base, f"{base}X", *(f"{base}{folder}/X" for folder in ("static", "api", "export"))}
    assert paths == {*known, f"{base}api/events"}


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1:1"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "evil@127.0.0.1"},
        {"origin": "http://evil.example"},
        {"origin": "https://127.0.0.1"},
        {"origin": "null"},
    ],
    ids=str,
)
def test_another_host_or_origin_gets_nothing(client, headers):
    for route in ROUTES:
        answer = client.get(route, headers=headers)
        assert answer.status_code == 403, route
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("start", ["", "wrong/", "t0k3/", "t0k3nn/", "T0K3N/", "%2e%2e/"])
def test_without_the_token_there_is_nothing(client, start):
    for route in ROUTES:
        assert client.get(f"http://127.0.0.1/{start}{route}").status_code == 403, route


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_page_can_only_be_read(client, method):
    for route in ROUTES:
        assert client.request(method, route).status_code == 405, route


@pytest.mark.parametrize(
    "path",
    [
        "static/../app.py",
        "static/%2e%2e/app.py",
        "static/..%2fapp.py",
        "static/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "static//etc/passwd",
        "static/app.py",
        "static/uPlot.LICENSE%00.js",
        "static/C:%5Cx",
        "static/app.js::$DATA",
        "static/app.js%00",
        "static/index.html",
        "export/..%2f..%2fetc%2fpasswd",
        "export/nothing.svg",
        "export/curves.exe",
        "api/nothing",
        "nothing",
        "..%2f..%2fetc/passwd",
    ],
)
def test_no_path_leads_out(client, path):
    answer = client.get(path)
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text


def test_answers_are_sealed(client):
    for route in ("curves", "api/about", "static/app.js"):
        headers = client.get(route).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_the_page_has_no_script_or_style_of_its_own_and_names_no_other_place(client):
    page = client.get("curves").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|style=", page)
    for name in ("", *(f"static/{name}" for name in ("app.js", "chart.js", "app.css", "uPlot.min.css"))):
        text = client.get(name).text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//cdn|@import", text), name
    code = client.get("static/app.js").text + client.get("static/chart.js").text
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", code)


def test_tokens_are_long_and_new():
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 43


def test_a_law_is_named_and_never_a_file_of_the_addresss_choosing(client, tmp_path):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nLAW = 1\n")
    answer = client.get("api/curves", params={"law": f"{tmp_path / 'evil.py'}:LAW"})
    assert answer.status_code == 404
    assert not (tmp_path / "ran").exists()


def test_no_secret_of_the_environment_is_in_any_answer(client, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnop")
    monkeypatch.setenv("WANDB_API_KEY", "k3y0fw4ndb")
    for route in ("", "api/about", "api/overview", "api/curves?draws=0", "export/overview.csv"):
        assert not re.search("hf_abcdefghijklmnop|k3y0fw4ndb", client.get(route).text)
