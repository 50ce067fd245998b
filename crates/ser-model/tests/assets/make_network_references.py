"""Writes the references of whole networks that src/parity.rs compares with, one safetensors file each.

    python3.11 -m venv venv && venv/bin/pip install torch==2.15.0 safetensors==0.8.0 numpy==2.4.6
    venv/bin/python make_network_references.py [NETWORK ...]

Weights and features are not stored: both sides compute them from the same integers (`pseudo_random`). PyTorch computes in
float64, without padding and masks: utterances of unequal lengths go through the layers one by one, and batch
normalisation sees the valid frames of all of them in a row. Of each gradient the file has its norm and a few values.
"""

import sys
from importlib.metadata import version

import numpy as np
import torch
from make_references import PINNED, save
from torch import nn
from torch.nn import functional as F

# Values of each gradient that are stored, evenly spread.
SAMPLES = 24
STEPS = 10


def pseudo_random(stream, count):
    """Multiples of 2^-23 in [-1, 1), a 32-bit integer hash of the stream's and the value's number."""
    mask = np.uint64(0xFFFFFFFF)
    h = (np.arange(count, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(stream + 1) * np.uint64(374761393)) & mask
    for multiplier in (2246822519, 3266489917):
        h ^= h >> np.uint64(15)
        h = (h * np.uint64(multiplier)) & mask
    h ^= h >> np.uint64(16)
    return (h >> np.uint64(8)).astype(np.float64) / 2**23 - 1.0


def parameter(stream, name, shape):
    """A value for a parameter of this name, as float32 holds it."""
    values = pseudo_random(stream, int(np.prod(shape)))
    if len(shape) > 1:
        values = values * np.sqrt(6.0 / sum(shape))
    elif name.endswith(("norm.weight", "running_var")):
        values = 1.0 + 0.5 * values
    else:
        values = 0.25 * values
    return torch.from_numpy(values.astype(np.float32).astype(np.float64).reshape(shape))


def features(stream, frames, bins):
    return torch.from_numpy(pseudo_random(1000 + stream, frames * bins).reshape(frames, bins))


def to_file(tensor):
    """From PyTorch's convolution weight [outputs, inputs, taps...] to the file's [taps * inputs, outputs]."""
    if tensor.ndim < 3:
        return tensor
    return tensor.movedim((0, 1), (-1, -2)).flatten(0, -2)


def from_file(tensor, shape):
    if len(shape) < 3:
        return tensor
    return tensor.reshape(*shape[2:], shape[1], shape[0]).movedim((-1, -2), (0, 1))


def normalise(norm, utterances, dim=2):
    utterances = list(utterances)
    return norm(torch.cat(utterances, dim)).split([utterance.shape[dim] for utterance in utterances], dim)


def same_max_pool(x, kernel, stride):
    """TensorFlow's `same`, over the last dimension."""
    frames = x.shape[-1]
    missing = max((-(-frames // stride) - 1) * stride + kernel - frames, 0)
    return F.max_pool1d(F.pad(x, (missing // 2, missing - missing // 2), value=-torch.inf), kernel, stride)


KERAS = {"eps": 1e-3, "momentum": 0.01}


class PaperBlock(nn.Module):
    def __init__(self, inputs, outputs, kernel, window):
        super().__init__()
        conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.weight, self.bias = conv.weight, conv.bias
        self.norm = nn.BatchNorm1d(outputs, **KERAS)
        self.kernel, self.window = kernel, window

    def forward(self, utterances):
        x = [F.relu(F.conv1d(u, self.weight, self.bias, padding=self.kernel // 2)) for u in utterances]
        return [same_max_pool(u, self.window, 2) for u in normalise(self.norm, x)]


class Paper(nn.Module):
    """Both networks: over one vector of `frames` times all bins, or over frames with bins as channels."""

    def __init__(self, n_bins, n_classes, frames=None, groups=None, dropout=0.0):
        super().__init__()
        self.frames, self.groups = frames, groups
        inputs = 1 if frames else n_bins
        layers = [(512, 5, 5), (512, 5, 5), (256, 5, 5), (256, 3, 5), (128, 3, 3)]
        self.blocks = []
        length = frames * n_bins if frames else 0
        for index, (outputs, kernel, window) in enumerate(layers):
            self.blocks.append(PaperBlock(inputs, outputs, kernel, window))
            self.add_module(f"block{index}", self.blocks[-1])
            inputs, length = outputs, -(-length // 2)
        self.hidden = nn.Linear(inputs * length if frames else inputs, 512)
        self.hidden_norm = nn.BatchNorm1d(512, **KERAS)
        self.classifier = nn.Linear(512, n_classes)

    def vector(self, utterance):
        padded = torch.zeros(self.frames, utterance.shape[1], dtype=utterance.dtype)
        padded[: len(utterance)] = utterance[: self.frames]
        return torch.cat([group.flatten() for group in padded.split(self.groups, 1)])[None, None]

    def forward(self, utterances):
        x = [self.vector(u) if self.frames else u.T[None] for u in utterances]
        for block in self.blocks:
            x = block(x)
        x = torch.cat([u.mT.flatten(1) if self.frames else u.mean(2) for u in x])
        return self.classifier(self.hidden_norm(F.relu(self.hidden(x))))


class CausalBlock(nn.Module):
    def __init__(self, channels, kernel, dilation):
        super().__init__()
        conv = nn.Conv1d(channels, channels, kernel)
        self.weight, self.bias = conv.weight, conv.bias
        self.norm = nn.BatchNorm1d(channels, **KERAS)
        self.dilation, self.left = dilation, (kernel - 1) * dilation

    def forward(self, utterances):
        x = [F.conv1d(F.pad(u, (self.left, 0)), self.weight, self.bias, dilation=self.dilation) for u in utterances]
        return [F.relu(u) for u in normalise(self.norm, x)]


class Direction(nn.Module):
    def __init__(self, n_bins, channels, levels, kernel):
        super().__init__()
        self.projection = nn.Linear(n_bins, channels)
        self.levels = []
        for level in range(levels):
            self.levels.append([CausalBlock(channels, kernel, 2**level) for _ in range(2)])
            convs = nn.ModuleDict({f"conv{index}": block for index, block in enumerate(self.levels[-1])})
            self.add_module(f"level{level}", convs)

    def forward(self, utterances):
        """Means over time [utterances, levels, channels]."""
        x = [self.projection(u).T[None] for u in utterances]
        means = []
        for conv0, conv1 in self.levels:
            gates = conv1(conv0(x))
            x = [u * gate.sigmoid() for u, gate in zip(x, gates, strict=True)]
            means.append(torch.cat([u.mean(2) for u in x]))
        return torch.stack(means, 1)


class TimNet(nn.Module):
    def __init__(self, n_bins, n_classes, channels, levels, kernel, dropout=0.0):
        super().__init__()
        self.forward_levels = Direction(n_bins, channels, levels, kernel)
        self.backward_levels = Direction(n_bins, channels, levels, kernel)
        self.level_weights = nn.Parameter(torch.zeros(levels, 1))
        self.classifier = nn.Linear(channels, n_classes)

    def forward(self, utterances):
        means = self.forward_levels(utterances) + self.backward_levels([u.flip(0) for u in utterances])
        return self.classifier((means * self.level_weights).sum(1))


class Recurrent(nn.Module):
    """One direction. The file has the recurrent weight as [units, gates * units]."""

    def __init__(self, cell, inputs, units, reverse):
        super().__init__()
        self.layer = [{"lstm": nn.LSTM, "gru": nn.GRU}[cell](inputs, units, batch_first=True).double()]
        width = len(self.layer[0].bias_hh_l0)
        self.input = nn.Linear(inputs, width)
        self.recurrent = nn.ParameterDict({"weight": torch.zeros(units, width), "bias": torch.zeros(width)})
        self.reverse = reverse

    def forward(self, x):
        parameters = {
            "weight_ih_l0": self.input.weight,
            "bias_ih_l0": self.input.bias,
            "weight_hh_l0": self.recurrent["weight"].T,
            "bias_hh_l0": self.recurrent["bias"],
        }
        x = x.flip(1) if self.reverse else x
        x, _ = torch.func.functional_call(self.layer[0], parameters, (x,))
        return x.flip(1) if self.reverse else x


class Rnn(nn.Module):
    def __init__(self, n_bins, n_classes, cell, units, layers, bidirectional, dropout):
        super().__init__()
        directions = 1 + bidirectional
        self.layers = []
        for index in range(layers):
            inputs = n_bins if index == 0 else directions * units
            self.layers.append([Recurrent(cell, inputs, units, reverse) for reverse in range(directions)])
            names = {f"direction{number}": layer for number, layer in enumerate(self.layers[-1])}
            self.add_module(f"layer{index}", nn.ModuleDict(names))
        self.classifier = nn.Linear(directions * units, n_classes)

    def forward(self, utterances):
        means = []
        for x in utterances:
            x = x[None]
            for directions in self.layers:
                x = torch.cat([layer(x) for layer in directions], 2)
            means.append(x.mean(1))
        return self.classifier(torch.cat(means))


def same_max_pool_2d(x, kernel, stride):
    """Over both of the last dimensions of one utterance."""
    return same_max_pool(same_max_pool(x[0], kernel, stride).mT, kernel, stride).mT[None]


class ConvNorm(nn.Module):
    """Of utterances [1, channels, frames, bins]."""

    def __init__(self, inputs, outputs, kernel, stride, pool, function):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, kernel, kernel))
        self.norm = nn.BatchNorm2d(outputs)
        self.stride, self.padding, self.pool, self.function = stride, kernel // 2, pool, function

    def forward(self, utterances):
        x = [F.conv2d(u, self.weight, stride=self.stride, padding=self.padding) for u in utterances]
        return [same_max_pool_2d(self.function(u), *self.pool) for u in normalise(self.norm, x)]


class Zhao(nn.Module):
    def __init__(self, n_bins, n_classes, channels, units):
        super().__init__()
        self.blocks, inputs = [], 1
        for index, (outputs, pool) in enumerate(zip(channels, (2, 4, 4, 4), strict=True)):
            self.blocks.append(ConvNorm(inputs, outputs, 3, 1, (pool, pool), F.elu))
            self.add_module(f"block{index}", self.blocks[-1])
            inputs, n_bins = outputs, -(-n_bins // pool)
        self.lstm = Recurrent("lstm", inputs * n_bins, units, False)
        self.classifier = nn.Linear(units, n_classes)

    def forward(self, utterances):
        x = [u[None, None] for u in utterances]
        for block in self.blocks:
            x = block(x)
        x = [self.lstm(u.permute(0, 2, 3, 1).flatten(2))[:, -1] for u in x]
        return self.classifier(torch.cat(x))


class Badshah(nn.Module):
    def __init__(self, n_bins, n_classes, channels, hidden, dropout):
        super().__init__()
        self.convolutions, inputs = [], 1
        layers = [(11, 4, (3, 2)), (5, 1, (3, 2)), (3, 1, (1, 1))]
        for index, (outputs, (kernel, stride, pool)) in enumerate(zip(channels, layers, strict=True)):
            self.convolutions.append(ConvNorm(inputs, outputs, kernel, stride, pool, F.relu))
            self.add_module(f"conv{index}", self.convolutions[-1])
            inputs, n_bins = outputs, -(-(-(-n_bins // stride)) // pool[1])
        self.hidden0 = nn.Linear(inputs * n_bins, hidden)
        self.hidden1 = nn.Linear(hidden, hidden)
        self.classifier = nn.Linear(hidden, n_classes)

    def forward(self, utterances):
        x = [u[None, None] for u in utterances]
        for convolution in self.convolutions:
            x = convolution(x)
        x = torch.cat([u.permute(0, 2, 3, 1).flatten(2).mean(1) for u in x])
        return self.classifier(F.relu(self.hidden1(F.relu(self.hidden0(x)))))


RNN = {"units": 6, "layers": 2, "bidirectional": True, "dropout": 0.0}

# Model, options, bins, lengths of utterances, learning rate. The part of a name after a dot is not the network's.
NETWORKS = {
    "paper-cnn": (Paper, {"frames": 13, "groups": [1, 2, 7], "dropout": 0.0}, 10, [13, 5, 20, 13, 9, 12], 2.0**-12),
    "paper-frames": (Paper, {"dropout": 0.0}, 6, [41, 7, 64, 33, 50, 1], 2.0**-9),
    "tim-net": (TimNet, {"channels": 7, "levels": 5, "kernel": 3, "dropout": 0.0}, 6, [41, 7, 24, 33, 50, 1], 2.0**-4),
    "rnn.lstm": (Rnn, {"cell": "lstm", **RNN}, 5, [21, 7, 14, 33, 10, 1, 12, 3, 9], 2.0**-4),
    "zhao": (Zhao, {"channels": [3, 4, 5, 6], "units": 7}, 37, [141, 7, 64, 133, 150, 1], 2.0**-5),
    "badshah": (Badshah, {"channels": [5, 6, 7], "hidden": 9, "dropout": 0.0}, 37, [91, 7, 64, 33, 50, 1], 2.0**-6),
    "rnn.gru": (Rnn, {"cell": "gru", **RNN, "bidirectional": False}, 5, [21, 7, 14, 33, 10, 1, 12, 3, 9], 2.0**-4),
}


def network(name):
    build, options, n_bins, lengths, learning_rate = NETWORKS[name]
    n_classes, epsilon = 4, 1e-2
    targets = [index % n_classes for index in range(len(lengths))]
    utterances = [features(index, frames, n_bins) for index, frames in enumerate(lengths)]
    model = build(n_bins, n_classes, **options).double()
    state = {key: tensor for key, tensor in model.state_dict().items() if tensor.ndim}
    with torch.no_grad():
        for stream, key in enumerate(sorted(state)):
            values = parameter(stream, key, to_file(state[key]).shape)
            state[key].copy_(from_file(values, state[key].shape))
    tensors = {"logits": model.eval()(utterances)}
    # As in make_references.py: a larger epsilon, for gradients that are rounding errors of zero.
    adam = torch.optim.Adam(model.parameters(), learning_rate, eps=epsilon)
    losses = []
    model.train()
    for step in range(STEPS):
        adam.zero_grad()
        loss = F.cross_entropy(model(utterances), torch.tensor(targets))
        loss.backward()
        losses.append(loss)
        if step == 0:
            for key, value in model.named_parameters():
                gradient = to_file(value.grad).flatten()
                picked = torch.arange(SAMPLES) * len(gradient) // SAMPLES
                tensors[f"gradient.{key}"] = gradient[picked]
                tensors[f"norm.{key}"] = gradient.norm()[None]
        adam.step()
    tensors["losses"] = torch.stack(losses)
    manifest = {
        "network": {"architecture": name.split(".")[0], **options},
        "bins": n_bins,
        "lengths": lengths,
        "targets": targets,
        "classes": n_classes,
        "learning_rate": learning_rate,
        "epsilon": epsilon,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    save(name, tensors, manifest)
    print(name, [f"{loss.item():.4f}" for loss in losses])


def main():
    for package, expected in PINNED.items():
        assert version(package) == expected, f"{package} is {version(package)}, not {expected}"
    for name in sys.argv[1:] or NETWORKS:
        network(name)


if __name__ == "__main__":
    main()
