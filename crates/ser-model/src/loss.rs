use crate::Result;
use candle_core::{D, Device, Tensor};
use candle_nn::ops::log_softmax;

/// Cross-entropy of logits `[batch, classes]` with class weights and label smoothing, as PyTorch's `CrossEntropyLoss`
/// takes the mean: divided by the sum of the targets' weights. With `focal_gamma` above 0, each term is multiplied by
/// `(1 - p)^gamma` (Lin et al. 2017, arXiv 1708.02002).
pub(crate) fn cross_entropy(
    logits: &Tensor,
    targets: &[usize],
    class_weights: &[f32],
    label_smoothing: f32,
    focal_gamma: f32,
) -> Result<Tensor> {
    let classes = class_weights.len();
    let total: f32 = targets.iter().map(|&target| class_weights[target]).sum();
    // -loss = sum of log-probabilities times these factors.
    let mut factors: Vec<f32> = Vec::with_capacity(targets.len() * classes);
    for &target in targets {
        for (class, weight) in class_weights.iter().enumerate() {
            let hard = if class == target { 1.0 - label_smoothing } else { 0.0 };
            factors.push(weight * (hard + label_smoothing / classes as f32) / total);
        }
    }
    let factors = Tensor::from_vec(factors, (targets.len(), classes), &Device::Cpu)?;
    let log_probabilities = log_softmax(logits, D::Minus1)?;
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
