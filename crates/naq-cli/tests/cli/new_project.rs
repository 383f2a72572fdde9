//! `naq new` writes a project. That it compiles and passes its own tests is proved by the page
//! docs/getting-started.md, whose blocks are run.

use crate::run::offline;

#[test]
fn a_new_project_has_all_its_files_and_replaces_none() {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = parent.path().join("my-app");
    let dir = dir.to_str().expect("UTF-8");
    let made = offline(&["new", dir, "-o", "json"]).ok().json();
    let files = made["files"].as_array().expect("a list");
    assert_eq!(files.len(), 7, "{made}");
    for file in files {
        let path = parent.path().join("my-app").join(file.as_str().expect("text"));
        let text = std::fs::read_to_string(&path).expect("written");
        assert!(!text.is_empty() && !text.contains("{{"), "{}: {text}", path.display());
    }
    let manifest = parent.path().join("my-app/Cargo.toml");
    std::fs::write(&manifest, "mine").expect("written");
    let again = offline(&["new", dir]);
    assert!(again.code == 2 && again.stderr.contains("is not empty"), "{again:?}");
    assert!(again.stderr.contains("next: name a new directory"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&manifest).expect("there"), "mine");
}

#[test]
fn a_clone_that_is_none_is_refused_before_anything_is_written() {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = parent.path().join("my-app");
    let args =
        ["new", dir.to_str().expect("UTF-8"), "--naq", parent.path().to_str().expect("UTF-8")];
    let refused = offline(&args);
    assert!(refused.code == 2 && refused.stderr.contains("is no clone of NAQ"), "{refused:?}");
    assert!(!dir.exists());
}
