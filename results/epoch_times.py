"""Measures what an epoch of each configuration, or of those that are named, takes beside one of `compact`, and writes epochs.csv.

    python results/epoch_times.py EMO-DB [CONFIGURATION ...]

Each trains two epochs (the networks on single rows of 2,376 numbers one) on the first of ten random folds of EMO-DB with two threads; the seconds are those of the
training alone, divided by those of `compact`. Run it on a machine that does nothing else.
Those that begin with a model need its file: they are measured where they are named.
"""

import csv
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["compact", "compact-wide", "compact-merged", "compact-merged-emodb", "functionals", "functionals-per-speaker", "tim-net", "rnn", "zhao", "badshah", "paper-frames", "paper", "paper-one-corpus"]


def seconds(corpus, name):
    """The seconds of one epoch."""
    text = (ROOT / f"examples/configs/{name}.toml").read_text()
    epochs = 1 if name in ("paper", "paper-one-corpus") else 2
    text = re.sub(r"(?m)^(\[labels\]\n(\w+ = .*\n)+|labels = .*\n)", "", text)
    text = 'labels = "own"\n' + re.sub(r"max_epochs = \d+", f"max_epochs = {epochs}", text)
    if "max_epochs" not in text:
        text += f"\n[training]\nmax_epochs = {epochs}\n"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_text(text)
        command = ["target/release/examples/cross_validate", "--config", config, "--corpus", f"emodb={corpus}"]
        command += ["--protocol", "random-kfold:10", "--folds", "1", "--out", folder]
        subprocess.run(
            list(map(str, command)),
            check=True,
            cwd=ROOT,
            env=os.environ | {"RAYON_NUM_THREADS": "2"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with open(Path(folder) / "times.csv", newline="") as file:
            row = next(csv.DictReader(file))
    return float(row["training_seconds"]) / int(row["epochs"])


def main():
    corpus, names = Path(sys.argv[1]).resolve(), sys.argv[2:] or NAMES
    subprocess.run(["cargo", "build", "--release", "--workspace", "--example", "cross_validate"], check=True, cwd=ROOT)
    base = seconds(corpus, "compact")
    path = ROOT / "results/epochs.csv"
    ratios = dict(line.split(",") for line in path.read_text().split())
    for name in names:
        ratios[name] = "1" if name == "compact" else f"{seconds(corpus, name) / base:.2g}"
        print(f"{name},{ratios[name]}", flush=True)
    path.write_text("".join(f"{name},{ratio}\n" for name, ratio in ratios.items()))


if __name__ == "__main__":
    main()
