"""A small ladder whose names would like to be markup."""

import polars as pl

TOKEN = "t0k3n"  # noqa: S105 - of tests
HOSTILE = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}\u202e\x1b[31m")


def ladder(steps: int = 30) -> pl.DataFrame:
    """Three sizes with hostile names that follow a saturating law, with a little noise."""
    rows = []
    for n, name in enumerate(HOSTILE):
        params = 1e6 * 4**n
        k = 0.15 / (1 + 4e6 / params)
        for step in range(steps + 1):
            compute = 6 * params * 1e4 * max(step, 1)
            wave = 0.003 * ((step * 7919 + n * 104729) % 13 - 6) / 6
            loss = min(0.97, 1.4 * (compute / 1e9) ** -k + wave)
            rows.append((name, params, step, 64.0 * step, compute if step else 0.0, loss, 500))
    columns = ["model", "n_params", "step", "data_size", "compute_flops", "test_loss", "items"]
    return pl.DataFrame(rows, schema=columns, orient="row")
