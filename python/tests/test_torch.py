"""Torch modules, as torch.onnx exports them. Torch is an environment of its own: it is large."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest

import verdict

from conftest import rng

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")


class Two(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = torch.nn.Linear(3, 4), torch.nn.Linear(2, 4)

    def forward(self, a: Any, b: Any) -> Any:
        return torch.relu(self.left(a) + self.right(b))


def test_a_network(make: Callable[..., verdict.Setup]) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(5, 12), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(12, 2)
    )
    x = rng().normal(size=(50, 5)).astype(np.float32)
    setup = make(module, x, example_inputs=x[:1])
    assert module.training
    with torch.no_grad():
        wanted = module.eval()(torch.tensor(x[:1])).numpy()
    for same in (x[0], x[:1], torch.tensor(x[:1])):
        np.testing.assert_allclose(setup.prove(same).output, wanted, atol=1e-3)


def test_images_have_one_range(make: Callable[..., verdict.Setup]) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(27, 4),
    )
    x = rng().integers(0, 17, size=(20, 1, 6, 6)).astype(np.float32)
    setup = make(module, x, example_inputs=torch.tensor(x[:1]))
    assert {(own.min, own.max, own.decimals) for own in setup.ranges} == {(0.0, 18.0, 0)}
    with torch.no_grad():
        wanted = module(torch.tensor(x[:1])).numpy()
    np.testing.assert_allclose(setup.prove(x[:1]).output, wanted, atol=1e-2)
    with pytest.raises(verdict.InputError, match=r"shape \(1, 6, 5\), the model takes \(1, 6, 6\)"):
        setup.prove(x[0, :, :, :5])


def test_several_inputs_by_name(make: Callable[..., verdict.Setup]) -> None:
    module = Two()
    a, b = rng().normal(size=(1, 3)), rng().normal(size=(1, 2))
    setup = make(
        module,
        example_inputs=(torch.tensor(a).float(), torch.tensor(b).float()),
        ranges={"input0": (-4, 4), "input1": (-4, 4)},
    )
    with torch.no_grad():
        wanted = module(torch.tensor(a).float(), torch.tensor(b).float()).numpy()
    proof = setup.prove({"input1": b, "input0": a})
    np.testing.assert_allclose(proof.output, wanted, atol=1e-3)
    with pytest.raises(verdict.InputError, match="takes 2 inputs"):
        setup.prove(a)


def test_what_is_missing_is_said(make: Callable[..., verdict.Setup]) -> None:
    with pytest.raises(verdict.UsageError, match="exported with example inputs"):
        make(torch.nn.Linear(2, 2), ranges=(0, 1))

    class Refused(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x if x.sum().item() > 0 else -x

    with pytest.raises(verdict.ModelError, match="torch.onnx cannot export the Refused"):
        make(Refused(), example_inputs=torch.ones(1, 2), ranges=(0, 1))


def test_frames_and_dicts_for_a_module(make: Callable[..., verdict.Setup]) -> None:
    pandas = pytest.importorskip("pandas")
    torch.manual_seed(0)
    module = torch.nn.Linear(2, 1)
    columns = {"a": [0.0, 1.0, 0.5], "b": [1.0, 2.0, 1.5]}
    for data in (pandas.DataFrame(columns), columns):
        setup = make(module, data, example_inputs=torch.zeros(1, 2))
        assert setup.columns == ["a", "b"]
        with torch.no_grad():
            wanted = module(torch.tensor([[0.5, 1.5]])).numpy()
        np.testing.assert_allclose(setup.prove({"a": 0.5, "b": 1.5}).output, wanted, atol=1e-3)
