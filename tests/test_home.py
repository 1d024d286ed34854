import pytest

from rlaw import home
from rlaw.errors import StoreError


def test_the_cache_is_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv(home.VARIABLE, str(tmp_path / "elsewhere"))
    assert home.cache() == tmp_path / "elsewhere"
    assert home.cache().is_dir()
    monkeypatch.delenv(home.VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home.cache() == tmp_path / ".cache" / "rlaw"


def test_a_cache_that_cannot_be_made_is_told_with_a_way_out(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(home.VARIABLE, str(tmp_path / "file" / "below"))
    with pytest.raises(StoreError, match="next: set RLAW_HOME"):
        home.cache()
