use crate::layers::{Activations, BatchNorm, Dropout, Mode, NormConstants, linear, linear_summary};
use crate::network::check_dropout;
use crate::ops::batch_norm::Activation;
use crate::summary::LayerSummary;
use crate::{Error, Result};
use candle_core::{D, Tensor};
use candle_nn::{Init, Linear, Module, VarBuilder};
use serde::{Deserialize, Serialize};

/// Options of multinomial logistic regression: the mean of the bins over time, dropout, one linear layer. With functionals
/// as features it is the classical baseline of the field. With a hidden layer it is a perceptron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearOptions {
    /// Probability of dropping a mean in training; at least 0, below 1.
    pub dropout: f64,
    /// Whether each mean has two weights, one where it is above 0 and one where it is below, and dropout for each: logits are
    /// piecewise linear, bent at the mean of the training part if features are standardised (concatenated ReLU, Shang et al.
    /// 2016, arXiv 1603.05201, of the input). Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub piecewise: bool,
    /// Width of a hidden layer before the linear one, with batch normalisation, ReLU and dropout of 0.3; 1 to 4,096. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<usize>,
}

impl Default for LinearOptions {
    fn default() -> Self {
        Self { dropout: 0.5, piecewise: false, hidden: None }
    }
}

/// The network that [`LinearOptions`] describe.
pub(crate) struct LogisticRegression {
    piecewise: bool,
    dropout: Dropout,
    hidden: Option<(Linear, BatchNorm)>,
    classifier: Linear,
}

/// Between the hidden layer and the classifier.
const HIDDEN_DROPOUT: Dropout = Dropout { probability: 0.3 };

/// A linear layer that starts with zeros: of thousands of inputs, the noise of random weights would outlast the training.
fn zeros(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Linear> {
    let weight = vb.get_with_hints((outputs, inputs), "weight", Init::Const(0.0))?;
    Ok(Linear::new(weight, Some(vb.get_with_hints(outputs, "bias", Init::Const(0.0))?)))
}

impl LogisticRegression {
    pub fn new(options: &LinearOptions, n_bins: usize, n_classes: usize, vb: VarBuilder) -> Result<Self> {
        check_dropout(options.dropout)?;
        let n_inputs = if options.piecewise { 2 * n_bins } else { n_bins };
        let hidden = |width: usize| {
            if !(1..=4096).contains(&width) {
                let (option, value, allowed) = ("network.hidden", width.to_string(), "1 to 4096");
                return Err(Error::InvalidOption { option, value, allowed });
            }
            let norm = BatchNorm::new(width, Activation::Relu, NormConstants::PYTORCH, vb.pp("hidden_norm"))?;
            Ok((linear(n_inputs, width, vb.pp("hidden"))?, norm))
        };
        Ok(Self {
            piecewise: options.piecewise,
            dropout: Dropout { probability: options.dropout },
            hidden: options.hidden.map(hidden).transpose()?,
            classifier: zeros(options.hidden.unwrap_or(n_inputs), n_classes, vb.pp("classifier"))?,
        })
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let input = Activations { values: input.values.squeeze(D::Minus1)?, lengths: input.lengths.clone() };
        let mut x = input.mean_over_frames()?;
        if self.piecewise {
            let above = x.relu()?;
            x = Tensor::cat(&[&above, &(&x - &above)?], D::Minus1)?;
        }
        x = self.dropout.forward(&x, mode)?;
        if let Some((hidden, norm)) = &self.hidden {
            x = HIDDEN_DROPOUT.forward(&norm.forward_vectors(&hidden.forward(&x)?, mode)?, mode)?;
        }
        Ok(self.classifier.forward(&x)?)
    }

    pub fn summary(&self) -> Vec<LayerSummary> {
        let hidden = self.hidden.iter().map(|(hidden, _)| linear_summary("hidden", hidden, &[]));
        hidden.chain([linear_summary("classifier", &self.classifier, &[])]).collect()
    }
}
