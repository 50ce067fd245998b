"""Writes the references that src/pytorch.rs compares with, each a safetensors file beside this script.

    python3.11 -m venv venv && venv/bin/pip install torch==2.15.0 safetensors==0.8.0 numpy==2.4.6
    venv/bin/python make_references.py

Inputs are float32 and stored, so that both sides start from the same bits. PyTorch computes in float64 and its results
are rounded to float32, so that what differs is the rounding of the code under test. There is no padding and no mask in
the computation: utterances of unequal lengths go through the layers one by one, and batch normalisation sees the
valid frames of all of them in a row.
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

PINNED = {"torch": "2.15.0", "safetensors": "0.8.0", "numpy": "2.4.6"}
HERE = Path(__file__).parent


def save(name, tensors, manifest):
    """Writes a model file: one metadata key, which holds JSON."""
    tensors = {key: tensor.detach().float().contiguous() for key, tensor in tensors.items()}
    save_file(tensors, HERE / f"{name}.safetensors", {"manifest": json.dumps(manifest, sort_keys=True)})


def normal(*shape, scale=1.0, mean=0.0):
    """Random values that float32 holds exactly, as float64."""
    return (mean + scale * torch.randn(*shape, dtype=torch.float32)).double()


def uniform(low, high, *shape):
    return torch.empty(*shape, dtype=torch.float32).uniform_(low, high).double()


def cross_entropy():
    targets = [3, 0, 1, 1, 2, 3]
    class_weights = torch.tensor([0.5, 2.0, 1.25, 0.75])
    tensors = {"logits": normal(6, 4, scale=3.0), "class_weights": class_weights}
    smoothings = [0.0, 0.1, 0.5]
    for index, smoothing in enumerate(smoothings):
        logits = tensors["logits"].clone().requires_grad_()
        weight = class_weights.double()
        loss = F.cross_entropy(logits, torch.tensor(targets), weight, label_smoothing=smoothing)
        loss.backward()
        tensors |= {f"loss.{index}": loss, f"gradient.{index}": logits.grad}
    save("cross_entropy", tensors, {"targets": targets, "label_smoothings": smoothings})


def optimizer(name, build):
    """Ten steps. The gradients range from far below epsilon to far above it, so that its place in the formula shows."""
    steps, learning_rate = 10, 0.03125
    magnitudes = 10.0 ** torch.arange(-8, 2)
    initial = normal(10)
    gradients = (normal(steps, 10, mean=0.5) * magnitudes).float()
    variable = nn.Parameter(initial.clone())
    algorithm = build([variable], learning_rate)
    trajectory = []
    for gradient in gradients:
        variable.grad = gradient.double()
        algorithm.step()
        trajectory.append(variable.detach().clone())
    tensors = {"initial": initial, "gradients": gradients, "trajectory": torch.stack(trajectory)}
    save(name, tensors, {"learning_rate": learning_rate})


def clipped():
    """Two variables, whose gradients are scaled down together in some steps and left alone in others."""
    steps, learning_rate, max_norm = 6, 0.25, 1.5
    initial = [normal(4), normal(3, 2)]
    gradients = [(normal(steps, *variable.shape) * 10.0 ** (torch.arange(steps) - 3).reshape(-1, *[1] * variable.ndim)).float() for variable in initial]
    variables = [nn.Parameter(variable.clone()) for variable in initial]
    algorithm = torch.optim.SGD(variables, learning_rate, momentum=0.5)
    trajectories = [[], []]
    for step in range(steps):
        for variable, gradient in zip(variables, gradients):
            variable.grad = gradient[step].double()
        torch.nn.utils.clip_grad_norm_(variables, max_norm)
        algorithm.step()
        for variable, trajectory in zip(variables, trajectories):
            trajectory.append(variable.detach().clone())
    tensors = {}
    for index in range(2):
        tensors |= {f"initial.{index}": initial[index], f"gradients.{index}": gradients[index]}
        tensors |= {f"trajectory.{index}": torch.stack(trajectories[index])}
    save("clipped", tensors, {"learning_rate": learning_rate, "max_norm": max_norm})


def focal():
    """Weighted focal loss, the definition of Lin et al. with class weights for alpha, divided by the weights' sum."""
    targets, gamma = [3, 0, 1, 1, 2, 3], 2.0
    class_weights = torch.tensor([0.5, 2.0, 1.25, 0.75])
    logits = normal(6, 4, scale=3.0).requires_grad_()
    weights = class_weights.double()[targets]
    p = logits.softmax(1)[range(6), targets]
    loss = -(weights * (1 - p) ** gamma * p.log()).sum() / weights.sum()
    loss.backward()
    tensors = {"logits": logits, "class_weights": class_weights, "loss": loss, "gradient": logits.grad}
    save("focal", tensors, {"targets": targets, "gamma": gamma})


def concordance():
    """1 - CCC, the mean over three columns of which one has another mean and one another spread."""
    predictions = normal(7, 3).requires_grad_()
    truths = normal(7, 3) * torch.tensor([1.0, 1.0, 3.0]) + torch.tensor([0.0, 2.0, 0.0])
    truths = (0.5 * predictions.detach() + truths).float().double()
    means, variances = zip(*[(x.mean(0), x.var(0, unbiased=False)) for x in (predictions, truths)])
    covariance = ((predictions - means[0]) * (truths - means[1])).mean(0)
    loss = (1 - 2 * covariance / (sum(variances) + (means[0] - means[1]) ** 2)).mean()
    loss.backward()
    tensors = {"predictions": predictions, "truths": truths, "loss": loss, "gradient": predictions.grad}
    save("concordance", tensors, None)


def mixup():
    """The loss and gradient of a mixed batch of equally long utterances, as Zhang et al.'s code computes it: mixed inputs, and
    the losses of both targets, mixed."""
    targets, partners, part = [2, 0, 1, 2], [1, 3, 0, 2], 0.6875
    features, weight = normal(4, 3, 2), normal(2, 3).requires_grad_()
    mixed = part * features + (1 - part) * features[partners]
    logits = mixed.mean(1) @ weight
    losses = [F.cross_entropy(logits, torch.tensor(of)) for of in (targets, [targets[index] for index in partners])]
    loss = part * losses[0] + (1 - part) * losses[1]
    loss.backward()
    tensors = {"features": features, "weight": weight, "mixed": mixed, "loss": loss, "gradient": weight.grad}
    save("mixup", tensors, {"targets": targets, "partners": partners, "part": part})


def batch_norm():
    lengths, channels = [6, 1, 4], 3
    # Few values, so that the biased and the unbiased variance differ; one channel of a small variance, for epsilon.
    spread, offset = torch.tensor([1.0, 0.03, 2.0]), torch.tensor([0.5, 1.0, -2.0])
    x = (normal(3, 6, 2, channels) * spread + offset).float()
    residual, grad = normal(3, 6, 2, channels), normal(3, 6, 2, channels)
    initial = {
        "weight": torch.tensor([1.5, -0.75, 0.5]),
        "bias": torch.tensor([0.25, -0.5, 1.0]),
        "running_mean": torch.tensor([0.125, 2.0, -1.0]),
        "running_var": torch.tensor([0.5, 0.25, 3.0]),
    }
    tensors = {"input": x, "residual": residual, "grad": grad}
    tensors |= {f"initial.{name}": value for name, value in initial.items()}

    def valid(padded):
        return torch.cat([padded[index, :n].reshape(-1, channels) for index, n in enumerate(lengths)])

    def padded(rows):
        utterances = rows.split([2 * n for n in lengths])
        return torch.stack([F.pad(u, (0, 0, 0, 12 - len(u))).reshape(6, 2, channels) for u in utterances])

    for case, added in {"alone": torch.zeros_like(residual), "added": residual}.items():
        norm = nn.BatchNorm1d(channels).double()
        norm.load_state_dict(initial, strict=False)
        leaf, added = x.double().requires_grad_(), added.clone().requires_grad_()
        output = torch.relu(norm(valid(leaf)) + valid(added))
        output.backward(valid(grad))
        case_tensors = {
            "output": padded(output),
            "gradient.input": leaf.grad,
            "gradient.residual": added.grad,
            "gradient.weight": norm.weight.grad,
            "gradient.bias": norm.bias.grad,
            "updated.running_mean": norm.running_mean.clone(),
            "updated.running_var": norm.running_var.clone(),
            "evaluated": padded(torch.relu(norm.eval()(valid(leaf)) + valid(added))),
        }
        tensors |= {f"{case}.{name}": tensor for name, tensor in case_tensors.items()}
    save("batch_norm", tensors, {"lengths": lengths})


def taps_first(weight):
    """[out, in, kernel, kernel] to [kernel * kernel * in, out], taps in the order frame, bin, channel."""
    return weight.permute(2, 3, 1, 0).flatten(0, 2)


def conv():
    cases = [[3, 1], [5, 2], [1, 2], [3, 2]]
    tensors = {}
    for index, (kernel, stride) in enumerate(cases):
        x = normal(2, 7 + index, 6 + index // 2, 3).requires_grad_()
        weight = normal(4, 3, kernel, kernel).requires_grad_()
        y = F.conv2d(x.permute(0, 3, 1, 2), weight, stride=stride, padding=(kernel - 1) // 2).permute(0, 2, 3, 1)
        grad = normal(*y.shape)
        y.backward(grad)
        tensors |= {f"input.{index}": x, f"weight.{index}": taps_first(weight), f"output.{index}": y}
        tensors |= {f"grad.{index}": grad, f"gradient.input.{index}": x.grad}
        tensors[f"gradient.weight.{index}"] = taps_first(weight.grad)
    save("conv", tensors, {"cases": cases})


def depthwise():
    cases = [[3, 1], [3, 2], [5, 3]]
    tensors = {}
    for index, (kernel, stride) in enumerate(cases):
        x = normal(2, 7 + index, 6 + index, 5).requires_grad_()
        weight = normal(5, 1, kernel, kernel).requires_grad_()
        convolved = F.conv2d(x.permute(0, 3, 1, 2), weight, stride=stride, padding=(kernel - 1) // 2, groups=5)
        y = convolved.permute(0, 2, 3, 1)
        grad = normal(*y.shape)
        y.backward(grad)
        tensors |= {f"input.{index}": x, f"weight.{index}": taps_first(weight), f"output.{index}": y}
        tensors |= {f"grad.{index}": grad, f"gradient.input.{index}": x.grad}
        tensors[f"gradient.weight.{index}"] = taps_first(weight.grad)
    save("depthwise", tensors, {"cases": cases, "depthwise": True})


class AttentiveStatistics(nn.Module):
    """Okabe et al. 2018, arXiv 1803.10963, with one attention weight for each channel and frame."""

    def __init__(self, channels, attention):
        super().__init__()
        self.hidden = nn.Linear(channels, attention)
        self.scores = nn.Linear(attention, channels)

    def forward(self, frames):
        """[frames, channels] of one utterance to [2 * channels]."""
        weights = self.scores(self.hidden(frames).tanh()).softmax(dim=0)
        mean = (weights * frames).sum(dim=0)
        variance = (weights * (frames - mean) ** 2).sum(dim=0)
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()])


def pooling():
    # The longest, a single frame (whose variance is at the floor), and one between.
    lengths, channels = [7, 1, 4], 5
    module = AttentiveStatistics(channels, 3).double()
    randomise(module)
    x = normal(3, 7, channels, mean=0.5).requires_grad_()
    grad = normal(3, 2 * channels)
    output = torch.stack([module(x[index, :n]) for index, n in enumerate(lengths)])
    output.backward(grad)
    tensors = {"input": x, "grad": grad, "output": output, "gradient.input": x.grad}
    tensors |= {f"initial.{name}": parameter for name, parameter in module.named_parameters()}
    tensors |= {f"gradient.{name}": parameter.grad for name, parameter in module.named_parameters()}
    save("pooling", tensors, {"lengths": lengths})


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut_norm = nn.BatchNorm2d(outputs)

    def forward(self, utterances):
        x = map(torch.relu, normalise(self.norm1, map(self.conv1, utterances)))
        x = normalise(self.norm2, map(self.conv2, x))
        if hasattr(self, "shortcut"):
            utterances = normalise(self.shortcut_norm, map(self.shortcut, utterances))
        return [torch.relu(a + b) for a, b in zip(x, utterances, strict=True)]


def normalise(norm, utterances, dim=2):
    """Normalises the frames of all utterances together."""
    utterances = list(utterances)
    return norm(torch.cat(utterances, dim)).split([utterance.shape[dim] for utterance in utterances], dim)


class Compact(nn.Module):
    def __init__(self, channels, embedding, attention, n_bins, n_classes):
        super().__init__()
        self.stem = nn.Conv2d(1, channels[0], 5, stride=2, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels[0])
        n_bins = -(-n_bins // 2)
        self.blocks = []
        for index, (inputs, outputs) in enumerate(zip(channels, channels[1:])):
            stride = 1 if index == 0 else 2
            n_bins = -(-n_bins // stride)
            self.blocks.append(Block(inputs, outputs, stride))
            self.add_module(f"block{index}", self.blocks[-1])
        self.projection = nn.Linear(n_bins * channels[-1], embedding)
        self.projection_norm = nn.BatchNorm1d(embedding)
        self.pooling = AttentiveStatistics(embedding, attention)
        self.pooled_norm = nn.BatchNorm1d(2 * embedding)
        self.classifier = nn.Linear(2 * embedding, n_classes)

    def forward(self, utterances):
        """Logits [utterances, classes] of utterances [frames, bins]."""
        x = [self.stem(utterance[None, None]) for utterance in utterances]
        x = list(map(torch.relu, normalise(self.stem_norm, x)))
        for block in self.blocks:
            x = block(x)
        # Each frame's bins and then their channels in a row.
        x = [self.projection(utterance[0].permute(1, 2, 0).flatten(1)) for utterance in x]
        x = map(torch.relu, normalise(self.projection_norm, x, dim=0))
        return self.classifier(self.pooled_norm(torch.stack(list(map(self.pooling, x)))))


def randomise(module):
    """Gives every parameter and running statistic a value that matters."""
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(uniform(0.5, 2.0, *tensor.shape))
        elif tensor.ndim > 1:
            tensor.copy_(normal(*tensor.shape, scale=tensor[0].numel() ** -0.5))
        elif tensor.ndim == 1:
            centre = 1.0 if "norm" in name and name.endswith(".weight") else 0.0
            tensor.copy_(normal(*tensor.shape, scale=0.25, mean=centre))


def named(tensors):
    """Names and shapes as the model file has them."""
    return {name: taps_first(t) if t.ndim == 4 else t for name, t in tensors if t.ndim}


def network():
    options = {"channels": [3, 3, 4, 5], "embedding": 6, "attention": 4}
    n_bins, n_classes, learning_rate, epsilon, smoothing = 9, 3, 0.0078125, 1e-3, 0.125
    lengths, targets = [61, 1, 34, 18, 45, 9], [0, 2, 1, 0, 2, 1]
    class_weights = torch.tensor([0.5, 2.0, 1.25])
    utterances = [normal(n, n_bins) for n in lengths]
    model = Compact(**options, n_bins=n_bins, n_classes=n_classes).double()
    randomise(model)
    save("network", named(model.state_dict().items()), {"architecture": "compact", "dropout": 0.0, **options})

    tensors = {f"features.{index}": features for index, features in enumerate(utterances)}
    tensors |= {"class_weights": class_weights, "logits": model.eval()(utterances)}

    def loss(label_smoothing):
        logits = model(utterances)
        return F.cross_entropy(logits, torch.tensor(targets), class_weights.double(), label_smoothing=label_smoothing)

    # Adam divides by |gradient| + epsilon in its first step. The gradient of a shift before a batch normalisation or a
    # softmax is rounding error alone, which the usual epsilon would turn into steps of any size.
    adam = torch.optim.Adam(model.parameters(), learning_rate, eps=epsilon)
    train_losses, valid_losses = [], []
    for step in range(10):
        model.train()
        adam.zero_grad()
        train_losses.append(loss(smoothing))
        train_losses[-1].backward()
        if step == 0:
            gradients = named((name, parameter.grad.clone()) for name, parameter in model.named_parameters())
            tensors |= {f"gradient.{name}": gradient for name, gradient in gradients.items()}
        adam.step()
        model.eval()
        valid_losses.append(loss(0.0))
    tensors |= {"train_losses": torch.stack(train_losses), "valid_losses": torch.stack(valid_losses)}
    manifest = {"targets": targets, "label_smoothing": smoothing, "learning_rate": learning_rate, "epsilon": epsilon}
    save("network_results", tensors, manifest)


def main():
    for package, expected in PINNED.items():
        assert version(package) == expected, f"{package} is {version(package)}, not {expected}"
    torch.manual_seed(11)
    cross_entropy()
    optimizer("adam", lambda parameters, rate: torch.optim.Adam(parameters, rate, eps=1e-7))
    optimizer("rmsprop", lambda parameters, rate: torch.optim.RMSprop(parameters, rate, alpha=0.9, eps=1e-7))
    batch_norm()
    conv()
    pooling()
    network()
    optimizer("adamw", lambda parameters, rate: torch.optim.AdamW(parameters, rate, eps=1e-7, weight_decay=0.125))
    optimizer("sgd", lambda parameters, rate: torch.optim.SGD(parameters, rate, momentum=0.9))
    clipped()
    focal()
    concordance()
    mixup()
    depthwise()


if __name__ == "__main__":
    main()
