"""What holds for every loss: who learns, who teaches, what weights multiply, what is drawn from where."""

from copy import deepcopy
from functools import partial

import pytest
import torch

from gtp_mini import objectives
from gtp_mini.clocks import DDPM, EDM, FlowMatching, MeanFlow
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.objectives import (
    consistency_training_loss,
    denoising_loss,
    esd_loss,
    gtp_loss,
    lsd_loss,
    meanflow_loss,
    psd_loss,
    shortcut_loss,
)
from gtp_mini.objectives.terms import mean_square

B, A, O = 8, 2, 3  # noqa: E741
TAUGHT = {
    "consistency": partial(consistency_training_loss, intervals=20, inverse_gap=True),
    "gtp": partial(gtp_loss, intervals=20),
    "gtp, window": partial(gtp_loss, intervals=20, window=5, zero_mass=0.2),
    "gtp, solver": partial(gtp_loss, intervals=20, solver_steps=2),
    "progressive": psd_loss,
    "Lagrangian": lsd_loss,
    "Eulerian": esd_loss,
    "shortcut": shortcut_loss,
    "meanflow": meanflow_loss,
    "meanflow, plain": partial(meanflow_loss, adaptive=False),
}
LOSSES = TAUGHT | {f"denoising, {type(clock).__name__}": partial(denoising_loss, clock=clock)
                   for clock in (EDM(), DDPM(), FlowMatching(), MeanFlow())}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
every_taught_loss = pytest.mark.parametrize("loss", TAUGHT.values(), ids=TAUGHT)


@pytest.fixture
def double():
    """All that is drawn is drawn in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def networks(obs_dim=O, n=2):
    """An online model and others."""
    made = []
    for seed in range(n):
        torch.manual_seed(seed)
        made.append(FlowMap(FlowMapConfig(A, obs_dim, width=8, depth=2)))
    return made


def batch(n=B):
    g = torch.Generator().manual_seed(2)
    return torch.randn(n, A, generator=g), torch.randn(n, O, generator=g), 3 * torch.rand(n, generator=g)


def value(loss, model, target, actions, obs, weights=None, seed=3):
    return loss(model, target, actions, obs, weights, torch.Generator().manual_seed(seed))[0]


def gradients(loss, model):
    return torch.autograd.grad(loss, list(model.parameters()))


def test_every_loss_is_here():
    names = {f.func.__name__ if isinstance(f, partial) else f.__name__ for f in LOSSES.values()}
    parts_of_gtp = {"flow_loss", "consistency_loss"}  # take other arguments; see test_trajectory
    assert names == set(objectives.__all__) - parts_of_gtp


@every_loss
def test_the_online_model_learns_with_all_its_parameters(loss):
    model, target = networks()
    actions, obs, weights = batch()
    slopes = gradients(value(loss, model, target, actions, obs, weights), model)
    assert all(g.abs().max() > 0 and g.isfinite().all() for g in slopes)


@every_taught_loss
def test_no_gradient_reaches_the_teacher(loss):
    model, target = networks()
    actions, obs, weights = batch()
    value(loss, model, target, actions, obs, weights).backward()
    assert all(p.grad is None for p in target.parameters())
    assert all(p.grad is not None for p in model.parameters())


@every_taught_loss
def test_the_teacher_is_the_one_that_is_given(loss):
    model, target, another = networks(n=3)
    actions, obs, _ = batch()
    assert len({value(loss, model, teacher, actions, obs).item() for teacher in (model, target, another)}) == 3


@every_taught_loss
def test_a_model_that_teaches_itself_gets_the_gradient_as_if_its_teacher_were_frozen(loss, double):
    (model,) = networks(n=1)
    frozen = deepcopy(model).requires_grad_(False)
    actions, obs, weights = batch()
    itself, copied = (value(loss, model, teacher, actions, obs, weights) for teacher in (model, frozen))
    torch.testing.assert_close(itself, copied, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradients(itself, model), gradients(copied, model), rtol=1e-10, atol=1e-13)


@every_loss
def test_weights_of_one_are_no_weights(loss):
    model, target = networks()
    actions, obs, _ = batch()
    values = [value(loss, model, target, actions, obs, weights) for weights in (None, torch.ones(B))]
    assert torch.equal(*values)
    assert all(torch.equal(a, b) for a, b in zip(*(gradients(v, model) for v in values), strict=True))


@pytest.mark.parametrize("name", LOSSES)
def test_a_weight_multiplies_its_row(name, double):
    """The loss is linear in the weights: what each row adds to the loss of weights 0, times its weight."""
    loss, (model, target) = LOSSES[name], networks()
    actions, obs, weights = batch()
    nothing = value(loss, model, target, actions, obs, torch.zeros(B))
    rows = torch.stack([value(loss, model, target, actions, obs, row) - nothing for row in torch.eye(B)])
    torch.testing.assert_close(value(loss, model, target, actions, obs, weights), nothing + weights @ rows)
    without = 2 if name == "shortcut" else 0  # rows of jumps alone come first
    assert (rows[without:] > 0).all() and (rows[:without].abs() < 1e-12).all()


@pytest.mark.parametrize("name", LOSSES)
def test_weights_multiply_what_comes_from_data_and_nothing_else(name):
    """What is left at weights 0 is the model's agreement with itself, in the losses that have such a term."""
    model, target = networks()
    actions, obs, _ = batch()
    loss, metrics = LOSSES[name](model, target, actions, obs, torch.zeros(B), torch.Generator().manual_seed(3))
    if name in ("progressive", "Lagrangian", "Eulerian", "shortcut"):
        assert metrics["loss_flow"] == 0 and loss == metrics["loss_distillation"] > 0
    else:
        assert loss == 0


@every_loss
def test_everything_random_comes_from_the_generator(loss):
    model, target = networks()
    actions, obs, _ = batch()
    values = []
    for seed in (3, 3, 4):
        torch.rand(5)  # another state of the generator that is not to be used
        values.append(value(loss, model, target, actions, obs, seed=seed))
    assert values[0] == values[1] != values[2]
    state = torch.random.get_rng_state()
    value(loss, model, target, actions, obs)
    assert torch.equal(torch.random.get_rng_state(), state)


@every_loss
def test_the_condition_counts_in_every_row(loss):
    model, target = networks()
    actions, obs, _ = batch()
    before = value(loss, model, target, actions, obs)
    for i in range(B):
        other = obs.clone()
        other[i] += 1
        assert value(loss, model, target, actions, other) != before


@every_loss
def test_inputs_are_left_as_they_are(loss):
    model, target = networks()
    given = batch()
    copies = [v.clone() for v in given]
    value(loss, model, target, *given)
    assert all(torch.equal(a, b) for a, b in zip(given, copies, strict=True))


@every_loss
def test_metrics_are_numbers_without_a_graph(loss):
    model, target = networks(0)
    result, metrics = loss(model, target, batch()[0], None, None, torch.Generator().manual_seed(3))
    assert result.ndim == 0 and result.requires_grad and result.dtype == torch.float32
    assert metrics and all(v.ndim == 0 and not v.requires_grad and v.isfinite() for v in metrics.values())


@every_loss
def test_one_row_is_a_batch(loss):
    model, target = networks()
    result = value(loss, model, target, *batch(1))
    assert all(g.isfinite().all() for g in gradients(result, model))


def test_mean_square():
    error = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    weights, scale = torch.tensor([2.0, 10.0]), torch.tensor([0.5, 3.0])
    assert mean_square(error) == 13.0 and mean_square(error, weights) == 30.0
    assert mean_square(error, None, scale) == 7.75 and mean_square(error, weights, scale) == 27.5
