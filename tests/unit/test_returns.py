"""n-step returns against a loop over every row."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gtp_mini.critics import td_target
from gtp_mini.returns import n_step_returns


@st.composite
def episodes(draw):
    """Episodes of one to six steps; some end in a terminal."""
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    ends = draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths)))
    total = sum(lengths)
    rewards = draw(st.lists(st.floats(-2, 2), min_size=total, max_size=total))
    terminal = torch.cat([torch.tensor([0.0] * (n - 1) + [float(end)]) for n, end in zip(lengths, ends, strict=True)])
    return {"reward": torch.tensor(rewards), "terminal": terminal, "action": torch.arange(total)[:, None],
            "episode": torch.repeat_interleave(torch.arange(len(lengths)) + 7, torch.tensor(lengths)),
            "next_obs": torch.arange(1.0, total + 1)[:, None]}


@given(episodes(), st.integers(1, 8), st.floats(0, 0.99))
def test_every_row_is_the_discounted_sum_to_the_end_of_its_window(data, n, gamma):
    found = n_step_returns(data, n, gamma)
    for i in range(len(data["reward"])):
        total, k = 0.0, 0
        while True:
            total += gamma**k * data["reward"][i + k].item()
            ended = data["terminal"][i + k].item() == 1
            alone = i + k + 1 == len(data["reward"]) or data["episode"][i + k + 1] != data["episode"][i]
            if ended or alone or k + 1 == n:
                break
            k += 1
        assert found["reward"][i].item() == pytest.approx(total, abs=1e-5)
        assert found["next_obs"][i] == data["next_obs"][i + k] and found["terminal"][i] == data["terminal"][i + k]
        assert found["discount"][i].item() == pytest.approx(gamma ** (k + 1), abs=1e-6)
    assert found["action"] is data["action"] and "discount" not in data


@given(episodes(), st.floats(0.1, 0.99))
def test_one_step_changes_nothing(data, gamma):
    found = n_step_returns(data, 1, gamma)
    for name in ("reward", "next_obs", "terminal"):
        assert torch.equal(found[name], data[name])
    assert torch.allclose(found["discount"], torch.tensor(gamma))


@given(episodes(), st.integers(1, 8), st.floats(0, 0.99))
def test_the_values_of_the_behaviour_solve_the_equation_of_every_n(data, n, gamma):
    """V by one-step recursion satisfies V = R + discount V' for every n (V of a cut end is any number: 3 here)."""
    total = len(data["reward"])
    value = torch.zeros(total + 1)
    for i in reversed(range(total)):
        cut = i + 1 == total or data["episode"][i + 1] != data["episode"][i]
        after = 0.0 if data["terminal"][i] else 3.0 if cut else value[i + 1]
        value[i] = data["reward"][i] + gamma * after
    found = n_step_returns(data, n, gamma)
    ends = found["next_obs"][:, 0].long()  # the row after the window
    cut = torch.tensor([int(j) == total or data["episode"][int(j)] != data["episode"][int(j) - 1] for j in ends])
    after = torch.where(cut, 3.0, value[ends])
    target = td_target(found["reward"], found["terminal"], after, found["discount"])
    assert torch.allclose(value[:-1], target, atol=1e-4)


@pytest.mark.parametrize("n", [0, -1])
def test_n_is_checked(n):
    with pytest.raises(ValueError, match=f"n must be at least 1, got {n}"):
        n_step_returns({}, n, 0.9)
