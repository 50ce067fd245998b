use crate::badshah::{Badshah, BadshahOptions};
use crate::batch::{check_features, stack};
use crate::checkpoint::digest;
use crate::compact::{Compact, CompactOptions};
use crate::layers::{Activations, Mode};
use crate::linear::{LinearOptions, LogisticRegression};
use crate::model_file::Weights;
use crate::paper::{PaperCnn, PaperCnnOptions, PaperFrames, PaperFramesOptions};
use crate::parameters::Parameters;
use crate::rnn::{Rnn, RnnOptions};
use crate::summary::Summary;
use crate::tim_net::{TimNet, TimNetOptions};
use crate::zhao::{Zhao, ZhaoOptions};
use crate::{Error, Result};
use candle_core::Tensor;
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

/// Which network to build, and its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NetworkOptions {
    /// A small residual network over frames with attentive statistics pooling.
    Compact(CompactOptions),
    /// The network of Zahoor and Kaur over one flattened vector.
    PaperCnn(PaperCnnOptions),
    /// The same layers over frames, with bins as channels.
    PaperFrames(PaperFramesOptions),
    /// TIM-Net: dilated causal convolutions in both directions of time.
    TimNet(TimNetOptions),
    /// LSTM or GRU over frames.
    Rnn(RnnOptions),
    /// Four convolutional blocks and an LSTM, for log-mel spectrograms.
    Zhao(ZhaoOptions),
    /// Three convolution and three fully connected layers, for spectrograms.
    Badshah(BadshahOptions),
    /// Logistic regression on the mean over time.
    Linear(LinearOptions),
}

/// A built network of each kind.
enum Layers {
    Compact(Box<Compact>),
    PaperCnn(PaperCnn),
    PaperFrames(PaperFrames),
    TimNet(TimNet),
    Rnn(Rnn),
    Zhao(Zhao),
    Badshah(Badshah),
    Linear(LogisticRegression),
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self::Compact(CompactOptions::default())
    }
}

/// A network: features `[frames, bins]` of any length in, logits `[outputs]` out.
pub struct Network {
    layers: Layers,
    options: NetworkOptions,
    pub(crate) parameters: Parameters,
    n_bins: usize,
    n_outputs: usize,
    /// What tells the weights of [`Network::start_from`] from others.
    pub(crate) start: Option<String>,
}

impl Network {
    /// Builds a network with random weights; equal seeds give equal bits. It has an output for each class, and one for each
    /// regression head after them.
    ///
    /// # Errors
    /// An option outside its range, no bins, or fewer than two outputs.
    ///
    /// ```
    /// use ser_model::{Network, NetworkOptions};
    /// let network = Network::new(&NetworkOptions::default(), 64, 7, 1)?;
    /// assert!(network.n_parameters() <= 500_000);
    /// # Ok::<(), ser_model::Error>(())
    /// ```
    pub fn new(options: &NetworkOptions, n_bins: usize, n_outputs: usize, seed: u64) -> Result<Self> {
        Self::build(options, n_bins, n_outputs, Parameters::random(seed))
    }

    /// Takes the weights of another network to begin training with, running statistics included. Those of the classifier, the last
    /// layer, are taken where `classifier` says so, and else stay as they were drawn: other classes need another one.
    ///
    /// # Errors
    /// A weight that is missing, of another shape, not finite, or left over; a network of [`Network::from_weights`].
    ///
    /// ```
    /// use ser_model::{Network, NetworkOptions};
    /// let options = NetworkOptions::default();
    /// let of_seven_classes = Network::new(&options, 64, 7, 1)?;
    /// let mut of_four = Network::new(&options, 64, 4, 1)?;
    /// of_four.start_from(&of_seven_classes.weights()?, false)?;
    /// # Ok::<(), ser_model::Error>(())
    /// ```
    pub fn start_from(&mut self, weights: &Weights, classifier: bool) -> Result<()> {
        let is_taken = |name: &String| classifier || !name.starts_with("classifier.");
        let mut taken = self.weights()?;
        taken.retain(|name, _| !is_taken(name));
        taken.extend(
            weights.iter().filter(|(name, _)| is_taken(name)).map(|(name, array)| (name.clone(), array.clone())),
        );
        Self::from_weights(&self.options, self.n_bins, self.n_outputs, taken.clone())?;
        self.parameters.variables()?;
        self.parameters.restore(&taken)?;
        self.start = Some(digest(&taken));
        Ok(())
    }

    /// Builds a network from the weights of a model file. It cannot be trained.
    ///
    /// # Errors
    /// As [`Network::new`]; a weight that is missing, of another shape, not finite, or left over.
    pub fn from_weights(options: &NetworkOptions, n_bins: usize, n_outputs: usize, weights: Weights) -> Result<Self> {
        if let Some((name, _)) = weights.iter().find(|(_, array)| array.iter().any(|v| !v.is_finite())) {
            return Err(Error::Weight { name: name.clone(), problem: "holds NaN or infinite values".into() });
        }
        let network = Self::build(options, n_bins, n_outputs, Parameters::stored(weights))?;
        network.parameters.check_all_used()?;
        Ok(network)
    }

    fn build(options: &NetworkOptions, n_bins: usize, n_outputs: usize, parameters: Parameters) -> Result<Self> {
        if !(1..=65_536).contains(&n_bins) {
            return Err(Error::InvalidOption { option: "bins", value: n_bins.to_string(), allowed: "1 to 65536" });
        }
        if !(2..=65_536).contains(&n_outputs) {
            return Err(Error::InvalidOption {
                option: "outputs",
                value: n_outputs.to_string(),
                allowed: "2 to 65536",
            });
        }
        let vb = parameters.builder();
        let layers = match options {
            NetworkOptions::Compact(options) => {
                Layers::Compact(Box::new(Compact::new(options, n_bins, n_outputs, vb)?))
            }
            NetworkOptions::PaperCnn(options) => Layers::PaperCnn(PaperCnn::new(options, n_bins, n_outputs, vb)?),
            NetworkOptions::PaperFrames(options) => {
                Layers::PaperFrames(PaperFrames::new(options, n_bins, n_outputs, vb)?)
            }
            NetworkOptions::Rnn(options) => Layers::Rnn(Rnn::new(options, n_bins, n_outputs, vb)?),
            NetworkOptions::Zhao(options) => Layers::Zhao(Zhao::new(options, n_bins, n_outputs, vb)?),
            NetworkOptions::Badshah(options) => Layers::Badshah(Badshah::new(options, n_bins, n_outputs, vb)?),
            NetworkOptions::Linear(options) => Layers::Linear(LogisticRegression::new(options, n_bins, n_outputs, vb)?),
            NetworkOptions::TimNet(options) => Layers::TimNet(TimNet::new(options, n_bins, n_outputs, vb)?),
        };
        Ok(Self { layers, options: options.clone(), parameters, n_bins, n_outputs, start: None })
    }

    /// What it was built from.
    pub fn options(&self) -> &NetworkOptions {
        &self.options
    }

    /// The number of bins of the features that it takes.
    pub fn n_bins(&self) -> usize {
        self.n_bins
    }

    /// The number of its outputs: one a class, and one a regression head after them.
    pub fn n_outputs(&self) -> usize {
        self.n_outputs
    }

    /// The number of trainable parameters.
    pub fn n_parameters(&self) -> usize {
        self.parameters.n_trainable()
    }

    /// Lists the layers with the shapes of their outputs for an utterance of `frames` frames.
    ///
    /// # Errors
    /// No frames.
    ///
    /// ```
    /// use ser_model::{Network, NetworkOptions, PaperCnnOptions};
    /// let network = Network::new(&NetworkOptions::PaperCnn(PaperCnnOptions::default()), 22, 7, 1)?;
    /// println!("{}", network.summary(108)?);
    /// # Ok::<(), ser_model::Error>(())
    /// ```
    pub fn summary(&self, frames: usize) -> Result<Summary> {
        if frames == 0 {
            return Err(Error::FeatureShape { frames, bins: self.n_bins, expected_bins: self.n_bins });
        }
        let mut layers = match &self.layers {
            Layers::Compact(layers) => layers.summary(frames, self.n_bins),
            Layers::PaperCnn(layers) => layers.summary(self.n_bins),
            Layers::PaperFrames(layers) => layers.summary(frames),
            Layers::TimNet(layers) => layers.summary(frames),
            Layers::Rnn(layers) => layers.summary(frames),
            Layers::Linear(layers) => layers.summary(),
            Layers::Zhao(layers) => layers.summary(frames, self.n_bins),
            Layers::Badshah(layers) => layers.summary(frames, self.n_bins),
        };
        for (name, values) in self.parameters.weights()? {
            if let Some(layer) = layers.iter_mut().find(|layer| layer.owns(&name)) {
                layer.parameters += values.len();
            }
        }
        Ok(Summary { layers, trainable: self.n_parameters() })
    }

    /// Copies the weights, running statistics included.
    ///
    /// # Errors
    /// None on a CPU but a failure of the tensor library.
    pub fn weights(&self) -> Result<Weights> {
        self.parameters.weights()
    }

    /// Computes logits `[utterances, outputs]` for utterances of any lengths, each `[frames, bins]`.
    ///
    /// Shorter utterances are padded to the longest of the call, which does not change their logits beyond rounding.
    ///
    /// # Errors
    /// Features of another number of bins, without a frame, or not finite; weights so far off that the result is not
    /// finite.
    pub fn logits(&self, utterances: &[ArrayView2<f32>]) -> Result<Array2<f32>> {
        if utterances.is_empty() {
            return Ok(Array2::zeros((0, self.n_outputs)));
        }
        for utterance in utterances {
            check_features(*utterance, self.n_bins)?;
        }
        let logits = self.forward(&stack(utterances)?, &mut Mode::Evaluate)?;
        let values = logits.flatten_all()?.to_vec1::<f32>()?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(Error::NonFiniteLogits);
        }
        Array2::from_shape_vec((utterances.len(), self.n_outputs), values).map_err(|e| Error::Tensor(Box::new(e)))
    }

    pub(crate) fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        match &self.layers {
            Layers::Compact(layers) => layers.forward(input, mode),
            Layers::PaperCnn(layers) => layers.forward(input, mode),
            Layers::PaperFrames(layers) => layers.forward(input, mode),
            Layers::TimNet(layers) => layers.forward(input, mode),
            Layers::Rnn(layers) => layers.forward(input, mode),
            Layers::Zhao(layers) => layers.forward(input, mode),
            Layers::Badshah(layers) => layers.forward(input, mode),
            Layers::Linear(layers) => layers.forward(input, mode),
        }
    }
}

/// Checks the probability of dropping that most networks have.
pub(crate) fn check_dropout(dropout: f64) -> Result<()> {
    if (0.0..1.0).contains(&dropout) {
        return Ok(());
    }
    let allowed = "at least 0, below 1";
    Err(Error::InvalidOption { option: "network.dropout", value: dropout.to_string(), allowed })
}
