//! What is fitted on the validation part after training: the temperature, and the threshold of what is accepted.

use crate::dataset::Clip;
use crate::evaluate::ClipPrediction;
use crate::train_clips::ValidClips;
use crate::{Error, RejectOptions};
use rayon::prelude::*;
use ser_inference::{Calibration, Outputs, Recognizer};
use ser_metrics::{Probabilities, Temperature};
use ser_model::Dataset;

/// A calibration, and how the validation part looks by it.
pub(crate) struct Calibrated {
    pub calibration: Calibration,
    pub predictions: Vec<ClipPrediction>,
    /// One line each.
    pub warnings: Vec<String>,
}

/// Fits the temperature to the logits of the validation part, and then the threshold, where one is asked for.
pub(crate) fn calibrate(
    recognizer: &Recognizer,
    clips: &[Clip],
    of_systems: &[ValidClips],
    reject: &RejectOptions,
) -> Result<Calibrated, Error> {
    let outputs = |index| -> Result<Outputs, Error> {
        let features = of_systems.iter().map(|clips| clips.features(index, 0));
        let features: Vec<_> =
            features.collect::<Result<_, _>>().map_err(|source| ser_model::Error::Dataset { source })?;
        Ok(recognizer.outputs(&features.iter().map(|features| features.view()).collect::<Vec<_>>())?)
    };
    let outputs: Vec<Outputs> = (0..clips.len()).into_par_iter().map(outputs).collect::<Result<_, _>>()?;
    let logits = || outputs.iter().map(|outputs| &outputs.logits);
    let labels = &recognizer.manifest().labels;
    let truths = || clips.iter().map(|clip| clip.row.class);
    let mut temperature = Temperature::fit(labels.len(), truths().zip(logits()))?;
    let mut warnings = Vec::new();
    if temperature.value() <= Temperature::MIN {
        // All are right, however sure: that is no reason to be surer of other clips.
        temperature = Temperature::new(1.0)?;
        warnings.push(format!("the {} validation clips are too easy to fit a temperature to: it is 1", clips.len()));
    }
    let softmax = |logits: &Vec<f32>| temperature.softmax(logits);
    let probabilities: Vec<Vec<f64>> = logits().map(softmax).collect::<Result<_, _>>()?;
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
            let probabilities = probabilities.into_iter().map(|p| p as f32).collect();
            ClipPrediction::new(&clip.row, labels, prediction, probabilities, &outputs.dimensions, true)
        },
    );
    let predictions = predictions.collect();
    Ok(Calibrated { calibration: Calibration { temperature: temperature.value(), threshold }, predictions, warnings })
}
