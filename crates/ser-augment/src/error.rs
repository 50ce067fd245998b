//! What can go wrong.

/// Says why a chain could not be built or applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option lies outside its range.
    #[error("{name} is {value}, but must be {allowed}")]
    InvalidOption {
        /// The option's field name.
        name: &'static str,
        /// The value given.
        value: String,
        /// The values that would do.
        allowed: &'static str,
    },

    /// A step takes its noise from the bank, and the bank holds no waveform.
    #[error(
        "a noise step has source = \"bank\", but the noise bank is empty: hand waveforms to `Chain::with_noise_bank`"
    )]
    NoNoiseBank,

    /// A waveform of the noise bank holds no sample other than 0.
    #[error("waveform {index} of the noise bank is digital silence, which has no signal-to-noise ratio")]
    SilentNoise {
        /// Its position in the bank.
        index: usize,
    },

    /// The noise bank has another sample rate than the waveform.
    #[error("the noise has {noise} Hz and the waveform {waveform} Hz: resample the noise bank")]
    NoiseSampleRate {
        /// The sample rate of the noise in hertz.
        noise: u32,
        /// The sample rate of the waveform in hertz.
        waveform: u32,
    },

    /// A band-pass lets nothing of the waveform through.
    #[error("the band begins at {low} Hz, but a waveform of {sample_rate} Hz ends at {} Hz", f64::from(*sample_rate) / 2.0)]
    EmptyBand {
        /// The lower cutoff in hertz.
        low: f64,
        /// The sample rate of the waveform in hertz.
        sample_rate: u32,
    },

    /// A sample is infinite or not a number: one handed in, or one that grew beyond `f32`.
    #[error("sample {index} is {value}, but must be finite")]
    NonFinite {
        /// Position of the first such sample.
        index: usize,
        /// Its value.
        value: f32,
    },

    /// A feature is infinite or not a number.
    #[error("the features hold a value that is infinite or not a number")]
    NonFiniteFeature,

    /// The result is no waveform.
    #[error("the augmented samples are no waveform")]
    Waveform(#[source] ser_audio::Error),
}
