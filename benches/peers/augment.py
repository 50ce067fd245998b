"""Compares ser-augment with librosa and audiomentations on one 2.5 s clip, one thread, and prints ratios.

    python benches/peers/augment.py

Both sides are timed in turn, one application each, so that noise hits both; the ratio is of the medians. Each side gives
a new array and leaves the clip as it is. "copy" is what the ratio would be if a step of ours were nothing but a copy of
the clip: where that is below the target, as it is for gain, shift and crop, which numpy does in one pass over memory, no
step that gives a new array can reach it. librosa gets float32, which is faster for it.
"""

from common import build_examples, check_versions, voice

import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import audiomentations as am
import librosa
import numpy as np
import soundfile

SAMPLE_RATE = 22050
REPETITIONS = 41


def room_response():
    n = SAMPLE_RATE // 2
    response = np.random.default_rng(2).normal(0, 0.05, n) * 10 ** (-3 * np.arange(n) / n)
    response[0] = 1
    return response


def peers(y, folder):
    """Yields (name, target, our step, the peer)."""
    soundfile.write(folder / "noise.wav", np.tile(y, 2), SAMPLE_RATE)
    soundfile.write(folder / "room.wav", room_response(), SAMPLE_RATE)

    def audiomentation(transform):
        return lambda: transform(samples=y, sample_rate=SAMPLE_RATE)

    yield "time stretch 0.8", 6, {"kind": "time-stretch"}, lambda: librosa.effects.time_stretch(y, rate=0.8)
    yield "pitch shift 0.7", 6, {"kind": "pitch-shift"}, lambda: librosa.effects.pitch_shift(y, sr=SAMPLE_RATE, n_steps=0.7)
    noise = {"kind": "noise", "snr": [5, 40]}
    yield "gaussian noise", 5, {"kind": "gaussian-noise"}, audiomentation(am.AddGaussianNoise(p=1))
    yield "white noise, SNR", 5, noise, audiomentation(am.AddGaussianSNR(5, 40, p=1))
    for colour, decay in [("pink", -3.01), ("brown", -6.02)]:
        peer = am.AddColorNoise(5, 40, min_f_decay=decay, max_f_decay=decay, p=1)
        yield f"{colour} noise", 5, noise | {"source": colour}, audiomentation(peer)
    yield "noise bank", 5, noise | {"source": "bank"}, audiomentation(am.AddBackgroundNoise(folder / "noise.wav", 5, 40, p=1))
    yield "gain", 5, {"kind": "gain"}, audiomentation(am.Gain(p=1))
    yield "shift", 5, {"kind": "shift"}, audiomentation(am.Shift(-5000, 5000, "samples", fade_duration=0.0, p=1))
    yield "speed", 5, {"kind": "speed"}, audiomentation(am.Resample(20045, 24500, p=1))
    reverberation = {"kind": "reverberation", "rt60": [0.5, 0.5]}
    yield "reverberation 0.5 s", 5, reverberation, audiomentation(am.ApplyImpulseResponse(folder / "room.wav", p=1))
    band = am.BandPassFilter(1000, 1000, 1.99, 1.99, 24, 24, p=1)
    yield "band-pass", 5, {"kind": "band-pass"}, audiomentation(band)
    yield "clipping", 5, {"kind": "clipping"}, audiomentation(am.ClippingDistortion(p=1))
    # AdjustDuration gives a view of its input; a copy makes a new array of it.
    crop = audiomentation(am.AdjustDuration(duration_seconds=2.0, p=1))
    yield "crop 2 s", 5, {"kind": "random-crop", "seconds": [2, 2]}, lambda: crop().copy()


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    check_versions("audiomentations", "librosa", "numpy", "scipy", "soundfile", "soxr")
    program = build_examples("ser-augment") / "timing"
    warnings.filterwarnings("ignore")
    # glibc gives memory back to the system after each step, until a program has freed a large array once.
    np.zeros(1 << 22, np.float32).sum()
    y = voice(2.5, SAMPLE_RATE)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        y.tofile(folder / "clip.f32")
        command = [program, folder / "clip.f32", str(SAMPLE_RATE)]
        ours = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        print(f"{'step':<22}{'times as fast':>14}{'target':>8}{'':16}{'copy':>8}")
        for name, target, step, peer in peers(y, folder):
            times = []
            for _ in range(REPETITIONS + 3):
                print(json.dumps(step), file=ours.stdin, flush=True)
                copied, applied = map(float, ours.stdout.readline().split())
                times.append((copied, applied, seconds(peer)))
            copied, applied, theirs = (statistics.median(column) for column in zip(*times[3:]))
            ratio, ceiling = theirs / applied, theirs / copied
            verdict = "reached" if ratio >= target else "NOT REACHED" if ceiling >= target else "a copy misses"
            missed += ratio < target
            print(f"{name:<22}{ratio:>14.1f}{target:>8}  {verdict:<14}{ceiling:>8.1f}", flush=True)
        ours.stdin.close()
        ours.wait()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
