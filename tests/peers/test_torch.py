"""The engine beside PyTorch's autograd: every kind, every activation, both dtypes."""

from __future__ import annotations

import numpy as np
import pytest

from engine.backend import open_backend
from engine.network import Network
from engine.optimizers import OPTIMIZERS
from engine.spec import InitSpec
from tests.engine.support import (
    CONNECTED,
    KINDS,
    activations_of,
    build,
    cell_gradients,
    cell_parameters,
    judged_by,
    problem,
    relative_error,
    small_spec,
    words,
)

BARS = {"float64": 1e-10, "float32": 1e-4}

VARIANTS = [
    *(
        pytest.param(kind, {"activation": a}, id=f"{kind}-{a}")
        for kind in KINDS
        for a in activations_of(kind)
    ),
    pytest.param("cnn", {"padding": "circular"}, id="cnn-circular"),
    pytest.param("cnn", {"kernel_size": 4}, id="cnn-even-kernel"),
    pytest.param("cnn", {"kernel_size": 4, "padding": "circular"}, id="cnn-even-circular"),
    pytest.param("cnn", {"convolution": "winograd"}, id="cnn-winograd"),
    pytest.param(
        "cnn",
        {"convolution": "winograd", "padding": "circular", "depth": 20, "input_shape": (9, 10, 3)},
        id="cnn-winograd-circular",
    ),
    pytest.param("mlp", {"depth": 30, "hidden_size": 32, "activation": "relu"}, id="mlp-deep"),
    pytest.param("cnn", {"depth": 20, "hidden_size": 8}, id="cnn-deep"),
    pytest.param("rnn", {"depth": 1, "time_steps": 150}, id="rnn-long"),
    pytest.param("indrnn", {"depth": 4, "time_steps": 20, "activation": "relu"}, id="indrnn-deep"),
    *(pytest.param(kind, {"depth": 1, "bias": False}, id=f"{kind}-one-layer") for kind in KINDS),
    *(pytest.param(c.values[0], {"depth": 5, **c.values[1]}, id=c.id) for c in CONNECTED),
    *(
        pytest.param(kind, changes, id=f"{kind}-{words(changes)}")
        for kind in KINDS
        for changes in judged_by(kind)
    ),
    pytest.param("mlp", {"depth": 40, "residual": True, "hidden_size": 5}, id="mlp-residual-deep"),
    pytest.param("cnn", {"depth": 12, "norm": "batch", "activation": "relu"}, id="cnn-batch-deep"),
    pytest.param("indrnn", {"depth": 9, "residual": True, "norm": "layer"}, id="indrnn-blocks"),
    pytest.param("indrnn", {"depth": 9, "dense": True, "time_steps": 15}, id="indrnn-dense-deep"),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("kind", "changes"), VARIANTS)
def test_gradients_and_magnitudes(peer, kind, changes, dtype):
    spec = small_spec(kind, dtype=dtype, **changes)
    network = build(spec)
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    true = peer.run(spec, cell_parameters(network), x[0], target[0])
    bar = BARS[dtype]
    assert fields.loss[0] == pytest.approx(true.loss, rel=bar)
    for name, found in cell_gradients(network).items():
        error = relative_error(found, true.gradients[name])
        assert error < bar, (name, error)
        magnitude = np.sqrt(np.mean(true.gradients[name].astype(np.float64) ** 2))
        assert 10.0 ** fields.log10_grad_params[name][0] == pytest.approx(magnitude, rel=bar)
    assert set(fields.log10_grad_gates) == set(true.log10_grad_gates)
    assert (fields.log10_grad_a is None) == (true.log10_grad_a is None)
    magnitudes = {"h": (fields.log10_grad_h, true.log10_grad_h)}
    if fields.log10_grad_a is not None:
        magnitudes["a"] = (fields.log10_grad_a, true.log10_grad_a)
    for gate, found in fields.log10_grad_gates.items():
        magnitudes[gate] = (found, true.log10_grad_gates[gate])
    for point, expected in true.log10_path.items():
        # Nothing is passed on below the first layer.
        magnitudes[point] = (fields.log10_path[point][:, -len(expected) :], expected)
    for name, (found, expected) in magnitudes.items():
        # Below, autograd's float32 gradients are subnormal and have lost bits.
        kept = expected > (-35.0 if dtype == "float32" else -np.inf)
        assert kept[:, -1].all()
        np.testing.assert_allclose(
            10.0 ** found[0][kept], 10.0 ** expected[kept], rtol=bar, err_msg=name
        )
    rms = [[np.sqrt(np.mean(h.astype(np.float64) ** 2)) for h in layer] for layer in true.h]
    np.testing.assert_allclose(fields.activation_rms[0], rms, rtol=bar)
    # PyTorch's GELU is exactly 0 below -5.5 in float32, where the truth is -1e-7.
    if spec.activation != "gelu":
        zeros = [[np.mean(h == 0.0) for h in layer] for layer in true.h]
        np.testing.assert_allclose(fields.zero_fraction[0], zeros, atol=1e-12)


def has_a_reference_jacobian(kind, changes):
    """Batch statistics are fixed in ours alone; the recurrent reference knows plain cells only."""
    if kind in ("mlp", "cnn"):
        return changes.get("norm") != "batch"
    return not {"norm", "residual", "dense"} & set(changes)


@pytest.mark.parametrize(
    ("kind", "changes"), [case for case in VARIANTS if has_a_reference_jacobian(*case.values)]
)
def test_the_jacobian(peer, kind, changes):
    spec = small_spec(kind, **changes)
    network = build(spec)
    x, _ = problem(spec)
    true = peer.jacobian(spec, cell_parameters(network), x[0])
    pushed = np.eye(true.shape[1])
    hops = network.linearise(x)
    for hop in hops:
        pushed = hop.push(pushed)
    assert relative_error(pushed.T, true) < 1e-10
    pulled = np.eye(true.shape[0])
    for hop in reversed(hops):
        pulled = hop.pull(pulled)
    assert relative_error(pulled, true) < 1e-10


@pytest.mark.parametrize("kind", KINDS)
def test_every_cell_of_a_stack(peer, kind):
    spec = small_spec(kind)
    inits = [
        InitSpec(weight_scale=0.2, recurrent_scale=0.1, bias_scale=1.0, seed=4),
        InitSpec(weight_scale=1.5, recurrent_scale=1.5, seed=5),
        InitSpec(scheme="uniform", weight_scale=3.0, recurrent_scale=2.0, seed=6),
    ]
    network = build(spec, *inits)
    x, target = problem(spec, cells=3)
    fields = network.evaluate(x, target)
    for cell in range(3):
        true = peer.run(spec, cell_parameters(network, cell), x[cell], target[cell])
        np.testing.assert_allclose(fields.log10_grad_h[cell], true.log10_grad_h, atol=1e-10)
        for name, gradient in true.gradients.items():
            assert relative_error(network.gradient(name)[cell], gradient) < 1e-10, name


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_torch_nn_rnn_with_the_same_weights(peer, activation):
    import torch

    spec = small_spec("rnn", activation, depth=2, time_steps=20)
    network = build(spec)
    x, target = problem(spec)
    network.evaluate(x, target)
    ours = cell_parameters(network)
    module = torch.nn.RNN(3, spec.hidden_size, 2, nonlinearity=activation, dtype=torch.float64)
    readout = torch.nn.Linear(spec.hidden_size, spec.output_size, dtype=torch.float64)
    names = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b"}
    with torch.no_grad():
        for layer in (1, 2):
            for theirs, mine in names.items():
                value = torch.from_numpy(ours[f"layer{layer}.{mine}"].T.copy())
                getattr(module, f"{theirs}_l{layer - 1}").copy_(value)
            getattr(module, f"bias_hh_l{layer - 1}").zero_()
        readout.weight.copy_(torch.from_numpy(ours["readout.W"]).T)
        readout.bias.copy_(torch.from_numpy(ours["readout.b"]))
    states, _ = module(torch.from_numpy(x[0]))
    loss = torch.nn.functional.mse_loss(readout(states[-1]), torch.from_numpy(target[0]))
    loss.backward()
    for layer in (1, 2):
        for theirs, mine in names.items():
            gradient = getattr(module, f"{theirs}_l{layer - 1}").grad.numpy().T
            found = network.gradient(f"layer{layer}.{mine}")[0]
            assert relative_error(found, gradient) < 1e-10, (layer, mine)
    assert relative_error(network.gradient("readout.W")[0], readout.weight.grad.numpy().T) < 1e-10


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_torch_nn_gated_cells_with_the_same_weights(peer, kind):
    import torch

    spec = small_spec(kind, depth=2, time_steps=20)
    network = build(spec)
    x, target = problem(spec)
    network.evaluate(x, target)
    ours = cell_parameters(network)
    size = spec.hidden_size
    module = getattr(torch.nn, kind.upper())(3, size, 2, dtype=torch.float64)
    readout = torch.nn.Linear(size, spec.output_size, dtype=torch.float64)
    with torch.no_grad():
        for layer in (0, 1):
            mine = {name: torch.from_numpy(ours[f"layer{layer + 1}.{name}"]) for name in "WUb"}
            getattr(module, f"weight_ih_l{layer}").copy_(mine["W"].T)
            getattr(module, f"weight_hh_l{layer}").copy_(mine["U"].T)
            getattr(module, f"bias_ih_l{layer}").copy_(mine["b"])
            second = getattr(module, f"bias_hh_l{layer}").zero_()
            if kind == "gru":
                second[2 * size :] = torch.from_numpy(ours[f"layer{layer + 1}.c"])
        readout.weight.copy_(torch.from_numpy(ours["readout.W"]).T)
        readout.bias.copy_(torch.from_numpy(ours["readout.b"]))
    states, _ = module(torch.from_numpy(x[0]))
    torch.nn.functional.mse_loss(readout(states[-1]), torch.from_numpy(target[0])).backward()
    for layer in (0, 1):
        theirs = {
            "W": getattr(module, f"weight_ih_l{layer}").grad.numpy().T,
            "U": getattr(module, f"weight_hh_l{layer}").grad.numpy().T,
            "b": getattr(module, f"bias_ih_l{layer}").grad.numpy(),
        }
        if kind == "gru":
            theirs["c"] = getattr(module, f"bias_hh_l{layer}").grad.numpy()[2 * size :]
        for name, gradient in theirs.items():
            found = network.gradient(f"layer{layer + 1}.{name}")[0]
            assert relative_error(found, gradient) < 1e-10, (layer, name)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
@pytest.mark.parametrize("changes", [{}, {"norm": "batch", "residual": True}], ids=words)
def test_ten_training_steps(peer, name, clip_norm, changes):
    import torch

    spec = small_spec("mlp", **changes)
    optimizer = OPTIMIZERS[name]
    network = Network(
        spec, [InitSpec(bias_scale=0.3)], open_backend("cpu", "float64"), slots=optimizer.slots
    )
    leaves = {
        name: torch.tensor(value, requires_grad=True)
        for name, value in cell_parameters(network).items()
    }
    theirs = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
        "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.99, eps=1e-8),
        "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    }[name](list(leaves.values()))
    for step in range(10):
        x, target = problem(spec, seed=step)
        network.evaluate(x, target)
        network.update(optimizer, [0.01], [clip_norm])
        values = {name: leaf.detach().numpy() for name, leaf in leaves.items()}
        gradients = peer.run(spec, values, x[0], target[0]).gradients
        for name_, leaf in leaves.items():
            leaf.grad = torch.from_numpy(gradients[name_].copy())
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(leaves.values(), clip_norm)
        theirs.step()
    for name_, leaf in leaves.items():
        error = relative_error(network.parameters[name_][0], leaf.detach().numpy())
        assert error < (1e-5 if clip_norm else 1e-9), (name_, error)
