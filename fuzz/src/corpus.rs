//! What holds for any folder that is read as a corpus.

use std::fs;
use std::path::{Component, Path};

use ser_corpus::{Corpus, CorpusKind};

use crate::write_seed;

/// More files make a run slow and no other lines of code.
const MAX_FILES: usize = 12;

/// Two clips of each corpus under their official names, and what stands beside them.
const SEEDS: [(&str, &str); 11] = [
    ("crema-d", "AudioWAV/1001_DFA_ANG_XX.wav\0AudioWAV/1076_IEO_SAD_HI.wav\0VideoFlash/1001_DFA_ANG_XX.flv"),
    (
        "ravdess",
        "Actor_01/03-01-06-02-02-01-01.wav\0Actor_24/03-02-03-01-01-02-24.wav\0Actor_01/01-01-06-02-02-01-01.mp4",
    ),
    ("savee", "DC/sa01.wav\0KL/d15.wav\0JE_su08.wav\0AudioData/JK/n30.wav"),
    ("tess", "OAF_Fear/OAF_back_fear.wav\0YAF_pleasant_surprised/YAF_youth_ps.wav\0OA_bite_neutral.wav"),
    ("emodb", "wav/03a01Fa.wav\0wav/16b10Wb.wav\0silb/03a01Fa.silb"),
    ("nemo", "samples/SLT_angry_LAC_01.wav\0samples/KMD_neutral_3.wav\0data.tsv\nfile_id\temotion\tsentence_type\n"),
    ("emovo", "f1/dis-f1-b1.wav\0m3/neu-m3-n5.wav\0documenti/readme.txt"),
    ("folder", "Angry/clip.wav\0fear/anna/clip.npy\0anna/sad/.hidden.wav\0happy/sad/clip.flac"),
    (
        "csv",
        "table.csv\npath,emotion,speaker,sex,sentence\na.wav,angry,anna,female,\"one, two\"\nb/c.wav,sad,bo,,\n\0a.wav\0b/c.wav",
    ),
    (
        "emobox",
        "emodb/fold_1/emodb_train_fold_1.jsonl\n{\"key\": \"a\", \"wav\": \"downloads/emodb/wav/03a01Fa.wav\", \"emo\": \"Happiness\", \"channel\": 1}\n\0emodb/label_map.json\n{\"Happiness\": \"hap\"}",
    ),
    ("odd", "\u{e9}/..wav\0angry/\u{1f600}.WAV\0a/b/c/d/e/f.wav\0 .wav"),
];

/// Writes inputs like [`check`]'s.
pub fn write_seeds() {
    SEEDS.iter().for_each(|(name, content)| write_seed(name, content.as_bytes()));
}

/// Makes the files, `path` or `path\ncontent`, a NUL between them, and reads their folder as each kind of corpus.
///
/// # Panics
///
/// If a reader takes what is not there, takes a file twice, or says something in more than one line.
pub fn check(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let files = text.split('\0').take(MAX_FILES).map(|file| file.split_once('\n').unwrap_or((file, "")));
    let mut tables = Vec::new();
    for (path, content) in files {
        let path = Path::new(path);
        let stays_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        let path = root.join(path);
        // What the system does not allow, such as a file as a folder, is left out.
        if stays_inside && path.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok()) {
            let _ = fs::write(&path, content);
            tables.push(path);
        }
    }
    for kind in CorpusKind::ALL {
        check_corpus(root, kind, root);
        tables.iter().for_each(|table| check_corpus(root, kind, table));
    }
}

fn check_corpus(root: &Path, kind: CorpusKind, path: &Path) {
    let corpus = match Corpus::read(kind, path) {
        Ok(corpus) => corpus,
        Err(error) => return assert!(!error.to_string().contains('\n'), "{kind}: {error}"),
    };
    let mut paths: Vec<_> = corpus.utterances().iter().map(|utterance| &utterance.path).collect();
    assert!(!paths.is_empty(), "{kind}");
    assert!(paths.iter().all(|path| path.starts_with(root)), "{kind}: {paths:?}");
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), corpus.len(), "{kind}: {paths:?}");
    assert!(corpus.warning_lines().iter().all(|line| !line.contains('\n')), "{kind}");
    assert_eq!(Corpus::read(kind, path).ok(), Some(corpus), "{kind}");
}
