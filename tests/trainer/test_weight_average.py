"""The saved model between the base model and the trained one: what is measured is what is saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.trainer.test_train import run, weights
from torch import nn

from embedkit.trainer.model.weight_average import WeightAverage

Values = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("lora", [None, {"r": 2}])
def test_the_saved_weights_lie_between(
    workplace: Path, config_values: Values, tiny_model: Path, lora: dict[str, Any] | None
) -> None:
    extra = {"lora": lora} if lora else {}
    steady = {"warmup_ratio": 0.0, "lr": 1e-2}
    whole = {"train": {"base_share": 0.0}, "output": {"save_name": "whole"}}
    trained = weights(run(config_values(optim=steady, **whole, **extra)).run)
    averaged = run(
        config_values(optim=steady, train={"base_share": 0.25}, output={"save_name": "part"}, **extra)
    )
    base = load_file(tiny_model / "model.safetensors")
    moved = 0
    for name, value in weights(averaged.run).items():
        torch.testing.assert_close(value, torch.lerp(trained[name], base[name], 0.25), rtol=1e-5, atol=1e-6)
        moved += not torch.equal(value, trained[name])
    assert moved
    assert "75% trained, 25% the base model's" in (averaged.model / "README.md").read_text(encoding="utf-8")


def test_the_dev_rows_measure_the_mean_and_the_best_one_is_read_back(
    workplace: Path, config_values: Values, capsys: pytest.CaptureFixture[str]
) -> None:
    train = {"epochs": 2, "best_metric": "loss", "base_share": 0.0}
    plain = run(config_values(train=train, output={"save_name": "whole"}))
    nearly = run(config_values(train=train | {"base_share": 0.999}, output={"save_name": "part"}))
    start, last = nearly.dev[0][1].measured()["loss"], nearly.dev[-1][1].measured()["loss"]
    assert last == pytest.approx(start, abs=1e-2)
    assert abs(plain.dev[-1][1].measured()["loss"] - start) > 10 * abs(last - start)
    assert "the model is that of epoch" in capsys.readouterr().err
    assert json.loads((nearly.run / "config.json").read_text())["train"]["base_share"] == 0.999


def test_the_trained_weights_come_back_bit_for_bit() -> None:
    layer = nn.Linear(3, 2)
    average = WeightAverage(layer, 0.5)
    base = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight += 1 / 3
    trained = layer.weight.detach().clone()
    with average.applied():
        torch.testing.assert_close(layer.weight.detach(), (base + trained) / 2)
    assert torch.equal(layer.weight, trained)
