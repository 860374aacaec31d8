"""Adam has the bits of torch's own, without torch's compiler."""

from __future__ import annotations

import copy
import subprocess
import sys

import torch
from torch import nn

from shiftvae_training.fitting.adam import BETAS, Adam


def test_steps_are_those_of_torch_to_the_bit():
    torch.manual_seed(0)
    one = nn.Sequential(nn.Linear(7, 33), nn.SiLU(), nn.Linear(33, 3), nn.Linear(3, 2))
    other = copy.deepcopy(one)
    mine, torchs = Adam(one.parameters()), torch.optim.Adam(other.parameters(), betas=BETAS, fused=True)
    for step in range(50):
        inputs, rate = torch.randn(16, 7), 1e-2 / (1 + step)
        for model in (one, other):
            layers = model if step % 3 else model[:3]  # the last layer has no gradient then
            layers(inputs).square().sum().backward()
        torchs.param_groups[0]["lr"] = rate
        mine.step(rate)
        torchs.step()
        mine.zero_grad()
        torchs.zero_grad()
    assert int(mine.steps[0]) == 50
    assert int(mine.steps[-1]) == 33
    for mean, a, b in zip(mine.means, one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(mean, torchs.state[b]["exp_avg"])


def test_a_step_does_not_load_the_compiler():
    code = """
import sys, torch
from shiftvae_training.fitting.adam import Adam
weight = torch.nn.Parameter(torch.ones(3))
adam = Adam([weight])
weight.square().sum().backward()
adam.step(0.1)
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip() == "False"


def test_a_parameter_has_its_share_of_the_rate():
    start = torch.tensor([1.0, -2.0])
    slow, fast, alone = (nn.Parameter(start.clone()) for _ in range(3))
    both, one = Adam([slow, fast], [0.25, 1.0]), Adam([alone])
    for _ in range(3):
        for parameter in (slow, fast, alone):
            parameter.grad = torch.tensor([0.5, 3.0])
        both.step(0.1)
        one.step(0.1)
    assert torch.equal(fast, alone)
    torch.testing.assert_close(slow - start, 0.25 * (fast - start))
