use crate::Error;
use crate::dataset::content_hash;
use ser_audio::Waveform;
use ser_corpus::Fingerprint;
use ser_features::ndarray::ArrayRef2;
use ser_features::{Feature, FeatureExtractor, FeatureOptions, MelOptions};
use ser_inference::Recording;

/// In hertz; a recording of a telephone has no more.
const SAMPLE_RATE: u32 = 8_000;
/// One more than a word has bits.
const N_MELS: usize = 33;
/// How many frames lie between the two that are compared: 32 ms.
const LAG: usize = 4;
/// Frames more than 30 dB below the loudest have no word: their bits are those of noise.
const QUIET: f32 = 1e-3;
/// The part of the loudest frame's power that is added to each frame, -40 dB: a band without power does not change.
const FLOOR: f32 = 1e-4;
/// A frame that changes by fewer decibels, in the mean of its bits, has no word.
const MIN_CHANGE: f32 = 0.5;

/// A planned computation of [`Fingerprint`]s, by which [`ser_corpus::find_copies`] finds one recording in two files.
///
/// Their exact part is a hash of the samples or features. Their words follow Haitsma & Kalker, "A highly robust audio
/// fingerprinting system" (ISMIR 2002): the power in 33 mel bands from 300 to 3,000 Hz, over 128 ms, every 8 ms; bit `m` says
/// whether the band `m` is further above the band `m + 1`, in decibels, than 32 ms before. A frame more than 30 dB below the
/// loudest has no word, nor one that hardly changes: silence and constant tones are told by their samples alone, and so are
/// features.
///
/// How often that errs, by `tests/fingerprint_corpora.rs`; the limit of 16 % was chosen on RAVDESS:
///
/// | | RAVDESS | EMO-DB | nEMO |
/// | --- | --- | --- | --- |
/// | recordings | 1,440 | 535 | 1,079 |
/// | different ones taken for one, among all pairs | 0 | 0 | 0 |
/// | bits in which different ones differ, at least | 26 % | 33 % | 34 % |
/// | copies missed: MP3 of 64 kbit/s; the same at 44.1 kHz, 6 dB lower and 37 ms shorter | 0 | 0 | 0 |
/// | 8, 22.05 and 48 kHz; 44.1 kHz 6 dB lower; -6 dB; +3 dB, clipped | 0 | 0 | 0 |
/// | cut at the beginning, or at both ends; after silence; 8 kHz, cut and 6 dB lower | 0 | 0 | 0 |
/// | bits in which those copies differ, at most | 11 % | 8 % | 8 % |
/// | copies missed: 16 bits, 20 dB lower | 4 | 0 | 0 |
/// | 8 kHz, 8-bit mu-law, cut | 4 | 0 | 0 |
/// | white noise 20 dB below the speech, cut | 34 | 167 | 309 |
///
/// Cut to their middle second, different recordings of RAVDESS still differ in 25 %, to their middle half second in 19 %, where
/// most have too few words to be compared. A copy in loud noise is often missed; one at another speed or pitch
/// is not found.
#[derive(Debug, Clone)]
pub struct Fingerprinter {
    extractor: FeatureExtractor,
}

impl Fingerprinter {
    /// Plans the computation.
    ///
    /// # Errors
    /// None that is known: the options are fixed.
    pub fn new() -> Result<Self, Error> {
        let bands = MelOptions { n_mels: N_MELS, fmin: 300.0, fmax: Some(3_000.0), ..MelOptions::default() };
        let extractor = FeatureExtractor::new(&FeatureOptions {
            sample_rate: SAMPLE_RATE,
            n_fft: 1024,
            win_length: 1024,
            hop_length: 64,
            features: vec![Feature::Mel(bands)],
            ..FeatureOptions::default()
        })?;
        Ok(Self { extractor })
    }

    /// Computes the fingerprint of a recording.
    ///
    /// # Errors
    /// [`Error::Inference`] where a recording cannot be resampled to 8 kHz, or has samples beyond ±2³².
    pub fn fingerprint(&self, recording: &Recording) -> Result<Fingerprint, Error> {
        let words = match recording {
            Recording::Audio(waveform) => self.words(waveform)?,
            Recording::Features(_) => Vec::new(),
        };
        Ok(Fingerprint::new(content_hash(recording), &words))
    }

    fn words(&self, waveform: &Waveform) -> Result<Vec<Option<u32>>, ser_inference::Error> {
        if waveform.is_empty() {
            return Ok(Vec::new());
        }
        let waveform = waveform.clone().resample(SAMPLE_RATE)?;
        Ok(words(&self.extractor.extract(waveform.samples())?))
    }
}

/// The words of power in mel bands `[frames, 33]`.
fn words(bands: &ArrayRef2<f32>) -> Vec<Option<u32>> {
    let power: Vec<f32> = bands.rows().into_iter().map(|frame| frame.sum()).collect();
    let loudest = power.iter().fold(0.0, |loudest: f32, power| loudest.max(*power));
    if loudest == 0.0 {
        return Vec::new();
    }
    let floor = loudest * FLOOR / N_MELS as f32;
    let decibels = bands.mapv(|power| 10.0 * (power + floor).log10());
    let slope = |frame: usize, band: usize| decibels[[frame, band]] - decibels[[frame, band + 1]];
    let word = |frame: usize| {
        let before = frame - LAG;
        let (mut word, mut change) = (0, 0.0);
        for band in 0..N_MELS - 1 {
            let steeper = slope(frame, band) - slope(before, band);
            word = word << 1 | u32::from(steeper > 0.0);
            change += steeper.abs();
        }
        let heard = power[frame].min(power[before]) >= loudest * QUIET;
        (heard && change >= MIN_CHANGE * (N_MELS - 1) as f32).then_some(word)
    };
    (LAG..power.len()).map(word).collect()
}
