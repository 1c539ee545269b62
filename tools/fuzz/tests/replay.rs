//! Every kept input, given to its target: what was found once is not found again.

use std::path::PathBuf;

use tickcast_fuzz::TARGETS;

/// All kept inputs together, in bytes.
const CORPUS_BYTES: u64 = 2_000_000;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The entries of a folder, in order.
fn entries(folder: &PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[test]
fn kept_inputs_break_nothing() {
    for target in TARGETS {
        let inputs = entries(&corpus().join(target.name));
        assert!(inputs.len() >= 3, "{}: too few inputs", target.name);
        for input in inputs {
            // A failing test shows the last line: the input, and how to give it again.
            let path = input
                .strip_prefix(corpus().join("../../.."))
                .unwrap_or(&input);
            println!(
                "cargo run -p tickcast-fuzz -- --target={} {}",
                target.name,
                path.display()
            );
            (target.run)(&std::fs::read(&input).unwrap());
        }
    }
}

#[test]
fn the_corpus_is_small_and_has_a_folder_for_each_target() {
    let folders = entries(&corpus());
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    let found: Vec<_> = folders
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .collect();
    assert_eq!(found, names);
    let files = folders.iter().flat_map(entries);
    let bytes: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes < CORPUS_BYTES, "{bytes} bytes: merge the corpus");
}
