//! Writes `report.html` and `tour.html` with made-up numbers of 1,440 clips: `pages DIR`; what `tests/browser` opens.

use std::error::Error;
use std::path::PathBuf;

use ndarray::Array2;
use ser_metrics::ConfusionMatrix;
use ser_report::{
    Bins, Calibration, CorpusSummary, CorpusTour, CountSeries, Curve, Distribution, EmotionExample, GroupScore, Groups,
    Mistake, ReliabilityBin, RunReport, Score, Spectrogram, TrainingCurves,
};

const EMOTIONS: [&str; 8] = ["neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise"];
const RATE: u32 = 48_000;

fn main() -> Result<(), Box<dyn Error>> {
    let out: PathBuf = std::env::args_os().nth(1).ok_or("usage: pages DIR")?.into();
    std::fs::create_dir_all(&out)?;
    std::fs::write(out.join("report.html"), report()?)?;
    std::fs::write(out.join("tour.html"), tour()?)?;
    Ok(())
}

/// Numbers that look random, 0 to 1: those of SplitMix64.
fn noise(index: usize) -> f64 {
    let mut bits = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A WAV file of a soft tone of 0.1 s.
fn wav() -> Vec<u8> {
    let samples: Vec<i16> = (0..1600).map(|n| (1000.0 * (0.2 * f64::from(n)).sin()) as i16).collect();
    let bytes = 2 * samples.len() as u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1_u16, 1].map(u16::to_le_bytes).as_flattened());
    wav.extend([16_000_u32, 32_000].map(u32::to_le_bytes).as_flattened());
    wav.extend([2_u16, 16].map(u16::to_le_bytes).as_flattened());
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav
}

fn report() -> Result<String, Box<dyn Error>> {
    let pairs = (0..1440).map(|clip| {
        let truth = clip % 8;
        (truth, if noise(clip) < 0.6 { truth } else { (noise(clip + 5000) * 8.0) as usize })
    });
    let confusion = ConfusionMatrix::new(EMOTIONS, pairs)?;
    let curve =
        |floor: f64, speed: f64| (0..50).map(|e| floor + 1.6 * (-f64::from(e) * speed).exp()).collect::<Vec<_>>();
    let (train, valid) = (curve(0.3, 0.08), curve(0.95, 0.12));
    let recall: Vec<f64> = valid.iter().map(|loss| 1.15 - 0.5 * loss).collect();
    let bins: Vec<ReliabilityBin> = (1..10)
        .map(|bin| f64::from(bin) / 10.0 + 0.05)
        .map(|confidence| ReliabilityBin { confidence, accuracy: 0.9 * confidence, count: (300.0 * confidence) as u64 })
        .collect();
    let risk: Vec<[f64; 2]> = (1..=100).map(|n| f64::from(n) / 100.0).map(|share| [share, 0.4 * share]).collect();
    let by_sex = [("female", 0.672, 720), ("male", 0.613, 720)].map(|(name, score, clips)| GroupScore {
        name,
        score,
        interval: Some([score - 0.03, score + 0.03]),
        clips,
    });
    let names: Vec<String> = (1..=24).map(|actor| format!("ravdess/{actor:02}")).collect();
    let by_speaker: Vec<GroupScore<'_>> = names
        .iter()
        .enumerate()
        .map(|(index, name)| GroupScore { name, score: 0.5 + 0.3 * noise(index), interval: None, clips: 60 })
        .collect();
    let clips: Vec<String> = (1..=20).map(|n| format!("Actor_{n:02}/03-01-05-01-02-01-{n:02}.wav")).collect();
    let wav = wav();
    let mistakes: Vec<Mistake<'_>> = clips
        .iter()
        .zip(&names)
        .enumerate()
        .map(|(index, (clip, speaker))| Mistake {
            clip,
            speaker,
            truth: EMOTIONS[index % 8],
            prediction: EMOTIONS[(index + 3) % 8],
            confidence: 0.99 - 0.01 * index as f64,
            wav: (index < 10).then_some(&wav[..]),
        })
        .collect();
    let score = |name, value: f64| Score { name, value, interval: Some([value - 0.03, value + 0.03]), deviation: None };
    let page = RunReport {
        title: "Training on RAVDESS",
        guard: "Speakers of the test part were never heard in training or validation: 0 of 4 speakers and 0 of 240 \
                recordings are shared.",
        scope: "Trained on 960 clips of 16 speakers, epoch chosen on 240 clips of 4 speakers, scored once on 240 clips of 4 \
                speakers; protocol speakers, seed 7.",
        warnings: &["Two recordings are byte-identical.".into()],
        scores: &[score("Unweighted average recall (UAR)", 0.6431), score("Accuracy (WA)", 0.6511), score("Macro F1", 0.6397)],
        confusion: &confusion,
        history: Some(TrainingCurves {
            losses: &[Curve { name: "training", values: &train }, Curve { name: "validation", values: &valid }],
            score_label: "Unweighted average recall",
            scores: &[Curve { name: "validation", values: &recall }],
            chosen: 43,
        }),
        calibration: Some(Calibration {
            expected_error: 0.0423,
            notes: &["0.0911 before the temperature of 1.43.".into()],
            bins: &bins,
            risk_coverage: &risk,
            threshold: Some([0.5, 0.2]),
        }),
        map: None,
        attributions: &[],
        groups: &[
            Groups {
                by: "Sex",
                score_label: "Unweighted average recall",
                scores: &by_sex,
                overall: Some(0.6431),
                notes: &["Largest gap: female against male, 0.059 [0.012, 0.104].".into()],
            },
            Groups {
                by: "Speaker",
                score_label: "Unweighted average recall",
                scores: &by_speaker,
                overall: Some(0.6431),
                notes: &[],
            },
        ],
        mistakes: &mistakes,
        configuration: "seed = 7\n\n[split]\nprotocol = \"speakers\"\n",
        environment: &[("ser-core", "0.1.0".into()), ("Processor", "x86-64, 2 threads".into())],
        commands: &["cargo run --release --example train -- --config train.toml --corpus ravdess=RAVDESS --out run".into()],
    }
    .to_page()?;
    Ok(page.to_html())
}

fn tour() -> Result<String, Box<dyn Error>> {
    let counts = [96_u64, 192, 192, 192, 192, 192, 192, 192];
    let durations: Vec<f64> = (0..1440).map(|clip| 3.0 + 1.5 * noise(clip) * noise(clip + 1)).collect();
    let levels: Vec<f64> = (0..1440).map(|clip| -30.0 - 20.0 * noise(clip) * noise(clip + 7)).collect();
    // Noise: nothing packs worse.
    let samples: Vec<f32> = (0..4 * RATE as usize).map(|n| noise(n) as f32 - 0.5).collect();
    let decibels = Array2::from_shape_fn((751, 1025), |(frame, bin)| -80.0 * noise(frame * 1025 + bin) as f32);
    let bins = Bins::Linear { nyquist: f64::from(RATE) / 2.0 };
    let spectrogram = Spectrogram { decibels: decibels.view(), hop: 256.0 / f64::from(RATE), first: 0.0, bins };
    let wav = wav();
    let examples = EMOTIONS.map(|emotion| EmotionExample {
        emotion,
        clip: "03-01-05-01-02-01-12.wav",
        samples: &samples,
        sample_rate: RATE,
        spectrogram,
        wav: Some(&wav),
    });
    let page = CorpusTour {
        title: "A look at RAVDESS",
        warnings: &["1 of 1,440 clips has two channels; they were averaged.".into()],
        corpora: &[CorpusSummary { name: "RAVDESS", clips: 1440, speakers: Some(24), seconds: 5329.0 }],
        emotions: &EMOTIONS,
        counts: &[CountSeries { name: "RAVDESS", counts: &counts }],
        sample_rates: &[(RATE, 1440)],
        distributions: &[
            Distribution { name: "Duration", label: "Duration (s)", values: &durations },
            Distribution { name: "Level", label: "Level (dBFS)", values: &levels },
        ],
        examples: &examples,
    }
    .to_page()?;
    Ok(page.to_html())
}
