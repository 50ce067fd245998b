"""Writes the reference arrays that tests/librosa.rs compares with.

    python -m venv venv && venv/bin/pip install librosa==0.11.0 numpy==2.4.6 scipy==1.17.1 soxr==0.5.0.post1
    venv/bin/python make_references.py

Signals are stored, so that both sides start from the same bits. librosa runs on float64 samples; every fifth sample of
its results is kept.
"""

from importlib.metadata import version
from pathlib import Path

import librosa
import numpy as np

PINNED = {"librosa": "0.11.0", "numpy": "2.4.6", "scipy": "1.17.1", "soxr": "0.5.0.post1"}
HERE = Path(__file__).parent
SAMPLE_RATE = 22050
WIDE = [-24, -12, 5, 7.5, 12, 24]


def save(name, array):
    np.save(HERE / f"{name}.npy", np.ascontiguousarray(array, dtype=np.float32))


def signals():
    n = 8000
    rng = np.random.default_rng(3)
    t = np.arange(n) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(120 * (1 + 0.2 * np.sin(2 * np.pi * 3 * t))) / SAMPLE_RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 40)) * np.sin(2 * np.pi * 4 * t) ** 2
    return {
        # A voice between 96 and 144 Hz without any noise: bins far below the others get loud later.
        "voice": 0.2 * voice,
        # Up to 8 kHz.
        "chirp": 0.5 * np.sin(2 * np.pi * (100 * t + 7900 / (2 * t[-1]) * t**2)),
        # Digital silence before, between and after.
        "bursts": np.where((t > 0.05) & (t < 0.15) | (t > 0.2) & (t < 0.3), rng.normal(0, 0.1, n), 0),
        "noise": rng.normal(0, 0.1, n),
        "short": rng.normal(0, 0.1, 700),
    }


def main():
    for package, pinned in PINNED.items():
        assert version(package) == pinned, f"{package} is {version(package)}, not {pinned}"

    for name, signal in signals().items():
        y = signal.astype(np.float32)
        save(f"{name}.signal", y)
        y = y.astype(np.float64)
        for rate in [0.8, 1.37]:
            save(f"{name}.stretch_{rate}", librosa.effects.time_stretch(y, rate=rate)[::5])
        for n_steps in [0.7, -3, *(WIDE if name == "noise" else [])]:
            save(f"{name}.pitch_{n_steps}", librosa.effects.pitch_shift(y, sr=SAMPLE_RATE, n_steps=n_steps)[::5])


if __name__ == "__main__":
    main()
