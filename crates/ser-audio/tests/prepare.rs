//! Silence, speech, noise, length, level and warnings.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::f64::consts::TAU;
use std::ops::Range;

use common::{asset_bytes, left};
use proptest::prelude::*;
use ser_audio::{
    Crop, DenoiseOptions, Error, Fill, LengthOptions, Level, PrepareOptions, SilenceOptions, SilenceRemoval,
    VoiceActivityOptions, Warning, Waveform,
};

const RATE: u32 = 16_000;

fn waveform(samples: Vec<f32>) -> Waveform {
    Waveform::new(samples, RATE).unwrap()
}

#[derive(serde::Deserialize)]
struct SilenceCase {
    gains: Vec<i32>,
    segment: usize,
    top_db: f64,
    frame_length: usize,
    hop_length: usize,
    trim: [usize; 2],
    split: Vec<[usize; 2]>,
}

#[test]
fn trim_and_split_have_librosas_indices() {
    let cases: Vec<SilenceCase> = serde_json::from_slice(&asset_bytes("silence.json")).unwrap();
    assert_eq!(cases.len(), 9);
    for case in cases {
        let gain = |i: usize| match case.gains[i / case.segment] {
            0 => 0.0,
            gain => 2f32.powi(-gain),
        };
        let len = case.gains.len() * case.segment;
        let samples = (0..len).map(|i| long_left(i) as f32 / 32768.0 * gain(i)).collect();
        let options =
            SilenceOptions { top_db: case.top_db, frame_length: case.frame_length, hop_length: case.hop_length };
        let waveform = waveform(samples);
        let trim = waveform.trim_range(&options).unwrap();
        assert_eq!([trim.start, trim.end], case.trim, "{:?}", case.gains);
        let split: Vec<_> = waveform.split_ranges(&options).unwrap().iter().map(|r| [r.start, r.end]).collect();
        assert_eq!(split, case.split, "{:?}", case.gains);
    }
}

/// `left` beyond the indices where its product fits.
fn long_left(i: usize) -> i32 {
    left((i % 20_011) as i32)
}

/// Noise of a seed: uniform, so that its root mean square is its amplitude by the root of three.
fn noise(len: usize, rms: f64) -> Vec<f32> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..len).map(|_| (next() * rms * 3f64.sqrt()) as f32).collect()
}

/// A voice of 120 Hz with harmonics to 3.5 kHz that fall by 6 dB an octave, and a root mean square in its syllables.
fn voice(len: usize, syllables: &[(Range<f64>, f64)]) -> Vec<f32> {
    let mut samples = vec![0.0; len];
    for (seconds, rms) in syllables {
        let first = (seconds.start * f64::from(RATE)) as usize;
        let count = ((seconds.end - seconds.start) * f64::from(RATE)) as usize;
        let tone = |i: usize| {
            let t = i as f64 / f64::from(RATE);
            let rise = (std::f64::consts::PI * i as f64 / count as f64).sin().sqrt();
            rise * (1..30).map(|k| (TAU * 120.0 * f64::from(k) * t).sin() / f64::from(k)).sum::<f64>()
        };
        let syllable: Vec<f64> = (0..count).map(tone).collect();
        let level = (syllable.iter().map(|x| x * x).sum::<f64>() / count as f64).sqrt();
        for (y, x) in samples[first..].iter_mut().zip(syllable) {
            *y = (x * rms / level) as f32;
        }
    }
    samples
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x).powi(2)).sum()
}

/// The share of the frames of 10 ms in the wanted ranges that the found ones cover.
fn covered(found: &[Range<usize>], wanted: Range<f64>) -> f64 {
    let samples = (wanted.start * f64::from(RATE)) as usize..(wanted.end * f64::from(RATE)) as usize;
    let hits = samples.clone().filter(|i| found.iter().any(|range| range.contains(i))).count();
    hits as f64 / samples.len() as f64
}

#[test]
fn voice_activity_keeps_soft_speech_in_noise_where_no_one_level_does() {
    let len = 4 * RATE as usize;
    // The second syllable is 26 to 36 dB below the first, and in two recordings as loud as the noise.
    let recordings = [(0.2, 0.01), (0.6, 0.01), (0.2, 0.002)].map(|(loud, rms)| {
        let speech = voice(len, &[(1.0..1.5, loud), (2.4..2.9, 0.01)]);
        waveform(sum(&speech, &noise(len, rms)))
    });
    let pauses = [0.0..0.8, 1.75..2.2, 3.2..4.0];
    for noisy in &recordings {
        let found = noisy.voice_ranges(&VoiceActivityOptions::default()).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(covered(&found, 1.02..1.48) == 1.0 && covered(&found, 2.45..2.85) == 1.0, "{found:?}");
        for pause in &pauses {
            assert_eq!(covered(&found, pause.clone()), 0.0, "{pause:?}: {found:?}");
        }
    }
    let does = |noisy: &Waveform, top_db: f64| {
        let found = noisy.split_ranges(&SilenceOptions { top_db, ..SilenceOptions::default() }).unwrap();
        covered(&found, 2.45..2.85) > 0.99 && pauses.iter().all(|pause| covered(&found, pause.clone()) < 0.01)
    };
    for top_db in 5..60 {
        assert!(!recordings.iter().all(|noisy| does(noisy, f64::from(top_db))), "{top_db} dB");
    }
}

#[test]
fn voice_activity_finds_nothing_in_steady_noise_and_in_silence() {
    let options = VoiceActivityOptions::default();
    for rms in [0.3, 1e-4] {
        assert_eq!(waveform(noise(3 * RATE as usize, rms)).voice_ranges(&options).unwrap(), [], "{rms}");
    }
    for len in [0, 1, 300, 40_000] {
        assert_eq!(waveform(vec![0.0; len]).voice_ranges(&options).unwrap(), [], "{len}");
    }
}

#[test]
fn voice_activity_in_digital_silence_is_the_voice() {
    let speech = voice(2 * RATE as usize, &[(0.5..1.0, 0.1)]);
    let found = waveform(speech).voice_ranges(&VoiceActivityOptions::default()).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    // The span of the envelope reaches 48 ms to either side, a frame 16 more. Where nothing else sounds, the softest
    // part of the voice itself, its rise, counts as noise.
    let (start, end) = (found[0].start as f64 / f64::from(RATE), found[0].end as f64 / f64::from(RATE));
    assert!((0.42..0.52).contains(&start) && (0.98..1.08).contains(&end), "{start} {end}");
}

/// The signal-to-noise ratio in decibels, after the best gain for the clean signal is taken out.
fn snr(clean: &[f32], noisy: &[f32]) -> f64 {
    let dot: f64 = clean.iter().zip(noisy).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    let gain = dot / energy(clean);
    let rest: f64 = clean.iter().zip(noisy).map(|(&a, &b)| (f64::from(b) - gain * f64::from(a)).powi(2)).sum();
    10.0 * (gain * gain * energy(clean) / rest).log10()
}

#[test]
fn noise_reduction_raises_the_signal_to_noise_ratio() {
    let len = 4 * RATE as usize;
    let speech = voice(len, &[(0.5..1.1, 0.1), (1.4..1.9, 0.05), (2.3..3.1, 0.1)]);
    for (wanted, least) in [(0.0, 6.0), (5.0, 6.0), (15.0, 3.0)] {
        let rms = (energy(&speech) / len as f64).sqrt() / 10f64.powf(wanted / 20.0);
        let noisy = sum(&speech, &noise(len, rms));
        let before = snr(&speech, &noisy);
        assert!((before - wanted).abs() < 0.3, "{before}");
        let clean = waveform(noisy).denoise(&DenoiseOptions::default()).unwrap();
        let gain = snr(&speech, clean.samples()) - before;
        assert!(gain > least, "{wanted} dB: {gain} dB better");
    }
}

#[test]
fn noise_reduction_lowers_noise_by_as_much_as_was_asked_for_and_keeps_the_length() {
    let noise = noise(20_011, 0.01);
    let before = energy(&noise);
    for reduction in [6.0, 15.0] {
        let options = DenoiseOptions { reduction, ..DenoiseOptions::default() };
        let quiet = waveform(noise.clone()).denoise(&options).unwrap().into_samples();
        assert_eq!(quiet.len(), noise.len());
        let lower = 10.0 * (before / energy(&quiet)).log10();
        // Bins that chance lifts above the mean pass in part.
        assert!(lower > reduction - 2.5 && lower <= reduction + 0.1, "{reduction}: {lower}");
    }
}

#[test]
fn noise_reduction_leaves_a_recording_without_noise_alone() {
    let speech = voice(RATE as usize, &[(0.3..0.6, 0.1)]);
    let clean = waveform(speech.clone()).denoise(&DenoiseOptions::default()).unwrap();
    // The quietest frames are the edges of the voice: it loses a hundredth of its energy.
    let difference = 10.0 * (energy(&sub(clean.samples(), &speech)) / energy(&speech)).log10();
    assert!(difference < -20.0, "{difference} dB");
    // Noise so faint that the voice above it is beyond the range of a float: it has nothing to lose at all.
    let noisy = sum(&speech, &noise(RATE as usize, 1e-20));
    let clean = waveform(noisy.clone()).denoise(&DenoiseOptions::default()).unwrap();
    assert!(energy(&sub(clean.samples(), &noisy)) < 1e-2 * energy(&noisy));
    for len in [0, 1, 100, 5_000] {
        let silence = waveform(vec![0.0; len]);
        assert_eq!(silence.clone().denoise(&DenoiseOptions::default()).unwrap(), silence, "{len}");
    }
}

fn sub(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

#[test]
fn lengths_are_cropped_centred_padded_and_repeated() {
    let five = || Waveform::new(vec![1.0, 2.0, 3.0, 4.0, 5.0], 1_000).unwrap();
    let fit = |samples: f64, crop, fill| {
        let options = LengthOptions { duration: samples / 1000.0, crop, fill };
        five().with_length(&options).unwrap().into_samples()
    };
    assert_eq!(fit(2.0, Crop::Start, Fill::End), [1.0, 2.0]);
    assert_eq!(fit(2.0, Crop::Center, Fill::End), [2.0, 3.0]);
    assert_eq!(fit(3.0, Crop::Center, Fill::End), [2.0, 3.0, 4.0]);
    assert_eq!(fit(2.0, Crop::End, Fill::End), [4.0, 5.0]);
    assert_eq!(fit(5.0, Crop::End, Fill::Repeat), [1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(fit(8.0, Crop::Start, Fill::End), [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0]);
    assert_eq!(fit(8.0, Crop::Start, Fill::Center), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0]);
    assert_eq!(fit(12.0, Crop::Start, Fill::Repeat), [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 2.0]);

    let empty = Waveform::new(vec![], 1_000).unwrap();
    let repeat = LengthOptions { fill: Fill::Repeat, ..LengthOptions::default() };
    assert!(matches!(empty.clone().with_length(&repeat).unwrap_err(), Error::NoSamples));
    assert_eq!(empty.with_length(&LengthOptions::default()).unwrap().samples(), [0.0; 3000]);
}

#[test]
fn preparing_is_its_steps_one_after_the_other() {
    let len = 4 * RATE as usize;
    let speech = voice(len, &[(1.0..1.5, 0.2), (2.4..2.9, 0.1)]);
    let noisy: Vec<f32> = sum(&speech, &noise(len, 0.005)).iter().map(|x| x + 0.05).collect();
    let (silence, activity) =
        (SilenceOptions { top_db: 20.0, ..SilenceOptions::default() }, VoiceActivityOptions::default());
    let heard =
        waveform(noisy.clone()).without_dc().resample(8_000).unwrap().denoise(&DenoiseOptions::default()).unwrap();
    let (split, voiced) = (heard.split_ranges(&silence).unwrap(), heard.voice_ranges(&activity).unwrap());
    assert!(split.len() > 1 && voiced.len() > 1, "{split:?} {voiced:?}");
    let (all, spoken) = (0..heard.samples().len(), voiced[0].start..voiced[voiced.len() - 1].end);
    let cases = [
        (SilenceRemoval::Keep, vec![all]),
        (SilenceRemoval::Trim(silence.clone()), vec![heard.trim_range(&silence).unwrap()]),
        (SilenceRemoval::Voice(activity), vec![spoken]),
        (SilenceRemoval::Split(silence), split),
    ];
    let mut lengths = Vec::new();
    for (silence, ranges) in cases {
        let kept: Vec<f32> = ranges.into_iter().flat_map(|range| heard.samples()[range].to_vec()).collect();
        lengths.push(kept.len());
        let length = LengthOptions { duration: 5.0, ..LengthOptions::default() };
        let expected = Waveform::new(kept, 8_000).unwrap().with_level(Level::Rms).with_length(&length).unwrap();
        let options = PrepareOptions {
            remove_dc: true,
            sample_rate: Some(8_000),
            denoise: Some(DenoiseOptions::default()),
            silence,
            level: Level::Rms,
            length: Some(length),
        };
        assert_eq!(waveform(noisy.clone()).prepare(&options).unwrap().waveform, expected, "{options:?}");
    }
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths.len(), 4, "each removes something else");
}

#[test]
fn the_shortest_speech_and_pause_are_those_asked_for() {
    let len = 4 * RATE as usize;
    let noisy = waveform(sum(&voice(len, &[(1.0..1.5, 0.2), (2.0..2.2, 0.2)]), &noise(len, 0.01)));
    let n_ranges = |min_speech, min_pause| {
        let options = VoiceActivityOptions { min_speech, min_pause, ..VoiceActivityOptions::default() };
        noisy.voice_ranges(&options).unwrap().len()
    };
    assert_eq!(
        [(0.1, 0.1), (0.1, 1.0), (0.45, 0.1), (0.7, 0.1)].map(|(speech, pause)| n_ranges(speech, pause)),
        [2, 1, 1, 0]
    );
    // Clicks of one sample and of 5 ms.
    let mut clicks = noise(len, 0.01);
    (clicks[RATE as usize], clicks[2 * RATE as usize]) = (0.5, 0.5);
    clicks[3 * RATE as usize..][..RATE as usize / 200].iter_mut().for_each(|x| *x += 0.3);
    assert_eq!(waveform(clicks).voice_ranges(&VoiceActivityOptions::default()).unwrap(), []);
    // Of a recording that is mostly speech, nine tenths are no noise.
    let talk = waveform(sum(&voice(len, &[(0.5..3.9, 0.2)]), &noise(len, 0.01)));
    let covers = |noise_share| {
        let options = VoiceActivityOptions { noise_share, ..VoiceActivityOptions::default() };
        covered(&talk.voice_ranges(&options).unwrap(), 0.6..3.8)
    };
    assert!(covers(0.1) > 0.95 && covers(0.9) < 0.5, "{} {}", covers(0.1), covers(0.9));
}

#[test]
fn clipping_is_three_samples_in_a_row_at_full_scale() {
    let clipped = |samples: Vec<f32>| waveform(samples).warnings();
    let body = noise(1_000, 0.2);
    let with = |peaks: &[f32]| [&body[..500], peaks, &body[500..]].concat();
    assert_eq!(clipped(with(&[0.999, 1.0, 0.7, 1.0, 1.0, 0.2, -1.0])), []);
    let expected = [Warning::Clipped { runs: 2, samples: 7 }];
    assert_eq!(clipped(with(&[1.0, 1.0, 1.0, 0.3, -1.0, -1.0, -1.0, -1.0])), expected);
    // Integers that were written as floating-point numbers; the overshoot of a decoder is none.
    assert_eq!(clipped(with(&[1.9, -2.0])), []);
    assert_eq!(clipped(with(&[12_345.0, -20_000.0])), [Warning::OffScale { peak: 20_000.0 }]);
    // A loud wave that was not clipped has a round top.
    let tone = |i: u32| (TAU * 200.0 * f64::from(i) / f64::from(RATE)).sin() as f32;
    assert_eq!(clipped((0..RATE).map(tone).collect()), []);
}

#[test]
fn silence_is_a_warning_and_not_an_error() {
    let options = PrepareOptions {
        remove_dc: true,
        sample_rate: Some(8_000),
        denoise: Some(DenoiseOptions::default()),
        silence: SilenceRemoval::Voice(VoiceActivityOptions::default()),
        level: Level::Peak,
        length: Some(LengthOptions { duration: 0.5, ..LengthOptions::default() }),
    };
    let prepared = waveform(vec![0.0; RATE as usize]).prepare(&options).unwrap();
    assert_eq!(prepared.warnings, [Warning::Silent { rms: 0.0 }, Warning::NoSpeech]);
    assert_eq!((prepared.waveform.sample_rate(), prepared.waveform.samples()), (8_000, &[0.0; 4_000][..]));
    assert!(matches!(waveform(vec![]).prepare(&options).unwrap_err(), Error::NoSamples));
}

#[test]
fn preparing_does_each_step_in_its_order() {
    let len = 2 * RATE as usize;
    let speech = sum(&voice(len, &[(0.6..1.2, 0.1)]), &vec![0.05; len]);
    let options = PrepareOptions {
        remove_dc: true,
        sample_rate: Some(8_000),
        silence: SilenceRemoval::Trim(SilenceOptions { top_db: 30.0, frame_length: 512, hop_length: 128 }),
        level: Level::Rms,
        ..PrepareOptions::default()
    };
    let prepared = waveform(speech).prepare(&options).unwrap();
    assert_eq!(prepared.warnings, []);
    let duration = prepared.waveform.duration();
    assert!((0.55..0.75).contains(&duration), "{duration}");
    assert!((prepared.waveform.rms() - 0.1).abs() < 1e-6);
    assert_eq!(PrepareOptions::default().silence, SilenceRemoval::Keep);
    let untouched = waveform(noise(500, 0.1));
    assert_eq!(untouched.clone().prepare(&PrepareOptions::default()).unwrap().waveform, untouched);
}

#[test]
fn the_offset_and_the_level_go_where_they_were_asked_to_go() {
    let offset = waveform(sum(&noise(5_000, 0.05), &vec![0.25; 5_000])).without_dc();
    let mean: f64 = offset.samples().iter().map(|&x| f64::from(x)).sum::<f64>() / 5_000.0;
    // Each sample is rounded to f32 once.
    assert!(mean.abs() < 1e-8, "{mean}");
    let level = waveform(noise(5_000, 0.003)).with_level(Level::Rms);
    assert!((level.rms() - 0.1).abs() < 1e-7, "{}", level.rms());
    let silence = waveform(vec![0.0; 7]);
    assert_eq!(silence.clone().with_level(Level::Rms).without_dc(), silence);
}

#[test]
fn options_out_of_range_are_named() {
    let signal = waveform(noise(1_000, 0.1));
    let silence = SilenceOptions::default;
    let voice = VoiceActivityOptions::default;
    let errors = [
        (signal.trim_range(&SilenceOptions { top_db: 0.0, ..silence() }).unwrap_err(), "top-db is 0"),
        (signal.trim_range(&SilenceOptions { hop_length: 0, ..silence() }).unwrap_err(), "hop-length is 0"),
        (signal.trim_range(&SilenceOptions { frame_length: 1 << 20, ..silence() }).unwrap_err(), "hop-length is 512"),
        (
            signal.trim_range(&SilenceOptions { frame_length: usize::MAX, ..silence() }).unwrap_err(),
            "frame-length is 18446744073709551615",
        ),
        (signal.split_ranges(&SilenceOptions { frame_length: 0, ..silence() }).unwrap_err(), "frame-length is 0"),
        (
            signal.voice_ranges(&VoiceActivityOptions { threshold: f64::NAN, ..voice() }).unwrap_err(),
            "threshold is NaN",
        ),
        (signal.voice_ranges(&VoiceActivityOptions { noise_share: 1.5, ..voice() }).unwrap_err(), "noise-share is 1.5"),
        (signal.voice_ranges(&VoiceActivityOptions { min_pause: -1.0, ..voice() }).unwrap_err(), "min-pause is -1"),
        (
            signal.clone().denoise(&DenoiseOptions { reduction: -3.0, ..DenoiseOptions::default() }).unwrap_err(),
            "reduction is -3",
        ),
        (
            signal.with_length(&LengthOptions { duration: 1e9, ..LengthOptions::default() }).unwrap_err(),
            "duration is 1000000000",
        ),
    ];
    for (error, says) in errors {
        assert!(matches!(error, Error::InvalidOption { .. }) && error.to_string().contains(says), "{error}");
    }
}

#[test]
fn options_are_read_from_kebab_case() {
    let json = r#"{"remove-dc": true, "sample-rate": 16000, "denoise": {"reduction": 9.0},
        "silence": {"voice": {"threshold": 8.0}}, "level": "rms", "length": {"duration": 2.5, "fill": "repeat"}}"#;
    let options: PrepareOptions = serde_json::from_str(json).unwrap();
    assert_eq!(options.denoise, Some(DenoiseOptions { reduction: 9.0, noise_share: 0.1 }));
    let voice = VoiceActivityOptions { threshold: 8.0, ..VoiceActivityOptions::default() };
    assert_eq!(options.silence, SilenceRemoval::Voice(voice));
    assert!(serde_json::from_str::<PrepareOptions>(r#"{"trim": true}"#).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn preparing_never_panics_and_stays_finite(
        samples in prop::collection::vec(any::<f32>().prop_filter("finite", |x| x.is_finite()), 1..2_000),
        sample_rate in prop::sample::select(vec![1_u32, 300, 8_000, 768_000]),
        silence in prop::sample::select(vec![
            SilenceRemoval::Trim(SilenceOptions { top_db: 20.0, frame_length: 7, hop_length: 3 }),
            SilenceRemoval::Split(SilenceOptions::default()),
            SilenceRemoval::Voice(VoiceActivityOptions::default()),
        ]),
    ) {
        let options = PrepareOptions {
            remove_dc: true,
            silence,
            level: Level::Rms,
            ..PrepareOptions::default()
        };
        let prepared = Waveform::new(samples, sample_rate).unwrap().prepare(&options).unwrap();
        prop_assert!(prepared.waveform.samples().iter().all(|x| x.is_finite()));
    }
}

#[test]
fn an_offset_does_not_hide_silence() {
    let dead: Vec<f32> = (0..16_000).map(|i| 0.01 + (i % 2) as f32 / 32_768.0).collect();
    assert!(matches!(waveform(dead).warnings()[..], [Warning::Silent { rms }] if rms < 1e-4));
}
