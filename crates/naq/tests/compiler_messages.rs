//! What the compiler says about common mistakes: one sentence that says what to write.
//!
//! Each case is a small program. The test compiles it with the libraries that this test was built with,
//! and reads the messages. It does not compare them as a whole, since rustc words the rest of them.
#![cfg(all(feature = "macros", feature = "nats", feature = "worker"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// A program that is right, but for what a case replaces in it.
const RIGHT: &str = r#"
use naq::prelude::*;

#[derive(Serialize, Deserialize, Job)]
#[serde(crate = "naq::serde")]
#[job(name = "email.send", retry = "exponential:2s,max_retries=4", timeout = "30s")]
pub struct SendEmail {
    pub to: String,
}

#[derive(Debug)]
pub struct OwnError;
impl std::fmt::Display for OwnError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("own")
    }
}
impl std::error::Error for OwnError {}

pub async fn handle(_: SendEmail, _: Context) -> Result<(), Failure> {
    Ok(())
}

pub fn registry() -> Registry {
    Registry::new().task(handle)
}
"#;

#[test]
fn the_compiler_says_what_to_write() {
    let compiler = Compiler::find();
    let error = "cannot be the error of a handler";
    let failure = "return `Result<_, Failure>`: `?` makes a `Failure` of every error";
    for (mistake, from, to, said) in [
        (
            "an error that is a text",
            "(), Failure>",
            "(), String>",
            &["`String`", error, failure][..],
        ),
        (
            "a box that does not cross threads",
            "(), Failure>",
            "(), Box<dyn std::error::Error>>",
            &[error, "`Box<dyn Error>` needs `+ Send + Sync`", "needs the feature `anyhow`"],
        ),
        (
            "an error type that NAQ does not know",
            "(), Failure>",
            "(), OwnError>",
            &["`OwnError`", error, "`impl JobError for OwnError {}`"],
        ),
        (
            "a type that is no job",
            "Serialize, Deserialize, Job)]\n#[serde(crate = \"naq::serde\")]\n#[job(name = \"email.send\", retry = \"exponential:2s,max_retries=4\", timeout = \"30s\")]",
            "Serialize, Deserialize)]\n#[serde(crate = \"naq::serde\")]",
            &["`SendEmail` is not a job", "write `#[derive(Serialize, Deserialize, Job)]`"],
        ),
        (
            "a function that is not async",
            "pub async fn handle",
            "pub fn handle",
            &[
                "the handler is not an async function that returns `Result<(), _>`",
                "registered with `.blocking(handler)`",
            ],
        ),
        (
            "a state that the registry has not",
            "_: Context)",
            "_: Context<String>)",
            &["Context<()>", "Context<String>"],
        ),
        (
            "a job that cannot be written",
            "Serialize, Deserialize, Job)]",
            "Deserialize, Job)]",
            &["SendEmail", "Serialize", "derive"],
        ),
        (
            "a policy that is not one",
            "exponential:2s,max_retries=4",
            "exponential:2s,max_retry=4",
            &["unknown key \"max_retry\": use one of max_retries", ":6:36"],
        ),
        (
            "a duration without a unit",
            "timeout = \"30s\"",
            "timeout = \"30\"",
            &["invalid duration \"30\": use a duration such as", ":6:78"],
        ),
        (
            "a job without the name of its task",
            "name = \"email.send\", ",
            "",
            &["a job needs the name of its task: #[job(name = \"email.send\")]"],
        ),
    ] {
        let program = RIGHT.replacen(from, to, 1);
        assert_ne!(program, RIGHT, "{mistake}");
        let messages = compiler.compile(&program).expect_err(mistake);
        for part in said {
            assert!(messages.contains(part), "{mistake}: no {part:?} in\n{messages}");
        }
    }
}

/// The compiler, and the library `naq` of this build.
struct Compiler {
    deps: PathBuf,
    naq: PathBuf,
    work: PathBuf,
}

impl Compiler {
    /// Several builds of `naq` may be there, such as that of another feature set or of older code. The
    /// newest that compiles a right program is as good as each.
    fn find() -> Self {
        let this = std::env::current_exe().unwrap();
        let deps = this.parent().unwrap().to_owned();
        let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiler_messages");
        fs::create_dir_all(&work).unwrap();
        let mut found: Vec<(SystemTime, PathBuf)> = fs::read_dir(&deps)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with("libnaq-") && name.ends_with(".rlib")
            })
            .map(|entry| (entry.metadata().unwrap().modified().unwrap(), entry.path()))
            .collect();
        found.sort();
        let mut refused = String::new();
        while let Some((_, naq)) = found.pop() {
            let compiler = Self { deps: deps.clone(), naq, work: work.clone() };
            match compiler.compile(RIGHT) {
                Ok(()) => return compiler,
                Err(messages) => refused = messages,
            }
        }
        panic!("no library naq compiles a right program:\n{refused}");
    }

    /// # Errors
    /// The messages, if it does not compile.
    fn compile(&self, program: &str) -> Result<(), String> {
        let source = self.work.join("program.rs");
        fs::write(&source, program).unwrap();
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let ran = Command::new(rustc)
            .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--extern"])
            .arg(format!("naq={}", self.naq.display()))
            .arg(format!("-Ldependency={}", self.deps.display()))
            .arg("--out-dir")
            .args([&self.work, &source])
            .output()
            .unwrap();
        if ran.status.success() {
            return Ok(());
        }
        // Long messages are broken into lines; their words stay.
        Err(String::from_utf8_lossy(&ran.stderr).into_owned())
    }
}
