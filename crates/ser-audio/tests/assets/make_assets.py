"""Makes the recordings and the reference samples beside this script.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 soundfile==0.14.0 soxr==1.1.0 librosa==0.11.0
    apt-get install ffmpeg sox lame flac   # 5.1.9, 14.4.2, 3.100, 1.4.2
    venv/bin/python make_assets.py

The signals are given by formulas that the tests repeat. A `.f32` file holds little-endian samples:
what libsndfile 1.2.2 decodes (mean of the channels; ADPCM: what ffmpeg decodes), or what soxr 0.1.3
(quality HQ) resamples. Two files differ at every run, in the time that they state: `float64.wav` (chunk PEAK) and
`stereo.aiff` (chunk COMT).
"""

import json
import pathlib
import re
import subprocess

import librosa
import numpy as np
import soundfile
import soxr

HERE = pathlib.Path(__file__).parent


def check_versions():
    """Refuses other versions than those that made the files beside this script: they may write other bytes."""

    def says(*command):
        result = subprocess.run(command, capture_output=True, text=True)
        return re.search(r"\d+\.\d+(\.\d+)?", result.stdout + result.stderr).group()

    pinned = {"numpy": "2.4.6", "soundfile": "0.14.0", "libsndfile": "1.2.2", "soxr": "1.1.0",
              "libsoxr": "0.1.3-14-ga66f3ee", "librosa": "0.11.0", "ffmpeg": "5.1.9", "sox": "14.4.2",
              "lame": "3.100", "flac": "1.4.2"}
    found = {"numpy": np.__version__, "soundfile": soundfile.__version__,
             "libsndfile": soundfile.__libsndfile_version__, "soxr": soxr.__version__,
             "libsoxr": soxr.__libsoxr_version__, "librosa": librosa.__version__,
             "ffmpeg": says("ffmpeg", "-version"), "sox": says("sox", "--version"),
             "lame": says("lame", "--version"), "flac": says("flac", "--version")}
    assert found == pinned, f"found {found}, pinned {pinned}"


check_versions()


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


def ffmpeg(source, target, *options):
    run("ffmpeg", "-y", "-i", source, "-fflags", "+bitexact", "-flags", "+bitexact", *options, HERE / target)


def containers():
    """Ogg Vorbis, AAC and ALAC in M4A, and what is refused."""
    channels = [tones(16000, 4000, [(330, 0.5)]), tones(16000, 4000, [(470, 0.3)])]
    source = HERE / "source.wav"
    soundfile.write(source, np.stack(channels, axis=1), 16000, "PCM_16")
    ffmpeg(source, "stereo.ogg", "-c:a", "libvorbis", "-q:a", 1)
    ffmpeg(source, "aac.m4a", "-c:a", "aac", "-b:a", "48k", "-aac_pns", 0)
    ffmpeg(HERE / "aac.m4a", "fragmented.m4a", "-c", "copy", "-movflags", "empty_moov+default_base_moof",
           "-frag_duration", 100000)
    reference("stereo.ogg")
    # ffmpeg 5.1 cuts the delay that the edit list states, and not the padding after the 4,000 frames.
    run("ffmpeg", "-y", "-i", HERE / "aac.m4a", "-f", "f32le", source.with_suffix(".f32"))
    stereo = np.fromfile(source.with_suffix(".f32"), "<f4").reshape(-1, 2)
    stereo[:4000].mean(axis=1).astype("<f4").tofile(HERE / "aac.m4a.f32")
    source.with_suffix(".f32").unlink()

    stereo = np.stack([left(16), right(16)], axis=1).astype(np.int16)
    soundfile.write(source, stereo, 16000, "PCM_16")
    ffmpeg(source, "alac.m4a", "-c:a", "alac")
    ffmpeg(source, "opus.ogg", "-c:a", "libopus", "-b:a", "8k", "-ac", 1)
    ffmpeg(source, "opus.webm", "-c:a", "libopus", "-b:a", "8k", "-ac", 1)
    ffmpeg(source, "opus.mp4", "-c:a", "libopus", "-b:a", "8k", "-ac", 1)
    ffmpeg(source, "video.mp4", "-f", "lavfi", "-i", "color=size=16x16:rate=10:duration=0.1", "-c:v", "mpeg4",
           "-c:a", "aac", "-b:a", "8k", "-ac", 1, "-shortest")

    # Long enough for a part after which, and before which, nothing is decoded.
    n = 8000 * 3
    t = np.arange(n) / 8000
    chirp = 0.4 * np.sin(2 * np.pi * (100 * t + 500 * t**2)) * np.sin(np.pi * 3 * t) ** 2
    soundfile.write(source, chirp, 8000, "PCM_16")
    ffmpeg(source, "long.ogg", "-c:a", "libvorbis", "-q:a", 0)
    ffmpeg(source, "long.mp3", "-c:a", "libmp3lame", "-b:a", "16k")
    ffmpeg(source, "long.m4a", "-c:a", "aac", "-b:a", "12k", "-aac_pns", 0, "-movflags", "+faststart")
    soundfile.write(source, np.round(chirp * 100) / 32768, 8000, "PCM_16")
    ffmpeg(source, "long.flac", "-c:a", "flac", "-frame_size", 1024)
    source.unlink()


def resampled():
    for source, target in [(48000, 16000), (44100, 16000), (24414, 16000), (22050, 16000),
                           (8000, 16000), (16000, 22050)]:
        lower = min(source, target) / 2
        pairs = [(0.031 * lower, 0.4), (0.37 * lower, 0.3), (0.81 * lower, 0.2)]
        signal = tones(source, source // 25, pairs).astype(np.float32)
        output = soxr.resample(signal, source, target, quality="HQ")
        output.astype("<f4").tofile(HERE / f"soxr_{source}_{target}.f32")


def silences():
    """What librosa.effects.trim and split give for noise whose level changes every `segment` samples."""
    cases = []
    for gains, segment, top_db, frame_length, hop_length in [
        ([0, 0, 1, 1, 0, 0], 3000, 60, 2048, 512),
        ([0, 10, 1, 6, 3, 11, 9], 2500, 40, 2048, 512),
        ([5, 0, 12, 0, 12, 4], 4000, 30, 1024, 256),
        ([12, 2, 12, 2, 12, 2, 12], 1700, 20, 401, 160),
        ([3, 12, 3], 700, 35, 512, 700),
        ([13, 1, 13], 900, 60, 2048, 512),
        ([0], 1, 60, 2048, 512),
        ([24], 5000, 60, 2048, 512),
        ([1, 9, 2], 1000, 25, 1, 3),
    ]:
        # 0 is silence, g is a level of 2^-g.
        gain = np.repeat([0.0 if g == 0 else 2.0**-g for g in gains], segment)
        signal = (left(16, len(gain)) / 32768 * gain).astype(np.float32)
        options = {"top_db": top_db, "frame_length": frame_length, "hop_length": hop_length}
        trim = librosa.effects.trim(signal, **options)[1]
        split = librosa.effects.split(signal, **options)
        cases.append({"gains": gains, "segment": segment, **options, "trim": trim.tolist(), "split": split.tolist()})
    lines = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "silence.json").write_text(f"[\n{lines}\n]\n")


lossless()
companded()
mp3()
containers()
resampled()
silences()
