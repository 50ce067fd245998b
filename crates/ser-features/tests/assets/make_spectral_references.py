"""Writes the reference arrays that tests/spectral.rs, delta.rs, functionals.rs and pre_emphasis.rs compare with.

    python -m venv venv && venv/bin/pip install librosa==0.11.0 numpy==2.4.6 scipy==1.17.1
    venv/bin/python make_spectral_references.py

The signals are those of make_references.py. Inputs are float32 and stored, so that both sides start from the same
bits. Where librosa would itself round sums to float32, it is given float64 copies of them, so that the references
have no error of their own: "in float64" below. Arrays are [frames, bins], as ser-features has them.
"""

from importlib.metadata import version
from pathlib import Path

import librosa
import numpy as np
import scipy.stats
from librosa import feature

PINNED = {"librosa": "0.11.0", "numpy": "2.4.6", "scipy": "1.17.1"}
HERE = Path(__file__).parent


def save(name, array):
    np.save(HERE / f"{name}.npy", np.ascontiguousarray(array, dtype=np.float32))


def magnitudes():
    """Frames of each signal at 16 kHz, then made ones: what is silent, nearly so, or one bin alone."""
    frames = []
    for name in ["noise", "chirp", "clicks", "faint"]:
        y = np.load(HERE / f"{name}.signal.npy")
        frames.append(np.abs(librosa.stft(y, n_fft=512, hop_length=160, win_length=400)).T[3::12])
    made = np.zeros((4, 257))
    made[1] = 1e-40
    made[2, 40] = 3.0
    made[3] = np.random.default_rng(3).uniform(1e-9, 5e-9, 257)
    return np.concatenate([*frames, made.astype(np.float32)])


def descriptors(S, sr, n_fft):
    """One column for each descriptor and option, one row for each frame."""
    shape = {"S": S, "sr": sr}
    in_float64 = S.astype(np.float64)
    return np.concatenate(
        [
            feature.spectral_centroid(**shape, n_fft=n_fft),
            feature.spectral_bandwidth(**shape, n_fft=n_fft),
            feature.spectral_bandwidth(**shape, n_fft=n_fft, p=3.5),
            feature.spectral_rolloff(**shape, n_fft=n_fft),
            feature.spectral_rolloff(**shape, n_fft=n_fft, roll_percent=0.1),
            feature.spectral_flatness(S=in_float64),
            feature.spectral_flatness(S=in_float64, power=1.0, amin=1e-6),
            feature.rms(S=in_float64, frame_length=n_fft, dtype=np.float64),
        ]
    ).T


def spectral():
    S = magnitudes()
    save("spectral.magnitude", S)
    save("spectral.descriptors", descriptors(S.T, 16000, 512))
    in_float64 = S.T.astype(np.float64)
    save("spectral.contrast", feature.spectral_contrast(S=in_float64, sr=16000, n_fft=512).T)
    # Bins on the bands' edges; bands of 14, 26 and 50 bins: 0.05 * 50 and 0.25 times each are halves, rounded to even.
    wide = {"sr": 16000, "n_fft": 512, "fmin": 375.0, "n_bands": 4}
    save("spectral.contrast_wide", feature.spectral_contrast(S=in_float64, **wide, quantile=0.05).T)
    save("spectral.contrast_linear", feature.spectral_contrast(S=in_float64, **wide, quantile=0.25, linear=True).T)

    # An odd transform has no bin at half the sample rate.
    odd = np.random.default_rng(5).gamma(0.5, 2.0, (4, 188)).astype(np.float32)
    save("spectral.odd_magnitude", odd)
    save("spectral.odd_descriptors", descriptors(odd.T, 22050, 375))
    save("spectral.odd_contrast", feature.spectral_contrast(S=odd.T.astype(np.float64), sr=22050, n_fft=375).T)

    # From the samples, as a user of librosa computes them.
    for name in ["noise", "chirp", "clicks", "faint", "silence"]:
        y = np.load(HERE / f"{name}.signal.npy")
        stft = {"n_fft": 512, "hop_length": 160, "win_length": 400}
        columns = [
            feature.spectral_centroid(y=y, sr=16000, **stft),
            feature.spectral_bandwidth(y=y, sr=16000, **stft),
            feature.spectral_rolloff(y=y, sr=16000, **stft),
            feature.spectral_flatness(y=y, **stft),
            feature.spectral_contrast(y=y, sr=16000, **stft),
        ]
        save(f"{name}.spectral", np.concatenate(columns).T)


def delta():
    rng = np.random.default_rng(17)
    # Like MFCC: a large offset, a drift, and bins that wander about 0. Ten bins: more than are summed at once.
    offset = np.array([-500, 80, 0, 0, 0, 0, 0, 0, 0, 1e-3])
    x = (offset + rng.normal(0, 20, (15, 10)).cumsum(axis=0)).astype(np.float32)
    save("delta.input", x)
    for mode in ["interp", "nearest", "mirror", "constant", "wrap"]:
        # In float64: scipy fits the edges in the precision of its input.
        outputs = [
            feature.delta(x.T.astype(np.float64), width=width, order=order, mode=mode).T
            for width, order in [(9, 1), (9, 2), (3, 1), (5, 4), (15, 3)]
        ]
        save(f"delta.{mode}", outputs)
        if mode != "interp":
            # Fewer frames than half the window: the padding goes round more than once.
            short = [feature.delta(x[:n].T.astype(np.float64), width=9, mode=mode).T for n in (1, 2, 3)]
            save(f"delta.{mode}_short", np.concatenate(short))


def functionals():
    rng = np.random.default_rng(23)
    t = np.arange(37)
    x = np.stack(
        [rng.normal(3, 2, 37), rng.gamma(1, 5, 37) - 500, 0.25 * t - 7, np.round(rng.normal(0, 1, 37))], axis=1
    ).astype(np.float32)
    save("functionals.input", x)
    for name, n in [("functionals", 37), ("functionals.four_frames", 4)]:
        v = x[:n].astype(np.float64)
        percentiles = [np.percentile(v, q, axis=0) for q in (0, 5, 12.5, 50, 95, 100)]
        slopes = [scipy.stats.linregress(t[:n], column).slope for column in v.T]
        rows = [v.mean(0), v.std(0), v.min(0), v.max(0), np.ptp(v, 0), *percentiles, slopes]
        save(name, np.stack([*rows, scipy.stats.skew(v, 0), scipy.stats.kurtosis(v, 0)], axis=1))


def pre_emphasis():
    y = np.load(HERE / "noise.signal.npy")[:600]
    save("noise.preemphasis", [librosa.effects.preemphasis(y, coef=coef) for coef in (0.97, 0.5)])
    # In float64: librosa's own filter accumulates float32 roundings.
    inverse = [librosa.effects.deemphasis(y.astype(np.float64), coef=coef) for coef in (0.97, 0.5)]
    save("noise.deemphasis", inverse)


def main():
    for package, pinned in PINNED.items():
        assert version(package) == pinned, f"{package} is {version(package)}, not {pinned}"
    spectral()
    delta()
    functionals()
    pre_emphasis()


if __name__ == "__main__":
    main()
