"""What can go wrong, in the user's words. Every message says what, where, and what next.

The command line turns an error into one message and its `exit_code`; the library never prints or exits.
"""


class RlawError(Exception):
    """Base of every error rlaw raises on purpose."""

    code = "error"
    exit_code = 1


class RlawWarning(UserWarning):
    """Something a person should know that stops nothing: what was left out, passed over, or is not promised."""


class UsageError(RlawError):
    """An argument or option that makes no sense."""

    code = "usage"
    exit_code = 2


class SpecError(RlawError):
    """A study file that is not valid: names the file, the line and the key."""

    code = "invalid-spec"
    exit_code = 2


class NotFound(RlawError):
    """A store, file, dataset, law, run or size that is not there."""

    code = "not-found"
    exit_code = 3


class DataError(RlawError):
    """A table that cannot be read as measurements: columns missing, wrong types, a file cut short."""

    code = "invalid-data"
    exit_code = 4


class NotIdentifiable(RlawError):
    """The data do not determine the parameters of the law: a refusal, with what is missing."""

    code = "not-identifiable"
    exit_code = 4


class BudgetExceeded(RlawError):
    """The plan costs more than the study's budget allows, or the run has used it up."""

    code = "budget"
    exit_code = 4


class EngineError(RlawError):
    """An engine cannot do a run: a package, a device, weights or memory is missing."""

    code = "engine"


class StoreError(RlawError):
    """A store that is damaged, locked by another writer, or cannot be written."""

    code = "store"


class Interrupted(RlawError):
    """Ctrl-C or SIGTERM: what was measured is saved, and the same command resumes."""

    code = "interrupted"
    exit_code = 130
