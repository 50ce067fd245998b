"""The PyTorch side of peers-model.py: takes a training step for each line of its input."""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

KERAS = {"eps": 1e-3, "momentum": 0.01}


def paper_cnn(frames, bins):
    layers, channels, length = [], 1, frames * bins
    shapes = [(512, 5, 5, 0), (512, 5, 5, 0.2), (256, 5, 5, 0), (256, 3, 5, 0.2), (128, 3, 3, 0.2)]
    for outputs, kernel, window, dropout in shapes:
        layers += [nn.Conv1d(channels, outputs, kernel, padding=kernel // 2), nn.ReLU(), nn.BatchNorm1d(outputs, **KERAS)]
        layers += [nn.MaxPool1d(window, 2, window // 2)] + [nn.Dropout(dropout)] * (dropout > 0)
        channels, length = outputs, -(-length // 2)
    head = [nn.Linear(channels * length, 512), nn.ReLU(), nn.BatchNorm1d(512, **KERAS), nn.Linear(512, 7)]
    return nn.Sequential(nn.Flatten(), nn.Unflatten(1, (1, -1)), *layers, nn.Flatten(), *head)


class TimNet(nn.Module):
    def __init__(self, bins, channels=39, levels=8):
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv1d(bins, channels, 1) for _ in range(2))

        def half(dilation):
            conv = nn.Conv1d(channels, channels, 2, dilation=dilation)
            norm = nn.BatchNorm1d(channels, **KERAS)
            return nn.Sequential(nn.ConstantPad1d((dilation, 0), 0.0), conv, norm, nn.ReLU(), nn.Dropout1d(0.1))

        gates = [[nn.Sequential(half(2**n), half(2**n)) for n in range(levels)] for _ in range(2)]
        self.gates = nn.ModuleList(nn.ModuleList(direction) for direction in gates)
        self.level_weights = nn.Parameter(torch.rand(levels, 1) / 10 - 0.05)
        self.classifier = nn.Linear(channels, 7)

    def forward(self, x):
        means = 0
        for projection, gates, x in zip(self.projections, self.gates, (x.mT, x.mT.flip(2)), strict=True):
            x, levels = projection(x), []
            for gate in gates:
                x = x * torch.sigmoid(gate(x))
                levels.append(x.mean(2))
            means = means + torch.stack(levels, 1)
        return self.classifier((means * self.level_weights).sum(1))


class Rnn(nn.Module):
    def __init__(self, bins):
        super().__init__()
        self.lstm = nn.LSTM(bins, 128, 2, batch_first=True, dropout=0.3, bidirectional=True)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(256, 7))

    def forward(self, x):
        return self.head(self.lstm(x)[0].mean(1))


def memory(key):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(key))


def main():
    network, precision = sys.argv[1:3]
    batch, frames, bins = map(int, sys.argv[3:])
    builders = {"paper-cnn": lambda: paper_cnn(frames, bins), "tim-net": lambda: TimNet(bins), "rnn": lambda: Rnn(bins)}
    model = builders[network]()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7, fused=True)
    x, y = torch.randn(batch, frames, bins), torch.arange(batch) % 7
    before = memory("VmRSS")
    for _ in sys.stdin:
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = F.cross_entropy(model(x).float(), y)
        loss.backward()
        optimizer.step()
        loss.item()
        print(time.perf_counter() - start, flush=True)
    print(memory("VmHWM") - before, flush=True)


if __name__ == "__main__":
    main()
