"""Critics: the ensemble against separate networks, the target and the loss against arithmetic."""

import pytest
import torch
from torch.nn import functional

from gtp_mini.critics import QEnsemble, td_loss, td_target
from gtp_mini.networks import ensemble_mlp, mlp


@pytest.fixture
def critic():
    torch.manual_seed(0)
    return QEnsemble(3, 2, width=8, depth=2, members=3)


def inputs(n=5):
    g = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, generator=g), torch.randn(n, 2, generator=g)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("activation", ["silu", "relu", "mish"])
def test_an_ensemble_is_separate_networks(layer_norm, activation):
    torch.manual_seed(0)
    net = ensemble_mlp(3, [5, 8, 8, 1], activation, layer_norm)
    x = torch.randn(3, 7, 5)
    y = net(x)
    linear = [layer for layer in net if hasattr(layer, "weight") and layer.weight is not None]
    for e in range(3):
        h = x[e]
        for depth, layer in enumerate(linear):
            h = h @ layer.weight[e] + layer.bias[e]
            if depth < 2:
                h = functional.layer_norm(h, (8,)) if layer_norm else h
                h = getattr(functional, activation)(h)
        torch.testing.assert_close(y[e], h)


def test_members_start_apart_and_learn_apart(critic):
    obs, action = inputs()
    q = critic(obs, action)
    assert q.shape == (3, 5) and not torch.allclose(q[0], q[1])
    q[1].sum().backward()
    for p in critic.parameters():
        assert len(p) == 3  # every parameter is a member's: nothing is shared
        assert p.grad[1].abs().max() > 0 and (p.grad[[0, 2]] == 0).all()


def test_members_start_as_linear_layers_do():
    torch.manual_seed(0)
    ours, theirs = ensemble_mlp(50, [16, 4]), [mlp([16, 4]) for _ in range(50)]
    for name in ("weight", "bias"):
        a = getattr(ours[0], name)
        b = torch.stack([getattr(net[0], name) for net in theirs])
        assert a.abs().max() <= 0.25 and a.std().item() == pytest.approx(b.std().item(), rel=0.1)


def test_minimum_is_over_members_of_each_row(critic):
    obs, action = inputs()
    q = critic(obs, action)
    assert critic.pessimistic(obs, action).tolist() == [min(q[e, i].item() for e in range(3)) for i in range(5)]


def test_the_state_is_normalised_and_the_action_is_not(critic):
    obs, action = inputs(500)
    before = critic((obs - obs.mean(0)) / obs.std(0), action)
    critic.set_observation_scale(obs)
    torch.testing.assert_close(critic(obs, action), before)


def test_only_terminals_cut_the_future():
    reward, terminal = torch.tensor([0.0, 1.0, -1.0]), torch.tensor([0.0, 1.0, 0.0])
    target = td_target(reward, terminal, torch.tensor([10.0, 20.0, 30.0]), 0.9)
    torch.testing.assert_close(target, torch.tensor([9.0, 1.0, 26.0]))


def test_td_loss_sums_members_and_means_rows():
    q = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    target = torch.tensor([0.0, 1.0], requires_grad=True)
    loss = td_loss(q, target)
    assert loss.item() == sum(sum((q[e, i].item() - target[i].item()) ** 2 for i in range(2)) / 2 for e in range(2))
    loss.backward()
    torch.testing.assert_close(q.grad, q.detach() - target.detach())
    assert target.grad is None
