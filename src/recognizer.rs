use crate::Error;
use ser_audio::Waveform;
use ser_corpus::Emotion;
use ser_inference::{Adaptation, Attribution, Manifest, Prediction, Recording, Segment};
use std::path::Path;

/// A model at work: recording in, prediction out. It can be used from many threads at once; clones share its weights.
#[derive(Clone, Debug)]
pub struct Recognizer(pub(crate) ser_inference::Recognizer);

impl Recognizer {
    /// Reads a model file.
    ///
    /// # Errors
    /// A file that cannot be opened or is no model file; the path is named.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self(ser_inference::Recognizer::from_file(path)?))
    }

    /// Reads the bytes of a model file.
    ///
    /// # Errors
    /// Bytes that are no model file, or one whose parts do not fit together.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self(ser_inference::Recognizer::from_bytes(bytes)?))
    }

    /// Takes the embedded weights: CC BY 4.0, trained on EMO-DB (German, acted). Their model card is in the crate
    /// `ser-pretrained`.
    ///
    /// # Errors
    /// None, unless the embedded file is damaged.
    #[cfg(feature = "pretrained")]
    pub fn pretrained() -> Result<Self, Error> {
        Self::from_bytes(ser_pretrained::EMODB)
    }

    /// Takes the embedded weights that are not for commercial use: CC BY-NC-SA 4.0, trained on RAVDESS, EMO-DB and two speakers
    /// of nEMO (English, German, Polish, acted). Their model card is in the crate `ser-pretrained-nc`.
    ///
    /// # Errors
    /// None, unless the embedded file is damaged.
    #[cfg(feature = "pretrained-nc")]
    pub fn pretrained_nc() -> Result<Self, Error> {
        Self::from_bytes(ser_pretrained_nc::MERGED)
    }

    /// Recognises the emotion of an audio file, mixed to mono, or of an `.npy` file where the model takes imported
    /// features.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else than the model takes; the path is named.
    pub fn recognize_file(&self, path: impl AsRef<Path>) -> Result<Prediction, Error> {
        Ok(self.0.recognize_file(path)?)
    }

    /// Recognises the emotion of a waveform at any sample rate from 4 to 384 kHz.
    ///
    /// More than 30 s are cut into equal windows, whose probabilities are averaged.
    ///
    /// # Errors
    /// An empty waveform, a sample rate that cannot be resampled, or a model that takes imported features; a model that
    /// normalises per speaker and is not adapted to one ([`Recognizer::adapted_to`]).
    pub fn recognize(&self, waveform: &Waveform) -> Result<Prediction, Error> {
        Ok(self.0.recognize(waveform.clone())?)
    }

    /// Recognises the emotion of audio or of features, whichever the model takes.
    ///
    /// # Errors
    /// As [`Recognizer::recognize`]; features with other bins than the model's, without a frame, or not finite.
    pub fn recognize_recording(&self, recording: &Recording) -> Result<Prediction, Error> {
        Ok(self.0.recognize(recording.clone())?)
    }

    /// Adapts the model to a voice or a channel by a few recordings whose emotions need not be known: what the model says of
    /// them on average, too often fear, say, is from then on taken out of every result, the more, the more recordings there
    /// are ([`PriorShift`](ser_inference::PriorShift)). A model that normalises per speaker takes their statistics, too.
    ///
    /// The more emotions they hold, the better. docs/RECIPE.md in the repository has what 1, 3, 10 and 30 recordings gave. What was adapted before is
    /// forgotten. Recordings that are silent or too short are left out.
    ///
    /// ```no_run
    /// use ser_core::{Recognizer, Recording};
    ///
    /// let recognizer = Recognizer::from_file("model.safetensors")?;
    /// let earlier = [Recording::from_file("anna1.wav")?, Recording::from_file("anna2.wav")?];
    /// let anna = recognizer.adapted_to(&earlier)?;
    /// let prediction = anna.recognize_file("anna3.wav")?;
    /// assert!(prediction.is_adapted());
    /// # Ok::<(), ser_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Recordings that cannot be used, or none that can hold an emotion.
    pub fn adapted_to<'a>(&self, recordings: impl IntoIterator<Item = &'a Recording>) -> Result<Self, Error> {
        let prepared = recordings.into_iter().map(|recording| self.0.prepare(recording.clone()));
        let prepared = prepared.filter(|prepared| !prepared.as_ref().is_err_and(ser_inference::Error::is_too_short));
        Ok(Self(self.0.adapted_to(&prepared.collect::<Result<Vec<_>, _>>()?)?))
    }

    /// What it took from recordings ([`Recognizer::adapted_to`]): to be kept in a file, taken up again by
    /// [`Recognizer::with_adaptation`], or deleted.
    pub fn adaptation(&self) -> Option<&Adaptation> {
        self.0.adaptation()
    }

    /// Takes up what the same model learned earlier.
    ///
    /// ```no_run
    /// use ser_core::{Adaptation, Recognizer};
    ///
    /// let recognizer = Recognizer::from_file("model.safetensors")?;
    /// let anna = recognizer.with_adaptation(Adaptation::from_file("anna.json")?)?;
    /// # Ok::<(), ser_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// An adaptation of another model file.
    pub fn with_adaptation(&self, adaptation: Adaptation) -> Result<Self, Error> {
        Ok(Self(self.0.with_adaptation(adaptation)?))
    }

    /// Recognises the emotion of each stretch of `seconds` (0.25 to 30) of a waveform.
    ///
    /// # Errors
    /// As [`Recognizer::recognize`], or a length out of range.
    pub fn timeline(&self, waveform: &Waveform, seconds: f64) -> Result<Vec<Segment>, Error> {
        Ok(self.0.timeline(waveform, seconds)?)
    }

    /// Recognises the emotion of each stretch of `seconds` (0.25 to 30) while the sound arrives, mono at this rate in hertz.
    ///
    /// ```no_run
    /// use ser_core::Recognizer;
    ///
    /// let recognizer = Recognizer::from_file("model.safetensors")?;
    /// let mut live = recognizer.live(16_000, 3.0)?;
    /// for chunk in [vec![0.0; 1_600], vec![0.1; 1_600]] {
    ///     for segment in live.push(&chunk)? {
    ///         println!("{:.2} s: {}", segment.start, segment.prediction.emotion());
    ///     }
    /// }
    /// # Ok::<(), ser_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Recognizer::timeline`]; a rate out of range; a length that is too short for the model's features.
    pub fn live(&self, sample_rate: u32, seconds: f64) -> Result<LiveRecognizer, Error> {
        Ok(LiveRecognizer(self.0.live(sample_rate, seconds)?))
    }

    /// Maps what the model listens to in a recording: how much each stretch of time and frequency spoke for its emotion.
    ///
    /// ```no_run
    /// use ser_core::{Recognizer, Waveform};
    ///
    /// let recognizer = Recognizer::from_file("model.safetensors")?;
    /// let attribution = recognizer.attribution(&Waveform::from_file("call.wav")?)?;
    /// assert_eq!(attribution.weights.dim(), attribution.decibels.dim()); // [frames, bins]
    /// # Ok::<(), ser_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Recognizer::recognize`].
    pub fn attribution(&self, waveform: &Waveform) -> Result<Attribution, Error> {
        Ok(self.0.attribution(waveform)?)
    }

    /// The emotions that it tells apart, in the order of the probabilities.
    pub fn emotions(&self) -> &[Emotion] {
        self.0.emotions()
    }

    /// What the model file says of itself: what it was trained on, by which protocol, how it scored.
    pub fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }
}

/// A [`Recognizer`] at work on sound that arrives in chunks of any size: it gives the segments of [`Recognizer::timeline`], each
/// a tenth of a second after its end.
///
/// There are two differences, as what is to come is not known. Whether a segment is speech is told by the loudest one so far. What is
/// left at the end is a segment of its own, if it is a millisecond or longer and enough for the model's features.
#[derive(Debug)]
pub struct LiveRecognizer(ser_inference::LiveRecognizer);

impl LiveRecognizer {
    /// Takes the next samples, full scale at ±1, and gives the segments that are over, often none.
    ///
    /// # Errors
    /// A sample that is not finite; then none of these samples is taken. A result that is not.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<Segment>, Error> {
        Ok(self.0.push(samples)?)
    }

    /// Ends the sound, gives the segments that are left, and makes it ready for another sound.
    ///
    /// # Errors
    /// A result that is not finite.
    pub fn finish(&mut self) -> Result<Vec<Segment>, Error> {
        Ok(self.0.finish()?)
    }
}
