use crate::babble::babble;
use crate::clip_prediction::confusion;
use crate::dataset::{Failure, Row, open};
use crate::evaluate::score;
use crate::{Error, Evaluation, Part, Progress, evaluate};
use ser_audio::{Crop, Fill, LengthOptions, Level, Waveform};
use ser_augment::{BandPass, Chain, ChainOptions, Draw, MuLaw, Noise, NoiseSource, Reverberation, Speed, WaveformStep};
use ser_corpus::{Corpus, Utterance};
use ser_inference::{Frontend, Input, Manifest, Recognizer, Recording};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// Seeds noise, rooms and babble: every model is tried with the same.
const SEED: u64 = 1;

/// How a model scores where recordings are softer, noisier, farther away, faster, shorter or longer than they were.
///
/// Its `Display` is a table.
#[derive(Clone, Debug)]
pub struct Robustness {
    clean: Evaluation,
    conditions: Vec<ConditionScore>,
}

/// The scores under one condition. Clips that cannot be used under it, as a speed may make them too short, are left out; where
/// none is left, the scores are NaN.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConditionScore {
    /// What was done to the recordings.
    pub condition: String,
    /// The number of clips that were scored.
    pub clips: usize,
    /// Unweighted average recall, 0 to 1.
    pub uar: f64,
    /// Accuracy, 0 to 1.
    pub accuracy: f64,
    /// By how much the unweighted average recall is below that of the same clips as recorded, -1 to 1.
    pub fall: f64,
}

impl Robustness {
    /// How the model scores on the recordings as they are.
    pub fn clean(&self) -> &Evaluation {
        &self.clean
    }

    /// The scores under each condition.
    pub fn conditions(&self) -> &[ConditionScore] {
        &self.conditions
    }
}

/// Scores a model on a corpus as [`evaluate`] does, and again with the same clips changed, at the model's (highest) sample rate and
/// before the level is set:
///
/// - level: the peak at -40 to 0 dB of full scale, in 16 bits;
/// - white and pink noise, and babble of the corpus's own recordings, at a signal-to-noise ratio of 20, 10 and 5 dB;
/// - the band of a telephone (300 to 3,400 Hz), and G.711 µ-law at 8 kHz;
/// - reverberation with an RT60 of 0.3 and 0.8 s, the direct sound as strong as the tail;
/// - 10 % slower and faster;
/// - 1 and 2 s of the middle, 10 and 60 s by repetition.
///
/// # Errors
/// As [`evaluate`]; a model of imported features.
pub fn robustness(
    recognizer: &Recognizer,
    corpus: &Corpus,
    part: Part,
    mut progress: impl FnMut(Progress),
) -> Result<Robustness, Error> {
    if let Input::Imported(_) = recognizer.manifest().input {
        return Err(Error::RobustnessOfImported);
    }
    let clean = evaluate(recognizer, corpus, part, &mut progress)?;
    let scored: HashSet<&Path> = clean.predictions().iter().map(|clip| clip.path.as_path()).collect();
    let utterances: Vec<Utterance> =
        corpus.utterances().iter().filter(|utterance| scored.contains(utterance.path.as_path())).cloned().collect();
    let paths: Vec<&Path> = utterances.iter().map(|utterance| utterance.path.as_path()).collect();
    // At the highest rate of all systems, so that no change takes away what the clean recording has.
    let Manifest { input, fused, labels, .. } = recognizer.manifest();
    let inputs = fused.iter().map(|system| &system.input).chain([input]);
    let frontend = Frontend::new(inputs.max_by_key(|input| input.sample_rate()).unwrap_or(input))?;
    let bank = babble(&paths, &frontend, SEED)?;
    let mut conditions = Vec::new();
    for (condition, change) in changes(&bank)? {
        let open = |row: &Row| {
            let path = &row.utterance.path;
            match open(path)? {
                Recording::Audio(waveform) => {
                    let waveform = frontend.resample(waveform).map_err(|error| Failure::of(path, error))?;
                    Ok(change.apply(waveform, path).map_err(|error| Failure::of(path, error))?.into())
                }
                features => Ok(features),
            }
        };
        // What the model knows was left out before.
        conditions.push(match score(recognizer, &utterances, Part::All, open, &mut progress) {
            Ok(changed) => {
                let (clips, report) = (changed.predictions().len(), changed.report());
                let used: HashSet<&Path> = changed.predictions().iter().map(|clip| clip.path.as_path()).collect();
                let same = clean.predictions().iter().filter(|clip| used.contains(clip.path.as_path()));
                let fall = confusion(same, labels)?.uar() - report.uar;
                ConditionScore { condition, clips, uar: report.uar, accuracy: report.accuracy, fall }
            }
            Err(Error::EmptyPart { .. }) => {
                ConditionScore { condition, clips: 0, uar: f64::NAN, accuracy: f64::NAN, fall: f64::NAN }
            }
            Err(error) => return Err(error),
        });
    }
    Ok(Robustness { clean, conditions })
}

/// What is done to a waveform.
enum Change {
    /// The peak is brought to this amplitude, and samples are rounded to 16 bits.
    Peak(f32),
    Length(LengthOptions),
    Steps(Box<Chain>),
}

impl Change {
    fn apply(&self, waveform: Waveform, path: &Path) -> Result<Waveform, Error> {
        Ok(match self {
            Self::Peak(peak) => {
                let sample_rate = waveform.sample_rate();
                let mut samples = waveform.with_level(Level::Peak).into_samples();
                samples.iter_mut().for_each(|x| *x = (*x * peak * 32_767.0).round() / 32_768.0);
                Waveform::new(samples, sample_rate).map_err(ser_inference::Error::Audio)?
            }
            Self::Length(options) => waveform.with_length(options).map_err(ser_inference::Error::Audio)?,
            Self::Steps(chain) => {
                let utterance = path.file_name().unwrap_or_default().to_string_lossy();
                chain.apply(&waveform, &Draw { seed: SEED, utterance: &utterance, epoch: 0 })?
            }
        })
    }
}

/// The conditions by name, in the order of the table.
fn changes(bank: &[Waveform]) -> Result<Vec<(String, Change)>, Error> {
    let mut changes = Vec::new();
    for decibels in [-40.0, -30.0, -20.0, -10.0, 0.0f32] {
        changes.push((format!("peak at {decibels} dBFS"), Change::Peak(10f32.powf(decibels / 20.0))));
    }
    let mut steps: Vec<(String, WaveformStep)> = Vec::new();
    for (name, source) in
        [("white noise", NoiseSource::White), ("pink noise", NoiseSource::Pink), ("babble", NoiseSource::Bank)]
    {
        for snr in [20.0, 10.0, 5.0] {
            let noise = Noise { probability: 1.0, source, snr: [snr; 2] };
            steps.push((format!("{name} at {snr} dB SNR"), WaveformStep::Noise(noise)));
        }
    }
    steps.push(("telephone band".into(), WaveformStep::BandPass(BandPass::default())));
    steps.push(("G.711 µ-law at 8 kHz".into(), WaveformStep::MuLaw(MuLaw::default())));
    for rt60 in [0.3, 0.8] {
        let room = Reverberation { probability: 1.0, rt60: [rt60; 2], direct_to_reverberant: [0.0; 2] };
        steps.push((format!("reverberation of RT60 {rt60} s"), WaveformStep::Reverberation(room)));
    }
    for factor in [0.9, 1.1] {
        let speed = Speed { probability: 1.0, factor: [factor; 2] };
        steps.push((format!("speed × {factor}"), WaveformStep::Speed(speed)));
    }
    for (name, step) in steps {
        let options = ChainOptions { waveform: vec![step], ..ChainOptions::default() };
        changes.push((name, Change::Steps(Chain::with_noise_bank(options, bank.to_vec())?.into())));
    }
    for duration in [1.0, 2.0, 10.0, 60.0] {
        let options = LengthOptions { duration, crop: Crop::Center, fill: Fill::Repeat };
        changes.push((format!("length {duration} s"), Change::Length(options)));
    }
    Ok(changes)
}

impl fmt::Display for Robustness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.clean.report();
        writeln!(f, "{:<30} {:>6} {:>9} {:>6}", "condition", "UAR", "accuracy", "fall")?;
        write!(f, "{:<30} {:6.3} {:9.3}", "as recorded", report.uar, report.accuracy)?;
        for ConditionScore { condition, clips, uar, accuracy, fall } in &self.conditions {
            write!(f, "\n{condition:<30} {uar:6.3} {accuracy:9.3} {fall:6.3}")?;
            if *clips < self.clean.predictions().len() {
                write!(f, "  {clips} clips")?;
            }
        }
        Ok(())
    }
}
