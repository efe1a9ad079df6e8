"""Step time and peak memory of the networks in training, or at work, against a plain loop.

    python benchmarks/networks.py --preset att-unet --batch 1 --batch 2 --side 128 --device cuda
    python benchmarks/networks.py --preset att-unet --batch 1 --inference --steps 500

For each preset, batch and way, a process of its own makes one warm-up step and `--steps` timed
ones: L1 loss on random volumes, Adam, in training mode. The plain loop is written from the
authors' description: a grid is doubled and then convolved, attention is a matrix and a soft-max,
all in float32. Memory is the process's peak (CPU), weights, gradients and Adam's moments
included, or the peak that PyTorch allocated on the card (GPU). With `--inference`, a step is an
image that goes through, ours in the memory layout of the Synthesizer, and the last column says how
many MiB the peak has grown by since the second image, in place of the loss. On a busy machine read
processor time, and take a median over some steps.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

from clinica_t1nce.models import registry
from clinica_t1nce.models.layers import DoublingConv3d
from clinica_t1nce.models.trans_unet import SelfAttention

WAYS = ("ours", "plain")


class PlainDoubling(nn.Module):
    """Double the grid, then convolve."""

    def __init__(self, layer: DoublingConv3d):
        super().__init__()
        self.conv = nn.Conv3d(layer.in_channels, layer.out_channels, 3, padding=1)
        self.conv.load_state_dict(layer.state_dict())

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class PlainAttention(nn.Module):
    """Self-attention through the whole matrix of tokens by tokens."""

    def __init__(self, layer: SelfAttention):
        super().__init__()
        self.heads, self.qkv, self.proj = layer.heads, layer.qkv, layer.proj
        self.attention_dropout = nn.Dropout(layer.attention_dropout)
        self.dropout = layer.dropout

    def forward(self, x):
        n, tokens, width = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(-1)
        out = self.attention_dropout(weights) @ value
        return self.dropout(self.proj(out.transpose(1, 2).reshape(n, tokens, width)))


def make_plain(network: nn.Module) -> nn.Module:
    """Put the plain layers in place of ours; the outputs stay."""
    plain = {DoublingConv3d: PlainDoubling, SelfAttention: PlainAttention}
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) in plain:
                setattr(module, name, plain[type(child)](child))
    return network


def build(preset: str, side: int, way: str) -> nn.Module:
    settings = registry.preset(preset)
    hyperparameters = settings["hyperparameters"]
    if "grid" in hyperparameters:
        hyperparameters["grid"] = [side] * 3
    torch.manual_seed(0)
    network = registry.build(settings["architecture"], **hyperparameters)
    return network if way == "ours" else make_plain(network)


def peak(device: str) -> float:
    """Give the largest amount of memory so far, in GiB."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@torch.inference_mode()
def infer(network: nn.Module, batch: int, side: int, way: str, steps: int, device: str):
    """Let images through; gives the same as a training, but for the growth of the peak."""
    layout = (
        torch.channels_last_3d if way == "ours" and device == "cpu" else torch.contiguous_format
    )
    network = network.eval().to(memory_format=layout)
    clock, processor, peaks = [], [], []
    for _ in range(steps + 1):
        before = time.perf_counter(), time.process_time()
        x = torch.rand(batch, 1, side, side, side, device=device)
        network(x.contiguous(memory_format=layout)).mean().item()  # waits for the card
        clock.append(time.perf_counter() - before[0])
        processor.append(time.process_time() - before[1])
        peaks.append(peak(device))
    return {
        "seconds": statistics.median(clock[1:]),
        "processor": statistics.median(processor[1:]),
        "gib": peaks[-1],
        "loss": 1024 * (peaks[-1] - peaks[1]),
    }


def measure(
    preset: str,
    batch: int,
    side: int,
    way: str,
    steps: int,
    device: str,
    bf16: bool,
    inference: bool = False,
):
    """Train for some steps; gives seconds a step, on the clock and of the processor, and GiB."""
    network = build(preset, side, way).to(device)
    if inference:
        return infer(network, batch, side, way, steps, device)
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.5, 0.999))
    torch.manual_seed(1)
    x, y = torch.rand(2, batch, 1, side, side, side, device=device)
    clock, processor, losses = [], [], []
    for _ in range(steps + 1):
        before = time.perf_counter(), time.process_time()
        optimiser.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=bf16 and way == "ours"):
            loss = F.l1_loss(network(x), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())  # waits for the card
        clock.append(time.perf_counter() - before[0])
        processor.append(time.process_time() - before[1])
    return {
        "seconds": statistics.median(clock[1:]),
        "processor": statistics.median(processor[1:]),
        "gib": peak(device),
        "loss": losses[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", action="append", choices=sorted(registry.PRESETS))
    parser.add_argument("--batch", action="append", type=int)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bf16", action="store_true", help="ours in bfloat16")
    parser.add_argument("--inference", action="store_true", help="no training, images only")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(**json.loads(arguments.one))))
        return
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
    print(
        f"{where}, {torch.get_num_threads()} threads, {arguments.side}³, torch {torch.__version__}"
    )
    last = "MiB more since the second" if arguments.inference else "last loss"
    print(f"| preset | batch | loop | s / step | processor s / step | peak GiB | {last} |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for preset in arguments.preset or ["att-unet", "res-unet", "trans-unet"]:
        for batch in arguments.batch or [1, 2]:
            for way in WAYS:
                print(row(preset, batch, way, arguments), flush=True)


def row(preset: str, batch: int, way: str, arguments: argparse.Namespace) -> str:
    settings = {
        "preset": preset,
        "batch": batch,
        "side": arguments.side,
        "way": way,
        "steps": arguments.steps,
        "device": arguments.device,
        "bf16": arguments.bf16,
        "inference": arguments.inference,
    }
    # A process of its own: its peak is that of this measurement alone.
    command = [sys.executable, __file__, "--one", json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        return f"| {preset} | {batch} | {way} | failed: {last} | | | |"
    found = json.loads(done.stdout.splitlines()[-1])
    return (
        f"| {preset} | {batch} | {way} | {found['seconds']:.2f} | {found['processor']:.2f} "
        f"| {found['gib']:.2f} | {found['loss']:.4f} |"
    )


if __name__ == "__main__":
    main()
