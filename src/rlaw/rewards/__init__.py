"""Rewards: what judges a response to a problem in words. One file each."""

from rlaw.rewards.base import Grade, Reward, Verdict, counts

__all__ = ["Grade", "Reward", "Verdict", "counts"]
