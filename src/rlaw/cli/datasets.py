"""`rlaw datasets`."""

from dataclasses import asdict

from rlaw.cli.terminal import Json, show


def datasets(json: Json = False) -> None:
    """List the bundled measurements: source, accuracy, caveats.

    Example: rlaw datasets
    """
    from rlaw.measurements.datasets import DATASETS

    texts = [
        "\n".join(
            [f"{d.name}: {d.title}", f"  {d.source}", f"  accuracy: {d.accuracy}", *(f"  - {c}" for c in d.caveats)]
        )
        for d in DATASETS.values()
    ]
    show({"datasets": [asdict(d) for d in DATASETS.values()]}, "\n\n".join(texts), as_json=json)
