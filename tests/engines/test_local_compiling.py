"""How programs are compiled: told to XLA where it knows the words, and left alone where it does not."""

import pytest

jax = pytest.importorskip("jax", reason="jax is not installed: rlaw[local]")

from rlaw.engines.local import compiling  # noqa: E402


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the options are for CPUs")
@pytest.mark.parametrize("options", [compiling.WRITES, compiling.TRAINS])
def test_the_installed_version_knows_our_options(options):
    assert compiling._are_known(*options.items())


def test_an_option_that_xla_does_not_know_is_left_out():
    double = compiling.jit({**compiling.TRAINS, "xla_no_such_option": 1}, static_argnums=1)(lambda x, times: x * times)
    assert double(21.0, 2) == 42.0


def test_the_device_is_not_asked_before_the_first_call(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: pytest.fail("asked"))
    compiling.jit(compiling.WRITES)(lambda x: x)
