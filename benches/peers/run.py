"""Prints how much faster this project's features are than those of its peers, on the same work in the same run.

Both sides get the same signals and must give the same numbers, or the row fails. One thread each, except where the
row says two cores. Repetitions alternate between all sides, so that noise hits them alike; medians are compared.

    python benches/peers/run.py [--quick]
"""

from common import HERE, ROOT, TARGET, check_versions

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import joblib
import kaldi_native_fbank
import librosa
import numpy as np
import scipy.fft
import soundfile
import torch

# How long one side repeats before it is the next one's turn, in seconds.
BLOCK = 0.05


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="few repetitions and files: a test of the script")
    quick = arguments.parse_args().quick
    check_versions()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    build()

    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        compare_one_thread(table, folder, rounds=2 if quick else 40)
        compare_files(table, folder, n_files=100 if quick else 1000, rounds=1 if quick else 3)
    table.print()
    sys.exit(0 if table.complete else 1)


def build():
    cargo = ["cargo", "build", "--release", "--quiet"]
    subprocess.run([*cargo, "--target-dir", TARGET / "peers"], cwd=HERE, check=True)
    subprocess.run([*cargo, "--target-dir", TARGET, "--example", "extract_features"], cwd=ROOT, check=True)


def speech(seconds, rate, seed):
    """Something like speech: harmonics of a gliding voice in syllables, over a little noise."""
    generator = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    f0 = generator.uniform(100, 220) * (1 + 0.15 * np.sin(2 * np.pi * generator.uniform(0.4, 1.2) * t))
    phase = 2 * np.pi * np.cumsum(f0) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 13))
    syllables = np.clip(np.sin(2 * np.pi * generator.uniform(2, 4) * t + generator.uniform(0, 6)), 0, None)
    return (0.15 * voice * syllables + 0.01 * generator.standard_normal(t.size)).astype(np.float32)


# ---- One thread ----


class Ours:
    """The Rust side: it times a block of repetitions when asked to."""

    def __init__(self, folder):
        program = TARGET / "peers/release/peers"
        self.process = subprocess.Popen([program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def median(self, work, repetitions):
        print(work, repetitions, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())["median"]


def median(call, repetitions):
    call()
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def interleave(works, rounds):
    """The median seconds of each work: `{name: repetitions -> seconds}`, a block of each in every round."""
    repetitions = {name: max(3, int(BLOCK / work(3))) for name, work in works.items()}
    seconds = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds[name].append(work(repetitions[name]))
    return {name: statistics.median(values) for name, values in seconds.items()}


def compare_one_thread(table, folder, rounds):
    signals = {"paper": speech(2.5, 22_050, 1), "log-mel-80": speech(10, 16_000, 2), "kaldi-80": speech(10, 16_000, 3)}
    for preset, signal in signals.items():
        np.save(folder / f"{preset}.npy", signal)
    ours = Ours(folder)
    peers = {
        "paper": paper_peers(signals["paper"]),
        "log-mel-80": log_mel_peers(signals["log-mel-80"]),
        "kaldi-80": kaldi_peers(kaldi_native_fbank.FbankOptions(), signals["kaldi-80"]),
    }
    seconds = {}
    for preset in signals:
        works = {peer: (lambda n, call=call: median(call, n)) for peer, call in peers[preset].items()}
        for name in ("ours", "floor") if preset == "kaldi-80" else ("ours", "floor", "rosa", "rosa-planned"):
            works[name] = lambda n, work=f"{preset}.{name}": ours.median(work, n)
        seconds[preset] = interleave(works, rounds)
    ours.process.stdin.close()
    ours.process.wait()

    differences = {preset: compare_values(preset, folder, peers[preset]) for preset in signals}

    def row(preset, label, peer, at_least=None):
        """The fastest of the ways to use the peer counts; all of them must agree with ours."""
        ways = {name: value for name, value in seconds[preset].items() if name.startswith(peer)}
        fastest = min(ways, key=ways.get)
        ratio = ways[fastest] / seconds[preset]["ours"]
        agree = max(differences[preset][way] for way in ways)
        target, reached = ("", True) if at_least is None else (f"≥ {at_least} ×", ratio >= at_least)
        table.add(label, fastest, f"{ratio:.1f} × faster", target, reached, agree)

    paper, log_mel = "paper, 2.5 s", "log-mel 80, 10 s"
    row("paper", paper, "librosa, public", 12)
    row("paper", paper, "librosa and numpy")
    row("log-mel-80", log_mel, "kaldi-native-fbank", 8)
    row("kaldi-80", "Kaldi fbank 80, 10 s", "kaldi-native-fbank")
    row("log-mel-80", log_mel, "librosa, public", 4)
    row("log-mel-80", log_mel, "librosa and numpy")
    row("log-mel-80", log_mel, "torch", 2.5)
    row("paper", paper, "rosa", 2)
    row("log-mel-80", log_mel, "rosa", 2)
    for preset, label in (("paper", paper), ("log-mel-80", log_mel)):
        ratio = seconds[preset]["ours"] / seconds[preset]["floor"]
        table.add(label, "the FFTs alone, by realfft", f"{ratio:.2f} × the time", "≤ 1.6 ×", ratio <= 1.6)


def paper_peers(y):
    """The ways to compute the preset `paper`: by librosa's public functions, and with what numpy and scipy can do better."""
    filters = librosa.filters.mel(sr=22_050, n_fft=2048)

    def temporal():
        return librosa.feature.zero_crossing_rate(y), librosa.feature.rms(y=y)

    def plain():
        return *temporal(), librosa.feature.mfcc(y=y, sr=22_050)

    def planned():
        mel = filters @ np.abs(librosa.stft(y)) ** 2
        return *temporal(), librosa.feature.mfcc(S=librosa.power_to_db(mel))

    def scipy_dct():
        spectrum = librosa.stft(y)
        mel = filters @ (spectrum.real**2 + spectrum.imag**2)
        return *temporal(), scipy.fft.dct(librosa.power_to_db(mel), axis=0, norm="ortho")[:20]

    return {
        "librosa, public functions": plain,
        "librosa and numpy, filters made once": planned,
        "librosa and numpy, steps by hand": scipy_dct,
    }


def log_mel_peers(y):
    """The ways to compute the preset `log-mel-80` by librosa, PyTorch and kaldi-native-fbank."""
    frames = {"n_fft": 512, "win_length": 400, "hop_length": 160}
    filters = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=80)

    def decibels(mel):
        return librosa.power_to_db(mel, top_db=None)

    def librosa_plain():
        return decibels(librosa.feature.melspectrogram(y=y, sr=16_000, n_mels=80, **frames))

    def librosa_planned():
        return decibels(filters @ np.abs(librosa.stft(y, **frames)) ** 2)

    def librosa_steps():
        spectrum = librosa.stft(y, **frames)
        return decibels(filters @ (spectrum.real**2 + spectrum.imag**2))

    tensor, matrix, window = torch.from_numpy(y), torch.from_numpy(filters), torch.hann_window(400)

    def torch_log_mel(power):
        spectrum = torch.stft(tensor, **frames, window=window, center=True, pad_mode="constant", return_complex=True)
        return 10 * torch.log10(torch.clamp(matrix @ power(spectrum), min=1e-10))

    # Kaldi's frames of 400 samples are librosa's centred ones where the signal begins half a window earlier. What
    # Kaldi has by default and librosa not is turned off: that makes it faster.
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.preemph_coeff = 0
    options.frame_opts.remove_dc_offset = False
    options.frame_opts.window_type = "hann"
    options.mel_opts.low_freq = 0
    options.mel_opts.is_librosa = True

    return {
        "librosa, public functions": librosa_plain,
        "librosa and numpy, filters made once": librosa_planned,
        "librosa and numpy, steps by hand": librosa_steps,
        "torch, abs": lambda: torch_log_mel(lambda spectrum: spectrum.abs().square()),
        "torch, real and imaginary": lambda: torch_log_mel(lambda x: x.real.square() + x.imag.square()),
    } | kaldi_peers(options, np.pad(y, 200))


def kaldi_peers(options, y):
    """The ways to compute 80 bands by kaldi-native-fbank."""
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = 80
    numbers = y.tolist()

    def fbank(samples):
        online = kaldi_native_fbank.OnlineFbank(options)
        online.accept_waveform(16_000, samples)
        online.input_finished()
        return np.stack([online.get_frame(i) for i in range(online.num_frames_ready)])

    return {"kaldi-native-fbank, list": lambda: fbank(numbers), "kaldi-native-fbank, numpy": lambda: fbank(y)}


def compare_values(preset, folder, peers):
    """For each way to use a peer the largest difference of its values from ours, in units of what is allowed."""
    ours = np.load(folder / f"{preset}.ours.npy")
    arrays = {name: as_array(preset, name, call()) for name, call in peers.items()}
    arrays |= {path.suffixes[-2][1:]: np.load(path) for path in folder.glob(f"{preset}.rosa*.npy")}
    differences = {}
    for name, theirs in arrays.items():
        assert ours.shape == theirs.shape, f"{preset}: ours is {ours.shape}, {name} {theirs.shape}"
        differences[name] = float((np.abs(ours - theirs) / allowed(preset, name)).max())
    return differences


def as_array(preset, name, output):
    """`[frames, bins]` in the units of ours."""
    if name.startswith("kaldi"):
        return output if preset == "kaldi-80" else 10 * np.log10(np.e) * output
    return np.vstack([np.asarray(rows) for rows in output]).T


def allowed(preset, peer):
    """What the values of two exact programs may differ by."""
    if preset == "paper":
        # rosa counts the first sample of every frame as a crossing: one of 2,048. MFCC: librosa's FFT has float64
        # inside, ours float32. One rounding of RMS below 0.5 and 2,048 in its sum.
        return np.array([1.01 / 2048 if peer.startswith("rosa") else 1e-9, 1e-6] + [5e-4] * 20)
    if preset == "kaldi-80":
        return 5e-4  # Natural logarithms: 2e-3 dB.
    # Decibels. librosa and rosa transform in float64, ours in float32; torch and Kaldi in float32 too, on top.
    return 2e-3 if peer.startswith(("torch", "kaldi")) else 1e-3


# ---- Files, two cores ----


def compare_files(table, folder, n_files, rounds):
    """From FLAC at the preset's rate, so that nobody resamples, to `.npy`: the whole command beside a warm pool."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)
    recordings = []
    for seed in range(n_files):
        recordings.append(folder / f"{seed:04}.flac")
        soundfile.write(recordings[-1], speech(2.5, 22_050, seed), 22_050)
    for name in ("ours", "theirs"):
        (folder / name).mkdir()

    pool = joblib.Parallel(n_jobs=2)

    def theirs():
        start = time.perf_counter()
        pool(joblib.delayed(librosa_file)(path, folder / "theirs" / f"{path.stem}.npy") for path in recordings)
        return time.perf_counter() - start

    theirs()
    pairs = [(extract_features(recordings, folder / "ours"), theirs()) for _ in range(rounds)]
    ours, peer = (statistics.median(seconds) for seconds in zip(*((ours[0], peer) for ours, peer in pairs)))
    differences = [
        np.abs(np.load(folder / "ours" / f"{path.stem}.npy") - np.load(folder / "theirs" / f"{path.stem}.npy"))
        for path in recordings
    ]
    agree = max((difference / allowed("paper", "librosa")).max() for difference in differences)
    label = f"{n_files:,} FLAC files to .npy, two cores"
    table.add(label, "librosa and joblib", f"{peer / ours:.1f} × faster", "≥ 8 ×", peer / ours >= 8, agree)

    few = statistics.median(extract_features(recordings[: n_files // 10], folder / "few")[1] for _ in range(3))
    many = statistics.median(ours[1] for ours, _ in pairs)
    label = f"the same, peak memory beside {n_files // 10:,} files"
    table.add(label, "ours", f"{many / few:.2f} × the memory", "≤ 1.1 ×", many / few <= 1.1)


def librosa_file(recording, result):
    y, rate = librosa.load(recording, sr=None)
    rows = librosa.feature.zero_crossing_rate(y), librosa.feature.rms(y=y), librosa.feature.mfcc(y=y, sr=rate)
    np.save(result, np.vstack(rows).T)


def extract_features(recordings, out):
    """Runs the example; its wall time in seconds and its peak memory in KiB."""
    command = [TARGET / "release/examples/extract_features", "--preset", "paper", "--out", out, *recordings]
    start = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | {"RAYON_NUM_THREADS": "2"})
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"extract_features ended with {status}"
    return time.perf_counter() - start, usage.ru_maxrss


class Table:
    def __init__(self):
        self.rows = []
        self.complete = True

    def add(self, work, peer, ours, target, reached, difference=None):
        """`difference`: the largest one in units of what is allowed."""
        agree = difference is None or difference <= 1
        self.complete &= bool(reached and agree)
        agreement = "" if difference is None else f"{'yes' if agree else 'NO'} ({difference:.2f} of the tolerance)"
        self.rows.append((work, peer, ours, target, ("yes" if reached else "NO") if target else "", agreement))

    def print(self):
        rows = [("work", "peer", "ours", "target", "reached", "same values"), *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        rows.insert(1, tuple("-" * width for width in widths))
        for row in rows:
            print("|", " | ".join(cell.ljust(width) for cell, width in zip(row, widths)), "|")


if __name__ == "__main__":
    main()
