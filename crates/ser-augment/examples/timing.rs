//! Times one step of a chain at a time, for `benches/peers/augment.py`: `timing CLIP.f32 SAMPLE_RATE` reads little-endian
//! samples, then a step as JSON a line from stdin, and answers each line with two numbers of seconds: for a bare copy of
//! the samples, and for the application of the step, which gives a new waveform too.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
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

    // glibc gives memory back to the system after each step, until a program has freed a large array once, as one
    // that reads recordings has.
    drop(black_box(vec![0.0_f32; 1 << 22]));

    let mut chains = HashMap::new();
    for (epoch, line) in (0..).zip(std::io::stdin().lock().lines()) {
        let line = line?;
        if !chains.contains_key(&line) {
            let options = ChainOptions { waveform: vec![serde_json::from_str(&line)?], ..ChainOptions::default() };
            chains.insert(line.clone(), Chain::with_noise_bank(options, vec![clip.clone(), clip.clone()])?);
        }
        let draw = Draw { seed: 0, utterance: "clip", epoch };
        let start = Instant::now();
        black_box(clip.clone());
        let copied = start.elapsed().as_secs_f64();
        let start = Instant::now();
        black_box(chains[&line].apply(&clip, &draw)?);
        let applied = start.elapsed().as_secs_f64();
        writeln!(std::io::stdout(), "{copied:e} {applied:e}")?;
    }
    Ok(())
}
