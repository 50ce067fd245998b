"""Makes one synthetic utterance and two copies of it, as listeners and archives make them.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 soundfile==0.14.0
    apt-get install ffmpeg   # 5.1.9, with libmp3lame 3.100 and libvorbis 1.3.7
    venv/bin/python make_assets.py

utterance.flac: 16 kHz. copy.mp3: 48 kHz, 64 kbit/s, 6 dB lower, 50 ms of its beginning cut. copy.ogg: 22.05 kHz Vorbis,
quality 1, 120 ms of silence before it.
"""

import pathlib
import subprocess

import numpy as np
import soundfile

assert np.__version__ == "2.4.6" and soundfile.__version__ == "0.14.0"
assert "ffmpeg version 5.1.9" in subprocess.run(["ffmpeg", "-version"], check=True, capture_output=True, text=True).stdout
HERE = pathlib.Path(__file__).parent
RATE = 16000


def utterance(seconds=1.6):
    """Harmonics of a gliding pitch under three gliding formants, in four syllables."""
    t = np.arange(int(seconds * RATE)) / RATE
    points = np.linspace(0, seconds, 9)

    def glide(values):
        return np.interp(t, points, values)

    pitch = glide([110, 140, 125, 150, 118, 132, 108, 120, 95])
    formants = [
        glide([730, 530, 270, 570, 300, 660, 440, 300, 500]),
        glide([1090, 1840, 2290, 840, 870, 1720, 1020, 2240, 1500]),
        glide([2440, 2480, 3010, 2410, 2240, 2410, 2240, 2900, 2500]),
    ]
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = np.zeros_like(t)
    for k in range(1, 50):
        level = sum(np.exp(-(((k * pitch - formant) / 150) ** 2)) for formant in formants) + 0.02
        sound += level / k**0.5 * np.sin(k * phase + k * k)
    syllables = np.abs(np.sin(4 * np.pi * t / seconds)) ** 0.5
    return 0.5 * sound * syllables / np.abs(sound).max()


def ffmpeg(*options):
    subprocess.run(["ffmpeg", "-y", "-v", "error", "-i", HERE / "utterance.flac", *options], check=True)


soundfile.write(HERE / "utterance.flac", utterance(), RATE, "PCM_16")
ffmpeg("-af", "atrim=start=0.05,volume=-6dB", "-ar", "48000", "-c:a", "libmp3lame", "-b:a", "64k", HERE / "copy.mp3")
ffmpeg("-af", "adelay=120", "-ar", "22050", "-c:a", "libvorbis", "-q:a", "1", "-bitexact", HERE / "copy.ogg")
