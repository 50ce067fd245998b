"""Training steps of the networks beside PyTorch's, in one run on the same cores: prints a table of ratios.

    cargo build --release -p ser-model --example step_time
    python benches/peers-model.py [--rounds N] [--threads N] [--program PATH] [WORK ...]

Needs torch and numpy. Every side is a process of its own; in each round each takes one step, in turn, so that a machine that
is busy is busy for all. A ratio is of medians; memory is the growth of the peak since before the first step. The floor
is what the matrix products of `paper-cnn` alone take, through `gemm`, parallel over utterances.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAPER = {"architecture": "paper-cnn", "groups": []}
TIM_NET = {"architecture": "tim-net"}
RNN = {"architecture": "rnn"}
# Network, batch size, frames, bins, peers.
WORK = {
    "paper-cnn 16": ({**PAPER, "frames": 2376}, 16, 2376, 1, ("f32", "bf16", "floor")),
    "paper-cnn 64": ({**PAPER, "frames": 2376}, 64, 2376, 1, ("f32", "bf16", "floor")),
    "tim-net 64": (TIM_NET, 64, 200, 39, ("f32",)),
    "rnn 32": (RNN, 32, 200, 64, ("f32",)),
}


class Side:
    """A process that takes a step for each line."""

    def __init__(self, command, threads):
        names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | {name: str(threads) for name in names}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.seconds = []

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.seconds.append(float(self.process.stdout.readline()))

    def finish(self):
        """The peak of its memory."""
        self.process.stdin.close()
        memory = int(self.process.stdout.readline())
        self.process.wait()
        return memory


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--program", default=HERE.parent / "target/release/examples/step_time")
    parser.add_argument("work", nargs="*", choices=[[], *WORK], default=list(WORK))
    arguments = parser.parse_args()
    program = str(arguments.program)
    instructions = subprocess.run([program, "features"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{arguments.threads} threads, {arguments.rounds} rounds, matrix products with {instructions}\n")
    print("| step | beside | peer / ours, time | ours / peer, peak memory |\n| --- | --- | --- | --- |")
    for name in arguments.work:
        network, *shape, peers = WORK[name]
        shape = [str(number) for number in shape]
        sides = {"ours": Side([program, json.dumps(network), *shape], arguments.threads)}
        for peer in peers:
            own = [program, "floor", *shape]
            torch = [sys.executable, __file__.replace("peers-model.py", "peers_model_torch.py"), name.split()[0], peer]
            sides[peer] = Side(own if peer == "floor" else [*torch, *shape], arguments.threads)
        for side in sides.values():
            side.step()
            side.seconds.clear()
        for _ in range(arguments.rounds):
            for side in sides.values():
                side.step()
        memory = {name: side.finish() for name, side in sides.items()}
        median = {name: statistics.median(side.seconds) for name, side in sides.items()}
        for peer in peers:
            label = "its products alone" if peer == "floor" else f"PyTorch {peer}"
            of_memory = "" if peer == "floor" else f"{memory['ours'] / max(memory[peer], 1):.2f}"
            print(f"| {name} | {label} | {median[peer] / median['ours']:.2f} | {of_memory} |", flush=True)


if __name__ == "__main__":
    main()
