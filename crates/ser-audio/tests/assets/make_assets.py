"""Makes the recordings and the reference samples beside this script.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 soundfile==0.14.0 soxr==1.1.0
    apt-get install ffmpeg sox lame flac   # 5.1.9, 14.4.2, 3.100, 1.4.2
    venv/bin/python make_assets.py

The signals are given by formulas that the tests repeat. A `.f32` file holds little-endian samples:
what libsndfile 1.2.2 decodes (mean of the channels; ADPCM: what ffmpeg decodes), or what soxr 0.1.3
(quality HQ) resamples.
"""

import pathlib
import subprocess

import numpy as np
import soundfile
import soxr

HERE = pathlib.Path(__file__).parent


def left(bits, n=1500):
    return (np.arange(n) * 7919 % 20011 - 10005) << (bits - 16)


def right(bits, n=1500):
    return (np.arange(n) * 10473 % 15013 - 7506) << (bits - 16)


def tones(rate, n, pairs):
    """Sines `(hertz, amplitude)` under a Hann window over the whole length."""
    t = np.arange(n) / rate
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
    return hann * sum(a * np.sin(2 * np.pi * f * t) for f, a in pairs)


def run(*command):
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def reference(name):
    samples, _ = soundfile.read(HERE / name, dtype="float32", always_2d=True)
    samples.mean(axis=1).astype("<f4").tofile(HERE / f"{name}.f32")


def reference_of_ffmpeg(name):
    run("ffmpeg", "-y", "-i", HERE / name, "-f", "f32le", HERE / f"{name}.f32")


def lossless():
    stereo = np.stack([left(16), right(16)], axis=1).astype(np.int16)
    soundfile.write(HERE / "source.wav", stereo, 16000, "PCM_16")
    run("flac", "--silent", "--force", "--no-padding", HERE / "source.wav", "-o", HERE / "stereo.flac")
    run("sox", HERE / "source.wav", HERE / "stereo.aiff")
    soundfile.write(HERE / "float64.wav", stereo / 32768, 16000, "DOUBLE", format="WAV")

    # The lowest byte is not zero: 24 bits are really used.
    deep = (left(24) + np.arange(1500) % 251).astype(np.int32) << 8
    soundfile.write(HERE / "mono24.flac", deep, 16000, "PCM_24", format="FLAC")
    (HERE / "source.wav").unlink()


def companded():
    stereo = np.stack([left(16), right(16)], axis=1).astype(np.int16)
    soundfile.write(HERE / "ulaw.wav", stereo, 8000, "ULAW", format="WAV")
    soundfile.write(HERE / "alaw.wav", stereo, 8000, "ALAW", format="WAV")
    smooth = tones(8000, 2000, [(220, 0.4), (950, 0.2)])
    soundfile.write(HERE / "ms_adpcm.wav", smooth, 8000, "MS_ADPCM", format="WAV")
    soundfile.write(HERE / "ima_adpcm.wav", smooth, 8000, "IMA_ADPCM", format="WAV")
    reference("ulaw.wav")
    reference("alaw.wav")
    # libsndfile rounds ADPCM steps in its own way, up to 56 of 32,768 away from the others.
    reference_of_ffmpeg("ms_adpcm.wav")
    reference_of_ffmpeg("ima_adpcm.wav")


def mp3():
    channels = [tones(32000, 8000, [(330, 0.5)]), tones(32000, 8000, [(470, 0.3)])]
    soundfile.write(HERE / "source.wav", np.stack(channels, axis=1), 32000, "PCM_16")
    run("lame", "--quiet", "-b", 96, HERE / "source.wav", HERE / "stereo.mp3")
    run("ffmpeg", "-y", "-i", HERE / "source.wav", "-ac", 1, "-ar", 16000, "-b:a", "32k",
        "-write_xing", 0, "-id3v2_version", 3, "-metadata", "title=untitled", HERE / "untagged.mp3")
    (HERE / "source.wav").unlink()
    reference("stereo.mp3")
    reference("untagged.mp3")


def resampled():
    for source, target in [(48000, 16000), (44100, 16000), (24414, 16000), (22050, 16000),
                           (8000, 16000), (16000, 22050)]:
        lower = min(source, target) / 2
        pairs = [(0.031 * lower, 0.4), (0.37 * lower, 0.3), (0.81 * lower, 0.2)]
        signal = tones(source, source // 25, pairs).astype(np.float32)
        output = soxr.resample(signal, source, target, quality="HQ")
        output.astype("<f4").tofile(HERE / f"soxr_{source}_{target}.f32")


lossless()
companded()
mp3()
resampled()
