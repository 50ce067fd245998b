//! The descriptions of Kaldi's features.

use serde::{Deserialize, Serialize};

use crate::Window;

/// Describes what Kaldi's filterbank and cepstrum share: frames, mel bands and their energy.
///
/// The defaults are kaldi-native-fbank's (1.23.0), without its dither. The transform is as long as the next power of
/// two from the frame length.
///
/// Samples are taken as they are given, as kaldi-native-fbank takes them: of samples within ±1 both compute the same.
/// Kaldi's own programs read 16-bit integers: for their numbers multiply the samples by 32,768. That adds
/// 2 ln 32,768 = 20.8 to the logarithm of power, but not in quiet passages, where power below 1.2e-7 counts as 1.2e-7.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KaldiOptions {
    /// Number of mel bands, 3 or more; so few that each holds a frequency bin. Default 23.
    pub n_mels: usize,
    /// Lower edge of the lowest band in hertz, 0 or more. Default 20.
    pub fmin: f32,
    /// Upper edge of the highest band in hertz, above `fmin`, at most half the sample rate; `None` is that half.
    /// Default `None`.
    pub fmax: Option<f32>,
    /// Window function, in its symmetric form. (Kaldi's `hanning` is `hann` here.) Default `povey`.
    pub window: Window,
    /// Whether only frames that lie wholly inside the signal exist; otherwise frame `t` is centred on the middle of
    /// hop `t`, and the signal is mirrored at both ends. Default true.
    pub snip_edges: bool,
    /// Whether each frame's mean is subtracted from it. Default true.
    pub remove_dc_offset: bool,
    /// Share of the previous sample that is subtracted from each sample, 0 to 1. Default 0.97.
    pub pre_emphasis: f32,
    /// Whether the energy is that of the frame before pre-emphasis and window; otherwise after them. Default true.
    pub raw_energy: bool,
    /// What an energy below it is raised to before the logarithm, 0 or more; 1.2e-7 is the least in any case.
    /// Default 0.
    pub energy_floor: f32,
}

impl Default for KaldiOptions {
    fn default() -> Self {
        Self {
            n_mels: 23,
            fmin: 20.0,
            fmax: None,
            window: Window::Povey,
            snip_edges: true,
            remove_dc_offset: true,
            pre_emphasis: 0.97,
            raw_energy: true,
            energy_floor: 0.0,
        }
    }
}

/// Describes Kaldi's log mel filterbank. The default is kaldi-native-fbank's. In a file the fields of `common` stand
/// beside the others:
///
/// ```
/// use ser_features::{KaldiFbankOptions, KaldiOptions};
///
/// let options: KaldiFbankOptions = toml::from_str("n_mels = 80\nuse_energy = true")?;
/// let common = KaldiOptions { n_mels: 80, ..KaldiOptions::default() };
/// assert_eq!(options, KaldiFbankOptions { use_energy: true, common, ..KaldiFbankOptions::default() });
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KaldiFbankOptions {
    /// Whether the frame's log energy comes before the bands. Default false.
    pub use_energy: bool,
    /// Whether the bands weight power or, if not, magnitude. Default true.
    pub use_power: bool,
    /// Frames, mel bands and energy.
    #[serde(flatten)]
    pub common: KaldiOptions,
}

impl Default for KaldiFbankOptions {
    fn default() -> Self {
        Self { use_energy: false, use_power: true, common: KaldiOptions::default() }
    }
}

impl KaldiFbankOptions {
    /// Names the columns.
    pub(crate) fn columns(&self) -> Vec<String> {
        let energy = self.use_energy.then(|| "kaldi_fbank_energy".into());
        energy.into_iter().chain((0..self.common.n_mels).map(|index| format!("kaldi_fbank_{index}"))).collect()
    }
}

/// Describes Kaldi's mel-frequency cepstral coefficients. The default is kaldi-native-fbank's. In a file the fields of
/// `common` stand beside the others, as in [`KaldiFbankOptions`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KaldiMfccOptions {
    /// Number of coefficients, 1 to `n_mels`. Default 13.
    pub n_mfcc: usize,
    /// Lifter `Q`, 0 or more: coefficient `k` is multiplied with `1 + Q/2 sin(πk / Q)`; 0 leaves it as it is.
    /// Default 22.
    pub cepstral_lifter: f32,
    /// Whether the frame's log energy replaces coefficient 0. Default true.
    pub use_energy: bool,
    /// Frames, mel bands and energy.
    #[serde(flatten)]
    pub common: KaldiOptions,
}

impl Default for KaldiMfccOptions {
    fn default() -> Self {
        Self { n_mfcc: 13, cepstral_lifter: 22.0, use_energy: true, common: KaldiOptions::default() }
    }
}

impl KaldiMfccOptions {
    /// Names the columns.
    pub(crate) fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = (0..self.n_mfcc).map(|index| format!("kaldi_mfcc_{index}")).collect();
        if self.use_energy
            && let Some(first) = columns.first_mut()
        {
            *first = "kaldi_mfcc_energy".into();
        }
        columns
    }
}
