"""Rules about what training is for: a reward that stands still, breaks down, or rises while held-out scores fall.

Axes: n entries.
"""

import math

import numpy as np
from scipy.stats import norm, t

from rlaw.analysis.health.rule import Found, NotMeasured, Series, scale_of, series
from rlaw.analysis.health.trend import Rise, rise
from rlaw.measurements.courses import Course

_LEAST = 20  # rewards
_STARTS = (0.25, 0.4, 0.5, 0.75)  # of the run: from each on, it is asked whether the reward stands still
_CHANCE = 0.05
#: of the gain that the rewards before promise, what a plateau may still hide
PROMISED = 0.45
#: of the reward's range, what a run that never rose may still hide
HIDDEN = 0.06
_SOLVED = 0.95  # of the range: a reward that is there cannot rise
#: a reward has collapsed when it lost this share of its gain, this share of its best, and this much of its range
LOST_GAIN, LOST_BEST, LOST_RANGE = 0.5, 0.2, 0.05
_LEAST_SCORES = 5
#: of the range of scores, the least fall that counts
FALL = 0.01
_UNLIKELY = 0.01
_NOT_FALLING = 0.2  # p-value of a reward that rises, beside a held-out score that surely falls
_WORTH = 5  # degrees of freedom that the number of answers is worth


def plateau(course: Course) -> Found | None:
    """A reward that a trend test does not see rise, and whose rise cannot be worth much either.

    That a trend is not significant is no evidence of a plateau: what may hide in the noise is bounded by the upper
    limit of Sen's slope.
    """
    reward = series(course, "reward_mean", least=_LEAST)
    scale = scale_of(reward)
    if scale == 1.0 and reward.last >= _SOLVED:
        return None
    whole = rise(reward.step, reward.y)
    if whole.p_rising > _CHANCE:
        hidden = _most(whole, reward, 0)
        if hidden < HIDDEN * scale:
            return _flat(whole, reward, 0, HIDDEN * scale, "of a run that never rose")
    for share in _STARTS:
        start = round(share * len(reward.y))
        if len(reward.y) - start < 10:
            break
        promised = PROMISED * _promised(reward, start)
        late = rise(reward.step[start:], reward.y[start:])
        if promised > 0 and late.p_rising > _CHANCE and _most(late, reward, start) < promised:
            return _flat(late, reward, start, promised, f"{PROMISED:.0%} of what its course until then promised")
    return None


def _most(late: Rise, reward: Series, start: int) -> float:
    """The largest gain since an entry that the rewards allow."""
    return late.high * float(reward.step[-1] - reward.step[start])


def _flat(late: Rise, reward: Series, start: int, limit: float, whose: str) -> Found:
    gain = late.slope * float(reward.step[-1] - reward.step[start])
    most = _most(late, reward, start)
    text = (
        f"reward moved by {gain:+.3g} from step {reward.step[start]} to {reward.step[-1]}, at most {most:+.3g} (95 %), "
        f"less than {limit:.3g}, {whose}; Mann-Kendall p = {late.p_rising:.2g} over "
        f"{len(reward.y) - start} entries worth {late.effective:.0f}"
    )
    return Found(int(reward.step[start]), gain, limit, text)


def _promised(reward: Series, start: int) -> float:
    """The gain from an entry to the end that a line in log step through the entries before it gives."""
    x = np.log(np.maximum(reward.step, 1).astype(float))
    slope = np.polyfit(x[:start], reward.y[:start], 1)[0] if np.ptp(x[:start]) > 0 else 0.0
    return float(slope * (x[-1] - x[start]))


def collapse(course: Course) -> Found | None:
    """A reward that lost most of what it had gained."""
    if course.ordered:
        raise NotMeasured("the problems get harder by plan")
    reward = series(course, "reward_mean")
    if len(reward.y) < 2 * reward.width:
        raise NotMeasured(f"reward_mean has {len(reward.y)} entries, and {2 * reward.width} are needed")
    means, scale = reward.means(), scale_of(reward)
    best = int(np.argmax(means))
    lost, gain = float(means[best] - means[-1]), float(means[best] - means[: best + 1].min())
    limit = max(LOST_GAIN * gain, LOST_RANGE * scale, LOST_BEST * abs(float(means[best])))
    luck = len(means) * norm.sf(lost / max(reward.noise * math.sqrt(2 / reward.width), 1e-300))
    if lost <= limit or luck > _UNLIKELY:
        return None
    step = int(reward.step[best + reward.width - 1])
    text = (
        f"reward fell from {means[best]:.3g}, its best mean of {reward.width} entries, at step {step} to "
        f"{means[-1]:.3g} at step {reward.step[-1]}"
    )
    return Found(step, -lost, -limit, text)


def over_optimisation(course: Course) -> Found | None:
    """A held-out score that fell from its best by more than noise, while the training reward rose."""
    if course.evaluations.is_empty():
        raise NotMeasured("no held-out score")
    reward = series(course, "reward_mean")
    judged = False
    for (name,), rows in course.evaluations.group_by("benchmark", maintain_order=True):
        scores = Series(rows["step"].to_numpy(), rows["score"].to_numpy())
        if len(scores.y) < _LEAST_SCORES:
            continue
        judged = True
        if (found := _fallen(str(name), scores, reward, rows["items"][0])) is not None:
            return found
    if not judged:
        raise NotMeasured(f"no benchmark has {_LEAST_SCORES} scores")
    return None


def _noise(scores: Series, items: int | None) -> tuple[float, int]:
    """Standard deviation of one score, and its degrees of freedom: its answers count as some of these."""
    typical = float(np.median(np.abs(np.diff(scores.y, n=2)))) / (0.6745 * math.sqrt(6))  # the few bends do not count
    squares, freedom = typical**2 * (len(scores.y) - 2), len(scores.y) - 2
    if items and scores.y.max() <= 1:
        middle = float(np.mean(scores.y))
        squares, freedom = squares + _WORTH * middle * (1 - middle) / items, freedom + _WORTH
    return math.sqrt(squares / freedom), freedom


def _fallen(name: str, scores: Series, reward: Series, items: int | None) -> Found | None:
    n = len(scores.y)
    width = min(3, n // 3)
    means = np.convolve(scores.y, np.ones(width) / width, "valid")
    best = int(np.argmax(means))
    fall = float(means[best] - means[-1])
    least = FALL * (1.0 if scores.y.max() <= 1 else 100.0)
    noise, freedom = _noise(scores, items)
    luck = n * t.sf(fall / max(noise * math.sqrt(2 / width), 1e-12), freedom)
    if fall <= least or luck > _CHANCE:
        return None
    since = int(scores.step[best + width - 1])
    after = reward.step >= since
    if after.sum() < 4 or rise(reward.step[after], reward.y[after]).p_rising > _NOT_FALLING:
        return None
    gained = float(np.median(reward.y[-reward.width :]) - np.median(reward.y[after][: reward.width]))
    text = (
        f"held-out {name or 'score'} fell from {means[best]:.3g} at step {since} to {means[-1]:.3g} at step "
        f"{scores.step[-1]} (chance {luck:.1g}), while the training reward rose by {gained:.2g}"
    )
    return Found(since, -fall, -least, text)
