/// How frequency in hertz becomes pitch in mel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MelScale {
    /// Slaney's Auditory Toolbox, librosa's default: linear below 1,000 Hz, logarithmic above.
    #[default]
    Slaney,
    /// The formula of HTK and Kaldi: `2595 · log10(1 + f / 700)`.
    Htk,
}

impl MelScale {
    pub(crate) fn to_mel(self, hertz: f64) -> f64 {
        match self {
            Self::Slaney if hertz < 1000.0 => hertz * 3.0 / 200.0,
            Self::Slaney => 15.0 + 27.0 * (hertz / 1000.0).ln() / 6.4_f64.ln(),
            Self::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
        }
    }

    pub(crate) fn to_hertz(self, mel: f64) -> f64 {
        match self {
            Self::Slaney if mel < 15.0 => mel * 200.0 / 3.0,
            Self::Slaney => 1000.0 * (6.4_f64.ln() * (mel - 15.0) / 27.0).exp(),
            Self::Htk => 700.0 * (10_f64.powf(mel / 2595.0) - 1.0),
        }
    }
}
