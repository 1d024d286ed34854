"""Distances of covariances with known answers; checkpoints of any layout; merged ones that load."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.stats import ortho_group

import rlaw
from rlaw.analysis.geometry import merging
from rlaw.analysis.geometry.bures import barycenter, conflict, conflict_of, distance, factor, overlap, root
from rlaw.analysis.geometry.weights import Tensor, Weights
from rlaw.cli import main
from rlaw.errors import DataError, StoreError, UsageError


def covariance(seed, n=6, rank=6):
    update = np.random.default_rng(seed).standard_normal((rank, n))
    return update.T @ update


def test_a_covariance_is_at_no_distance_from_itself():
    A = covariance(0)
    assert distance(A, A) == pytest.approx(0, abs=1e-6)
    assert conflict(A, A) == pytest.approx(0, abs=1e-12)


def test_commuting_matrices_are_as_far_apart_as_their_roots():
    a, b = np.array([4.0, 1, 0.25]), np.array([1.0, 9, 0.04])
    Q = ortho_group.rvs(3, random_state=0)
    assert distance(Q * a @ Q.T, Q * b @ Q.T) ** 2 == pytest.approx(((np.sqrt(a) - np.sqrt(b)) ** 2).sum())


def test_disjoint_supports_are_in_full_conflict():
    assert conflict(np.diag([1.0, 2, 0, 0]), np.diag([0.0, 0, 3, 1])) == pytest.approx(1)


@pytest.mark.parametrize("k", [1, 4, 9])
def test_size_alone_counts_as_conflict_unless_traces_are_normalised(k):
    update = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    found = conflict_of(factor(update, 1.0), factor(np.sqrt(k) * update, 1.0))
    assert found.raw == pytest.approx((1 - np.sqrt(k)) ** 2 / (1 + k), abs=1e-5)
    assert found.normalised == pytest.approx(0, abs=1e-5)


def test_rotating_both_changes_nothing():
    A, B, Q = covariance(2), covariance(3), ortho_group.rvs(6, random_state=1)
    assert distance(Q @ A @ Q.T, Q @ B @ Q.T) == pytest.approx(distance(A, B))


def test_the_distance_by_factors_is_that_of_the_covariances():
    a, b = (np.random.default_rng(n).standard_normal(shape) for n, shape in ((4, (5, 7)), (5, (9, 7))))
    found = conflict_of(factor(a, 1.0), factor(b, 1.0))
    assert found.bures == pytest.approx(distance(a.T @ a, b.T @ b), rel=1e-6)
    assert found.raw == pytest.approx(conflict(a.T @ a, b.T @ b), rel=1e-6)


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_a_cut_keeps_its_share_of_the_energy_and_no_direction_more(shape):
    update = np.random.default_rng(6).standard_normal(shape) * np.geomspace(1, 0.01, shape[1])
    singular = np.linalg.svd(update, compute_uv=False)
    found = factor(update, 0.9)
    assert found.kept >= 0.9 - 1e-6
    assert (singular[: len(found.s) - 1] ** 2).sum() < 0.9 * found.energy
    assert found.s == pytest.approx(singular[: len(found.s)], rel=1e-6)
    assert np.allclose(found.V.T @ found.V, np.eye(len(found.s)), atol=1e-8)
    assert found.rank == pytest.approx((singular**2).sum() ** 2 / (singular**4).sum())


def test_the_barycenter_of_equal_covariances_is_itself_and_of_commuting_ones_the_mean_root():
    A, w = covariance(7), [0.3, 0.7]
    assert np.allclose(barycenter([A, A, A]), A, atol=1e-6)
    a, b, Q = np.array([4.0, 1, 0.25]), np.array([1.0, 9, 0.04]), ortho_group.rvs(3, random_state=2)
    middle = Q * (w[0] * np.sqrt(a) + w[1] * np.sqrt(b)) ** 2 @ Q.T
    assert np.allclose(barycenter([Q * a @ Q.T, Q * b @ Q.T], w), middle, atol=1e-5)
    assert np.allclose(root(root(A)) @ root(root(A)), root(A))


def test_updates_that_react_to_other_inputs_do_not_overlap():
    a, b = np.zeros((4, 6)), np.zeros((4, 6))
    a[:, :3], b[:, 3:] = np.random.default_rng(8).standard_normal((2, 4, 3))
    assert overlap(a, b, factor(a), factor(b)) == pytest.approx(0, abs=1e-12)
    assert overlap(a, a, factor(a, 1.0), factor(a, 1.0)) == pytest.approx(1)


# ---- merging


def updates(count=2, shape=(6, 9)):
    return [np.random.default_rng(n).standard_normal(shape) for n in range(count)]


def test_wudi_is_the_stationary_point_of_its_objective():
    D = updates(3, (4, 20))
    m = merging.wudi(D)
    slope = sum((m - one) @ one.T @ one / np.linalg.norm(one) ** 2 for one in D)
    assert np.allclose(slope, 0, atol=1e-10)
    tall = [one.T for one in D]
    m = merging.wudi(tall)
    assert np.allclose(sum((m - one) @ one.T @ one / np.linalg.norm(one) ** 2 for one in tall), 0, atol=1e-10)


@pytest.mark.parametrize("merger", [merging.wudi, merging.gcwm], ids=["wudi", "gcwm"])
def test_equal_updates_are_merged_to_themselves(merger):
    (one,) = updates(1, (6, 5))
    assert np.allclose(merger([one, one]), one, atol=1e-6)
    assert np.allclose(merger([one, np.zeros_like(one)]), one, atol=1e-6)


def test_wudi_adds_updates_that_react_to_other_inputs():
    a, b = np.zeros((4, 6)), np.zeros((4, 6))
    a[:, :3], b[:, 3:] = np.random.default_rng(8).standard_normal((2, 4, 3))
    assert np.allclose(merging.wudi([a, b]), a + b)


def test_gcwm_does_not_depend_on_the_size_of_all_updates():
    D = updates(2, (6, 9))
    small = merging.gcwm([1e-4 * one for one in D])
    assert np.allclose(small * 1e4, merging.gcwm(D), rtol=1e-5, atol=1e-7)


def test_the_gate_is_the_published_one():
    assert merging.gate(0.12) == pytest.approx(0.55)
    assert merging.gate(0.0) == pytest.approx(0.15 + 0.8 / (1 + np.exp(1.44)))


def test_ties_keeps_the_largest_numbers_of_the_sign_that_weighs_more():
    a, b = np.array([3.0, -1, 0.1, 2]), np.array([1.0, 4, 0.2, -1])
    assert merging.ties([a, b], density=0.75) == pytest.approx([2.0, 4.0, 0.0, 2.0])
    assert merging.mean([a, b]) == pytest.approx([2.0, 1.5, 0.15, 0.5])
    assert merging.task_arithmetic([a, b], 0.5) == pytest.approx([2.0, 1.5, 0.15, 0.5])


def test_dare_drops_at_random_and_keeps_the_mean():
    rng = np.random.default_rng(0)
    drawn = merging.dare([np.ones(100_000)], 0.1, rng)
    assert drawn.mean() == pytest.approx(1, abs=0.05)
    assert set(np.round(np.unique(drawn), 9)) == {0.0, 10.0}


# ---- checkpoints


def checkpoint(folder, seed=0, size=1.0, shards=1):
    """Two layers of a Qwen2, its embedding and a norm; in several files where asked."""
    rng = np.random.default_rng(seed)
    tensors = {"model.embed_tokens.weight": rng.standard_normal((20, 8)), "model.norm.weight": np.ones(8)}
    for layer in range(2):
        for name, shape in {"self_attn.q_proj": (8, 8), "mlp.down_proj": (8, 16)}.items():
            tensors[f"model.layers.{layer}.{name}.weight"] = size * rng.standard_normal(shape)
    tensors = {name: x.astype(np.float32) for name, x in tensors.items()}
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "qwen2"}')
    names = sorted(tensors)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return tensors
    parts = {f"model-0000{n + 1}-of-0000{shards}.safetensors": names[n::shards] for n in range(shards)}
    for file, own in parts.items():
        save_file({name: tensors[name] for name in own}, folder / file, metadata={"format": "pt"})
    weight_map = {name: file for file, own in parts.items() for name in own}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return tensors


def test_geometry_of_a_checkpoint_is_that_of_its_matrices(tmp_path, capsys):
    base, a = checkpoint(tmp_path / "base"), checkpoint(tmp_path / "a", 1)
    checkpoint(tmp_path / "b", 2, shards=3)
    assert main(["geometry", *(str(tmp_path / name) for name in ("base", "a", "b")), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    names = [name for name in base if "layers" in name]
    assert document["matrices"] == len(names) == 4
    moved = np.sqrt(sum(((a[name] - base[name]) ** 2).sum() for name in names))
    assert document["checkpoints"][0]["norm"] == pytest.approx(moved, rel=1e-6)
    assert [layer["layer"] for layer in document["checkpoints"][0]["layers"]] == [0, 1]
    pair = document["pairs"][0]
    assert 0 < pair["conflict_normalised"] < pair["conflict"] + 0.2 < 1.2
    assert pair["conflict"] == pytest.approx(np.mean([layer["conflict"] for layer in pair["layers"]]))


def test_a_checkpoint_that_did_not_move_is_no_error(tmp_path):
    for name in ("base", "a", "b"):
        checkpoint(tmp_path / name)
    result = rlaw.geometry(tmp_path / "base", [tmp_path / "a", tmp_path / "b"])
    assert result.updates[0][0].norm == 0
    assert result.pairs[0][2][0].conflict == 0
    assert {w.code for w in result.warnings} == {"no-update"}


@pytest.mark.parametrize("method", merging.METHODS)
def test_a_merged_checkpoint_has_the_bases_tensors_and_files(tmp_path, method):
    base = checkpoint(tmp_path / "base", shards=2)
    for n, name in enumerate("ab", 1):
        checkpoint(tmp_path / name, n)
    result = rlaw.merge(tmp_path / "base", [tmp_path / "a", tmp_path / "b"], tmp_path / "out", method=method)
    merged = {}
    for file in sorted((tmp_path / "out").glob("*.safetensors")):
        merged |= load_file(file)
    assert {name: x.shape for name, x in merged.items()} == {name: x.shape for name, x in base.items()}
    assert all(np.isfinite(x).all() for x in merged.values())
    assert (tmp_path / "out" / "config.json").read_text() == '{"model_type": "qwen2"}'
    assert (tmp_path / "out" / "model.safetensors.index.json").exists()
    assert result["tensors"] == 6


def test_the_mean_of_checkpoints_is_their_mean_and_nothing_is_overwritten(tmp_path):
    checkpoint(tmp_path / "base")
    a, b = (checkpoint(tmp_path / name, n) for n, name in enumerate("ab", 1))
    arguments = (tmp_path / "base", [tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    rlaw.merge(*arguments)
    merged = load_file(tmp_path / "out" / "model.safetensors")
    assert all(np.allclose(merged[name], (a[name] + b[name]) / 2, atol=1e-6) for name in a)
    with pytest.raises(StoreError, match="is there already"):
        rlaw.merge(*arguments)
    with pytest.raises(UsageError, match="no method is called 'slerp'"):
        rlaw.merge(*arguments[:2], tmp_path / "more", method="slerp")


def test_bfloat16_is_read_and_written_to_the_nearest():
    tensor = Tensor("x", None, 0, 8, "BF16", (4,))  # pyright: ignore[reportArgumentType]
    bits = np.frombuffer(tensor.written(np.array([1.0, 1.00390625, 1.01171875, -2.5])), "<u2")
    assert list((bits.astype(np.uint32) << 16).view(np.float32)) == [1.0, 1.0, 1.015625, -2.5]


def test_conv1d_of_gpt2_is_turned(tmp_path):
    (tmp_path / "g").mkdir()
    tensors = {"h.0.mlp.c_fc.weight": np.zeros((4, 16), np.float32), "wte.weight": np.zeros((9, 4), np.float32)}
    save_file(tensors, tmp_path / "g" / "model.safetensors")
    (tmp_path / "g" / "config.json").write_text('{"model_type": "gpt2"}')
    weights = Weights.open(tmp_path / "g")
    (matrix,) = [tensor for tensor in weights.tensors.values() if tensor.is_matrix]
    assert weights.out_by_in(matrix, matrix.read())[0].shape == (16, 4)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}"), "cut short"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0[]"), "no header"),
        (lambda f: (f / "model.safetensors").unlink(), "no .safetensors in the folder"),
        (lambda f: (f / "model.safetensors").rename(f / "adapter_model.safetensors"), "is an adapter"),
        (lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"x": "../x"}}'), "outside of the"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, spoil, message):
    checkpoint(tmp_path / "a")
    spoil(tmp_path / "a")
    with pytest.raises(DataError, match=message):
        Weights.open(tmp_path / "a")


def test_checkpoints_of_another_shape_are_refused_or_left_out(tmp_path):
    checkpoint(tmp_path / "base")
    other = checkpoint(tmp_path / "a", 1)
    other["model.layers.0.mlp.down_proj.weight"] = np.zeros((8, 17), np.float32)
    save_file(other, tmp_path / "a" / "model.safetensors")
    result = rlaw.geometry(tmp_path / "base", [tmp_path / "a"])
    assert result.matrices == 3
    assert "other-matrices" in {w.code for w in result.warnings}
    checkpoint(tmp_path / "b", 2)
    with pytest.raises(DataError, match="1 tensors are missing or of another shape"):
        rlaw.merge(tmp_path / "base", [tmp_path / "a", tmp_path / "b"], tmp_path / "out")
