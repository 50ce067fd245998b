use crate::Result;
use crate::layers::{Activations, Dropout, Mode, linear, linear_summary};
use crate::network::check_dropout;
use crate::summary::LayerSummary;
use candle_core::{D, Tensor};
use candle_nn::{Linear, Module, VarBuilder};
use serde::{Deserialize, Serialize};

/// Options of multinomial logistic regression: the mean of the bins over time, dropout, one linear layer. With functionals
/// as features and weight decay it is the classical baseline of the field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearOptions {
    /// Probability of dropping a mean in training; at least 0, below 1.
    pub dropout: f64,
}

impl Default for LinearOptions {
    fn default() -> Self {
        Self { dropout: 0.5 }
    }
}

/// The network that [`LinearOptions`] describe.
pub(crate) struct LogisticRegression {
    dropout: Dropout,
    classifier: Linear,
}

impl LogisticRegression {
    pub fn new(options: &LinearOptions, n_bins: usize, n_classes: usize, vb: VarBuilder) -> Result<Self> {
        check_dropout(options.dropout)?;
        Ok(Self {
            dropout: Dropout { probability: options.dropout },
            classifier: linear(n_bins, n_classes, vb.pp("classifier"))?,
        })
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let input = Activations { values: input.values.squeeze(D::Minus1)?, lengths: input.lengths.clone() };
        Ok(self.classifier.forward(&self.dropout.forward(&input.mean_over_frames()?, mode)?)?)
    }

    pub fn summary(&self) -> LayerSummary {
        linear_summary("classifier", &self.classifier, &[])
    }
}
