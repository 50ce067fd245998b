//! Times one step of a chain at a time, for `benches/peers-augment.py`: `timing CLIP.f32 SAMPLE_RATE` reads little-endian
//! samples, then a step as JSON a line from stdin, and answers each line with the seconds that one application took.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use ser_audio::Waveform;
use ser_augment::{Chain, ChainOptions, Draw};

fn main() -> Result<(), Box<dyn Error>> {
    let [_, path, sample_rate] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: timing CLIP.f32 SAMPLE_RATE".into());
    };
    let bytes = std::fs::read(path)?;
    let samples = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let clip = Waveform::new(samples.collect(), sample_rate.parse()?)?;

    let mut chains = HashMap::new();
    for (epoch, line) in (0..).zip(std::io::stdin().lock().lines()) {
        let line = line?;
        if !chains.contains_key(&line) {
            let options = ChainOptions { waveform: vec![serde_json::from_str(&line)?], ..ChainOptions::default() };
            chains.insert(line.clone(), Chain::with_noise_bank(options, vec![clip.clone(), clip.clone()])?);
        }
        let draw = Draw { seed: 0, utterance: "clip", epoch };
        let start = Instant::now();
        // The copy is part of the time: the peers return a new array too.
        let augmented = chains[&line].apply(clip.clone(), &draw)?;
        let seconds = start.elapsed().as_secs_f64();
        writeln!(std::io::stdout(), "{seconds:e} {}", augmented.samples().len())?;
    }
    Ok(())
}
