use crate::Result;
use candle_core::{D, Device, Tensor};
use candle_nn::ops::log_softmax;

/// What is added to the logit of a class that cannot be: no logit comes near it, and its exponential is 0.
const IMPOSSIBLE: f32 = -1e9;

/// Cross-entropy of logits `[batch, classes]` with class weights and label smoothing, as PyTorch's `CrossEntropyLoss`
/// takes the mean: divided by the sum of the targets' weights. Each row has class weights of its own; a class whose weight is
/// 0 takes no part in that row's softmax. With `focal_gamma` above 0, each term is multiplied by
/// `(1 - p)^gamma` (Lin et al. 2017, arXiv 1708.02002).
pub(crate) fn cross_entropy(
    logits: &Tensor,
    targets: &[usize],
    class_weights: &[&[f32]],
    label_smoothing: f32,
    focal_gamma: f32,
) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    let total: f32 = targets.iter().zip(class_weights).map(|(&target, weights)| weights[target]).sum();
    // -loss = sum of log-probabilities times these factors.
    let mut factors: Vec<f32> = Vec::with_capacity(rows * classes);
    for (&target, weights) in targets.iter().zip(class_weights) {
        let possible = weights.iter().filter(|weight| **weight > 0.0).count() as f32;
        for (class, weight) in weights.iter().enumerate() {
            let hard = if class == target { 1.0 - label_smoothing } else { 0.0 };
            factors.push(weight * (hard + label_smoothing / possible) / total);
        }
    }
    let factors = Tensor::from_vec(factors, (rows, classes), &Device::Cpu)?;
    let log_probabilities = match class_weights.iter().any(|weights| weights.contains(&0.0)) {
        false => log_softmax(logits, D::Minus1)?,
        true => {
            let floor = class_weights.concat().into_iter().map(|weight| if weight > 0.0 { 0.0 } else { IMPOSSIBLE });
            log_softmax(&(logits + Tensor::from_iter(floor, &Device::Cpu)?.reshape((rows, classes))?)?, D::Minus1)?
        }
    };
    let mut terms = (&log_probabilities * factors)?;
    if focal_gamma > 0.0 {
        // The floor keeps the power's gradient finite where a probability rounds to 1.
        let others = (1.0 - log_probabilities.exp()?)?.maximum(1e-7)?;
        terms = (terms * others.powf(f64::from(focal_gamma))?)?;
    }
    Ok(terms.sum_all()?.neg()?)
}

/// One minus the mean over columns of Lin's concordance correlation coefficient (1989) of predictions and truths
/// `[batch, values]`, with variances over n, as `ser-metrics` scores it.
pub(crate) fn concordance_loss(predictions: &Tensor, truths: &Tensor) -> Result<Tensor> {
    let centred = |values: &Tensor| -> candle_core::Result<(Tensor, Tensor)> {
        let mean = values.mean_keepdim(0)?;
        Ok((values.broadcast_sub(&mean)?, mean))
    };
    let ((predictions, prediction_mean), (truths, truth_mean)) = (centred(predictions)?, centred(truths)?);
    let covariance = (&predictions * &truths)?.mean_keepdim(0)?;
    let variances = (predictions.sqr()?.mean_keepdim(0)? + truths.sqr()?.mean_keepdim(0)?)?;
    let spread = (variances + (prediction_mean - truth_mean)?.sqr()?)?;
    // The floor keeps a batch of equal predictions and equal truths finite.
    let concordance = ((covariance * 2.0)? / spread.maximum(1e-8)?)?;
    Ok((1.0 - concordance.mean_all()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    #[test]
    fn a_class_without_weight_takes_no_part() -> Result<()> {
        let logits = [[0.5f32, 9.0, -1.0, 0.25], [2.0, 0.0, 1.0, -3.0]];
        let weights: [&[f32]; 2] = [&[1.0, 0.0, 2.0, 0.5], &[3.0, 1.0, 0.0, 1.0]];
        let all = Var::new(&logits, &Device::Cpu)?;
        let loss = cross_entropy(&all, &[2, 0], &weights, 0.1, 0.0)?;
        // The same without these classes, row by row: the targets' weights are 2 and 3.
        let rows = [([0.5f32, -1.0, 0.25], [1.0f32, 2.0, 0.5], 1), ([2.0, 0.0, -3.0], [3.0, 1.0, 1.0], 0)];
        let mut expected = 0.0;
        for (logits, weights, target) in rows {
            let loss = cross_entropy(&Tensor::new(&[logits], &Device::Cpu)?, &[target], &[&weights], 0.1, 0.0)?;
            expected += loss.to_scalar::<f32>()? * weights[target] / 5.0;
        }
        assert!((loss.to_scalar::<f32>()? - expected).abs() < 1e-6, "{loss} {expected}");
        let gradients = loss.backward()?.get(&all).map(Tensor::to_vec2::<f32>).transpose()?.unwrap_or_default();
        assert_eq!([gradients[0][1], gradients[1][2]], [0.0; 2]);
        assert!(gradients[0][0] != 0.0 && gradients[1][3] != 0.0);
        Ok(())
    }
}
