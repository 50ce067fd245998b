//! Untouched originals of public corpora with their odd kinds of files: each reads right or is refused by name.
//!
//! `SER_CORPORA` names a folder with `quirks/{crema-d,ravdess,savee,tess}`.

#![cfg(feature = "formats")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::PathBuf;

use common::chain;
use ser_audio::{AudioInfo, Channel, Format, ReadOptions, Waveform};

fn quirk(name: &str) -> PathBuf {
    PathBuf::from(std::env::var("SER_CORPORA").unwrap()).join("quirks").join(name)
}

/// Name, format, sample rate, channels, frames, and the sum of the squared 16-bit samples of the first channel, as
/// libsndfile 1.2.2 reads them.
const LOSSLESS: [(&str, Format, u32, usize, u64, f64); 18] = [
    ("crema-d/AudioWAV/1013_IEO_ANG_MD.wav", Format::Wav, 16_000, 1, 29_363, 269_583_025_749.0),
    ("crema-d/AudioWAV/1013_TIE_DIS_XX.wav", Format::Wav, 16_000, 1, 48_582, 23_363_550_640.0),
    ("crema-d/AudioWAV/1036_ITH_NEU_XX.wav", Format::Wav, 16_000, 1, 40_040, 38_510_245_256.0),
    ("crema-d/AudioWAV/1054_IEO_FEA_HI.wav", Format::Wav, 16_000, 1, 37_904, 712_151_318_869.0),
    ("crema-d/AudioWAV/1066_IWW_SAD_XX.wav", Format::Wav, 16_000, 1, 34_167, 2_884_066_257.0),
    ("ravdess/Actor_01/03-01-02-01-01-02-01.wav", Format::Wav, 48_000, 2, 172_972, 1_767_295_461.0),
    ("ravdess/Actor_01/03-01-05-01-01-01-01.wav", Format::Wav, 48_000, 1, 185_786, 45_271_660_149.0),
    ("savee/ALL/DC_a01.wav", Format::Wav, 44_100, 1, 160_868, 4_636_925_731_730.0),
    ("savee/ALL/JE_n01.wav", Format::Wav, 44_100, 1, 163_080, 1_020_836_694_322.0),
    ("savee/ALL/JK_sa01.wav", Format::Wav, 44_100, 1, 198_972, 2_999_590_693_426.0),
    ("savee/ALL/KL_su01.wav", Format::Wav, 44_100, 1, 155_658, 36_581_066_161.0),
    ("tess/OAF_Fear/OAF_food_fear.wav", Format::Wav, 96_000, 1, 145_172, 267_908_869_432.0),
    ("tess/OAF_Pleasant_surprise/OAF_back_ps.wav", Format::Wav, 24_414, 1, 49_619, 20_011_696_342.0),
    ("tess/OAF_neutral/OA_bite_neutral.wav", Format::Wav, 24_414, 1, 51_589, 11_152_146_551.0),
    ("tess/YAF_angry/YAF_back_angry.wav", Format::Wav, 24_414, 1, 49_480, 171_904_447_116.0),
    ("tess/YAF_angry/YAF_germ_angry.wav", Format::Aiff, 24_414, 1, 53_847, 147_868_090_319.0),
    ("tess/YAF_fear/YAF_neat_fear.wav", Format::Aiff, 24_414, 1, 40_156, 134_315_145_944.0),
    ("tess/YAF_sad/YAF_back_sad.wav", Format::Wav, 24_414, 1, 52_361, 107_503_351_761.0),
];

#[test]
#[ignore = "needs the corpora that SER_CORPORA names"]
fn lossless_originals_read_to_the_bit() {
    for (name, format, sample_rate, channels, frames, energy) in LOSSLESS {
        let info = AudioInfo::from_file(quirk(name)).unwrap();
        assert_eq!(
            (info.format, info.sample_rate, info.channels, info.frames),
            (format, sample_rate, channels, frames),
            "{name}"
        );
        let options = ReadOptions { channel: Channel::Index(0), ..ReadOptions::default() };
        let waveform = Waveform::from_file_with(quirk(name), &options).unwrap();
        assert_eq!(waveform.sample_rate(), sample_rate, "{name}");
        assert_eq!(waveform.samples().len() as u64, frames, "{name}");
        // Whole numbers below 2^53: exact.
        let sum: f64 = waveform.samples().iter().map(|&x| (f64::from(x) * 32768.0).powi(2)).sum();
        assert_eq!(sum, energy, "{name}");
    }
}

#[test]
#[ignore = "needs the corpora that SER_CORPORA names"]
fn crema_ds_mp3s_read_to_the_last_frame() {
    // These state no encoder delay, so that all frames stay, as with ffmpeg; libsndfile cuts 529.
    for (name, frames, energy) in [
        ("1002_DFA_ANG_XX", 115_200, 324.723),
        ("1002_DFA_NEU_XX", 111_744, 3.7285),
        ("1002_DFA_SAD_XX", 105_984, 1.6045),
    ] {
        let path = quirk(&format!("crema-d/AudioMP3/{name}.mp3"));
        let waveform = Waveform::from_file(&path).unwrap();
        assert_eq!((waveform.sample_rate(), waveform.samples().len()), (44_100, frames), "{name}");
        assert_eq!(AudioInfo::from_file(&path).unwrap().frames, frames as u64, "{name}");
        // The four or five digits that were written down.
        let sum: f64 = waveform.samples().iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((sum - energy).abs() < 1e-3, "{name}: {sum}");
    }
}

#[test]
#[ignore = "needs the corpora that SER_CORPORA names"]
fn crema_ds_flash_videos_are_refused_by_name() {
    let error = Waveform::from_file(quirk("crema-d/VideoFlash/1001_DFA_HAP_XX.flv")).unwrap_err();
    assert!(error.is_unsupported_format());
    assert!(chain(&error).contains("a Flash video (FLV)"), "{}", chain(&error));
}
