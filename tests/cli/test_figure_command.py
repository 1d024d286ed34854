"""`rlaw figure` and `rlaw table`."""

import json
from pathlib import Path

import pytest

from rlaw.cli import main
from rlaw.reporting.figures import FIGURES
from rlaw.reporting.tables import TABLES


@pytest.mark.parametrize(("command", "names"), [("figure", FIGURES), ("table", TABLES)])
def test_the_list_has_every_name(command: str, names, capsys: pytest.CaptureFixture):
    assert main([command, "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(names)
    assert main([command, "--list", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)[f"{command}s"]] == list(names)


@pytest.mark.parametrize(("form", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_figure_takes_its_form_from_its_name(form: str, start: bytes, tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / f"x.{form}"
    assert main(["figure", "transfer", "qwen2.5-math-transfer", "-o", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert path.read_bytes().startswith(start)
    assert (document["schema"], document["figure"], document["path"]) == (1, "transfer", str(path))
    assert "30 items" in document["caption"]


@pytest.mark.parametrize("form", ["tex", "csv"])
def test_a_table_takes_its_form_from_its_name(form: str, tmp_path: Path):
    path = tmp_path / f"x.{form}"
    assert main(["table", "ladder", "qwen2.5-math-base", "-o", str(path), "--draws", "20"]) == 0
    assert "Qwen2.5-72B" in path.read_text()
    assert path.read_text().startswith("% needs" if form == "tex" else "size,N,runs")


@pytest.mark.parametrize("command", ["figure", "table"])
def test_unknown_names_get_the_list_and_other_forms_are_refused(command: str, capsys: pytest.CaptureFixture):
    assert main([command, "figure-1", "qwen2.5-math-base"]) == 3
    assert "next: choose one of " in capsys.readouterr().err
    known = "efficiency-fits"
    assert main([command, known, "qwen2.5-math-base", "-o", "x.docx"]) == 2
    assert "x.docx: the name ends in none of" in capsys.readouterr().err
    assert main([command, known]) == 2
    assert f"next: rlaw {command} --list" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "form"), [("figure", "svg"), ("table", "tex")])
def test_no_folder_is_made_for_a_mistyped_place(command: str, form: str, tmp_path: Path, capsys):
    place = tmp_path / "fgures" / f"x.{form}"
    assert main([command, "efficiency-fits", "qwen2.5-math-base", "-o", str(place)]) == 2
    assert f"there is no folder {place.parent}" in capsys.readouterr().err
    assert not place.parent.exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "file").write_text("in the way")
    place = tmp_path / "file" / "x.svg"
    assert main(["figure", "transfer", "qwen2.5-math-transfer", "-o", str(place)]) == 1
    assert f"cannot write {place.parent}" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_picture_and_names_path_and_bytes(tmp_path, capsys, no_file_beyond):
    place = tmp_path / "transfer.svg"
    assert main(["figure", "transfer", "qwen2.5-math-transfer", "-o", str(place)]) == 0
    before = place.read_bytes()
    with no_file_beyond(1000):
        assert main(["figure", "transfer", "qwen2.5-math-transfer", "-o", str(place)]) == 1
    assert f"cannot write {place} ({len(before)} bytes)" in capsys.readouterr().err
    assert place.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["transfer.svg"]
