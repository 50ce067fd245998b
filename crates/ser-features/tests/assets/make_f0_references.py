"""Writes the reference arrays that tests/f0.rs compares with.

    python -m venv venv && venv/bin/pip install librosa==0.11.0 numpy==2.4.6 scipy==1.17.1
    venv/bin/python make_f0_references.py

Signals are stored as 16-bit integers and divided by 32768 on both sides, which is exact, so that both start from the
same bits. librosa gets them as float64.
"""

from importlib.metadata import version
from pathlib import Path

import librosa
import numpy as np

PINNED = {"librosa": "0.11.0", "numpy": "2.4.6", "scipy": "1.17.1"}
HERE = Path(__file__).parent

# Each set of options stands in tests/f0.rs too, under the same name.
YIN = {
    "default": {"fmin": 65.0, "fmax": 600.0, "hop_length": 160},
    "uncentred": {
        "fmin": 50.0, "fmax": 1000.0, "frame_length": 1001, "hop_length": 333, "trough_threshold": 0.25, "center": False,
    },
    "wide": {"fmin": 30.0, "fmax": 8000.0, "frame_length": 1024, "hop_length": 512},
}
PYIN = {
    "default": {"fmin": 65.0, "fmax": 600.0, "hop_length": 160},
    "uncentred": {
        "fmin": 50.0, "fmax": 1000.0, "frame_length": 1001, "hop_length": 333, "center": False, "n_thresholds": 37,
        "beta_parameters": (2.5, 8.0), "boltzmann_parameter": 1.5, "resolution": 0.2, "max_transition_rate": 12.5,
        "switch_prob": 0.05, "no_trough_prob": 0.1,
    },
    "wide": {"fmin": 30.0, "fmax": 8000.0, "frame_length": 1024, "hop_length": 512},
}
SAMPLE_RATE = 16000


def save(name, array, dtype=np.float32):
    np.save(HERE / f"{name}.npy", np.ascontiguousarray(array, dtype=dtype))


def harmonics(f0, envelope):
    """A glottis-like sum of harmonics below 4 kHz that falls by 1 / k."""
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    count = int(4000 / f0.min())
    return envelope * sum(np.where(k * f0 < 4000, np.sin(k * phase + k * k) / k, 0) for k in range(1, count + 1))


def signals():
    rng = np.random.default_rng(5)
    n = 16000
    t = np.arange(n) / SAMPLE_RATE

    # Two syllables with a rising and a falling melody, between them silence and a hiss, all over faint noise.
    first, second = (t > 0.1) & (t < 0.4), (t > 0.65) & (t < 0.95)
    melody = np.where(t < 0.5, 110 * 2 ** (0.8 * t), 260 * 2 ** (-1.2 * (t - 0.65)))
    envelope = np.where(first, np.sin(np.pi * (t - 0.1) / 0.3), 0) + np.where(second, np.sin(np.pi * (t - 0.65) / 0.3), 0)
    hiss = np.where((t > 0.45) & (t < 0.6), 0.1, 0.002) * rng.normal(0, 1, n)
    voice = 0.25 * harmonics(melody, np.clip(envelope, 0, 1)) + hiss

    glide = 0.5 * np.sin(2 * np.pi * np.cumsum(80 * 2 ** (2.8 * t)) / SAMPLE_RATE)
    return {
        "voice": voice,
        # An exponential glide from 80 to 557 Hz.
        "glide": glide[:14000],
        # Three steps of a 16-bit converter.
        "faint": 1e-4 * harmonics(150 * 2 ** (0.3 * np.sin(9 * t)), 0.6)[:6000],
        "hiss": 0.3 * rng.normal(0, 0.3, 6000),
    }


def main():
    for package, pinned in PINNED.items():
        assert version(package) == pinned, f"{package} is {version(package)}, not {pinned}"

    inputs = {name: np.round(32768 * signal).astype(np.int16) for name, signal in signals().items()}
    for name, signal in inputs.items():
        save(f"f0.{name}.signal", signal, np.int16)
    inputs["silence"] = np.zeros(3000, np.int16)
    for name, signal in inputs.items():
        y = signal / 32768.0
        for case, options in YIN.items():
            save(f"f0.{name}.yin_{case}", librosa.yin(y, sr=SAMPLE_RATE, **options))
        for case, options in PYIN.items():
            f0, _, voiced_probability = librosa.pyin(y, sr=SAMPLE_RATE, **options)
            # NaN in f0 is unvoiced.
            save(f"f0.{name}.pyin_{case}", np.stack([f0, voiced_probability], axis=1))


if __name__ == "__main__":
    main()
