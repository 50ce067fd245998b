"""Training and inference of the networks beside PyTorch and ONNX Runtime, in one run on the same cores: prints a table.

    python benches/peers/model.py [--rounds N] [--threads N] [WORK ...]

Needs benches/peers/requirements.txt, and builds what it needs. Every side is a process of its own; in each round each takes one step, in turn, so that a
machine that is busy is busy for all. A ratio is of medians; memory is the growth of the peak since before the first step.
The floor is what the matrix products of `paper-cnn` alone take, through `gemm`, parallel over utterances. bfloat16 autocast
is at its best with AMX: the first line says whether this machine has it.
"""

import argparse
import json
import math
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLES = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "release/examples"
PAPER = {"architecture": "paper-cnn", "groups": [], "frames": 2376}
# Network, batch size, frames, bins, and for each peer how many times as fast ours must be.
STEPS = {
    "compact 32": ({"architecture": "compact"}, 32, 300, 64, {"f32": 2}),
    "paper-cnn 16": (PAPER, 16, 2376, 1, {"f32": 2, "bf16": 0.8, "floor": 1 / 1.5}),
    "paper-cnn 64": (PAPER, 64, 2376, 1, {"f32": 2, "bf16": 0.8, "floor": 1 / 1.5}),
    "tim-net 64": ({"architecture": "tim-net"}, 64, 200, 39, {"f32": 2}),
    "rnn 32": ({"architecture": "rnn"}, 32, 200, 64, {"f32": 2}),
    "zhao 8": ({"architecture": "zhao"}, 8, 251, 128, {"f32": 1.2}),
}
INFERENCE = "paper-cnn inference"
SPEECH = "compact on speech"
MEMORY = 0.8
REAL_TIME = 500


class Side:
    """A process that takes a step for each line."""

    def __init__(self, command, threads):
        names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | {name: str(threads) for name in names}
        command = [str(word) for word in command]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.seconds = []

    def step(self):
        """Takes three steps in a row, as training does, and keeps the times of the last two."""
        # The threads of the side before wait busily for some time.
        time.sleep(0.1)
        for turn in range(3):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            seconds = float(self.process.stdout.readline())
            if turn > 0:
                self.seconds.append(seconds)

    def finish(self):
        """The peak of its memory."""
        self.process.stdin.close()
        memory = int(self.process.stdout.readline())
        self.process.wait()
        return memory


def ours(network, *arguments):
    return [EXAMPLES / "step_time", json.dumps(network), *arguments]


def peer(network, kind, *arguments):
    return [sys.executable, HERE / "model_torch.py", network["architecture"], kind, *arguments]


def measure(commands, threads, rounds):
    """Median seconds and peak memory of each side."""
    sides = {name: Side(command, threads) for name, command in commands.items()}
    for side in sides.values():
        side.step()
        side.seconds.clear()
    for _ in range(rounds):
        for side in sides.values():
            side.step()
    memory = {name: side.finish() for name, side in sides.items()}
    return {name: statistics.median(side.seconds) for name, side in sides.items()}, memory


def row(work, beside, ratio, target, at_most=False):
    reached = ratio <= target if at_most else ratio >= target
    sign = "≤" if at_most else "≥"
    print(f"| {work} | {beside} | {ratio:.2f} × | {sign} {target:.2g} × | {'yes' if reached else 'NO'} |", flush=True)
    return reached


def compare_steps(name, threads, rounds):
    network, *shape, targets = STEPS[name]
    commands = {"ours": ours(network, *shape)}
    for kind in targets:
        floor = [EXAMPLES / "step_time", "floor", *shape]
        commands[kind] = floor if kind == "floor" else peer(network, kind, *shape)
    median, memory = measure(commands, threads, rounds)
    reached = True
    for kind, target in targets.items():
        if kind == "floor":
            reached &= row(f"{name}, step", "its products alone, time", median["ours"] / median[kind], 1.5, at_most=True)
        else:
            reached &= row(f"{name}, step", f"PyTorch {kind}", median[kind] / median["ours"], target)
    if name == "paper-cnn 64":
        reached &= row(f"{name}, step", "PyTorch f32, memory", memory["ours"] / memory["f32"], MEMORY, at_most=True)
    return reached


def compare_inference(rounds):
    reached = True
    for threads in (1, 2):
        shape = (1, 2376, 1)
        commands = {"ours": ours(PAPER, *shape, "infer")}
        commands |= {kind: peer(PAPER, kind, *shape, "infer") for kind in ("f32", "onnx")}
        median, _ = measure(commands, threads, 5 * rounds)
        best = min(("f32", "onnx"), key=median.get)
        label = {"f32": "PyTorch", "onnx": "ONNX Runtime"}[best]
        work = f"{INFERENCE}, batch 1, {threads} thread{'s' * (threads > 1)}"
        reached &= row(work, f"{label}, the better of both", median[best] / median["ours"], 1)
    return reached


def write_glide(path, seconds, hertz, rate=16_000):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (0.3 * math.sin(t * (hertz + 40 * t)) for t in (i / rate for i in range(seconds * rate)))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", int(32767 * x)) for x in samples))


def compact_model(folder):
    """A model of the default configuration after an epoch on synthetic tones: as fast as any other."""
    for number, emotion in enumerate(("angry", "sad")):
        for speaker in range(6):
            write_glide(folder / "corpus" / emotion / str(speaker) / "a.wav", 2, 400 + 1_300 * speaker + 650 * number)
    config = folder / "compact.toml"
    config.write_text('labels = "own"\n[training]\nmax_epochs = 1\n')
    command = [EXAMPLES / "train", "--config", config, "--corpus", f"folder={folder / 'corpus'}", "--out", folder / "out"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "out" / "model.safetensors"


def compare_speech(rounds, seconds=3, n_files=100):
    """The example `recognize` with a `compact` model, from files: what many files take more than one, on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        write_glide(path, seconds, 600)
        model = compact_model(Path(folder))

        def run(n):
            command = [EXAMPLES / "recognize", "--model", model, "--json", *[path] * n]
            start = time.perf_counter()
            environment = os.environ | {"RAYON_NUM_THREADS": "1"}
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            return time.perf_counter() - start

        times = [(run(1 + n_files) - run(1)) / n_files for _ in range(rounds)]
    return row(f"{SPEECH}, 3 s, features, 1 thread", "real time", seconds / statistics.median(times), REAL_TIME)


def main():
    works = [*STEPS, INFERENCE, SPEECH]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("work", nargs="*", metavar="WORK", help=", ".join(works))
    arguments = parser.parse_args()
    unknown = set(arguments.work) - set(works)
    if unknown:
        parser.error(f"no such work: {', '.join(unknown)}; there are {', '.join(works)}")
    examples = [word for name in ("step_time", "recognize", "train") for word in ("--example", name)]
    subprocess.run(["cargo", "build", "--release", "--quiet", "--workspace", *examples], cwd=ROOT, check=True)
    command = [EXAMPLES / "step_time", "features"]
    instructions = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    flags = Path("/proc/cpuinfo").read_text()
    has = ", ".join(f"{name}: {'yes' if name in flags else 'no'}" for name in ("amx_bf16", "avx512_bf16"))
    print(f"{arguments.threads} threads, {arguments.rounds} rounds; ours with {instructions}; PyTorch's bf16 with {has}\n")
    print("| work | beside | ratio | target | reached |\n| --- | --- | --- | --- | --- |")
    reached = True
    for work in arguments.work or works:
        if work == INFERENCE:
            reached &= compare_inference(arguments.rounds)
        elif work == SPEECH:
            reached &= compare_speech(arguments.rounds)
        else:
            reached &= compare_steps(work, arguments.threads, arguments.rounds)
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
