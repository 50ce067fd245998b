use ser_corpus::Emotion;

/// What a model makes of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// One probability a class, in the order of the model's classes; never empty, finite, sum 1.
    probabilities: Vec<(Emotion, f32)>,
    top: (Emotion, f32),
    dimensions: Vec<(String, f32)>,
    accepted: bool,
    adapted: bool,
}

impl Prediction {
    /// `None` where there is no class.
    pub(crate) fn new(
        probabilities: Vec<(Emotion, f32)>,
        dimensions: Vec<(String, f32)>,
        can_be_told: bool,
        threshold: Option<f64>,
        adapted: bool,
    ) -> Option<Self> {
        // The first of equals, as argmax does.
        let top = probabilities.iter().copied().reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        let accepted = can_be_told && threshold.is_none_or(|threshold| f64::from(top.1) >= threshold);
        Some(Self { probabilities, top, dimensions, accepted, adapted })
    }

    /// The most probable emotion.
    pub fn emotion(&self) -> Emotion {
        self.top.0
    }

    /// Its probability, 0 to 1, after the temperature that was fitted on the model's validation part. How far it can be
    /// believed on other speakers is the calibration error in the model's report; recordings of another kind than those
    /// have no such promise.
    pub fn confidence(&self) -> f32 {
        self.top.1
    }

    /// False where the recording cannot hold an emotion to recognise, as it is silent (peak below −80 dBFS) or shorter
    /// than 0.25 s (imported features do not tell), or where the confidence is below the threshold of a model that was
    /// trained to reject. The other fields are then what the network makes of it all the same.
    pub fn accepted(&self) -> bool {
        self.accepted
    }

    /// Whether the model was adapted to a voice or a channel by unlabelled recordings
    /// ([`Recognizer::adapted_to`](crate::Recognizer::adapted_to)).
    pub fn is_adapted(&self) -> bool {
        self.adapted
    }

    /// All classes with their probabilities, in the order of the model's classes. They sum to 1.
    pub fn probabilities(&self) -> &[(Emotion, f32)] {
        &self.probabilities
    }

    /// The numbers that the model gives beside the classes, such as arousal and valence, in the unit of the corpus that it
    /// was trained on; empty for a model of classes alone.
    pub fn dimensions(&self) -> &[(String, f32)] {
        &self.dimensions
    }
}

/// One stretch of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its start, in seconds from the start of the recording.
    pub start: f64,
    /// Its end, in seconds.
    pub end: f64,
    /// Whether there may be speech in it: it is not silent, and not 40 dB or more below the loudest segment.
    pub speech: bool,
    /// What the model makes of it.
    pub prediction: Prediction,
}
