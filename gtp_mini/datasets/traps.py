"""The traps on which offline-RL code has failed with D4RL's and Minari's data, told from a report's numbers."""

from __future__ import annotations

from gtp_mini.datasets.doctor import Report
from gtp_mini.datasets.tally import SEAM

# Our choice; the gait with its noise has 0.07 of both.
MANY_SATURATED = 0.25  # share of saturated action entries
MANY_FALLS = 0.15  # share of episodes
ANT_V5 = 105 + 4  # numbers in an observation of version 5 with both goals: 78 contact forces more than version 4


def warnings_of(report: Report, defects: list[str]) -> list[str]:
    """Each known trap that the numbers show, with what it does and what to do about it."""
    return [text for found, text in (*_numbers(report, defects), *_rewards(report), *_ends(report), *_origin(report))
            if found]


def _numbers(r: Report, defects: list[str]):
    yield r.bad_numbers, (
        f"{_counted(r.bad_numbers, 'number')} {'is' if r.bad_numbers == 1 else 'are'} NaN or infinite: training on "
        "such data is refused"
    )
    yield r.unloadable, f"load_transitions refuses it: {r.unloadable}"
    yield r.unusable_episodes, (
        f"{r.unusable_episodes} of {r.episodes} episodes cannot be used; the first: {defects[0] if defects else ''}"
    )
    yield r.repeated_episodes, (
        f"{_episodes(r.repeated_episodes, 'have', 'has')} the actions of an earlier one: a seed was used "
        "twice, or files joined"
    )
    yield r.saturated_share > MANY_SATURATED, (
        f"{r.saturated_share:.0%} of the actions are at their limit: a density model sees spikes at ±1"
    )
    yield (r.fallen_share or 0) > MANY_FALLS, f"{r.fallen_share or 0:.0%} of the episodes end upside down"


def _rewards(r: Report):
    yield set(r.reward_counts) == {"0"}, (
        "all rewards are zero: a conversion may have lost them (version 3 of the maze environments computes them after "
        "the goal has moved), and a critic learns nothing from them"
    )
    yield r.rewarded_transitions == 0 and (r.protocol == "d4rl" or set(r.reward_counts) != {"0"}), (
        f"no transition is rewarded once loaded under protocol {r.protocol!r}"
        + (": no episode reaches the task's evaluation goal" if r.protocol == "d4rl" else "")
        + "; a critic learns nothing from them"
    )
    yield r.lost_rewards, (
        f"at {_counted(r.lost_rewards, 'step')} the infos say success and the reward is not 1; load_transitions makes "
        "the first of each episode 1"
    )
    yield r.idle_steps, (
        f"rewards pile up at the goal: {r.idle_steps} steps ({1 - (r.useful_share or 0):.0%}) come after an episode's "
        "first success; load_transitions drops them"
    )
    yield r.moving_goals, (
        f"the goal moves inside of {r.moving_goals} episodes (reset_target): only the way to the first one is loaded"
    )


def _ends(r: Report):
    yield r.success_episodes and not r.terminated_episodes, (
        f"no episode terminates, though {r.success_episodes} succeed (a continuing task): success must be made "
        "terminal, as load_transitions does"
    )
    yield r.timeouts_as_terminals, (
        f"{_episodes(r.timeouts_as_terminals, 'are', 'is')} marked terminated at the time limit without success: "
        "timeouts stored as terminals teach a critic that walking on is worth nothing"
    )
    yield r.terminals_elsewhere, (
        f"{_episodes(r.terminals_elsewhere, 'terminate', 'terminates')} before the time limit without "
        "success: falls or cuts stored as terminals look to a critic like goals without a reward"
    )
    yield r.unended_episodes or r.early_ends, (
        f"{_episodes(r.unended_episodes, 'end', 'ends')} without being terminated or truncated, and "
        f"{_counted(r.early_ends, 'step')} inside of episodes marked as ends: episodes may be cut at the wrong places"
    )
    yield r.overlong_episodes, (
        f"{_episodes(r.overlong_episodes, 'are', 'is')} longer than the environment's time limit: several "
        "may be glued together"
    )
    yield r.seams, (
        f"{_counted(r.seams, 'jump')} of more than {SEAM:g} m in one step: different episodes are glued together"
    )


def _origin(r: Report):
    yield r.mirrored_evaluation, (
        "the evaluation environment that is stored has other walls than the data's (Minari #304: a mirror image): do "
        "not use recover_environment(eval_env=True) as it is; gtp-mini evaluate runs on the walls of the data"
    )
    yield r.coverage is not None and r.observation_size == ANT_V5, (
        "observations of AntMaze version 5 with contact forces: published data and results have version 4's"
    )
    yield r.reference_score is not None and r.success_episodes is not None, (
        f"Minari's reference score ({r.reference_score or 0:g}) is a return, in AntMaze one accumulated at the goal: "
        "do not report minari.get_normalized_score, report the success rate"
    )
    yield r.dataset_id.startswith("D4RL/antmaze/"), (
        "not D4RL's data but Minari's of the same name: the goal is observed and changes per episode, so results do "
        "not compare with published antmaze-v0 or -v2 scores"
    )
    yield r.dataset_id.startswith("mujoco/"), (
        "not D4RL's data but new ones on Gymnasium's version 5: results do not compare with published -v2 scores"
    )
    yield r.unmet_requirements, (
        f"the dataset asks for other versions than are installed ({', '.join(r.unmet_requirements)}): its actions may "
        "lead elsewhere here"
    )


def _episodes(count: int, many: str, one: str) -> str:
    """So many episodes, and what they do."""
    return f"{_counted(count, 'episode')} {one if count == 1 else many}"


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
