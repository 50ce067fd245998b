//! What holds for any bytes that are read as a recording.

use std::io::Cursor;
use std::sync::Once;

use ser_audio::{AudioInfo, Channel, ReadOptions, Truncated, Waveform};

/// Reads bytes in several ways.
///
/// # Panics
///
/// If a sample is not finite, if the limit is exceeded, or if a part is not that part of the whole.
pub fn check(bytes: &[u8]) {
    static HOOK: Once = Once::new();
    HOOK.call_once(let_panics_unwind);
    let options = ReadOptions { max_duration: 20.0, ..ReadOptions::default() };
    let read = |options: &ReadOptions| Waveform::from_reader(Cursor::new(bytes), options);
    let _ = AudioInfo::from_bytes(bytes);
    let lenient = read(&ReadOptions { truncated: Truncated::Keep, ..options.clone() });
    if let Ok(waveform) = &lenient {
        assert!(waveform.samples().iter().all(|x| x.is_finite()));
        assert!(waveform.duration() <= 20.001);
    }
    let _ = read(&ReadOptions { offset: 1.3, duration: Some(0.2), ..options.clone() });
    let Ok(strict) = read(&options) else { return };
    assert_eq!(Some(&strict), lenient.as_ref().ok());
    let left = read(&ReadOptions { channel: Channel::Index(0), ..options });
    assert_eq!(left.map(|left| left.samples().len()).ok(), Some(strict.samples().len()));
}

/// libFuzzer's hook ends the process at every panic, also at one of symphonia's that ser-audio turns into an error. A
/// panic that nobody catches still ends it.
fn let_panics_unwind() {
    std::panic::set_hook(Box::new(|panic| {
        if !panic.location().is_some_and(|place| place.file().contains("symphonia")) {
            eprintln!("{panic}");
        }
    }));
}
