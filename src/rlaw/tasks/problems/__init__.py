"""Problems in words, the files that hold them, and how training data are made of them."""

from rlaw.tasks.problems.base import TextProblem, TextProblems

__all__ = ["TextProblem", "TextProblems"]
