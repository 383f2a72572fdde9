//! Every path into docker/ and deploy/ that a page, a script or a comment names exists.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// The files below a path, or the file itself.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    if path.ends_with("target") {
        return Vec::new();
    }
    let entries = fs::read_dir(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    entries.flat_map(|entry| files(&entry.expect("an entry").path())).collect()
}

/// The paths into docker/ and deploy/ in a text, seen from the repository.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-./@".contains(c)));
    let paths = words.map(|word| word.trim_start_matches("../").trim_end_matches(['.', '@']));
    paths.filter(|path| path.starts_with("docker/") || path.starts_with("deploy/"))
}

#[test]
fn every_path_into_docker_and_deploy_that_is_named_exists() {
    let places = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "justfile",
        "docs",
        "docker",
        "deploy",
        "examples",
        "scripts",
    ];
    let mut count = 0;
    for file in places.iter().flat_map(|place| files(&root().join(place))) {
        // Pictures are no text.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for path in named(&text) {
            assert!(root().join(path).exists(), "{} names {path}", file.display());
            count += 1;
        }
    }
    assert!(count >= 20, "{count}");
}
