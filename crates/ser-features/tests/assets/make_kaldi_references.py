"""Writes the reference arrays that tests/kaldi.rs compares with.

    python -m venv venv && venv/bin/pip install kaldi-native-fbank==1.23.0 numpy
    venv/bin/python make_kaldi_references.py

Signals are those that make_references.py stored, so that both sides start from the same bits; numpy only carries and
scales them. Arrays are [frames, bins].
"""

from importlib.metadata import version
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np

PINNED = {"kaldi-native-fbank": "1.23.0"}
HERE = Path(__file__).parent


def signal(name):
    return np.load(HERE / f"{name}.signal.npy")


def compute(feature, samples, *, sample_rate=16000, frame_length=400, hop_length=160, frames={}, mel={}, **options):
    """Runs OnlineFbank or OnlineMfcc over a whole signal; lengths are in samples."""
    milliseconds = 1000 / sample_rate
    frame_opts = knf.FrameExtractionOptions(
        samp_freq=sample_rate,
        # A little more: the lengths in samples are rounded down.
        frame_length_ms=(frame_length + 0.25) * milliseconds,
        frame_shift_ms=(hop_length + 0.25) * milliseconds,
        dither=0,
        **frames,
    )
    mel_opts = knf.MelBanksOptions(**{"num_bins": 23, **mel})
    name = feature.capitalize()
    options = getattr(knf, f"{name}Options")(frame_opts=frame_opts, mel_opts=mel_opts, **options)
    online = getattr(knf, f"Online{name}")(options)
    online.accept_waveform(sample_rate, np.ascontiguousarray(samples, dtype=np.float32))
    online.input_finished()
    return np.stack([online.get_frame(index) for index in range(online.num_frames_ready)])


def save(name, array):
    np.save(HERE / f"kaldi.{name}.npy", np.ascontiguousarray(array, dtype=np.float32))


def main():
    for package, pinned in PINNED.items():
        assert version(package) == pinned, f"{package} is {version(package)}, not {pinned}"

    # Every third frame is kept, to stay small.
    for name in ["noise", "chirp", "clicks", "faint", "silence"]:
        save(f"{name}.fbank", compute("fbank", signal(name))[::3])
        save(f"{name}.mfcc", compute("mfcc", signal(name))[::3])
        # As 16-bit integers: the floor of the logarithm is hardly ever reached.
        save(f"{name}.integers", compute("fbank", 32768 * signal(name), mel={"num_bins": 80})[::9])

    noise = signal("noise")
    offset = noise + np.float32(0.3)
    save("offset", compute("fbank", offset, use_energy=True)[::3])
    save(
        "hamming",
        compute(
            "fbank",
            noise,
            frames={"window_type": "hamming", "snip_edges": False, "preemph_coeff": 0.5},
            use_energy=True,
            raw_energy=False,
        )[::3],
    )
    save(
        "hann",
        compute(
            "fbank",
            offset,
            sample_rate=22050,
            frame_length=551,
            hop_length=220,
            frames={"window_type": "hanning", "remove_dc_offset": False, "preemph_coeff": 0},
            mel={"num_bins": 40, "low_freq": 100, "high_freq": 7000},
            use_power=False,
        )[::3],
    )
    save(
        "blackman",
        compute(
            "fbank",
            noise,
            frame_length=375,
            hop_length=113,
            frames={"window_type": "blackman", "snip_edges": False},
            mel={"low_freq": 0, "high_freq": -500},
        )[::3],
    )
    # Mirrored several times over.
    save("short", compute("fbank", noise[:100], frames={"window_type": "rectangular", "snip_edges": False}))
    save(
        "cepstrum",
        compute("mfcc", noise, mel={"num_bins": 40}, num_ceps=20, use_energy=False, cepstral_lifter=0)[::3],
    )
    # The floor holds some of the frames, not all.
    floored = {"use_energy": True, "raw_energy": False, "energy_floor": 3.3, "cepstral_lifter": 10}
    save("floored", compute("mfcc", noise, frames={"snip_edges": False}, num_ceps=23, **floored)[::3])


if __name__ == "__main__":
    main()
