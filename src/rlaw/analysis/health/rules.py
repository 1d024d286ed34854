"""The rules, in one table. Thresholds are declared here, beside where each fault is described.

A beginning and an end are medians of a tenth of the entries, five at least. Axes: n entries.
"""

import numpy as np

from rlaw.analysis.health.progress import collapse, over_optimisation, plateau
from rlaw.analysis.health.rule import Found, NotMeasured, Rule, Series, series
from rlaw.analysis.health.trend import rise
from rlaw.measurements.courses import Course

IDLE_GROUPS = 0.8
ENTROPY_LEFT = 0.15
KL_NATS, KL_TIMES, KL_NOTHING = 1.0, 8.0, 0.1
CLIPPED = 0.3
SPIKE, SPIKES, SPIKED = 10.0, 5.0, 3  # one spike of ten times, or three of five
LONGER, LONGER_FOR_NOTHING = 4.0, 2.0
TRUNCATED = 0.2
SLOWER = 1.5
_BEFORE = 25  # entries that a gradient is compared with
_CHANCE = 0.05
_WARM = 2  # entries that compile and warm up


def _too_easy(course: Course) -> Found | None:
    return _idle(course, "solved_share", "right", easy=True)


def _too_hard(course: Course) -> Found | None:
    return _idle(course, "unsolved_share", "wrong", easy=False)


def _idle(course: Course, own: str, word: str, *, easy: bool) -> Found | None:
    """Groups without variance, on the side that the reward says where the log does not count sides apart."""
    try:
        share = series(course, own)
    except NotMeasured:
        share = series(course, "zero_variance_share")
        reward = series(course, "reward_mean", least=1)
        middle = (min(0.0, float(reward.y.min())) + max(1.0, float(reward.y.max()))) / 2
        if (reward.last > middle) != easy:
            return None
    if share.last < IDLE_GROUPS:
        return None
    text = (
        f"{share.last:.0%} of the groups at the end have one reward for all answers, mostly {word} ones, and teach "
        f"nothing; {share.first:.0%} at the start"
    )
    return Found(share.since(share.y >= IDLE_GROUPS), share.last, IDLE_GROUPS, text)


def _entropy(course: Course) -> Found | None:
    entropy = series(course, "entropy", zero=False)
    if entropy.first <= 0:
        raise NotMeasured("entropy begins at 0 or below, which is no entropy of a token")
    limit = ENTROPY_LEFT * entropy.first
    if entropy.last >= limit:
        return None
    text = f"entropy fell from {entropy.first:.3g} to {entropy.last:.3g}, {entropy.last / entropy.first:.0%} of it"
    return Found(entropy.since(entropy.y < limit), entropy.last, limit, text)


def _kl(course: Course) -> Found | None:
    kl = series(course, "kl", zero=False)
    limit = min(KL_NATS, max(KL_NOTHING, KL_TIMES * kl.first_half))
    if kl.last <= limit:
        return None
    text = f"KL to the reference is {kl.last:.3g} at the end, {kl.first_half:.3g} in the first half of the run"
    return Found(kl.since(kl.y > limit), kl.last, limit, text)


def _clipped(course: Course) -> Found | None:
    return _level(course, "clip_share", CLIPPED, "of the tokens' ratios are clipped at the end")


def _truncated(course: Course) -> Found | None:
    return _level(course, "truncated_share", TRUNCATED, "of the answers at the end were cut off at the longest length")


def _level(course: Course, column: str, limit: float, what: str) -> Found | None:
    share = series(course, column)
    if share.last <= limit:
        return None
    text = f"{share.last:.0%} {what}; {share.first:.0%} at the start"
    return Found(share.since(share.y > limit), share.last, limit, text)


def _spikes(course: Course) -> Found | None:
    norm = series(course, "grad_norm", zero=False)
    times = np.ones(len(norm.y))
    for i in range(_FIRST_JUDGED, len(norm.y)):
        usual = float(np.median(norm.y[max(0, i - _BEFORE) : i]))
        times[i] = norm.y[i] / usual if usual > 0 else 1.0
    highest = int(np.argmax(times))
    many = np.flatnonzero(times > SPIKES)
    if times[highest] > SPIKE:
        text = f"the gradient norm at step {norm.step[highest]} is {norm.y[highest]:.3g}, {times[highest]:.3g} times "
        text += f"the median of the {_BEFORE} before it; {len(many)} are above {SPIKES:g} times"
        return Found(int(norm.step[np.flatnonzero(times > SPIKE)[0]]), float(times[highest]), SPIKE, text)
    if len(many) >= SPIKED:
        text = f"{len(many)} gradient norms are above {SPIKES:g} times the median of the {_BEFORE} before them"
        return Found(int(norm.step[many[0]]), float(times[highest]), SPIKES, text)
    grown = norm.last / norm.first_half if norm.first_half > 0 else 1.0
    if grown > SPIKE:
        text = f"the gradient norm grew from {norm.first_half:.3g} in the first half to {norm.last:.3g}"
        return Found(norm.since(norm.y > SPIKE * norm.first_half), grown, SPIKE, text)
    return None


_FIRST_JUDGED = 5  # entries before the first gradient that is compared


def _longer(course: Course) -> Found | None:
    length = series(course, "response_length", zero=False)
    if length.first <= 0:
        raise NotMeasured("response_length begins at 0")
    times = length.last / length.first
    limit = LONGER_FOR_NOTHING if _stands_still(course) else LONGER
    if times <= limit:
        return None
    still = "" if limit == LONGER else ", while the reward of the last half did not rise"
    text = f"answers grew from {length.first:.0f} to {length.last:.0f} tokens{still}"
    return Found(length.since(length.y > limit * length.first), times, limit, text)


def _stands_still(course: Course) -> bool:
    """Whether a reward is there that does not rise in the second half."""
    try:
        reward = series(course, "reward_mean")
    except NotMeasured:
        return False
    half = len(reward.y) // 2
    return rise(reward.step[half:], reward.y[half:]).p_rising > _CHANCE


def _slower(course: Course) -> Found | None:
    seconds = series(course, "seconds", least=10 + _WARM, zero=False)
    seconds = Series(seconds.step[_WARM:], seconds.y[_WARM:])
    if seconds.first <= 0:
        raise NotMeasured("seconds begin at 0")
    times = seconds.last / seconds.first
    try:
        length = series(course, "response_length", zero=False)
        longer = max(length.last / length.first, 1.0) if length.first > 0 else 1.0
    except NotMeasured:
        longer = 1.0
    if times / longer <= SLOWER:
        return None
    text = f"a step took {seconds.first:.3g} s at the start and {seconds.last:.3g} s at the end"
    text += f", {times / longer:.2g} times what its {longer:.2g} times longer answers explain" if longer > 1 else ""
    return Found(seconds.since(seconds.y > SLOWER * longer * seconds.first), times / longer, SLOWER, text)


_NUMBERS = ("reward_mean", "loss", "grad_norm", "kl", "entropy")


def _nan(course: Course) -> Found | None:
    first: tuple[int, str, int] | None = None
    there = False
    for name in _NUMBERS:
        rows = course.steps.select("step", name).drop_nulls()
        y = rows[name].to_numpy()
        bad = ~np.isfinite(y) | (np.abs(y) >= 1e300)
        measured = len(y) and (not bad.all() or name in _NUMBERS[:3])
        there = there or bool(measured)
        if measured and bad.any():
            step = int(rows["step"].to_numpy()[bad][0])
            if first is None or step < first[0]:
                first = step, name, int(bad.sum())
    if not there:
        raise NotMeasured("no reward_mean, loss or grad_norm")
    if first is None:
        return None
    step, name, count = first
    return Found(step, None, 0.0, f"{name} is no finite number at step {step}, and at {count} steps in all")


_DECLARED = "the threshold is rlaw's own"
_GROUPS = f"Yu et al. 2025 (DAPO), arXiv:2503.14476: such groups have no advantage, hence no gradient; {_DECLARED}"
RULES = (
    Rule(
        "zero-variance-too-easy", _too_easy, f"{IDLE_GROUPS:.0%} of groups", _GROUPS,
        "give it harder problems, drop those that it always solves, or sample until groups differ (dynamic sampling)",
    ),
    Rule(
        "zero-variance-too-hard", _too_hard, f"{IDLE_GROUPS:.0%} of groups", _GROUPS,
        "give it easier problems first, larger groups, or check that the reward can read its answers at all",
    ),
    Rule(
        "entropy-collapse", _entropy, f"{ENTROPY_LEFT:.0%} of the beginning",
        f"Cui et al. 2025, arXiv:2505.22617: reward is bought with entropy and ends where it is used up; {_DECLARED}",
        "a higher upper clip (clip-higher), an entropy bonus, a higher temperature, or a lower learning rate",
    ),
    Rule(
        "kl-growth", _kl,
        f"{KL_NATS:g} nats a token, or {KL_TIMES:g} times the first half and {KL_NOTHING:g}",
        f"Gao et al. 2022, arXiv:2210.10760: what is gained far from the reference is often not real; {_DECLARED}",
        "a larger KL coefficient or a lower learning rate, from a checkpoint before it grew",
    ),
    Rule(
        "clip-share", _clipped, f"{CLIPPED:.0%} of ratios",
        f"Schulman et al. 2017 (PPO), arXiv:1707.06347: clipped ratios give no gradient; {_DECLARED}",
        "fewer updates on the same rollouts, a lower learning rate; check that rollouts and trainer agree on log-probs",
    ),
    Rule(
        "gradient-spikes", _spikes, f"{SPIKE:g} times the median before, or {SPIKED} of {SPIKES:g} times",
        f"Takase et al. 2023, arXiv:2312.16903: spikes of the gradient norm go before divergence; {_DECLARED}",
        "clip gradients (max_grad_norm), lower the learning rate, and look at the batch of that step",
    ),
    Rule(
        "length-explosion", _longer,
        f"{LONGER:g} times the beginning, {LONGER_FOR_NOTHING:g} where the reward does not rise",
        f"Liu et al. 2025 (Dr. GRPO), arXiv:2503.20783: a mean over tokens favours long wrong answers; {_DECLARED}",
        "look at long answers for repetition; a token-level loss (dr_grpo), a length penalty, a shorter limit",
    ),
    Rule(
        "truncation", _truncated, f"{TRUNCATED:.0%} of answers",
        f"Yu et al. 2025 (DAPO), arXiv:2503.14476: cut answers are punished for their length; {_DECLARED}",
        "a longer response limit, masking cut answers from the loss, or a soft penalty before the limit",
    ),
    Rule(
        "over-optimisation", over_optimisation, "a fall of 0.01 that has a chance of 5 %",
        "Gao et al. 2022, arXiv:2210.10760: a proxy reward rises on while what is meant falls",
        "stop, and take the checkpoint of the best held-out score; look at answers with the highest reward",
    ),
    Rule(
        "plateau", plateau, "45 % of the gain that was promised, or 0.06 of the range for a run that never rose",
        "Mann 1945, Kendall 1975, with Hamed and Rao 1998, doi:10.1016/S0022-1694(97)00125-X; Sen 1968 for the limit",
        "stop, or change what is trained: harder problems, larger groups, a new learning rate schedule",
    ),
    Rule(
        "reward-collapse", collapse, "half of its gain, a fifth of its best, 0.05 of the range",
        "arXiv:2503.01491 describes such collapses of PPO on long answers; the threshold is rlaw's own",
        "go back to the checkpoint before; a lower learning rate, a larger KL coefficient, gradient clipping",
    ),
    Rule(
        "nan", _nan, "none", "IEEE 754: a NaN in a weight stays there",
        "stop: weights may be lost; go on from the last good checkpoint with clipped gradients or a lower rate",
    ),
    Rule(
        "step-time-drift", _slower, f"{SLOWER:g} times the beginning, beyond what longer answers explain",
        "none published: the threshold is rlaw's own",
        "look for memory that grows, a slow node, a full disk of checkpoints, or an inference server that swaps",
    ),
)  # fmt: skip
