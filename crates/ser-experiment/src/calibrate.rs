//! What is fitted on the validation part after training: the temperature, and the threshold of what is accepted.

use crate::clip_prediction::ClipPrediction;
use crate::dataset::{Clip, by_speaker};
use crate::train_clips::PartClips;
use crate::{Error, RejectOptions};
use rayon::prelude::*;
use ser_inference::{Calibration, Outputs, PriorShift, Recognizer};
use ser_metrics::{Probabilities, Temperature};
use ser_model::Dataset;

/// A calibration, and how the validation part looks by it.
pub(crate) struct Calibrated {
    pub calibration: Calibration,
    pub predictions: Vec<ClipPrediction>,
    /// One line each.
    pub warnings: Vec<String>,
}

/// Fits the temperature to the validation part, and then the threshold, where one is asked for.
///
/// Both are fitted to what the model answers with: where it normalises per speaker, with the prior shifted by the speaker's
/// clips of the part, as [`Recognizer::adapted_to`] does it, but with silent ones among them.
pub(crate) fn calibrate(
    recognizer: &Recognizer,
    clips: &[Clip],
    of_systems: &[PartClips],
    reject: &RejectOptions,
) -> Result<Calibrated, Error> {
    let outputs = |index| -> Result<Outputs, Error> {
        let features = of_systems.iter().map(|clips| clips.features(index, 0));
        let features: Vec<_> =
            features.collect::<Result<_, _>>().map_err(|source| ser_model::Error::Dataset { source })?;
        Ok(recognizer.outputs(&features.iter().map(|features| features.view()).collect::<Vec<_>>())?)
    };
    let outputs: Vec<Outputs> = (0..clips.len()).into_par_iter().map(outputs).collect::<Result<_, _>>()?;
    let labels = &recognizer.manifest().labels;
    let truths = || clips.iter().map(|clip| clip.row.class);
    let speakers = match recognizer.manifest().normalizes_per_speaker() {
        true => by_speaker(0..clips.len(), |&index| clips[index].row.utterance)?,
        false => Vec::new(),
    };
    let answers = |temperature: Temperature| -> Result<Vec<Vec<f32>>, Error> {
        let softmax = |outputs: &Outputs| -> Result<Vec<f32>, Error> {
            Ok(temperature.softmax(&outputs.logits)?.into_iter().map(|p| p as f32).collect())
        };
        let mut answers: Vec<Vec<f32>> = outputs.iter().map(softmax).collect::<Result<_, _>>()?;
        for own in &speakers {
            let shift = PriorShift::fit(labels.len(), own.iter().map(|&index| answers[index].as_slice()));
            own.iter().for_each(|&index| shift.apply(&mut answers[index]));
        }
        Ok(answers)
    };
    let mut temperature = match speakers.is_empty() {
        true => Temperature::fit(labels.len(), truths().zip(outputs.iter().map(|outputs| &outputs.logits)))?,
        // The shift is linear in the logits: a temperature divides both.
        false => {
            let answers = answers(Temperature::new(1.0)?)?;
            let logarithms = answers.iter().map(|answer| answer.iter().map(|p| p.ln()).collect::<Vec<f32>>());
            Temperature::fit(labels.len(), truths().zip(logarithms))?
        }
    };
    let mut warnings = Vec::new();
    if temperature.value() <= Temperature::MIN {
        // All are right, however sure: that is no reason to be surer of other clips.
        temperature = Temperature::new(1.0)?;
        warnings.push(format!("the {} validation clips are too easy to fit a temperature to: it is 1", clips.len()));
    }
    let probabilities = answers(temperature)?;
    let scored = Probabilities::new(labels.len(), truths().zip(&probabilities))?;
    let mut threshold = None;
    if let Some(accuracy) = reject.accuracy {
        match scored.risk_coverage().threshold_for_accuracy(accuracy) {
            // A recogniser computes in f32: the sample that the threshold was taken from stays above it.
            Ok(point) => threshold = Some(point.threshold * (1.0 - 1e-5)),
            Err(error) => warnings.push(format!("the model rejects nothing: {error} (of the validation part)")),
        }
    }
    let predictions = clips.iter().zip(scored.pairs()).zip(probabilities).zip(&outputs).map(
        |(((clip, (_, prediction)), probabilities), outputs)| {
            let prediction = labels.emotion(prediction).unwrap_or(clip.row.utterance.emotion);
            ClipPrediction::new(&clip.row, labels, prediction, probabilities, &outputs.dimensions, true)
        },
    );
    let predictions = predictions.collect();
    Ok(Calibrated { calibration: Calibration { temperature: temperature.value(), threshold }, predictions, warnings })
}
