"""`rlaw laws`."""

from rlaw.cli.terminal import Json, show


def laws(json: Json = False) -> None:
    """List the laws: formula, parameters, source.

    Example: rlaw laws
    """
    from rlaw import laws as family

    documents, texts = [], []
    for name in family.names():
        law = family.get(name)
        parameters = [{"name": p.name, "text": p.text, "shared": p in law.shared} for p in law.parameters]
        documents.append(
            {"name": name, "title": law.title, "formula": law.formula, "source": law.source,
             "needs_rungs": law.needs_sizes, "parameters": parameters, "coefficients": list(law.coefficients)}
        )  # fmt: skip
        lines = [f"  {p['name']:<8} {p['text']}{'' if p['shared'] else ' (of each size)'}" for p in parameters]
        texts.append("\n".join([f"{name}: {law.title}", f"  {law.formula}", *lines, f"  {law.source}"]))
    show({"laws": documents}, "\n\n".join(texts), as_json=json)
