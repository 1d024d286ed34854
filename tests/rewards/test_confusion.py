import json

import pytest

from rlaw.cli import main
from rlaw.errors import DataError, NotFound
from rlaw.rewards import confusion
from rlaw.rewards.confusion import Pair

pytest.importorskip("math_verify", reason="rlaw[math] is not installed")


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("right", ["true", "True", "1", "YES"])
def test_names_of_columns_may_differ_in_case_blanks_and_order(right, tmp_path):
    text = f"Reference \t kind\t RIGHT\tAnswer\r\n1500\tlists\t{right}\t1, 500\r\n\r\n12\tlists\tno\t 1 2\r\n"
    path = written(tmp_path / "pairs.tsv", text, "utf-8-sig")
    assert confusion.read(path) == [Pair(2, "1, 500", "1500", True), Pair(4, "1 2", "12", False)]


def test_quotes_of_csv_are_undone_and_others_stay(tmp_path):
    quoted = 'answer\treference\tright\n5\t"[""5"", ""five""]"\t1\n"line\none"\t5\t0\n6\t6\t1\n'
    pairs = confusion.read(written(tmp_path / "csv.tsv", quoted))
    assert [(pair.line, pair.answer, pair.reference) for pair in pairs] == [
        (2, "5", '["5", "five"]'),
        (3, "line\none", "5"),
        (5, "6", "6"),
    ]
    bare = 'answer\treference\tright\n5" x\t["5"]\t1\n"5\t5\t0\n'
    assert [pair.answer for pair in confusion.read(written(tmp_path / "bare.tsv", bare))] == ['5" x', '"5']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("answer\treference\tright\n1\t1\tmaybe\n", "pairs.tsv:2: right is 'maybe', not true or false"),
        ("answer\treference\tright\n1\t1\t1\n\n5\n", "pairs.tsv:4: 1 of 3 columns"),
        ("answer\treference\tright\n1\t1\t1\t7\n", "pairs.tsv:2: 4 columns where the first line has 3"),
        ("answer\treference\tright\n" + "1\t1\t?\n" * 9, "and 4 more"),
        ("1\t1\t1\n", "pairs.tsv:1: no column answer: it has 1, 1, 1"),
        ("answer,reference,right\n1,1,1\n", "no column answer"),
        ("answer\treference\tright\n", "holds no pairs"),
        ("", "is empty"),
    ],
)
def test_a_table_that_is_no_table_of_pairs_is_refused_with_its_line(text, message, tmp_path, capsys):
    path = written(tmp_path / "pairs.tsv", text)
    with pytest.raises(DataError, match="next:") as caught:
        confusion.read(path)
    assert message in str(caught.value)
    assert main(["data", "verify", str(path), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "invalid-data"


def test_files_that_are_not_there_or_not_text(tmp_path):
    with pytest.raises(NotFound):
        confusion.read(tmp_path / "none.tsv")
    with pytest.raises(DataError, match="not UTF-8 at byte 23"):
        confusion.read(written(tmp_path / "latin.tsv", "answer\treference\tright\n\xe9\t1\t1\n", "latin-1"))
    assert main(["data", "verify", str(tmp_path / "none.tsv")]) == 3


def test_the_command_prints_the_confusion_beside_math_verify_and_names_mistakes(tmp_path, capsys):
    rows = [
        ("1, 500", "1500", "false"),
        ("1/2", "0.5", "true"),
        ("6.6\\times10^{-34}", "1.6\\times10^{-19}", "false"),  # math-verify takes tiny numbers for the same
        ("7", "8", "true"),  # whoever wrote this is wrong
        ("9^{9^{9^{9}}}", "9", "false"),
        ("<think>\\boxed{5}", "5", "no"),
        ("I get \\boxed{5}.", "5", "yes"),
    ]
    text = "answer\treference\tright\n" + "".join("\t".join(row) + "\n" for row in rows)
    path = str(written(tmp_path / "pairs.tsv", text))
    assert main(["data", "verify", path]) == 0
    out = capsys.readouterr().out
    assert out.startswith("7 pairs\n")
    assert "line 5: false reject: 7 for 8 (wrong: exact)" in out
    assert main(["data", "verify", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rlaw"] == {"accepted": 2, "false_rejects": 1, "rejected": 4, "false_accepts": 0, "timeouts": 1}
    assert found["math_verify"]["false_accepts"] >= 1
    assert [(m["line"], m["answer"], m["right"], m["verdict"]) for m in found["mistakes"]] == [(5, "7", True, "wrong")]
