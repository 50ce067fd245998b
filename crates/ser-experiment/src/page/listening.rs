//! The clips that a page shows one by one: mistakes, and what the model listened to.

use crate::{ClipPrediction, Error};
use ser_audio::{WavFormat, Waveform};
use ser_inference::{Attribution, Recognizer};
use ser_report::{Bins, Listening, Mistake, Spectrogram};

/// The mistakes that are listed, and those that can be heard: each for so many seconds at so many samples a second.
const MISTAKES: usize = 20;
const PLAYERS: usize = 10;
const PLAYER_SECONDS: f64 = 5.0;
const PLAYER_RATE: u32 = 16_000;
/// The clips whose attribution is drawn.
const ATTRIBUTIONS: usize = 4;

/// A clip and what the model listened to in it.
pub(super) struct Listened {
    clip: String,
    truth: &'static str,
    attribution: Attribution,
}

impl Listened {
    pub fn view(&self) -> Listening<'_> {
        let Attribution { emotion, waveform, decibels, weights, hop_length, .. } = &self.attribution;
        let rate = f64::from(waveform.sample_rate());
        let bins = Bins::Linear { nyquist: rate / 2.0 };
        let spectrogram = Spectrogram { decibels: decibels.view(), hop: *hop_length as f64 / rate, first: 0.0, bins };
        Listening {
            clip: &self.clip,
            truth: self.truth,
            prediction: emotion.name(),
            spectrogram,
            weights: weights.view(),
        }
    }
}

/// Takes the clip of each emotion that the model was surest and right about, for the first emotions. There is none for
/// models of imported features or of normalisation per speaker.
pub(super) fn listen(clips: &[ClipPrediction], recognizer: &Recognizer) -> Result<Vec<Listened>, Error> {
    let mut listened = Vec::new();
    for &emotion in recognizer.emotions() {
        let right = clips.iter().filter(|clip| clip.truth == emotion && clip.prediction == emotion);
        let Some(surest) = right.max_by(|a, b| confidence(a).total_cmp(&confidence(b))) else { continue };
        if listened.len() == ATTRIBUTIONS {
            break;
        }
        let Ok(waveform) = Waveform::from_file(&surest.path) else { continue };
        match recognizer.attribution(&waveform) {
            Ok(attribution) => listened.push(Listened { clip: name(surest), truth: emotion.name(), attribution }),
            Err(ser_inference::Error::AudioGiven { .. } | ser_inference::Error::NotAdapted) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(listened)
}

/// A clip that was mistaken for another emotion, and its sound, where that is wanted.
pub(super) struct Mistaken<'a> {
    clip: &'a ClipPrediction,
    name: String,
    wav: Option<Vec<u8>>,
}

impl Mistaken<'_> {
    pub fn view(&self) -> Mistake<'_> {
        Mistake {
            clip: &self.name,
            speaker: self.clip.speaker.as_deref().unwrap_or_default(),
            truth: self.clip.truth.name(),
            prediction: self.clip.prediction.name(),
            confidence: f64::from(confidence(self.clip)),
            wav: self.wav.as_deref(),
        }
    }
}

/// The mistakes of which the model was surest.
pub(super) fn mistakes(clips: &[ClipPrediction], audio: bool) -> Result<Vec<Mistaken<'_>>, Error> {
    let mut wrong: Vec<_> = clips.iter().filter(|clip| clip.prediction != clip.truth).collect();
    wrong.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)));
    let worst = wrong.into_iter().take(MISTAKES).enumerate();
    let mistaken = worst.map(|(index, clip)| {
        let wav = if audio && index < PLAYERS { Some(player(clip)?) } else { None };
        Ok(Mistaken { clip, name: name(clip), wav })
    });
    mistaken.collect()
}

fn confidence(clip: &ClipPrediction) -> f32 {
    clip.probabilities.iter().copied().fold(0.0, f32::max)
}

fn player(clip: &ClipPrediction) -> Result<Vec<u8>, Error> {
    let to_wav = || {
        let waveform = Waveform::from_file(&clip.path)?.resample(PLAYER_RATE)?;
        let length = waveform.samples().len().min((PLAYER_SECONDS * f64::from(PLAYER_RATE)) as usize);
        Waveform::new(waveform.samples()[..length].to_vec(), PLAYER_RATE)?.to_wav(WavFormat::Int16)
    };
    to_wav().map_err(|error| ser_inference::Error::from(error).into())
}

/// The file's name, without the folders that it lies in.
fn name(clip: &ClipPrediction) -> String {
    clip.path.file_name().unwrap_or(clip.path.as_os_str()).to_string_lossy().into_owned()
}
