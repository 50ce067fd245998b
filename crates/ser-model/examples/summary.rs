//! Prints the layers of a network with their output shapes, parameters and multiply-adds.
//!
//!     cargo run --release -p ser-model --example summary -- '{"architecture":"tim-net"}' 200 39 7
//!
//! Arguments: the network's description in JSON, then frames, bins and classes.

use ser_model::Network;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [description, frames, bins, classes] = &arguments[..] else {
        return Err("a network's description, frames, bins and classes are needed".into());
    };
    let network = Network::new(&serde_json::from_str(description)?, bins.parse()?, classes.parse()?, 0)?;
    println!("{}", network.summary(frames.parse()?)?);
    Ok(())
}
