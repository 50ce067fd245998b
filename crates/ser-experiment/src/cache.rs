//! Features on disk, so that a run holds a batch of them in memory and the next run does not extract them again.

use crate::Error;
use ser_corpus::Fingerprint;
use ser_features::ndarray::Array2;
use ser_inference::Input;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Is to be raised when the same options give other features, or entries another form: neither old entries nor old folds are then
/// gone on from.
pub(crate) const REVISION: u32 = 2;
const CHECKSUM: usize = 32;

/// A folder of entries, each under the SHA-256 of the recording's bytes and of all that its features depend on: what is
/// stale is never found. Entries are renamed into place when they are complete and end with a checksum, so that neither
/// a killed run nor a second one at the same time can leave a wrong one.
pub(crate) struct Cache {
    folder: PathBuf,
    options: Sha256,
    seed: u64,
}

/// What is kept of a recording.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub fingerprint: Fingerprint,
    pub features: Array2<f32>,
}

/// The first line of an entry.
#[derive(Serialize, Deserialize)]
struct Head {
    hash: String,
    words: Vec<Option<u32>>,
    shape: [usize; 2],
}

impl Cache {
    /// `seed` is what augmented copies are drawn from.
    pub fn new(folder: &Path, input: &Input, seed: u64) -> Result<Self, Error> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Cache { path: folder.into(), source };
        fs::create_dir_all(folder).map_err(|error| failed(error.into()))?;
        let options = serde_json::to_vec(&(REVISION, env!("CARGO_PKG_VERSION"), input));
        let options = Sha256::new().chain_update(options.map_err(|error| failed(error.into()))?);
        Ok(Self { folder: folder.into(), options, seed })
    }

    /// Where the features of a recording, or of its augmented copy, are or would be.
    pub fn entry(&self, recording: &Path, copy: usize) -> io::Result<PathBuf> {
        let mut key = self.options.clone();
        if copy > 0 {
            key.update(serde_json::to_vec(&(self.seed, copy))?);
        }
        io::copy(&mut File::open(recording)?, &mut Hash(&mut key))?;
        let key: String = key.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let (shard, name) = key.split_at(2);
        Ok(self.folder.join(shard).join(name))
    }

    /// Reads an entry; `None` where there is none, or a damaged one.
    pub fn read(path: &Path) -> Result<Option<Entry>, Error> {
        match fs::read(path) {
            Ok(bytes) => Ok(parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(path, error)),
        }
    }

    pub fn write(path: &Path, entry: &Entry) -> Result<(), Error> {
        static UNFINISHED: AtomicU64 = AtomicU64::new(0);
        let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
        let unfinished = path.with_extension(format!("{}-{number}.part", std::process::id()));
        let write = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            File::create(&unfinished)?.write_all(&encode(entry)?)?;
            fs::rename(&unfinished, path)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&unfinished);
            failed(path, error)
        })
    }
}

/// A line of JSON, the values in little-endian order, and the SHA-256 of both.
fn encode(entry: &Entry) -> io::Result<Vec<u8>> {
    let (frames, bins) = entry.features.dim();
    let (hash, words) = (entry.fingerprint.exact().into(), entry.fingerprint.words().into());
    let mut bytes = serde_json::to_vec(&Head { hash, words, shape: [frames, bins] })?;
    bytes.push(b'\n');
    bytes.extend(entry.features.iter().flat_map(|value| value.to_le_bytes()));
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Option<Entry> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    if Sha256::digest(content)[..] != checksum[..] {
        return None;
    }
    let end = content.iter().position(|&byte| byte == b'\n')?;
    let Head { hash, words, shape } = serde_json::from_slice(&content[..end]).ok()?;
    let values = content[end + 1..].as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
    Some(Entry { fingerprint: Fingerprint::new(hash, &words), features: Array2::from_shape_vec(shape, values).ok()? })
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Cache { path: path.into(), source: source.into() }
}

/// Lets what is written be hashed without holding it.
pub(crate) struct Hash<'a>(pub &'a mut Sha256);

impl Write for Hash<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ser_features::ndarray::array;
    use std::collections::HashSet;

    #[test]
    fn entries_survive_and_every_damage_is_noticed() {
        let words: Vec<_> = (0..50).map(|n| (n != 7).then_some(u32::MAX - n)).collect();
        let fingerprint = Fingerprint::new("0123456789abcdef", &words);
        let entry = Entry { fingerprint, features: array![[1.5, -2.0, 1e-30], [0.1, 5.0, -6.0]] };
        let bytes = encode(&entry).unwrap();
        assert_eq!(parse(&bytes), Some(entry));
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), None, "{length} bytes");
        }
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0x10;
            assert_eq!(parse(&damaged), None, "byte {index}");
        }
    }

    #[test]
    fn other_bytes_options_seeds_and_copies_have_other_entries() {
        let folder = tempfile::tempdir().unwrap();
        let [first, renamed, other] = ["a.wav", "b.wav", "c.wav"].map(|name| folder.path().join(name));
        fs::write(&first, "sound").unwrap();
        fs::write(&renamed, "sound").unwrap();
        fs::write(&other, "noise").unwrap();
        let config: crate::Config = "[features]\nhop_length = 200".parse().unwrap();
        let inputs = [crate::Config::default(), config].map(|config| config.inputs().unwrap().remove(0));
        let cache = |input, seed| Cache::new(&folder.path().join("cache"), input, seed).unwrap();
        let entry = cache(&inputs[0], 1).entry(&first, 0).unwrap();
        assert_eq!(cache(&inputs[0], 1).entry(&renamed, 0).unwrap(), entry);
        let others = [
            cache(&inputs[0], 1).entry(&other, 0).unwrap(),
            cache(&inputs[0], 1).entry(&first, 1).unwrap(),
            cache(&inputs[0], 2).entry(&first, 1).unwrap(),
            cache(&inputs[1], 1).entry(&first, 0).unwrap(),
        ];
        assert_eq!(others.iter().chain([&entry]).collect::<HashSet<_>>().len(), 5, "{others:?}");
        assert_eq!(cache(&inputs[0], 2).entry(&first, 0).unwrap(), entry, "a seed changes copies only");
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Cache::new(&file, &crate::Config::default().inputs().unwrap()[0], 1).err().unwrap();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    }
}
