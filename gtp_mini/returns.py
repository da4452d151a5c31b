"""n-step returns: what a critic learns from when it looks several steps ahead in the data."""

import torch
from torch import Tensor

Columns = dict[str, Tensor]


def n_step_returns(data: Columns, n: int, gamma: float) -> Columns:
    """Transitions of one step become transitions of up to n, for `critics.td_target`; a new dict.

    Reads `reward`, `terminal`, `episode` (M,) and `next_obs` (M, O), rows in the order of time. Row i sums
    gamma^k r over the m <= n steps that its episode has left (Sutton 1988): `reward` is that sum, `next_obs` and
    `terminal` are those of its last step, and `discount` (M,) is gamma^m. Information from a reward goes back n times
    as far in an update; the price is that the steps between are the data's, not the policy's.

    Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n!r}")
    reward, terminal, episode = data["reward"].clone(), data["terminal"], data["episode"]
    rows = torch.arange(len(reward), device=reward.device)
    last = rows.clone()  # where the window of each row ends
    open_ = terminal == 0
    for k in range(1, min(n, len(rows))):
        ahead = (rows + k).clamp(max=len(rows) - 1)
        open_ = open_ & (rows + k < len(rows)) & (episode[ahead] == episode)
        reward += torch.where(open_, gamma**k * data["reward"][ahead], 0.0)
        last = torch.where(open_, ahead, last)
        open_ = open_ & (terminal[ahead] == 0)
    discount = gamma ** (last - rows + 1).to(reward.dtype)
    return data | {"reward": reward, "next_obs": data["next_obs"][last], "terminal": terminal[last],
                   "discount": discount}
