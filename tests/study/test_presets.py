import json

import polars as pl
import pytest

from rlaw.errors import EngineError, SpecError
from rlaw.measurements import datasets
from rlaw.study import spec
from rlaw.study.model import Model, Size
from rlaw.study.plan import plan
from rlaw.study.presets import LADDERS
from rlaw.study.study import Study

TASK = "task: {name: modular-chains, modulus: 31}\nrl: {steps: 4}\nfit: {laws: [power]}\n"

#: parameters outside the embeddings and in all, billions, as model cards and technical reports round them
PUBLISHED = {
    ("qwen3", "0.6B"): (0.44, 0.6), ("qwen3", "1.7B"): (1.4, 1.72), ("qwen3", "4B"): (3.6, 4.0),
    ("qwen3", "8B"): (6.95, 8.2), ("qwen3", "14B"): (13.2, 14.8), ("qwen3", "32B"): (31.2, 32.8),
    ("llama3", "1B"): (None, 1.24), ("llama3", "3B"): (None, 3.21), ("llama3", "8B"): (None, 8.03),
    ("llama3", "70B"): (None, 70.6), ("llama3", "405B"): (None, 406),
}  # fmt: skip


@pytest.fixture
def load(tmp_path):
    def of(model, rest=TASK):
        path = tmp_path / "study.yaml"
        path.write_text(f"name: s\nmodel: {model}\n{rest}")
        return Study.load(path)

    return of


@pytest.mark.parametrize(("ladder", "size"), PUBLISHED)
def test_parameters_of_the_published_sizes_are_those_of_their_cards(ladder, size):
    shape, (without, total) = LADDERS[ladder].sizes[size].architecture, PUBLISHED[ladder, size]
    assert shape.params_total / 1e9 == pytest.approx(total, rel=0.01)
    if without is not None:
        assert shape.params / 1e9 == pytest.approx(without, rel=0.02)


@pytest.mark.parametrize("ladder", LADDERS.values(), ids=list(LADDERS))
def test_a_preset_has_sizes_that_rise_and_checkpoints_of_its_variants(ladder):
    sizes = [Size.model_validate(raw) for raw in ladder.entries()]
    assert [size.params for size in sizes] == sorted(size.params for size in sizes)
    assert all(
        size.params == known.architecture.params for size, known in zip(sizes, ladder.sizes.values(), strict=True)
    )
    assert all(size.variants and size.nominal for size in sizes)


def test_lengths_of_the_paper_s_ladder_are_the_means_of_the_measured_curves():
    measured = datasets.read("qwen2.5-math-length").group_by("model").agg(pl.col("response_length").mean())
    means = {row["model"].removeprefix("Qwen2.5-"): row["response_length"] for row in measured.to_dicts()}
    for name, size in LADDERS["qwen2.5-math"].sizes.items():
        assert size.lengths is not None
        assert size.lengths["response"] == pytest.approx(means[name], abs=0.6)


def test_a_preset_is_written_out_and_some_of_its_sizes_can_be_taken(load):
    study = load("{preset: qwen2.5-math, sizes: [0.5B, 7B]}")
    assert [size.name for size in study.model.ladder] == ["0.5B", "7B"]
    assert set(study.model.variants) == {"base", "instruct"}
    runs = {(run.size.name, run.variant): run for run in plan(study)}
    assert runs["7B", "instruct"].checkpoint == "Qwen/Qwen2.5-7B-Instruct"
    assert runs["7B", "base"].resources.gpus == 4
    assert all(run.base_flops == 0 for run in runs.values())


def test_a_size_without_a_checkpoint_of_a_variant_is_left_out_of_it(load):
    runs = plan(load("{preset: qwen3, sizes: [14B, 32B]}"))
    assert {(run.size.name, run.variant) for run in runs} == {("14B", "base"), ("14B", "instruct"), ("32B", "instruct")}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{preset: qwen9}", r":2: model: no preset is called 'qwen9': there are qwen2\.5-math, qwen3, llama3"),
        ("{preset: qwen3, sizes: [9B]}", r":2: model: sizes is a list of 0\.6B"),
        ("{preset: qwen3, ladder: []}", r":2: model: preset names the family and its ladder"),
        ("{ladder: [{checkpoint: nobody/unknown}]}", r":2: model\.ladder\.0\.hidden: missing"),
        (
            "{ladder: [{hidden: 16, layers: 2, checkpoint: a/b}], variants: {base: {}}}",
            r"has a checkpoint, and variant",
        ),
        ("{ladder: [{hidden: 16, layers: 2}], variants: {base: {steps: 0}}}", r"has no checkpoint, and variant base"),
        (
            "{ladder: [{hidden: 16, layers: 2, checkpoint: {instruct: a/b}}], variants: {base: {steps: 0}}}",
            r"checkpoint of instruct: no such variant",
        ),
        (
            "{ladder: [{hidden: 8, layers: 1, resources: {gpus: 12}}]}",
            r"gpus \(12\) must be a multiple of gpus_per_node",
        ),
    ],
)
def test_a_ladder_that_makes_no_sense_is_reported_with_its_line(load, model, message):
    with pytest.raises(SpecError, match=message):
        load(model)


def test_a_published_checkpoint_brings_its_shape_and_a_revision_changes_the_run(load):
    plain, pinned = (
        next(iter(plan(load(f"{{ladder: [{{checkpoint: {name}}}]}}"))))
        for name in ("Qwen/Qwen2.5-0.5B", '"Qwen/Qwen2.5-0.5B@060db64"')
    )
    assert plain.params == pinned.params == LADDERS["qwen2.5-math"].sizes["0.5B"].architecture.params
    assert plain.id != pinned.id


def test_a_checkpoint_in_a_folder_brings_the_shape_of_its_configuration(load, tmp_path):
    config = dict(model_type="qwen2", hidden_size=32, num_hidden_layers=2, num_attention_heads=4, vocab_size=50)
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_key_value_heads": 2, "intermediate_size": 64}))
    run = next(iter(plan(load(f"{{ladder: [{{name: mine, checkpoint: {tmp_path}}}]}}"))))
    shape = run.architecture
    assert (shape.head_dim, shape.kv_heads, shape.vocab, shape.tied_embeddings) == (8, 2, 50, False)
    assert run.base_flops == 0


def test_resources_and_nominal_size_change_no_run_and_are_kept_with_it(load):
    size = "hidden: 16, layers: 2, checkpoint: a/b"
    plain = next(iter(plan(load(f"{{ladder: [{{{size}}}]}}"))))
    placed = next(iter(plan(load(f"{{ladder: [{{{size}, nominal: 1M, resources: {{gpus: 4, micro_batch: 2}}}}]}}"))))
    assert plain.id == placed.id
    assert spec.run_of(spec.document(placed)).resources.gpus == 4
    assert (plain.micro_batch, placed.micro_batch) == (64, 2)


def test_a_run_from_a_checkpoint_is_a_study_of_its_own_with_the_same_id(load):
    for run in plan(load("{preset: qwen2.5-math, sizes: [0.5B]}")):
        alone = Study.model_validate(spec.single_study(run))
        assert [again.id for again in plan(alone)] == [run.id]


def test_the_local_engine_refuses_a_checkpoint_before_anything_is_spent(load):
    from rlaw import engines

    run = next(iter(plan(load("{preset: qwen3, sizes: [0.6B]}"))))
    with pytest.raises(EngineError, match=r"local engine trains Qwen2 models that it pretrains itself.*Qwen/Qwen3"):
        engines.get("local").check(run)


@pytest.mark.parametrize(("preset", "variant", "sizes"), [
    ("qwen2.5-math", "base", 7), ("qwen2.5-math", "instruct", 7), ("qwen3", "base", 5), ("qwen3", "instruct", 6),
    ("llama3", "base", 5), ("llama3", "instruct", 5),
])  # fmt: skip
def test_a_preset_may_be_run_in_one_variant_alone(preset, variant, sizes):
    model = Model.model_validate({"preset": preset, "variants": {variant: {"steps": 0}}})
    assert len(model.ladder) == sizes
    assert {size.variants for size in model.ladder} == {(variant,)}


def test_a_checkpoint_folder_is_counted_by_its_own_config_whatever_the_family(tmp_path):
    shape = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 128}
    config = {"model_type": "llama", "num_key_value_heads": 2, "vocab_size": 100, **shape}
    (tmp_path / "config.json").write_text(json.dumps(config))
    ladder = [{"name": "a", "checkpoint": str(tmp_path)}]
    unsaid, said = (Model.model_validate({"ladder": ladder, **more}).ladder[0] for more in ({}, {"family": "llama"}))
    assert unsaid.params == said.params
    assert not unsaid.attention_bias


@pytest.mark.parametrize("variants", [["base"], {"base": {}}, {"base": None}, {"base": {"steps": 0}}])
def test_the_variants_of_a_preset_are_named_in_any_plain_way(variants):
    model = Model.model_validate({"preset": "qwen3", "variants": variants})
    assert [size.name for size in model.ladder] == ["0.6B", "1.7B", "4B", "8B", "14B"]
    assert model.variants["base"].steps == 0
