//! Recognition while the sound arrives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{CONFIG, EMOTIONS, Outcome, example, trained, write_wav};
use ser_core::{LiveRecognizer, Recognizer, Segment, Waveform};
use std::time::{Duration, Instant};
use tempfile::tempdir;

/// Three utterances with a pause between, 4.3 s at 16 kHz.
fn talk() -> Waveform {
    let speech = EMOTIONS.map(|emotion| speak(Speaker::numbered(3), emotion, 7, 1.1).into_samples());
    Waveform::new([&speech[0][..], &[0.0; 16_000], &speech[1], &speech[2]].concat(), 16_000).unwrap()
}

fn live(recognizer: &Recognizer, waveform: &Waveform, seconds: f64, chunk: usize) -> Vec<Segment> {
    let mut live = recognizer.live(waveform.sample_rate(), seconds).unwrap();
    let mut segments = Vec::new();
    for samples in waveform.samples().chunks(chunk) {
        segments.extend(live.push(samples).unwrap());
    }
    segments.extend(live.finish().unwrap());
    // Again from the beginning.
    assert!(live.push(&waveform.samples()[..10]).unwrap().is_empty());
    segments
}

#[test]
fn segments_are_those_of_the_timeline_however_the_sound_is_cut() {
    let models = [Recognizer::pretrained().unwrap(), Recognizer::pretrained_nc().unwrap()];
    for (recognizer, rate, seconds) in
        [(&models[0], 16_000, 1.0), (&models[0], 44_100, 0.7), (&models[1], 48_000, 1.3), (&models[0], 22_050, 0.25)]
    {
        let waveform = talk().resample(rate).unwrap();
        let whole = recognizer.timeline(&waveform, seconds).unwrap();
        let cut = live(recognizer, &waveform, seconds, 1_000);
        // Chunks change nothing at all.
        assert_eq!(cut, live(recognizer, &waveform, seconds, 77_777));
        // The timeline's last segment takes in what is left, if it is short.
        assert!(cut.len() == whole.len() || cut.len() == whole.len() + 1);
        for (one, other) in whole.iter().zip(&cut).take(whole.len() - 1) {
            assert_eq!((one.start, one.end), (other.start, other.end));
            let pairs = one.prediction.probabilities().iter().zip(other.prediction.probabilities());
            // The resampler sums what is cut elsewhere in another order: a frame at a threshold may fall to the other side.
            assert!(pairs.into_iter().all(|((_, p), (_, q))| (p - q).abs() < 0.02), "{rate}: {one:?} {other:?}");
        }
        assert!((cut.last().unwrap().end - waveform.duration()).abs() < 1e-4);
        assert!(cut.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}

#[test]
fn a_stretch_with_a_tenth_of_a_second_around_it_is_resampled_as_the_whole_is() {
    for (from, to) in [(48_000, 16_000), (44_100, 16_000), (22_050, 16_000), (8_000, 22_050)] {
        let rate = from as usize;
        let whole = talk().resample(from).unwrap();
        // From 1.3 to 2.6 s, beginning with the whole second before.
        let near = Waveform::new(whole.samples()[rate..rate * 27 / 10].to_vec(), from).unwrap().resample(to).unwrap();
        let whole = whole.resample(to).unwrap();
        let (start, end) = (to as usize * 13 / 10, to as usize * 26 / 10);
        let near = &near.samples()[start - to as usize..end - to as usize];
        let largest = whole.samples()[start..end].iter().zip(near).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        // A hundred times the rounding of a sum of such samples.
        assert!(largest < 1e-5, "{from} → {to}: {largest}");
    }
}

#[test]
fn sound_that_ends_with_a_segment_has_no_other_after_it() {
    let recognizer = Recognizer::pretrained().unwrap();
    // Multiples that binary fractions round below the end.
    for (rate, samples, seconds, expected) in
        [(8_000, 9_120, 1.14, 1), (8_000, 9_120, 0.57, 2), (16_000, 26_240, 0.41, 4), (16_000, 14_400, 0.3, 3)]
    {
        let sound: Vec<f32> = (0..samples).map(|i| 0.3 * (i as f32 * 0.1).sin()).collect();
        let segments = live(&recognizer, &Waveform::new(sound, rate).unwrap(), seconds, 1_000);
        assert_eq!(segments.len(), expected, "{rate} {seconds}: {segments:?}");
    }
}

#[test]
fn what_is_left_and_too_short_for_the_features_loses_no_segment() {
    let config = format!(
        "{CONFIG}\n[features]\ndeltas = [{{ width = 9 }}]\nfeatures = ['rms']\n[normalizer]\nutterance_mean = 'keep'"
    );
    let recognizer = Recognizer::from_bytes(&trained(&config)).unwrap();
    let samples = talk().into_samples();
    let mut live = recognizer.live(16_000, 1.0).unwrap();
    // 20 ms of the second segment.
    assert!(live.push(&samples[..16_320]).unwrap().is_empty());
    let segments = live.finish().unwrap();
    assert_eq!((segments.len(), segments[0].end), (1, 1.0));
}

#[test]
fn features_of_more_than_a_quarter_of_a_second_are_heard_in_longer_segments() {
    // 31 frames 10 ms apart.
    let config = format!(
        "{CONFIG}\n[features]\ndeltas = [{{ width = 31 }}]\nfeatures = ['rms']\n[normalizer]\nutterance_mean = 'keep'"
    );
    let recognizer = Recognizer::from_bytes(&trained(&config)).unwrap();
    let error = recognizer.live(16_000, 0.25).unwrap_err().to_string();
    assert!(error.contains("at least 4800 are needed"), "{error}");
    let samples = talk().into_samples();
    let mut live = recognizer.live(16_000, 1.0).unwrap();
    // 0.27 s of the second segment.
    live.push(&samples[..20_320]).unwrap();
    assert!(live.finish().unwrap().is_empty());
    assert_eq!(live.push(&samples[..40_000]).unwrap().len(), 2, "ready for another sound");
}

#[test]
fn every_segment_is_as_long_as_the_next() {
    // 31 frames 10 ms apart need the whole of 0.3 s; as a product of binary fractions, the third end is below its sample.
    let config = format!(
        "{CONFIG}\n[features]\ndeltas = [{{ width = 31 }}]\nfeatures = ['rms']\n[normalizer]\nutterance_mean = 'keep'"
    );
    let recognizer = Recognizer::from_bytes(&trained(&config)).unwrap();
    let sound = Waveform::new(talk().samples()[..32_000].to_vec(), 16_000).unwrap();
    let short = Waveform::new(talk().samples()[..4_600].to_vec(), 16_000).unwrap();
    assert!(recognizer.recognize(&short).unwrap_err().is_too_short());
    // Of 2 s, what is left joins the last segment of a timeline, and is too short for one of its own while it arrives.
    for (seconds, expected) in [(0.3, 6), (0.35, 5)] {
        let ends = |segments: Vec<Segment>| segments.iter().map(|segment| segment.end).collect::<Vec<_>>();
        let (whole, cut) =
            (ends(recognizer.timeline(&sound, seconds).unwrap()), ends(live(&recognizer, &sound, seconds, 1_000)));
        assert_eq!((whole.len(), cut.len()), (expected, expected));
        assert_eq!(whole[..expected - 1], cut[..expected - 1]);
        assert_eq!(whole[expected - 1], 2.0);
        assert!((cut[expected - 1] - seconds * expected as f64).abs() < 1e-9);
    }
}

#[test]
fn what_is_left_and_too_short_to_normalise_by_itself_loses_no_segment() {
    let config = format!("{CONFIG}\n[normalizer]\nscope = 'utterance'\nutterance_mean = 'keep'");
    let recognizer = Recognizer::from_bytes(&trained(&config)).unwrap();
    let sound = Waveform::new(talk().samples()[..32_080].to_vec(), 16_000).unwrap();
    let segments = live(&recognizer, &sound, 1.0, 1_000);
    assert_eq!(segments.iter().map(|segment| segment.end).collect::<Vec<_>>(), [1.0, 2.0]);
}

#[test]
fn what_is_forty_decibels_below_the_loudest_is_no_speech() {
    let recognizer = Recognizer::pretrained().unwrap();
    let voice = speak(Speaker::numbered(3), EMOTIONS[0], 7, 1.0).into_samples();
    let at = |decibels: f32| voice.iter().map(|x| x * 10f32.powf(decibels / 20.0)).collect::<Vec<_>>();
    let scene = Waveform::new([at(0.0), at(-50.0), at(-30.0)].concat(), 16_000).unwrap();
    let speech = |segments: Vec<Segment>| segments.iter().map(|segment| segment.speech).collect::<Vec<_>>();
    assert_eq!(voice.len(), 16_000);
    assert_eq!(speech(recognizer.timeline(&scene, 1.0).unwrap()), [true, false, true]);
    assert_eq!(speech(live(&recognizer, &scene, 1.0, 1_000)), [true, false, true]);
}

#[test]
fn a_segment_is_given_a_tenth_of_a_second_after_its_end() {
    let recognizer = Recognizer::pretrained().unwrap();
    let mut live = recognizer.live(16_000, 1.0).unwrap();
    let samples = talk().into_samples();
    assert!(live.push(&samples[..17_599]).unwrap().is_empty());
    assert_eq!(live.push(&samples[17_599..17_600]).unwrap().len(), 1);
}

#[test]
fn what_cannot_be_heard_is_refused_and_the_rest_goes_on() {
    let recognizer = Recognizer::pretrained().unwrap();
    for (rate, seconds, reason) in [(16_000, 0.1, "0.25 to 30 s"), (16_000, f64::NAN, "0.25 to 30 s"), (0, 1.0, "rate")]
    {
        let error = recognizer.live(rate, seconds).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let mut live = recognizer.live(16_000, 1.0).unwrap();
    assert!(live.push(&[0.1, f32::NAN]).is_err());
    assert!(live.finish().unwrap().is_empty());
}

#[test]
fn the_example_plays_a_file_in_real_time() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("talk.wav");
    write_wav(&path, &talk());
    let start = Instant::now();
    let outcome = Outcome::of(example("live").arg("--input").arg(&path).args(["--timeline", "1", "--json"])).success();
    assert!(start.elapsed() > Duration::from_secs(4));
    let lines = outcome.json_lines();
    let starts: Vec<f64> = lines.iter().map(|line| line["start"].as_f64().unwrap()).collect();
    assert_eq!(starts, [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert!(lines.iter().all(|line| line["emotion"].is_string() && line["speech"].is_boolean()), "{lines:?}");
}

#[test]
fn sessions_own_what_they_need_and_go_to_other_threads() {
    let open = || -> LiveRecognizer { Recognizer::pretrained().unwrap().live(16_000, 1.0).unwrap() };
    let sessions: Vec<LiveRecognizer> = vec![open(), open()];
    let threads: Vec<_> = sessions
        .into_iter()
        .map(|mut session| std::thread::spawn(move || session.push(talk().samples()).unwrap()))
        .collect();
    let segments: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(segments[0].len() == 4 && segments[0] == segments[1]);
}
