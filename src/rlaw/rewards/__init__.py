"""Rewards: what judges a response to a problem in words. One file each."""

from rlaw import plugins
from rlaw.errors import NotFound, UsageError
from rlaw.rewards.base import Grade, Reward, Verdict, counts

__all__ = ["Grade", "Reward", "Verdict", "counts", "get"]


def get(name: str) -> Reward:
    """A reward of the user's own, by its registered name or a reference such as `file.py:REWARD`; a class is called.

    Raises:
        NotFound: there is none of that name.
        UsageError: it is no reward.
    """
    found = plugins.find("rewards", name, object)
    if found is None:
        there = ", ".join(plugins.names("rewards")) or "none is registered"
        raise NotFound(f"no reward is called {name!r} ({there})\n  next: file.py:REWARD, or a package with one")
    reward = found() if isinstance(found, type) else found
    if not isinstance(reward, Reward):
        raise UsageError(f"{name} is no reward: it lacks name or grade(responses, references)\n  next: docs/extend.md")
    return reward
