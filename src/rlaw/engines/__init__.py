"""Engines: each turns one planned run into records. Looked up by name, imported when first used."""

from importlib import import_module

from rlaw.engines.base import Engine, Workspace
from rlaw.errors import NotFound

ENGINES = {
    "local": "rlaw.engines.local.engine:LocalEngine",
    "synthetic": "rlaw.engines.synthetic:SyntheticEngine",
    "trl": "rlaw.engines.trl.engine:TRLEngine",
    "verl": "rlaw.engines.verl.engine:VerlEngine",
}


def get(name: str) -> Engine:
    """The engine of that name.

    Raises:
        NotFound: there is none; the message names those there are.
    """
    if name not in ENGINES:
        raise NotFound(
            f"no engine is called {name!r}: there are {', '.join(ENGINES)}\n  next: fix the study's `engine`"
        )
    module, _, cls = ENGINES[name].partition(":")
    return getattr(import_module(module), cls)()


__all__ = ["Engine", "Workspace", "get"]
