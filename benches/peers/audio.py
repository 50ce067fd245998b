"""Compares ser-audio's decoding with ffmpeg and its resampling with soxr, one thread, and prints ratios.

    apt-get install ffmpeg hyperfine
    python benches/peers/audio.py

Decoding: hyperfine on whole processes, in turn, that read ten minutes of a synthetic voice (44.1 kHz, stereo, with
noise) and write a mono WAV of 16 kHz and 16 bits to /dev/null. ffmpeg resamples with its own swresample (its default
filter of 32 taps), not with soxr.

Resampling: soxr (quality HQ, float32) and `Waveform::resample`, in turn. Both give a new array. soxr plans anew for
each clip; ser-audio keeps its last plan, as it does for the files of a corpus.

The ratios are of the fastest runs, which other programs disturb least.
"""

from common import build_examples, check_versions, voice

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

ROUNDS = 7
REPETITIONS = 41
TARGET = 0.8


def row(name, ours, peer):
    """Prints how many times as fast we are, and says whether that is enough."""
    ratio = peer / ours
    print(f"{name:<34}{ratio:>14.2f}{TARGET:>8}  {'reached' if ratio >= TARGET else 'NOT REACHED'}", flush=True)
    return ratio >= TARGET


def fastest(command, report):
    subprocess.run(["hyperfine", "-N", "--warmup=1", "--runs=3", f"--export-json={report}", command],
                   check=True, capture_output=True)
    return json.loads(report.read_text())["results"][0]["min"]


def decoding(examples, folder):
    minute = np.stack([voice(60, 44100, 1), 0.7 * voice(60, 44100, 2)], axis=1)
    soundfile.write(folder / "ten.wav", np.tile(minute, (10, 1)), 44100, "PCM_16")
    for name, options in [("ten.flac", []), ("ten.mp3", ["-b:a", "128k"])]:
        file = folder / name
        encode = ["ffmpeg", "-v", "error", "-y", "-i", folder / "ten.wav", *options, file]
        subprocess.run(encode, check=True, stdin=subprocess.DEVNULL)
        ours = f"{examples / 'decode'} {file} /dev/null"
        peer = f"ffmpeg -nostdin -v error -threads 1 -i {file} -ac 1 -ar 16000 -f wav -y /dev/null"
        times = [(fastest(ours, folder / "report"), fastest(peer, folder / "report")) for _ in range(ROUNDS)]
        yield row(f"ten minutes of {name[4:].upper()}, ffmpeg", *(min(column) for column in zip(*times)))


def resampling(examples, folder):
    for seconds in [3, 10, 60]:
        for rate in [44100, 48000]:
            clip = voice(seconds, rate)
            clip.tofile(folder / "clip.f32")
            command = [examples / "resample_timing", folder / "clip.f32"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
            with subprocess.Popen(command, **pipes) as ours:
                times = []
                for _ in range(REPETITIONS):
                    print(rate, 16000, file=ours.stdin, flush=True)
                    mine = float(ours.stdout.readline().split()[0])
                    start = time.perf_counter()
                    soxr.resample(clip, rate, 16000, quality="HQ")
                    times.append((mine, time.perf_counter() - start))
                ours.stdin.close()
            yield row(f"{rate} → 16000 Hz, {seconds} s, soxr HQ", *(min(column) for column in zip(*times)))


def main():
    check_versions("numpy", "soundfile", "soxr")
    examples = build_examples("ser-audio")
    print(f"{'what, and beside what':<34}{'times as fast':>14}{'target':>8}")
    with tempfile.TemporaryDirectory() as folder:
        reached = [*resampling(examples, Path(folder)), *decoding(examples, Path(folder))]
    sys.exit(0 if all(reached) else 1)


if __name__ == "__main__":
    main()
