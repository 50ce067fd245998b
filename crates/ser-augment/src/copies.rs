use ser_audio::Waveform;

use crate::{Chain, ChainOptions, Draw, Error, GaussianNoise, PitchShift, Shift, TimeStretch, WaveformStep};

/// Named copies of a waveform, made once instead of anew in every epoch.
///
/// ```
/// use ser_audio::Waveform;
/// use ser_augment::{Copies, Draw};
///
/// let tone = Waveform::new((0..22_050).map(|n| (n as f32 * 0.1).sin()).collect(), 22_050)?;
/// let draw = Draw { seed: 1, utterance: "tone", epoch: 0 };
/// let copies = Copies::paper()?;
/// let copies: Vec<_> = copies.make(&tone, &draw).collect::<Result<_, _>>()?;
/// assert_eq!(copies.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["original", "noise", "pitch", "pitch-noise"]);
/// assert_eq!(copies[0].1, tone);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Copies(Vec<(String, Chain)>);

impl Copies {
    /// Plans one copy for each name and its steps; no steps give the original.
    ///
    /// # Errors
    ///
    /// As [`Chain::new`].
    pub fn new<'a>(copies: impl IntoIterator<Item = (&'a str, Vec<WaveformStep>)>) -> Result<Self, Error> {
        let plan = |(name, waveform): (&str, _)| {
            Ok((name.to_owned(), Chain::new(ChainOptions { waveform, ..ChainOptions::default() })?))
        };
        copies.into_iter().map(plan).collect::<Result<_, _>>().map(Self)
    }

    /// Plans the paper's four training rows of each clip: `original`, `noise`, `pitch`, `pitch-noise`.
    ///
    /// # Errors
    ///
    /// None; the signature is that of [`Copies::new`].
    pub fn paper() -> Result<Self, Error> {
        let noise = WaveformStep::GaussianNoise(GaussianNoise::default());
        let pitch = WaveformStep::PitchShift(PitchShift::default());
        Self::new([
            ("original", vec![]),
            ("noise", vec![noise.clone()]),
            ("pitch", vec![pitch.clone()]),
            ("pitch-noise", vec![pitch, noise]),
        ])
    }

    /// Plans the five sounds that the paper shows: `original`, `noised`, `stretched`, `shifted`, `pitched`.
    ///
    /// # Errors
    ///
    /// None; the signature is that of [`Copies::new`].
    pub fn paper_figures() -> Result<Self, Error> {
        Self::new([
            ("original", vec![]),
            ("noised", vec![WaveformStep::GaussianNoise(GaussianNoise::default())]),
            ("stretched", vec![WaveformStep::TimeStretch(TimeStretch::default())]),
            ("shifted", vec![WaveformStep::Shift(Shift::default())]),
            ("pitched", vec![WaveformStep::PitchShift(PitchShift::default())]),
        ])
    }

    /// Makes the copies one after another, each with random numbers of its own.
    pub fn make<'a>(
        &'a self,
        waveform: &'a Waveform,
        draw: &'a Draw<'_>,
    ) -> impl Iterator<Item = Result<(&'a str, Waveform), Error>> + 'a {
        let one = |(index, (name, _)): (usize, &'a (String, Chain))| {
            Ok((name.as_str(), self.one(index, waveform.clone(), draw)?))
        };
        self.0.iter().enumerate().map(one)
    }

    /// Makes the copy of one index, the same that [`Copies::make`] makes; beyond the last, the waveform itself.
    ///
    /// # Errors
    ///
    /// As [`Chain::apply`].
    pub fn one(&self, index: usize, waveform: Waveform, draw: &Draw<'_>) -> Result<Waveform, Error> {
        let Some((name, chain)) = self.0.get(index) else { return Ok(waveform) };
        let utterance = format!("{}/{name}", draw.utterance);
        chain.apply(&waveform, &Draw { utterance: &utterance, ..*draw })
    }
}
