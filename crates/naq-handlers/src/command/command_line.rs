//! [`CommandLine`]: which program runs, with which arguments and environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// The variables of the worker that every command sees. The others may hold secrets, such as the
/// broker's password.
const PASSED: [&str; 9] =
    ["PATH", "HOME", "USER", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV"];

/// A program with fixed arguments. No shell reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    pass_env: Vec<String>,
    dir: Option<PathBuf>,
}

/// A command that cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandLineError {
    /// There is no program.
    #[error("the command is empty")]
    Empty,
    /// A quote has no end.
    #[error("the command {0:?} has a quote without an end")]
    Quote(String),
    /// The program does not exist.
    #[error("the command {0:?} is not found: check the path, or the PATH of the worker")]
    NotFound(String),
    /// The directory does not exist.
    #[error("the directory {0:?} of a command is not found")]
    Dir(PathBuf),
    /// A word or a variable has a character that no program can get.
    #[error("a command or its environment has a NUL character: {0:?}")]
    Nul(String),
}

impl CommandLine {
    /// Splits a text as a shell does: `python3 "my script.py"`. Nothing is expanded.
    pub(crate) fn split(text: &str) -> Result<Self, CommandLineError> {
        let argv = shlex::split(text).ok_or_else(|| CommandLineError::Quote(text.into()))?;
        Self::new(argv)
    }

    pub(crate) fn new(argv: Vec<String>) -> Result<Self, CommandLineError> {
        if argv.first().is_none_or(String::is_empty) {
            return Err(CommandLineError::Empty);
        }
        Ok(Self { argv, env: BTreeMap::new(), pass_env: Vec::new(), dir: None })
    }

    /// Adds variables: `env` with their values, `pass` from the worker's own environment.
    pub(crate) fn with_env(mut self, env: BTreeMap<String, String>, pass: Vec<String>) -> Self {
        (self.env, self.pass_env) = (env, pass);
        self
    }

    /// Runs in this directory. By default in the worker's own.
    pub(crate) fn in_dir(mut self, dir: Option<PathBuf>) -> Self {
        self.dir = dir;
        self
    }

    /// Checks that the program exists, so that a wrong name is found at the start.
    pub(crate) fn check(&self) -> Result<(), CommandLineError> {
        let words = self.argv.iter().chain(self.env.keys()).chain(self.env.values());
        if let Some(word) = words.into_iter().find(|word| word.contains('\0')) {
            return Err(CommandLineError::Nul(word.clone()));
        }
        if let Some(dir) = self.dir.as_ref().filter(|dir| !dir.is_dir()) {
            return Err(CommandLineError::Dir(dir.clone()));
        }
        let program = Path::new(&self.argv[0]);
        let is_found = if program.components().count() > 1 {
            is_program(&self.dir.as_deref().unwrap_or(Path::new("")).join(program))
        } else {
            let own = self.env.get("PATH").map(OsString::from);
            let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
            std::env::split_paths(&path).any(|dir| is_program(&dir.join(program)))
        };
        if is_found { Ok(()) } else { Err(CommandLineError::NotFound(self.argv[0].clone())) }
    }

    /// The same command with one more argument.
    pub(crate) fn with_arg(&self, arg: &str) -> Self {
        let mut command = self.clone();
        command.argv.push(arg.into());
        command
    }

    /// The command, ready to start, with `vars` of the attempt.
    pub(crate) fn command<'a>(
        &self,
        vars: impl IntoIterator<Item = (&'static str, String)> + 'a,
    ) -> Command {
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).env_clear();
        let passed = PASSED.iter().copied().chain(self.pass_env.iter().map(String::as_str));
        let passed = passed.filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.envs(passed.collect::<Vec<(&str, OsString)>>());
        command.envs(&self.env).envs(vars);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        // A signal of the terminal is for the worker, which lets the attempt finish.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Whether the file exists and may be run.
fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

impl std::fmt::Display for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.argv.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_does_and_nothing_is_expanded() {
        let command = CommandLine::split(r#"sh -c 'echo "$HOME" *'"#).expect("a command");
        assert_eq!(command.argv, ["sh", "-c", r#"echo "$HOME" *"#]);
        assert_eq!(CommandLine::split("  "), Err(CommandLineError::Empty));
        assert_eq!(CommandLine::split("'x"), Err(CommandLineError::Quote("'x".into())));
    }

    #[test]
    fn a_program_that_does_not_exist_is_found_before_the_first_job() {
        let check = |text: &str| CommandLine::split(text).and_then(|command| command.check());
        assert_eq!(check("sh -c true"), Ok(()));
        // A file that may not be run is none.
        for missing in ["no-such-program-at-all", "./no/such/file", "./Cargo.toml"] {
            assert_eq!(check(missing), Err(CommandLineError::NotFound(missing.into())));
        }
        let command = CommandLine::split("sh").expect("a command");
        let nowhere = PathBuf::from("/no/such/dir");
        let dir = command.clone().in_dir(Some(nowhere.clone())).check();
        assert_eq!(dir, Err(CommandLineError::Dir(nowhere)));
        let nul = command.with_env([("A".to_owned(), "\0".to_owned())].into(), Vec::new()).check();
        assert_eq!(nul, Err(CommandLineError::Nul("\0".into())));
    }
}
