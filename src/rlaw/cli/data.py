"""`rlaw data`: files of problems in words, for training on real mathematics."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from rlaw.cli.terminal import Json, show
from rlaw.errors import UsageError
from rlaw.text import table

app = typer.Typer(help="Prepare and inspect files of problems.")


@app.command()
def prepare(
    source: Annotated[Path, Argument(metavar="SOURCE", help="rated problems: Parquet in veRL's layout, or JSON lines")],
    out: Annotated[Path, Option(metavar="DIR", help="the folder to write; must not be there")],
    held_out: Annotated[int, Option(metavar="N", help="problems never trained on, half easy and half hard")] = 500,
    easy: Annotated[float, Option(metavar="RATE", help="the least pass rate of an easy problem")] = 0.3,
    seed: Annotated[int, Option(help="of every draw")] = 0,
    order: Annotated[str, Option(help="curriculum (easy to hard), shuffled, or file")] = "curriculum",
    reuse: Annotated[list[int], Option(metavar="TAU", help="also a subset to be used TAU times; may be repeated")] = [],  # noqa: B006
    total: Annotated[
        int | None, Option(metavar="N", help="problems consumed in all for every TAU; all by default")
    ] = None,
    nested: Annotated[bool, Option("--nested", help="smaller reuse subsets are parts of larger ones")] = False,
    benchmark: Annotated[
        list[str],
        Option(metavar="NAME=FILE", help="put it beside, and keep its problems from training; may be repeated"),
    ] = [],  # noqa: B006
    rating: Annotated[str | None, Option(metavar="KEY", help="name of the pass rate in the source")] = None,
    json: Json = False,
) -> None:
    """Make training data of rated problems. Follows arXiv 2509.25300; reports what was done.

    Example: rlaw data prepare rated.parquet --out data/mathematics --held-out 500 --order curriculum
    """
    from rlaw.cli.options import pairs
    from rlaw.tasks.mathematics import Mathematics
    from rlaw.tasks.problems import prepare as stage

    known = {name: Path(file) for name, file in pairs(benchmark, "--benchmark").items()}
    if strange := sorted(set(known) - set(Mathematics.benchmarks[1:])):
        raise UsageError(f"--benchmark {strange[0]}: it is one of {', '.join(Mathematics.benchmarks[1:])}")
    recipe = stage.Recipe(held_out, easy, seed, order, tuple(reuse), total, nested, rating)  # pyright: ignore[reportArgumentType]
    done = stage.prepare(source, out, recipe, known)
    digest = next(item.digest for item in done.files if item.file == f"{stage.TRAIN}.parquet")
    text = (
        f"{done}\n{out} written\n  next: task: {{name: mathematics, folder: {out}, digest: {digest}}} in a study file"
    )
    show({"folder": str(out), **asdict(done)}, text, as_json=json)


@app.command()
def verify(
    pairs: Annotated[Path, Argument(metavar="PAIRS", help="tab-separated: answer, reference, right (true or false)")],
    json: Json = False,
) -> None:
    """Score the verifier on PAIRS of known verdict. Prints its confusion beside plain math-verify's, and its mistakes.

    Example: rlaw data verify pairs.tsv
    """
    from rlaw.rewards import confusion

    found = confusion.compare(confusion.read(pairs))
    show(asdict(found), str(found), as_json=json)


@app.command("show")
def show_data(
    data: Annotated[Path, Argument(metavar="DATA", help="what `rlaw data prepare` wrote, or a file of problems")],
    json: Json = False,
) -> None:
    """Show what files of problems hold. Counts, difficulties, and whether they are as they were written.

    Example: rlaw data show data/mathematics
    """
    from rlaw.tasks.problems import survey

    surveys = survey.of(data)
    rows: list[list[Any]] = [
        [one.file, one.items]
        + ([one.easy, one.hard, f"{one.mean_level:.3f}"] if one.rated else ["", "", "not rated"])
        + [one.digest, one.state]
        for one in surveys
    ]
    text = table(["file", ">problems", ">easy", ">hard", ">mean difficulty", "digest", "as written"], rows)
    show({"files": [asdict(one) for one in surveys]}, text, as_json=json)
