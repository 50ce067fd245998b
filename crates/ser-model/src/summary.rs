use std::fmt;

/// One layer of a [`Summary`].
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSummary {
    /// Its name, as in the names of its weights.
    pub name: String,
    /// The shape of its output for one utterance: frames, bins and channels, as far as it has them.
    pub output: Vec<usize>,
    /// The number of its values in a model file, running statistics included, as Keras counts.
    pub parameters: usize,
    /// Multiplications that are added up in its products, for one utterance; normalisations and poolings are not counted.
    pub multiply_adds: usize,
}

/// What a network is made of: see [`crate::Network::summary`]. Displays as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The layers, in the order of computation; a convolution with its normalisation, function and pooling is one.
    pub layers: Vec<LayerSummary>,
    /// The number of values that training changes.
    pub trainable: usize,
}

impl Summary {
    /// The number of values of all layers, running statistics included.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Multiply-adds for one utterance.
    pub fn multiply_adds(&self) -> usize {
        self.layers.iter().map(|layer| layer.multiply_adds).sum()
    }
}

impl LayerSummary {
    /// A layer whose parameters are counted later, by its name.
    pub(crate) fn new(name: impl Into<String>, output: &[usize], multiply_adds: usize) -> Self {
        Self { name: name.into(), output: output.to_vec(), parameters: 0, multiply_adds }
    }

    /// Whether a weight of this name is the layer's or its normalisation's.
    pub(crate) fn owns(&self, weight: &str) -> bool {
        weight.strip_prefix(&self.name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '_']))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{:<24} {:>18} {:>12} {:>16}", "layer", "output", "parameters", "multiply-adds")?;
        for LayerSummary { name, output, parameters, multiply_adds } in &self.layers {
            let output: Vec<String> = output.iter().map(usize::to_string).collect();
            writeln!(f, "{name:<24} {:>18} {parameters:>12} {multiply_adds:>16}", output.join(" × "))?;
        }
        writeln!(f, "{:<24} {:>18} {:>12} {:>16}", "total", "", self.parameters(), self.multiply_adds())?;
        write!(f, "trainable: {}", self.trainable)
    }
}
