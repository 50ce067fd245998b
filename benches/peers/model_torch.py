"""The PyTorch side of model.py: takes a step for each line of its input."""

import io
import os
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


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        first = [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        second = [nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.main, self.shortcut = nn.Sequential(*first, *second), nn.Identity()
        if inputs != outputs or stride != 1:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.main(x) + self.shortcut(x), inplace=True)


class Compact(nn.Module):
    def __init__(self, bins, channels=(16, 16, 32, 64, 96), embedding=128, attention=64):
        super().__init__()
        stem = [nn.Conv2d(1, channels[0], 5, 2, 2, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU(inplace=True)]
        pairs = enumerate(zip(channels, channels[1:]))
        self.trunk = nn.Sequential(*stem, *(Residual(*pair, 1 + (index > 0)) for index, pair in pairs))
        bins = -(-bins // 2 ** (len(channels) - 1))
        self.projection, self.projection_norm = nn.Linear(bins * channels[-1], embedding), nn.BatchNorm1d(embedding)
        self.attention = nn.Sequential(nn.Linear(embedding, attention), nn.Tanh(), nn.Linear(attention, embedding))
        self.head = nn.Sequential(nn.BatchNorm1d(2 * embedding), nn.Dropout(0.2), nn.Linear(2 * embedding, 7))

    def forward(self, x):
        x = self.trunk(x[:, None])
        x = self.projection(x.permute(0, 2, 3, 1).flatten(2))
        x = F.relu(self.projection_norm(x.flatten(0, 1))).unflatten(0, x.shape[:2])
        weights = self.attention(x).softmax(1)
        mean = (weights * x).sum(1)
        deviation = ((weights * x * x).sum(1) - mean * mean).clamp(min=1e-5).sqrt()
        return self.head(torch.cat([mean, deviation], 1))


class Zhao(nn.Module):
    def __init__(self, bins):
        super().__init__()
        layers, channels = [], 1
        for outputs, pool in ((64, 2), (64, 4), (128, 4), (128, 4)):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]
            layers += [nn.ELU(inplace=True), nn.MaxPool2d(pool, ceil_mode=True)]
            channels, bins = outputs, -(-bins // pool)
        self.trunk = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.lstm, self.classifier = nn.LSTM(bins * channels, 256, batch_first=True), nn.Linear(256, 7)

    def forward(self, x):
        x = self.trunk(x[:, None].contiguous(memory_format=torch.channels_last))
        return self.classifier(self.lstm(x.permute(0, 2, 3, 1).flatten(2))[0][:, -1])


def onnx_runtime(model, x):
    import onnxruntime

    file = io.BytesIO()
    torch.onnx.export(model, (x,), file, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {session.get_inputs()[0].name: x.numpy()})


def infer(model, x, kind):
    model.eval()
    run = onnx_runtime(model, x) if kind == "onnx" else model
    with torch.inference_mode():
        for _ in sys.stdin:
            start = time.perf_counter()
            run(x)
            print(time.perf_counter() - start, flush=True)
    print(0, flush=True)


def memory(key):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(key))


def main():
    network, precision = sys.argv[1:3]
    batch, frames, bins = map(int, sys.argv[3:6])
    builders = {"tim-net": TimNet, "rnn": Rnn, "compact": Compact, "zhao": Zhao}
    model = paper_cnn(frames, bins) if network == "paper-cnn" else builders[network](bins)
    x, y = torch.randn(batch, frames, bins), torch.arange(batch) % 7
    if sys.argv[6:] == ["infer"]:
        return infer(model, x, precision)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7, fused=True)
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
