"""`rlaw demo`."""

from pathlib import Path
from typing import Annotated

from typer import Option

from rlaw.cli.terminal import Json, note, show

DATA = "qwen2.5-math-base"
TARGET, ANCHOR = "72B", "first:10"
BUDGET_FLOPS = 3e19
DRAWS = 300


def demo(
    output: Annotated[Path, Option("--output", "-o", help="folder for the page and its figures")] = Path("rlaw-demo"),
    json: Json = False,
) -> None:
    """Fit, forecast, allocate and draw the bundled Qwen2.5 curves.

    Example: rlaw demo
    """
    import rlaw

    frame = rlaw.load(DATA)
    note(f"fit: the saturating law of compute, {DATA}")
    fit = rlaw.fit("saturating", frame, axis="compute", draws=DRAWS)
    note(f"forecast: {TARGET} from the smaller sizes and its own first ten steps")
    forecast = rlaw.forecast(frame, target=TARGET, anchor=ANCHOR, axis="data", draws=DRAWS)
    note(f"allocate: which size for {BUDGET_FLOPS:.0e} FLOPs of RL")
    allocation = rlaw.allocate(frame, compute=BUDGET_FLOPS, draws=DRAWS)
    note("report: the page and its figures")
    written = rlaw.report(DATA, output / "report.html", draws=DRAWS)
    parts = {"fit": fit, "forecast": forecast, "allocation": allocation, "report": written}
    titles = {
        "fit": f"$ rlaw fit {DATA}",
        "forecast": f"$ rlaw forecast {DATA} --target {TARGET} --anchor {ANCHOR} --axis data",
        "allocation": f"$ rlaw allocate {DATA} --compute {BUDGET_FLOPS:.0e}",
        "report": f"$ rlaw report {DATA} -o {written.path}",
    }
    text = "\n\n".join(f"{titles[name]}\n{part}" for name, part in parts.items())
    show({name: part.to_json() for name, part in parts.items()}, text, as_json=json)
