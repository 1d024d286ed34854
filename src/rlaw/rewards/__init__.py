"""Rewards: what judges a response to a problem in words. One file each."""

from rlaw import plugins
from rlaw.rewards.base import Grade, Reward, Verdict, counts

__all__ = ["Grade", "Reward", "Verdict", "counts", "get"]


def get(name: str) -> Reward:
    """A reward of the user's own, by its registered name or a reference such as `file.py:REWARD`; a class is called.

    Raises:
        NotFound: there is none of that name.
        UsageError: it is no reward.
    """
    return plugins.make("rewards", name, Reward)
