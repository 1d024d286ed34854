import pytest

from rlaw.errors import StoreError
from rlaw.execution import cache


def test_the_cache_is_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "elsewhere"))
    assert cache.cache() == tmp_path / "elsewhere"
    assert cache.cache().is_dir()
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache() == tmp_path / ".cache" / "rlaw"


def test_a_cache_that_cannot_be_made_is_told_with_a_way_out(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "below"))
    with pytest.raises(StoreError, match="next: set RLAW_HOME"):
        cache.cache()
