//! How the examples say what was recognised.

use ser_core::{Prediction, Segment};
use serde_json::{Value, json};

/// What is to be known of the weights that are taken where no model is given.
pub const EMBEDDED: &str = "model: the embedded weights, of acted German; on other speech a little better than chance (README.md), \
                            --model takes another";

/// In words; `threshold` is the least confidence that the model accepts.
pub fn describe(prediction: &Prediction, threshold: Option<f64>) -> String {
    let adapted = if prediction.is_adapted() { " (adapted)" } else { "" };
    let note = match threshold {
        _ if prediction.accepted() => String::new(),
        Some(least) if f64::from(prediction.confidence()) < least => {
            format!(" (not accepted: the model answers from {:.0} % on)", 100.0 * least)
        }
        _ => " (not accepted: silent or too short)".into(),
    };
    format!("{} {:.0} %{adapted}{note}", prediction.emotion(), 100.0 * prediction.confidence())
}

pub fn segment_line(segment: &Segment, threshold: Option<f64>) -> String {
    let Segment { start, end, speech, prediction, .. } = segment;
    let result = if *speech { describe(prediction, threshold) } else { "no speech".into() };
    format!("  {start:7.2} to {end:7.2} s: {result}")
}

pub fn segment_json(segment: &Segment) -> Value {
    json!({
        "start": segment.start,
        "end": segment.end,
        "emotion": segment.prediction.emotion(),
        "confidence": segment.prediction.confidence(),
        "accepted": segment.prediction.accepted(),
        "speech": segment.speech,
    })
}
