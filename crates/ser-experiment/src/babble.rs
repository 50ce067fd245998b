use crate::Error;
use crate::dataset::open;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ser_audio::Waveform;
use ser_inference::{Frontend, Recording};
use std::path::Path;

/// The waveforms of babble, and the voices that are heard in each.
const BABBLE: usize = 16;
const VOICES: usize = 6;

/// Makes babble at the features' sample rate: sums of several recordings at equal power, each repeated to the length of
/// the longest.
pub(crate) fn babble(paths: &[&Path], frontend: &Frontend, seed: u64) -> Result<Vec<Waveform>, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut voice = || -> Result<Option<Waveform>, Error> {
        let path = paths[(rng.next_u64() % paths.len() as u64) as usize];
        let Ok(Recording::Audio(waveform)) = open(path) else { return Ok(None) };
        Ok(Some(frontend.resample(waveform)?))
    };
    let mut bank = Vec::new();
    for _ in 0..BABBLE {
        let voices: Vec<Waveform> = (0..VOICES).filter_map(|_| voice().transpose()).collect::<Result<_, _>>()?;
        let energy = |w: &Waveform| w.samples().iter().map(|x| f64::from(x * x)).sum::<f64>();
        let power = |w: &Waveform| (energy(w) / w.samples().len() as f64) as f32;
        let voices: Vec<(f32, Waveform)> = voices.into_iter().map(|w| (power(&w), w)).collect();
        let voices = || voices.iter().filter(|(power, _)| *power > 0.0);
        let Some(length) = voices().map(|(_, w)| w.samples().len()).max() else { continue };
        let mut sum = vec![0.0; length];
        for (power, waveform) in voices() {
            let gain = power.sqrt().recip();
            sum.iter_mut().zip(waveform.samples().iter().cycle()).for_each(|(sum, x)| *sum += gain * x);
        }
        if let Some((_, first)) = voices().next() {
            bank.push(Waveform::new(sum, first.sample_rate()).map_err(ser_inference::Error::Audio)?);
        }
    }
    Ok(bank)
}
