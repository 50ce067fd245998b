//! Figures over time are where the numbers say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::f32::consts::TAU;

use common::{image_pixels, number, parse, points, texts};
use ndarray::{Array2, array};
use ser_report::{Bins, Error, MelScale, Panel, Spectrogram, spectrogram, time_panels, waveform};

const LINEAR: Bins = Bins::Linear { nyquist: 8000.0 };
const MEL: Bins = Bins::Mel { fmin: 0.0, fmax: 8000.0, scale: MelScale::Htk };

fn of(decibels: &Array2<f32>, bins: Bins) -> Spectrogram<'_> {
    Spectrogram { decibels: decibels.view(), hop: 0.1, first: 0.0, bins }
}

#[test]
fn a_few_samples_are_drawn_as_points_where_time_and_amplitude_say() {
    let svg = waveform("Three", &[0.5, -1.0, 0.25], 2).unwrap().to_svg();
    let document = parse(&svg);
    let trace = points(&document, "trace");
    let (zero, second) = (common::tick(&document, "0.0", 'x'), common::tick(&document, "1.0", 'x'));
    // Samples at 0, 0.5 and 1 s.
    assert!((trace[0][0] - zero).abs() < 0.02 && (trace[2][0] - second).abs() < 0.02, "{trace:?}");
    assert!((trace[1][0] - (zero + second) / 2.0).abs() < 0.02);
    let (silence, one) = (common::tick(&document, "0", 'y'), common::tick(&document, "1", 'y'));
    for (point, sample) in trace.iter().zip([0.5, -1.0, 0.25]) {
        assert!((point[1] - (silence - sample * (silence - one))).abs() < 0.02, "{point:?} for {sample}");
    }
}

#[test]
fn a_click_between_pixels_is_still_seen() {
    // One sample of a minute's 960,000: 1,500 samples share a pixel.
    let mut samples = vec![0.0; 960_000];
    samples[480_007] = 0.5;
    let svg = waveform("A click", &samples, 16_000).unwrap().to_svg();
    assert!(svg.len() < 40_000, "{} bytes", svg.len());
    let document = parse(&svg);
    let wave = points(&document, "wave");
    let peak = wave.iter().min_by(|a, b| a[1].total_cmp(&b[1])).unwrap();
    let middle = common::tick(&document, "30", 'x');
    assert!((peak[0] - middle).abs() < 1.1, "the click at 30 s is drawn at {peak:?}, not {middle}");
    let (silence, half) = (common::tick(&document, "0.0", 'y'), common::tick(&document, "0.5", 'y'));
    assert!((silence - peak[1] - (silence - half)).abs() < 0.05, "{peak:?}");
}

#[test]
fn the_heat_map_has_time_to_the_right_and_frequency_upwards() {
    // 0 dB at the second frame's highest bin, 80 dB below elsewhere.
    let mut decibels = Array2::from_elem((4, 3), -80.0);
    decibels[[1, 2]] = 0.0;
    let svg = spectrogram("One point", of(&decibels, LINEAR)).unwrap().to_svg();
    let (width, height, pixels) = image_pixels(&parse(&svg), 0);
    assert_eq!((width, height), (4, 3));
    for (index, colour) in pixels.iter().enumerate() {
        // The ends of viridis: matplotlib's #440154 and #fde725.
        let expected = if index == 1 { [0xfd, 0xe7, 0x25] } else { [0x44, 0x01, 0x54] };
        assert_eq!(*colour, expected, "pixel {index}");
    }
}

#[test]
fn the_middle_of_a_bin_lies_at_its_frequency() {
    for (bins, count) in [(LINEAR, 5), (MEL, 7)] {
        let decibels = Array2::from_shape_fn((4, count), |(frame, bin)| (frame * bin) as f32);
        let svg = spectrogram("Bins", of(&decibels, bins)).unwrap().to_svg();
        let document = parse(&svg);
        let image = document.descendants().find(|node| node.has_tag_name("image")).unwrap();
        let top = number(image, "y") + number(image.parent().unwrap(), "y");
        let step = number(image, "height") / count as f64;
        let middle = |bin: usize| top + (count as f64 - bin as f64 - 0.5) * step;
        match bins {
            // Five bins from 0 to 8,000 Hz: the second at 2,000 Hz, the third at 4,000 Hz.
            Bins::Linear { .. } => {
                assert!((middle(1) - common::tick(&document, "2,000", 'y')).abs() < 0.05);
                assert!((middle(2) - common::tick(&document, "4,000", 'y')).abs() < 0.05);
            }
            // Seven bands between nine edges evenly spaced in mel; HTK: mel(8000) = 2840.02, of which 1000 Hz has 0.35211.
            Bins::Mel { .. } => {
                let [bottom, top] = ["0", "8,000"].map(|text| common::tick(&document, text, 'y'));
                let kilohertz = common::tick(&document, "1,000", 'y');
                assert!(((bottom - kilohertz) / (bottom - top) - 0.352_11).abs() < 1e-4);
                for bin in 0..count {
                    let share = (bottom - middle(bin)) / (bottom - top);
                    assert!((share - (bin as f64 + 1.0) / 8.0).abs() < 1e-3, "band {bin} at {share}");
                }
            }
        }
        // Frames are 0.1 s apart, the first one's middle at 0 s, the third one's at 0.2 s.
        let left = number(image, "x") + number(image.parent().unwrap(), "x");
        let third = left + 2.5 * number(image, "width") / 4.0;
        assert!((third - common::tick(&document, "0.20", 'x')).abs() < 0.05);
    }
}

#[test]
fn pooling_keeps_the_loudest_point_and_says_so() {
    let mut decibels = Array2::from_elem((1603, 515), -60.0);
    decibels[[1203, 301]] = 0.0;
    let figure = spectrogram("Long", of(&decibels, LINEAR)).unwrap();
    assert!(figure.description().contains("each pixel shows the loudest of the points that it covers"));
    let (width, height, pixels) = image_pixels(&parse(&figure.to_svg()), 0);
    assert_eq!((width, height), (800, 256));
    let loud: Vec<usize> = pixels
        .iter()
        .enumerate()
        .filter(|(_, colour)| **colour == [0xfd, 0xe7, 0x25])
        .map(|(index, _)| index)
        .collect();
    assert_eq!(loud.len(), 1);
    let (column, row) = (loud[0] % width, height - 1 - loud[0] / width);
    assert!((column as f64 / 800.0 - 1203.0 / 1603.0).abs() < 1.0 / 800.0, "{column}");
    assert!((row as f64 / 256.0 - 301.0 / 515.0).abs() < 1.0 / 256.0, "{row}");
}

#[test]
fn panels_share_their_ranges() {
    let (loud, soft) = (array![[0.0, -40.0], [-10.0, -70.0]], array![[-30.0, -60.0], [-50.0, -40.0]]);
    let panels = [
        Panel::Waveform { label: "Loud", samples: &[0.0, 1.0, 0.0, -1.0], sample_rate: 4 },
        Panel::Waveform { label: "Soft", samples: &[0.0, 0.5], sample_rate: 4 },
        Panel::Spectrogram { label: "Loud", spectrogram: of(&loud, LINEAR) },
        Panel::Spectrogram { label: "Soft", spectrogram: of(&soft, MEL) },
    ];
    let figure = time_panels("Four", &panels).unwrap();
    let svg = figure.to_svg();
    let document = parse(&svg);
    assert!(texts(&document).iter().filter(|text| *text == "Loud").count() == 2);
    let heights: Vec<f64> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("trace"))
        .map(|node| {
            let points = common::path_points(node);
            points[0][1] - points[1][1]
        })
        .collect();
    assert!((heights[0] - 2.0 * heights[1]).abs() < 0.02, "{heights:?}");
    // -30 dB is the soft one's loudest, but not the figure's: 40/70 of the way from -70 to 0 dB, viridis[146].
    let (_, _, pixels) = image_pixels(&document, 2);
    assert_eq!(pixels[2], [0x1f, 0xa1, 0x87], "{pixels:?}");
    assert!(figure.description().contains("Soft: mel spectrogram of 2 frames and 2 bins"));
}

#[test]
fn weights_lie_over_the_levels() {
    let decibels = array![[0.0, -40.0], [-10.0, -70.0]];
    let weights = array![[0.0, 2.0], [-1.0, 0.0]];
    let panel = Panel::Attribution { label: "", spectrogram: of(&decibels, LINEAR), weights: weights.view() };
    let figure = time_panels("Why", &[panel]).unwrap();
    assert!(figure.description().contains("The largest weight is at 0.00 s and 8,000 Hz."), "{}", figure.description());
    // Levels, weights, bar.
    let svg = figure.to_svg();
    assert_eq!(parse(&svg).descendants().filter(|node| node.has_tag_name("image")).count(), 3);
    let (_, _, pixels) = image_pixels(&parse(&svg), 1);
    assert_eq!(pixels[0], [0xd5, 0x5e, 0x00], "vermillion speaks for");
    assert_eq!(pixels[3], [0x00, 0x72, 0xb2], "blue speaks against");
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let good = array![[0.0, -40.0], [-10.0, -70.0]];
    let message = |result: Result<_, Error>| result.map(|_: ser_report::Figure| ()).unwrap_err().to_string();
    assert_eq!(message(waveform("", &[], 8000)), "samples: nothing to draw; give at least one");
    assert_eq!(message(waveform("", &[0.1], 0)), "sample rate 0 is out of range: at least 1 Hz");
    assert_eq!(
        message(waveform("", &[0.1, f32::NAN], 8000)),
        "sample NaN is out of range: only finite numbers can be drawn"
    );
    assert_eq!(message(time_panels("", &[])), "panels: nothing to draw; give at least one");
    assert_eq!(message(spectrogram("", of(&array![[]], LINEAR))), "levels: nothing to draw; give at least one");
    let infinite = array![[0.0, f32::NEG_INFINITY]];
    assert_eq!(
        message(spectrogram("", of(&infinite, LINEAR))),
        "level -inf is out of range: only finite numbers can be drawn"
    );
    assert_eq!(
        message(spectrogram("", Spectrogram { hop: 0.0, ..of(&good, LINEAR) })),
        "hop 0 is out of range: a positive number of seconds"
    );
    let upside_down = Bins::Mel { fmin: 4000.0, fmax: 300.0, scale: MelScale::Slaney };
    assert_eq!(
        message(spectrogram("", of(&good, upside_down))),
        "highest frequency 300 is out of range: finite, and above the lowest frequency"
    );
    let weights = array![[0.0, 1.0]];
    let panel = Panel::Attribution { label: "", spectrogram: of(&good, LINEAR), weights: weights.view() };
    assert_eq!(message(time_panels("", &[panel])), "frames of the weights: expected 2, got 1");
}

#[test]
fn odd_but_good_input_is_drawn() {
    let one = array![[-20.0]];
    for bins in [LINEAR, MEL] {
        let svg = spectrogram("One point", of(&one, bins)).unwrap().to_svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
    let silence = waveform("Silence", &[0.0; 1000], 8000).unwrap().to_svg();
    assert!(!silence.contains("NaN"));
    let late = Spectrogram { first: 2.0, ..of(&one, LINEAR) };
    parse(&spectrogram("Late", late).unwrap().to_svg());
}

#[test]
fn a_tone_of_a_minute_stays_small() {
    let samples: Vec<f32> = (0..960_000).map(|n| (TAU * 0.01 * n as f32).sin()).collect();
    let svg = waveform("A minute", &samples, 16_000).unwrap().to_svg();
    assert!(svg.len() < 40_000, "{} bytes", svg.len());
}
