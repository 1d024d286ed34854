"""What a log says of people and machines stays in the log; what a killed import left is completed by the next one."""

import json
from pathlib import Path

import polars as pl
import pytest

from rlaw.cli import main
from rlaw.measurements.importers import imported, logs

SECRETS = ("ada@lab.example", "ada-lovelace", "gpu-node-17", "hf_SECRETTOKEN", "sk-SECRETKEY")
EMAIL, USER, HOST, TOKEN, KEY = SECRETS


def rows(**more: object) -> str:
    made = ({"step": s, "reward": 0.1 + 0.01 * s, "eval/math/acc": 0.02 * s, **more} for s in (1, 2, 3, 2, 3, 4))
    return "".join(json.dumps(row) + "\n" for row in made)


def verl(folder: Path) -> None:
    config = {"actor_rollout_ref": {"model": {"path": f"/data/{USER}/Qwen2.5-7B"}}, "trainer": {"token": TOKEN}}
    steps = "".join(f"step:{s} - critic/rewards/mean:0.{s} - actor/lr:1e-6\n" for s in range(1, 5))
    (folder / "train.log").write_text(f"{config}\nlogged in as {EMAIL} on {HOST}\n--api-key {KEY}\n{steps}")


def jsonl(folder: Path) -> None:
    (folder / "metrics.jsonl").write_text(rows(user=USER, host=HOST, mail=EMAIL, command=f"--key {KEY}"))
    settings = {"model_name": "Qwen/Qwen2.5-7B", "wandb_entity": USER, "hf_token": TOKEN, "log_path": f"/home/{USER}"}
    (folder / "config.json").write_text(json.dumps(settings))


def trl(folder: Path) -> None:
    history = [json.loads(line) | {"hub_token": TOKEN} for line in rows().splitlines()]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": history, "trial_params": {"user": EMAIL}}))
    (folder / "config.json").write_text(json.dumps({"_name_or_path": f"/home/{USER}/Qwen2.5-7B"}))


@pytest.mark.parametrize("write", [verl, jsonl, trl], ids=lambda f: f.__name__)
def test_names_tokens_and_addresses_of_a_log_never_reach_a_store(tmp_path, write):
    folder, store = tmp_path / "run", tmp_path / "store"
    folder.mkdir()
    write(folder)
    assert main(["import", str(folder), "--store", str(store), "--score", "train"]) == 0
    kept = b"".join(p.read_bytes() for p in store.rglob("*") if p.is_file())
    kept += "".join(str(pl.read_parquet(p).to_dict(as_series=False)) for p in store.rglob("*.parquet")).encode()
    assert [secret for secret in SECRETS if secret.encode() in kept] == []


def test_where_a_log_was_holds_no_name_of_a_person_or_host():
    assert imported._place(Path("/home/ada/metrics.jsonl")).startswith("~/metrics.jsonl ")
    assert "gpu-node" not in imported._place(Path("/runs/a/events.out.tfevents.17.gpu-node-17.5.0"))


def test_an_import_that_was_killed_is_completed_by_the_same_command(monkeypatch, tmp_path):
    path, store = tmp_path / "metrics.jsonl", tmp_path / "store"
    path.write_text(rows())
    arguments = ["import", str(path), "--store", str(store)]
    with monkeypatch.context() as patched:
        patched.setattr(imported, "document_of_source", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            imported.write(store, logs.read([path]), "held-out")
    assert list(store.rglob("*.parquet"))
    assert main(arguments) == 0
    first = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    assert main(arguments) == 0
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == first


def test_a_log_that_grew_and_is_killed_midway_keeps_what_was_imported(monkeypatch, tmp_path):
    path, store = tmp_path / "metrics.jsonl", tmp_path / "store"
    path.write_text(rows())
    assert main(["import", str(path), "--store", str(store)]) == 0
    path.write_text(rows() + '{"step": 5, "reward": 0.5}\n')
    with monkeypatch.context() as patched:
        patched.setattr(imported, "_write_run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            imported.write(store, logs.read([path]), "held-out")
    (file,) = store.rglob("steps.parquet")
    assert pl.read_parquet(file)["step"].to_list() == [1, 2, 3, 4]
    assert main(["import", str(path), "--store", str(store)]) == 0
    assert pl.read_parquet(file)["step"].to_list() == [1, 2, 3, 4, 5]
