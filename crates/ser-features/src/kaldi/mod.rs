//! Features as Kaldi computes them.

mod bands;
mod extractor;
mod frames;
mod options;

pub use bands::KaldiScratch;
pub use extractor::Kaldi;
pub(crate) use frames::mirror;
pub use options::{KaldiFbankOptions, KaldiMfccOptions, KaldiOptions};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const SIGNAL_LENGTH: usize = 4001;

    fn signal() -> Vec<f32> {
        (0..SIGNAL_LENGTH).map(|n| (n as f32 * 0.3).sin() * (n as f32 * 0.0017).cos()).collect()
    }

    fn frame(samples: &[f32], range: std::ops::Range<i64>) -> Vec<f32> {
        range.map(|position| samples[mirror(position, samples.len())]).collect()
    }

    #[test]
    fn one_frame_alone_is_the_same_bits_as_in_the_whole_signal() {
        let samples = signal();
        let mut scratch = KaldiScratch::default();
        for snip_edges in [true, false] {
            let common = KaldiOptions { snip_edges, ..KaldiOptions::default() };
            let options = KaldiFbankOptions { use_energy: true, common: common.clone(), ..Default::default() };
            let fbank = Kaldi::fbank(&options, 16_000, 400, 160).unwrap();
            let mfcc = Kaldi::mfcc(&KaldiMfccOptions { common, ..Default::default() }, 16_000, 400, 160).unwrap();
            let (bands, cepstra) = (fbank.process(&samples).unwrap(), mfcc.process(&samples).unwrap());
            // More than one block of frames, the last one not full.
            assert_eq!(bands.nrows(), if snip_edges { 23 } else { 25 });
            for t in 0..bands.nrows() {
                assert_eq!(fbank.range(t), mfcc.range(t));
                let samples = frame(&samples, fbank.range(t));
                let mut output = vec![0.0; fbank.n_bins()];
                fbank.frame(&samples, &mut scratch, &mut output);
                assert_eq!(output, bands.row(t).to_vec(), "fbank, frame {t}");
                let mut output = vec![0.0; mfcc.n_bins()];
                mfcc.frame(&samples, &mut scratch, &mut output);
                assert_eq!(output, cepstra.row(t).to_vec(), "mfcc, frame {t}");
            }
        }
    }

    #[test]
    fn a_signal_is_mirrored_at_both_ends_as_often_as_needed() {
        let around: Vec<usize> = (-7..10).map(|position| mirror(position, 3)).collect();
        assert_eq!(around, [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2]);
        assert_eq!((mirror(-5, 1), mirror(4, 1)), (0, 0));
    }
}
