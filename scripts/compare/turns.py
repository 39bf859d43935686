"""Times of both tools taken in turn, A B A B A.

A machine that others share drifts by a factor of two within an hour, which is more than lies
between a run of one tool and a later run of the other. So each of EZKL's proofs is held
against the mean of Verdict's two proofs on either side of it, and what is reported is the
median of these ratios.
"""

import statistics

from measure import REPEAT_BUDGET

ROUNDS = 5


def measure(ours, theirs):
    """Runs `ours` before, between and after rounds of `theirs`, each a function of the
    run's index that gives the seconds from an input to its proof.

    Returns a dictionary of lists of seconds: `verdict` has one more than each name of
    `theirs`. Rounds go on while they take less than the budget of a repeated step.
    """
    seconds = {"verdict": [ours(0)], **{name: [] for name in theirs}}
    spent = 0.0
    for index in range(ROUNDS):
        for name, run in theirs.items():
            seconds[name].append(run(index))
        seconds["verdict"].append(ours(index + 1))
        spent += sum(values[-1] for values in seconds.values())
        if spent + spent / (index + 1) > REPEAT_BUDGET:
            break
    return seconds


def ratios(seconds, name):
    """A tool's seconds over Verdict's around them, round by round."""
    ours = seconds["verdict"]
    around = [(before + after) / 2 for before, after in zip(ours, ours[1:])]
    return [theirs / mean for theirs, mean in zip(seconds[name], around)]


def ratio(seconds, name):
    """Their median; None where the tool was not run in turn."""
    return statistics.median(ratios(seconds, name)) if seconds.get(name) else None
