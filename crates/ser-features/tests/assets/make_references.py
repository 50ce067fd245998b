"""Writes the reference arrays that tests/librosa.rs compares with.

    python -m venv venv && venv/bin/pip install librosa==0.11.0 numpy==2.4.6 scipy==1.17.1
    venv/bin/python make_references.py

Signals are float32 and stored, so that both sides start from the same bits. librosa transforms in float64 and rounds
to float32. Arrays are [frames, bins], as ser-features has them.
"""

from importlib.metadata import version
from pathlib import Path

import librosa
import numpy as np
import scipy.fft
import scipy.signal

PINNED = {"librosa": "0.11.0", "numpy": "2.4.6", "scipy": "1.17.1"}
HERE = Path(__file__).parent


def save(name, array, dtype=np.float32):
    np.save(HERE / f"{name}.npy", np.ascontiguousarray(array, dtype=dtype))


def signals():
    """Half a second at 16 kHz each, but for the silence."""
    n = 8000
    rng = np.random.default_rng(7)
    t = np.arange(n) / 16000
    speechlike = np.sin(2 * np.pi * 40 * t) ** 2 * rng.normal(0, 0.1, n)
    noise = rng.normal(0, 0.1, n)
    # Values on both sides of the threshold below which a sample counts as zero.
    noise[100:108] = [1e-10, -1e-10, 2e-10, -2e-10, 0.0, -0.0, 5e-11, -5e-11]
    clicks = np.zeros(n)
    clicks[::731] = np.where(np.arange(len(clicks[::731])) % 2, -0.9, 0.8)
    return {
        "noise": noise,
        "chirp": 0.5 * np.sin(2 * np.pi * (100 * t + (7000 - 100) / (2 * t[-1]) * t**2)),
        "clicks": clicks,
        "faint": 1e-4 * speechlike,
        "silence": np.zeros(3000),
    }


def main():
    for package, pinned in PINNED.items():
        assert version(package) == pinned, f"{package} is {version(package)}, not {pinned}"

    for name, signal in signals().items():
        y = signal.astype(np.float32)
        save(f"{name}.signal", y)

        # The default feature set: centred windows of 400 in transforms of 512, 64 bands. For the STFT every fifth
        # frame is kept, to stay small.
        stft = librosa.stft(y, n_fft=512, hop_length=160, win_length=400)
        save(f"{name}.stft", stft.T[::5], np.complex64)
        mel = librosa.feature.melspectrogram(
            S=np.abs(stft) ** 2, sr=16000, n_fft=512, n_mels=64, fmin=50, fmax=8000
        )
        save(f"{name}.mel", mel.T)
        save(f"{name}.log_mel", librosa.power_to_db(mel).T)

        # The paper's set at its own rate, as if the samples were at 22,050 Hz.
        zcr = librosa.feature.zero_crossing_rate(y)
        rms = librosa.feature.rms(y=y)
        mfcc = librosa.feature.mfcc(y=y, sr=22050, n_mfcc=20)
        save(f"{name}.paper", np.concatenate([zcr, rms, mfcc]).T)

    y = signals()["noise"].astype(np.float32)
    # An odd transform, a hop that divides nothing, and no centring.
    save("noise.uncentred_stft", librosa.stft(y, n_fft=375, hop_length=113, win_length=300, center=False).T[::5], np.complex64)
    frames = {"frame_length": 375, "hop_length": 113, "center": False}
    save("noise.uncentred_zcr", librosa.feature.zero_crossing_rate(y, **frames)[0])
    save("noise.uncentred_rms", librosa.feature.rms(y=y, **frames)[0])

    names = ["hann", "hamming", "blackman", "boxcar"]
    save("windows_periodic", [scipy.signal.get_window(name, 51) for name in names])
    save("windows_symmetric", [scipy.signal.get_window(name, 51, fftbins=False) for name in names])

    for mode in ["reflect", "edge"]:
        stft = librosa.stft(y, n_fft=256, hop_length=512, win_length=200, window="hamming", pad_mode=mode)
        save(f"noise.{mode}_stft", stft.T[[0, 1, -1]], np.complex64)

    rng = np.random.default_rng(5)
    spectra = (rng.normal(size=(33, 9)) + 1j * rng.normal(size=(33, 9))).astype(np.complex64)
    save("istft.input", spectra.T, np.complex64)
    shape = {"n_fft": 64, "hop_length": 20, "win_length": 60}
    save("istft.centred", librosa.istft(spectra.astype(np.complex128), **shape))
    save("istft.uncentred", librosa.istft(spectra.astype(np.complex128), center=False, **shape))

    power = np.load(HERE / "noise.mel.npy")[:3]
    save("decibel.max", librosa.power_to_db(power, ref=np.max, amin=1e-4, top_db=30.0))
    decibels = librosa.amplitude_to_db(power, ref=0.5, top_db=None)
    save("decibel.amplitude", decibels)
    save("decibel.to_power", librosa.db_to_power(decibels.astype(np.float32), ref=2.0))
    save("decibel.to_amplitude", librosa.db_to_amplitude(decibels.astype(np.float32), ref=2.0))

    log_mel = np.load(HERE / "noise.log_mel.npy")[:4]
    save("mfcc.liftered", librosa.feature.mfcc(S=log_mel.T, n_mfcc=13, lifter=22).T)
    save("mel_40_htk_bands", librosa.filters.mel(sr=22050, n_fft=512, n_mels=40, fmin=133.0, fmax=6854.0, htk=True, norm=None))

    # The presets, every tenth frame.
    chirp = signals()["chirp"].astype(np.float32)
    frames = {"n_fft": 512, "win_length": 400, "hop_length": 160}
    for n_mels in [80, 128]:
        mel = librosa.feature.melspectrogram(y=chirp, sr=16000, n_mels=n_mels, **frames)
        save(f"preset.log-mel-{n_mels}", librosa.power_to_db(mel, top_db=None).T[::10])
    mfcc = librosa.feature.mfcc(
        y=chirp, sr=22050, n_mfcc=39, n_fft=2048, win_length=1102, hop_length=276, window="hamming"
    )
    save("preset.mfcc-39", mfcc.T[::10])
    stft = librosa.stft(chirp, window="hamming", **frames)
    save("preset.spectrogram", librosa.power_to_db(np.abs(stft) ** 2).T[::10])
    save("mel_40_bands", librosa.filters.mel(sr=22050, n_fft=512, n_mels=40, fmin=133.0, fmax=6854.0))
    ramp = np.random.default_rng(11).normal(-40, 15, (3, 26)).astype(np.float32)
    save("dct.input", ramp)
    save("dct.output", scipy.fft.dct(ramp.astype(np.float64), axis=1, type=2, norm="ortho")[:, :13])


if __name__ == "__main__":
    main()
