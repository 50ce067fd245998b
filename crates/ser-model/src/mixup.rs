use candle_core::{Result, Tensor};
use ndarray::{Array2, ArrayView2};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// How the utterances of one mini-batch are mixed in pairs (Zhang et al. 2018, arXiv 1710.09412; as there, with one part for
/// the whole batch).
pub(crate) struct Mixup {
    /// What each utterance keeps of itself; 0 to 1.
    pub part: f32,
    /// The utterance that each is mixed with.
    partners: Vec<usize>,
}

impl Mixup {
    pub fn draw(alpha: f64, batch: usize, rng: &mut ChaCha8Rng) -> Self {
        let part = beta(alpha, rng) as f32;
        let mut partners: Vec<usize> = (0..batch).collect();
        partners.shuffle(rng);
        Self { part, partners }
    }

    /// Mixes features `[frames, bins]`. Each utterance keeps its length: its partner is cut to it, or repeated from its start, so
    /// that every frame is a mixture of two and none is mixed with padding.
    pub fn features(&self, utterances: &[ArrayView2<f32>]) -> Vec<Array2<f32>> {
        let mix = |(own, &partner): (&ArrayView2<f32>, &usize)| {
            let mut mixed = own.to_owned();
            let partner = utterances[partner];
            for (frame, mut row) in mixed.rows_mut().into_iter().enumerate() {
                let other = partner.row(frame % partner.nrows());
                row.zip_mut_with(&other, |own, other| *own = self.part * *own + (1.0 - self.part) * other);
            }
            mixed
        };
        utterances.iter().zip(&self.partners).map(mix).collect()
    }

    /// Mixes the loss of the utterances' own targets and that of their partners'.
    pub fn loss(&self, of_own: Tensor, of_partners: Tensor) -> Result<Tensor> {
        let part = f64::from(self.part);
        (of_own * part)? + (of_partners * (1.0 - part))?
    }

    /// What each utterance's partner has.
    pub fn of_partners<T: Clone>(&self, values: &[T]) -> Vec<T> {
        self.partners.iter().map(|&partner| values[partner].clone()).collect()
    }
}

/// Draws from the distribution Beta(alpha, alpha) by Jöhnk's method (Metrika 8, 1964): the first of two powers of uniform
/// numbers, relative to their sum, where that is 1 at most.
fn beta(alpha: f64, rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let [x, y] = [(); 2].map(|()| rng.random_range(0f64..1.0).powf(1.0 / alpha));
        if x + y > 0.0 && x + y <= 1.0 {
            return x / (x + y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::stack;
    use crate::loss::cross_entropy;
    use crate::pytorch::{assert_close, load, variable};
    use candle_core::D;
    use rand::SeedableRng;
    use serde::Deserialize;

    #[test]
    fn parts_have_the_moments_of_the_beta_distribution() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for alpha in [0.2, 1.0, 3.0] {
            let n = 40_000;
            let draws: Vec<f64> = (0..n).map(|_| beta(alpha, &mut rng)).collect();
            let moment = |power: i32| draws.iter().map(|x| (x - 0.5).powi(power)).sum::<f64>() / n as f64;
            let variance = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            // Five standard errors: of the mean √(v/n), of the variance below √(v²·2/n).
            assert!((moment(1)).abs() < 5.0 * (variance / n as f64).sqrt(), "alpha {alpha}: mean {}", moment(1));
            let error = (moment(2) - variance).abs();
            assert!(error < 5.0 * variance * (2.0 / n as f64).sqrt(), "alpha {alpha}: variance {}", moment(2));
        }
    }

    #[test]
    fn a_mixed_batch_has_pytorchs_features_loss_and_gradient() -> crate::Result<()> {
        #[derive(Deserialize)]
        struct Manifest {
            targets: Vec<usize>,
            partners: Vec<usize>,
            part: f32,
        }
        let (Manifest { targets, partners, part }, references) = load("mixup");
        let mixup = Mixup { part, partners };
        let utterances: Vec<_> =
            references["features"].outer_iter().map(|frames| frames.into_dimensionality().unwrap()).collect();
        let mixed = mixup.features(&utterances);
        let views: Vec<_> = mixed.iter().map(|features| features.view()).collect();
        let mixed = stack(&views)?.values.squeeze(D::Minus1)?;
        assert_close("mixed", &mixed, &references["mixed"], 1e-7);
        let weight = variable(&references["weight"]);
        let logits = mixed.mean(1)?.matmul(&weight)?;
        let loss_of = |targets: &[usize]| cross_entropy(&logits, targets, &[&[1.0; 3][..]; 4], 0.0, 0.0);
        let loss = mixup.loss(loss_of(&targets)?, loss_of(&mixup.of_partners(&targets))?)?;
        let gradients = loss.backward()?;
        assert_close("loss", &loss, &references["loss"], 1e-6);
        assert_close("gradient", gradients.get(&weight).unwrap(), &references["gradient"], 1e-6);
        Ok(())
    }

    #[test]
    fn every_frame_is_a_mixture_and_lengths_stay() {
        let [long, short] = [(5, 1.0), (2, 100.0)].map(|(frames, scale): (usize, f32)| {
            Array2::from_shape_fn((frames, 3), |(t, f)| scale * (1 + 3 * t + f) as f32)
        });
        let mixup = Mixup { part: 0.75, partners: vec![1, 0] };
        let mixed = mixup.features(&[long.view(), short.view()]);
        assert_eq!([mixed[0].dim(), mixed[1].dim()], [(5, 3), (2, 3)]);
        // Sums of these numbers and quarters are exact.
        for ((t, f), &value) in mixed[0].indexed_iter() {
            assert_eq!(value, 0.75 * long[[t, f]] + 0.25 * short[[t % 2, f]]);
        }
        for ((t, f), &value) in mixed[1].indexed_iter() {
            assert_eq!(value, 0.75 * short[[t, f]] + 0.25 * long[[t, f]]);
        }
        assert_eq!(mixup.of_partners(&["long", "short"]), ["short", "long"]);
    }
}
