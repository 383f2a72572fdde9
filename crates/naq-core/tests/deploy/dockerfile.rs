//! docker/Dockerfile: its images are pinned, its context holds what it copies, and a signal to the
//! container reaches `naq`.

use crate::{is_version, read, root};

/// Has neither version tags nor anything else to pin it by, except its digest.
const UNVERSIONED: &str = "gcr.io/distroless/cc-debian12:nonroot";

/// The instructions, each on one line, without comments.
fn instructions() -> Vec<String> {
    let text = read("docker/Dockerfile");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The words after each instruction with this name.
fn all(name: &str) -> Vec<Vec<String>> {
    let lines = instructions();
    let found = lines.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.map(|rest| rest.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The names of the stages.
pub(crate) fn stages() -> Vec<String> {
    let named = all("FROM").into_iter().filter(|words| words.len() == 3 && words[1] == "AS");
    named.map(|words| words[2].clone()).collect()
}

/// The paths that are copied from the build context, without their destinations.
fn copied() -> Vec<String> {
    let copies = all("COPY").into_iter().filter(|words| !words[0].starts_with("--from"));
    copies.flat_map(|words| words[..words.len() - 1].to_vec()).collect()
}

/// The value of a key in the workspace's Cargo.toml: the rest of the line behind `=`.
fn of_workspace(key: &str) -> String {
    let manifest = read("Cargo.toml");
    let line = manifest.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {key}")).trim().to_owned()
}

#[test]
fn every_image_is_pinned_to_a_version() {
    let stages = stages();
    let images: Vec<_> = all("FROM").into_iter().map(|words| words[0].clone()).collect();
    assert!(images.len() >= 3, "{images:?}");
    for image in images {
        let (_, tag) = image.split_once(':').unwrap_or((&image, ""));
        let pinned = stages.contains(&image) || image == UNVERSIONED || is_version(tag);
        assert!(pinned, "{image} may be another image tomorrow");
    }
}

#[test]
fn the_image_is_built_with_the_oldest_rust_that_naq_supports() {
    let oldest = of_workspace("rust-version");
    let image = format!("rust:{}.", oldest.trim_matches('"'));
    assert!(all("FROM")[0][0].starts_with(&image), "{image}");
}

#[test]
fn the_context_has_what_the_build_copies_and_the_build_copies_every_member() {
    let ignore = read("docker/Dockerfile.dockerignore");
    assert_eq!(ignore.lines().next(), Some("*"));
    let sent: Vec<_> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let copied = copied();
    assert_eq!(sent, copied);
    for path in &copied {
        assert!(root().join(path).exists(), "{path}");
    }
    let members = of_workspace("members");
    let members: Vec<_> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.len() >= 2, "{members:?}");
    for member in members {
        let directory = member.split('/').next().expect("a directory");
        assert!(copied.iter().any(|path| path == directory), "{member} is not copied");
    }
}

#[test]
fn the_programs_that_are_built_exist() {
    let build = all("RUN").concat();
    let named = |option: &str| {
        let at = build.iter().position(|word| word == option).unwrap_or_else(|| panic!("{option}"));
        build[at + 1].clone()
    };
    let package = format!("crates/{}", named("--package"));
    let example = format!("{package}/examples/{}.rs", named("--example"));
    assert!(root().join(&example).exists(), "{example}");
    let bin = format!("name = \"{}\"", named("--bin"));
    assert!(read(&format!("{package}/Cargo.toml")).contains(&bin), "{package} has no {bin}");
}

#[test]
fn a_signal_to_the_container_reaches_naq() {
    assert!(all("STOPSIGNAL").iter().all(|words| *words == ["SIGTERM"]));
    let exec_form = |words: &Vec<String>| {
        serde_json::from_str::<Vec<String>>(&words.join(" ")).expect("the exec form: no shell")
    };
    let entries: Vec<_> = all("ENTRYPOINT").iter().map(exec_form).collect();
    assert_eq!(entries.len(), all("STOPSIGNAL").len(), "an image without its own signal");
    for copy in all("COPY").iter().filter(|words| words[0].starts_with("--from")) {
        let naq = [copy.last().expect("a place").as_str()];
        assert!(entries.iter().all(|entry| *entry == naq), "{entries:?}");
    }
    all("CMD").iter().for_each(|command| drop(exec_form(command)));
}
