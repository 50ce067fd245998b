use crate::Result;
use candle_core::{D, Device, Tensor};
use candle_nn::ops::log_softmax;

/// Cross-entropy of logits `[batch, classes]` with class weights and label smoothing, as PyTorch's `CrossEntropyLoss`
/// takes the mean: divided by the sum of the targets' weights.
pub(crate) fn cross_entropy(
    logits: &Tensor,
    targets: &[usize],
    class_weights: &[f32],
    label_smoothing: f32,
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
    Ok((log_softmax(logits, D::Minus1)? * factors)?.sum_all()?.neg()?)
}
