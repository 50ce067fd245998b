//! Times the resampler for `benches/peers/audio.py`: `resample_timing CLIP.f32` reads little-endian samples, then the rates
//! `FROM TO` a line from stdin, and answers each line with the seconds that it took.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use ser_audio::Waveform;

fn main() -> Result<(), Box<dyn Error>> {
    let [_, path] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: resample_timing CLIP.f32".into());
    };
    let bytes = std::fs::read(path)?;
    let samples: Vec<f32> = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (from, to) = line.split_once(' ').ok_or("a line is FROM TO")?;
        let (waveform, to) = (Waveform::new(samples.clone(), from.parse()?)?, to.parse()?);
        let start = Instant::now();
        let resampled = waveform.resample(to)?;
        let seconds = start.elapsed().as_secs_f64();
        writeln!(std::io::stdout(), "{seconds:e} {}", resampled.samples().len())?;
    }
    Ok(())
}
