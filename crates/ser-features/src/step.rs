//! One planned feature of a set.

use crate::decibel::check_top_db;
use crate::{
    BandwidthOptions, Dct, Error, Feature, FeatureOptions, FlatnessOptions, Framing, LogMelOptions, MelFilterbank,
    MfccOptions, Pyin, RolloffOptions, SpectralContrast, SpectrogramOptions, SpectrumValues, Yin,
};

/// One feature and its places in the two rows.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) raw_width: usize,
    pub(crate) columns: Vec<String>,
}

/// What is computed.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    ZeroCrossingRate,
    Rms,
    Mel(MelFilterbank),
    LogMel { filterbank: MelFilterbank, top_db: Option<f32> },
    Mfcc { filterbank: MelFilterbank, top_db: Option<f32>, dct: Dct, lifter: Vec<f32> },
    Spectrogram { values: SpectrumValues, top_db: Option<f32> },
    Centroid,
    Bandwidth(BandwidthOptions),
    Rolloff(RolloffOptions),
    Flatness(FlatnessOptions),
    Contrast(SpectralContrast),
    F0(Yin),
    Pyin { pyin: Pyin, contour: bool },
}

impl Step {
    pub(crate) fn new(feature: &Feature, options: &FeatureOptions) -> Result<Self, Error> {
        let &FeatureOptions { sample_rate, n_fft, .. } = options;
        let one = |kind, name: &str| Ok(Self { kind, raw_width: 1, columns: vec![name.into()] });
        let many = |kind, raw_width, name: &str, n: usize| {
            Ok(Self { kind, raw_width, columns: (0..n).map(|index| format!("{name}_{index}")).collect() })
        };
        match feature {
            Feature::ZeroCrossingRate => one(Kind::ZeroCrossingRate, "zcr"),
            Feature::Rms => one(Kind::Rms, "rms"),
            Feature::Mel(mel) => {
                many(Kind::Mel(MelFilterbank::new(mel, sample_rate, n_fft)?), mel.n_mels, "mel", mel.n_mels)
            }
            &Feature::LogMel(LogMelOptions { ref mel, top_db }) => {
                check_top_db(top_db)?;
                let filterbank = MelFilterbank::new(mel, sample_rate, n_fft)?;
                many(Kind::LogMel { filterbank, top_db }, mel.n_mels, "log_mel", mel.n_mels)
            }
            &Feature::Mfcc(MfccOptions { n_mfcc, lifter, ref mel, top_db }) => {
                check_top_db(top_db)?;
                if !(1..=mel.n_mels).contains(&n_mfcc) {
                    return Err(Error::option("n_mfcc", n_mfcc, format!("1 to n_mels = {}", mel.n_mels)));
                }
                let kind = Kind::Mfcc {
                    filterbank: MelFilterbank::new(mel, sample_rate, n_fft)?,
                    top_db,
                    dct: Dct::new(mel.n_mels, n_mfcc)?,
                    lifter: crate::mfcc::lifter_weights(lifter, n_mfcc)?,
                };
                many(kind, mel.n_mels, "mfcc", n_mfcc)
            }
            Feature::Spectrogram(spectrogram) => {
                let &SpectrogramOptions { values, top_db } = spectrogram;
                check_top_db(top_db)?;
                let top_db = top_db.filter(|_| values == SpectrumValues::Decibel);
                let n_bins = 1 + n_fft / 2;
                many(Kind::Spectrogram { values, top_db }, n_bins, "bin", n_bins)
            }
            Feature::SpectralCentroid => one(Kind::Centroid, "spectral_centroid"),
            Feature::SpectralBandwidth(bandwidth) => {
                bandwidth.check()?;
                one(Kind::Bandwidth(bandwidth.clone()), "spectral_bandwidth")
            }
            Feature::SpectralRolloff(rolloff) => {
                rolloff.check()?;
                one(Kind::Rolloff(rolloff.clone()), "spectral_rolloff")
            }
            Feature::SpectralFlatness(flatness) => {
                flatness.check()?;
                one(Kind::Flatness(flatness.clone()), "spectral_flatness")
            }
            Feature::SpectralContrast(contrast) => {
                let contrast = SpectralContrast::new(sample_rate, n_fft, contrast)?;
                let n = contrast.n_output();
                many(Kind::Contrast(contrast), n, "spectral_contrast", n)
            }
            Feature::F0(yin) => {
                let yin = Yin::new(yin, sample_rate, options.hop_length, options.center)?;
                check_pitch_frames(yin.framing(), options)?;
                one(Kind::F0(yin), "f0")
            }
            Feature::Pyin(pyin) | Feature::PitchContour(pyin) => {
                let pyin = Pyin::new(pyin, sample_rate, options.hop_length, options.center)?;
                check_pitch_frames(pyin.framing(), options)?;
                let contour = matches!(feature, Feature::PitchContour(_));
                let columns = match contour {
                    false => ["pyin_f0", "pyin_voiced_probability"],
                    true => ["pitch_contour", "pitch_voiced_probability"],
                };
                let columns = columns.map(String::from).into();
                Ok(Self { kind: Kind::Pyin { pyin, contour }, raw_width: 2, columns })
            }
            Feature::KaldiFbank(_) | Feature::KaldiMfcc(_) => {
                let allowed = "alone in its set: Kaldi cuts its frames in another way";
                Err(Error::option("features", "a Kaldi feature beside others", allowed))
            }
        }
    }
}

/// Refuses frames for the fundamental frequency that would be fewer than the others.
fn check_pitch_frames(framing: &Framing, options: &FeatureOptions) -> Result<(), Error> {
    let (length, n_fft) = (framing.frame_length(), options.n_fft);
    if options.center && length % 2 == 1 && n_fft.is_multiple_of(2) {
        return Err(Error::option("frame_length", length, "even where n_fft is, for as many frames"));
    }
    if !options.center && length > n_fft {
        return Err(Error::option(
            "frame_length",
            length,
            format!("at most n_fft = {n_fft} where frames are not centred"),
        ));
    }
    Ok(())
}

impl Kind {
    pub(crate) fn needs_spectrum(&self) -> bool {
        !matches!(self, Self::ZeroCrossingRate | Self::Rms | Self::F0(_) | Self::Pyin { .. })
    }

    pub(crate) fn top_db(&self) -> Option<f32> {
        match *self {
            Self::LogMel { top_db, .. } | Self::Mfcc { top_db, .. } | Self::Spectrogram { top_db, .. } => top_db,
            _ => None,
        }
    }
}
