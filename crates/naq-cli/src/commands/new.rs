//! `naq new`: writes a project with a job, its handler, a program, tests and a compose file. Needs no
//! broker.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::exit::CliError;
use crate::output::Output;

/// The server that the compose file starts: the version that NAQ is tested with.
const NATS_VERSION: &str = "2.15.1";

/// The files of a new project, with their templates.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../../templates/new/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("../../templates/new/src/lib.rs.txt")),
    ("src/main.rs", include_str!("../../templates/new/src/main.rs.txt")),
    ("tests/mail.rs", include_str!("../../templates/new/tests/mail.rs.txt")),
    ("compose.yaml", include_str!("../../templates/new/compose.yaml.txt")),
    ("README.md", include_str!("../../templates/new/README.md.txt")),
    (".gitignore", include_str!("../../templates/new/gitignore.txt")),
];

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq new my-app
  cd my-app && cargo test          the handlers, without a server
  cargo run -- dev                 a broker, a worker and the dashboard

  naq new my-app --naq ../naq      with a clone of NAQ, while it is not published

The project has a job with a retry policy, its handler, tests that need no server,
and a compose file for NATS.")]
pub(crate) struct NewArgs {
    /// The new directory. Its last part is the name of the package
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Use the clone of NAQ in this directory instead of the published crates
    #[arg(long, value_name = "DIR")]
    naq: Option<PathBuf>,
}

/// What `naq new` prints in JSON.
#[derive(Debug, Serialize)]
struct NewView {
    dir: String,
    files: Vec<&'static str>,
}

pub(crate) fn run(args: &NewArgs, out: Output) -> Result<()> {
    let name = package_name(&args.dir)?;
    let project = Project { name, naq: args.naq.as_deref().map(clone_of_naq).transpose()? };
    create(&args.dir)?;
    for (file, template) in FILES {
        let path = args.dir.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot create {}", parent.display()))?;
        }
        fs::write(&path, project.fill(template))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let dir = args.dir.display().to_string();
    let view = NewView { dir, files: FILES.iter().map(|(file, _)| *file).collect() };
    out.one(&view, || {
        format!(
            "created {dir}: {} files\nnext: cd {dir} && cargo test, then cargo run -- dev\n",
            view.files.len(),
            dir = view.dir
        )
    })
}

/// Cargo takes letters, digits, `-` and `_`, and a letter first.
fn package_name(dir: &Path) -> Result<String> {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let is_valid = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(letters);
    if is_valid {
        return Ok(name.to_owned());
    }
    Err(CliError::usage(format!("{name:?} cannot be the name of a package"))
        .next("use small letters, digits, hyphens and underscores, and begin with a letter")
        .into())
}

/// The directory must be new or empty: no file of the user is replaced.
fn create(dir: &Path) -> Result<()> {
    let is_taken = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(err) if err.kind() == io::ErrorKind::NotFound => false,
        Err(err) => return Err(err).with_context(|| format!("cannot read {}", dir.display())),
    };
    if is_taken {
        let text = format!("{} is not empty", dir.display());
        return Err(CliError::usage(text).next("name a new directory").into());
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

/// The absolute path of a clone: the project may be anywhere.
fn clone_of_naq(dir: &Path) -> Result<PathBuf> {
    let is_clone = dir.join("crates/naq/Cargo.toml").is_file();
    if !is_clone {
        let text = format!("{} is no clone of NAQ: it has no crates/naq", dir.display());
        return Err(CliError::usage(text)
            .next("clone NAQ, and name the directory of the clone")
            .into());
    }
    dir.canonicalize().with_context(|| format!("cannot find {}", dir.display()))
}

struct Project {
    name: String,
    naq: Option<PathBuf>,
}

impl Project {
    fn fill(&self, template: &str) -> String {
        template
            .replace("{{name}}", &self.name)
            .replace("{{crate}}", &self.name.replace('-', "_"))
            .replace("{{rust}}", env!("CARGO_PKG_RUST_VERSION"))
            .replace("{{nats}}", NATS_VERSION)
            .replace("{{naq}}", &self.dependency("naq", ""))
            .replace("{{naq_cli}}", &self.dependency("naq-cli", ""))
            .replace("{{naq_testing}}", &self.dependency("naq", ", features = [\"testing\"]"))
    }

    fn dependency(&self, package: &str, more: &str) -> String {
        match &self.naq {
            Some(clone) => {
                let path = clone.join("crates").join(package);
                format!("{{ path = {:?}{more} }}", path.display().to_string())
            }
            None => format!("{{ version = {:?}{more} }}", minor_version()),
        }
    }
}

/// `0.1` of `0.1.3`: what Cargo may update.
fn minor_version() -> &'static str {
    let version = env!("CARGO_PKG_VERSION");
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_is_left_and_the_name_is_in_its_places() {
        let project = Project { name: "my-app".into(), naq: None };
        for (file, template) in FILES {
            let text = project.fill(template);
            assert!(!text.contains("{{"), "{file}: {text}");
        }
        let manifest = project.fill(FILES[0].1);
        assert!(manifest.contains("name = \"my-app\""), "{manifest}");
        assert!(manifest.contains("naq = { version = \"0.1\" }"), "{manifest}");
        assert!(project.fill(FILES[2].1).contains("use my_app::"), "the crate");
    }

    #[test]
    fn a_name_that_cargo_refuses_is_refused() {
        for name in ["", "..", "My-App", "1st", "a b", "ä"] {
            assert!(package_name(Path::new(name)).is_err(), "{name}");
        }
        assert_eq!(package_name(Path::new("x/my-app_2")).expect("a name"), "my-app_2");
    }
}
