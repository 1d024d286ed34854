"""Credentials of a study, a command or an error reach no document, no message and no id."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlaw.cli import main, terminal
from rlaw.cli.run import _parameters
from rlaw.errors import UsageError
from rlaw.store import Store
from rlaw.store.journal import Journal
from rlaw.study.plan import plan
from rlaw.text import masked, one_line, without_secrets

TOKEN = "hf_" + "a1B2" * 8
URL = f"https://me:s3cretpassword@example.org/data?token={TOKEN}&page=2"


def test_credentials_in_texts_are_blanked_and_the_rest_stays():
    assert masked(URL) == "https://***@example.org/data?token=***&page=2"
    assert masked(f"login {TOKEN} failed") == "login *** failed"
    for text in ("Qwen/Qwen2.5-7B@main", "a@b", "max_token_len=8", "x?key", "sk-7", "https://example.org/a@b"):
        assert masked(text) == text
    settings = {"hub_token": "abc", "eos_token": "</s>", "api_key": "x", "in": {"password": "p", "n": 3}}
    blanked = {"hub_token": "***", "eos_token": "</s>", "api_key": "***", "in": {"password": "***", "n": 3}}
    assert without_secrets(settings) == blanked


def test_no_file_of_a_store_holds_a_credential_and_the_runs_stay_the_same(tmp_path, make_plan):
    secret = {"name": "synthetic", "settings": {"hub_token": "s3cretpassword", "where": URL}}
    laid_out = make_plan(question=f"see {URL}", engine=secret)
    store = Store.create(tmp_path / "store", laid_out)
    with store.writer(laid_out.runs[0], argv=["rlaw", "run", URL]):
        pass
    for path in store.path.rglob("*.json"):
        assert "s3cretpassword" not in path.read_text()
        assert TOKEN not in path.read_text()
    assert tuple(run.label for run in plan(Store.open(store.path).study)) == store.labels()
    assert Store.create(store.path, laid_out).digest == laid_out.study.digest
    assert store.run(laid_out.runs[0].label).id == laid_out.runs[0].id


def test_a_message_holds_no_credential_and_is_no_longer_than_can_be_read(capsys):
    assert main(["fit", URL]) == 3
    assert main(["fit", URL, "--json"]) == 3
    said = capsys.readouterr()
    assert "s3cretpassword" not in said.out + said.err
    assert json.loads(said.out.splitlines()[-1])["error"]["code"] == "not-found"
    assert terminal.fail(UsageError("x" * 1_000_000), as_json=False) == 2
    assert len(capsys.readouterr().err) < 9_000


def test_files_get_the_modes_that_the_umask_gives(tmp_path, write_study):
    study = write_study(rl={"steps": 2, "prompts": 8, "num_generations": 4})
    words = [sys.executable, "-m", "rlaw", "run", str(study), "--store", str(tmp_path / "store"), "--quiet"]
    subprocess.run(words, check=True, umask=0o077, stdout=subprocess.DEVNULL)
    paths = [tmp_path / "store", *(tmp_path / "store").rglob("*")]
    assert [path for path in paths if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("value", ["gpu\n#SBATCH --wrap=id", "a\x1b[2J", "a\u202eb", "a\u2028b"])
def test_a_slurm_parameter_is_one_line_of_a_script(value):
    with pytest.raises(UsageError, match="a value on one line"):
        _parameters([f"slurm_partition={value}"])
    with pytest.raises(UsageError, match="a name"):
        _parameters(["slurm partition=gpu"])
    assert _parameters(["slurm_comment=$(id) 'a' \"b\""]) == {"slurm_comment": "$(id) 'a' \"b\""}


def test_settings_that_run_code_are_warned_of(tmp_path, write_study, capsys):
    settings = {
        "actor_rollout_ref.model.trust_remote_code": True,
        "env": {"LD_PRELOAD": "x.so"},
        "lr": 1,
        "custom_cls.path": "a",
    }
    study = write_study(engine={"name": "synthetic", "settings": settings})
    assert main(["run", str(study), "--store", str(tmp_path / "store"), "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert said.count("warning: ") == 1
    for name in ("trust_remote_code", "LD_PRELOAD", "custom_cls.path"):
        assert name in said
    plain = write_study("plain.yaml", engine={"name": "synthetic", "settings": {"trust_remote_code": False, "lr": 1}})
    assert main(["run", str(plain), "--store", str(tmp_path / "store"), "--dry-run"]) == 0
    assert "warning" not in capsys.readouterr().err


def test_a_name_is_one_line_that_can_be_shown():
    assert one_line("a\r\n=b\x85c\u2028d\u202ee\x1bf\ud800") == "a =b c def"


def test_a_lone_surrogate_is_kept_by_a_journal(tmp_path):
    from rlaw.store.records import RunFailed

    record = RunFailed(run="a", attempt=1, step=0, cause="OSError", text="no \udcff")
    log = Journal(tmp_path / "records.jsonl", "a")
    log.append(record)
    log.close()
    again = Journal(tmp_path / "records.jsonl", "a")
    again.close()
    assert again.found.records == (record,)
    assert os.fsdecode(Path(tmp_path)).isascii()
