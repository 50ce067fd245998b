//! Draws every figure from made-up numbers: `gallery DIR` writes an SVG and a PNG file each, and a page with all of them.

use std::error::Error;
use std::f32::consts::TAU;
use std::path::PathBuf;

use ndarray::Array2;
use ser_report::{Bins, Figure, MelScale, Page, Panel, Spectrogram, spectrogram, time_panels, waveform};

fn main() -> Result<(), Box<dyn Error>> {
    let out: PathBuf = std::env::args_os().nth(1).ok_or("usage: gallery DIR")?.into();
    std::fs::create_dir_all(&out)?;
    let mut page = Page::new("All figures");
    page.paragraph("Made-up numbers, to look at how they are drawn.");
    page.section("Over time");
    for (name, figure) in over_time()? {
        std::fs::write(out.join(name).with_extension("svg"), figure.to_svg())?;
        std::fs::write(out.join(name).with_extension("png"), figure.to_png(2.0)?)?;
        page.figure(&figure, figure.title());
    }
    std::fs::write(out.join("gallery.html"), page.to_html())?;
    Ok(())
}

fn over_time() -> Result<Vec<(&'static str, Figure)>, ser_report::Error> {
    const RATE: u32 = 16_000;
    // Syllables of a falling tone.
    let samples: Vec<f32> = (0..40_000)
        .map(|n| n as f32 / RATE as f32)
        .map(|t| (TAU * (200.0 - 20.0 * t) * t).sin() * (TAU * t).sin().powi(2) * 0.6 * (-t / 2.0).exp())
        .collect();
    let levels = |bins: usize| {
        Array2::from_shape_fn((251, bins), |(frame, bin)| {
            let (time, height) = (frame as f32 / 100.0, bin as f32 / bins as f32);
            let voice = (TAU * time).sin().powi(2) * (-3.0 * height).exp();
            let harmonics = (40.0 * height * TAU).cos() * 8.0 * (1.0 - height);
            -90.0 + 70.0 * voice + harmonics + ((frame * 7919 + bin * 104_729) % 97) as f32 / 10.0
        })
    };
    let (linear, mel) = (levels(513), levels(80));
    let weights = Array2::from_shape_fn(mel.dim(), |(frame, band)| {
        let distance = ((frame as f32 - 70.0) / 20.0).powi(2) + ((band as f32 - 25.0) / 10.0).powi(2);
        let against = ((frame as f32 - 180.0) / 12.0).powi(2) + ((band as f32 - 60.0) / 8.0).powi(2);
        (-distance).exp() - 0.6 * (-against).exp()
    });
    let hop = 0.01;
    let linear =
        Spectrogram { decibels: linear.view(), hop, first: 0.0, bins: Bins::Linear { nyquist: f64::from(RATE) / 2.0 } };
    let bins = Bins::Mel { fmin: 0.0, fmax: 8000.0, scale: MelScale::Slaney };
    let mel = Spectrogram { decibels: mel.view(), hop, first: 0.0, bins };
    let column = [
        Panel::Waveform { label: "Original", samples: &samples, sample_rate: RATE },
        Panel::Spectrogram { label: "Original", spectrogram: linear },
        Panel::Waveform { label: "Shortened by half", samples: &samples[..20_000], sample_rate: RATE },
        Panel::Spectrogram { label: "On a mel axis", spectrogram: mel },
    ];
    let attribution = [Panel::Attribution { label: "", spectrogram: mel, weights: weights.view() }];
    Ok(vec![
        ("waveform", waveform("A waveform", &samples, RATE)?),
        ("waveform-short", waveform("Ten milliseconds", &samples[4000..4160], RATE)?),
        ("spectrogram", spectrogram("A spectrogram", linear)?),
        ("mel-spectrogram", spectrogram("A mel spectrogram", mel)?),
        ("panels", time_panels("One above another", &column)?),
        ("attribution", time_panels("What the model listened to", &attribution)?),
    ])
}
