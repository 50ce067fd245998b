"""What the scripts beside this one share. Import it before numpy, numba and torch, which read the numbers of threads once."""

import os

for name in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
    os.environ[f"{name}_NUM_THREADS"] = "1"

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


def check_versions(*packages):
    """Ends the program if a package, or any that is pinned where none is named, has another version than the pinned one."""
    for line in (HERE / "requirements.txt").read_text().splitlines():
        package, _, pinned = line.partition("==")
        if not pinned or packages and package not in packages:
            continue
        installed = version(package).split("+")[0]
        if installed != pinned:
            sys.exit(f"{package} is {installed}, but requirements.txt pins {pinned}")


def build_examples(package):
    """Builds the examples of a package and gives their folder. From then on, everything runs on one core."""
    cargo = ["cargo", "build", "--release", "--quiet", "-p", package, "--examples"]
    subprocess.run([*cargo, "--target-dir", TARGET], cwd=ROOT, check=True)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return TARGET / "release/examples"


def voice(seconds, sample_rate, seed=1):
    """A voice-like sound with pauses and a little noise."""
    t = np.arange(int(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * np.cumsum(120 * (1 + 0.2 * np.sin(2 * np.pi * 1.3 * t))) / sample_rate
    sound = sum(np.sin(k * phase) / k for k in range(1, 40)) * np.sin(2 * np.pi * 2 * t) ** 2
    return (0.2 * sound + np.random.default_rng(seed).normal(0, 1e-3, len(t))).astype(np.float32)
