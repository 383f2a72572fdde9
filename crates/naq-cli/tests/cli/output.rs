//! Stdout, stderr, formats and colours.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::run::{finish, naq, offline};

#[test]
fn a_closed_stdout_does_not_cause_a_panic() {
    for format in ["table", "json", "jsonl"] {
        let mut child = naq()
            .args([
                "retry",
                "preview",
                "fixed:5s,max_retries=500000",
                "--limit",
                "500000",
                "-o",
                format,
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("naq starts");
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("text");
        assert!(child.wait().expect("ends").success(), "{format}: {stderr}");
        assert_eq!(stderr, "", "{format}");
    }
}

#[test]
fn help_and_completions_into_a_closed_pipe_end_quietly() {
    for args in ["--help", "completions bash", "man"] {
        let line = format!("'{}' {args} | head -c 1", env!("CARGO_BIN_EXE_naq"));
        let ran = finish(Command::new("sh").args(["-c", &line]));
        assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    }
}

#[test]
fn colours_are_printed_only_on_request() {
    let explain = |change: &dyn Fn(&mut Command) -> &mut Command| {
        let mut command = naq();
        change(&mut command);
        finish(command.args(["retry", "explain", "fixed:5s"])).ok().stdout
    };
    assert!(!explain(&|c| c).contains('\u{1b}'), "not on a terminal");
    assert!(explain(&|c| c.env("CLICOLOR_FORCE", "1")).contains('\u{1b}'));
    assert!(explain(&|c| c.args(["--color", "always"])).contains('\u{1b}'));
    assert!(
        !explain(&|c| c.env("CLICOLOR_FORCE", "1").args(["--color", "never"])).contains('\u{1b}')
    );
    assert!(!explain(&|c| c.env("NO_COLOR", "1")).contains('\u{1b}'));
}

#[test]
fn json_has_no_colours_even_if_forced() {
    let mut command = naq();
    command.env("CLICOLOR_FORCE", "1").args(["retry", "explain", "fixed:5s", "-o", "json"]);
    assert_eq!(finish(&mut command).ok().json()["strategy"], "fixed");
}

#[test]
fn the_format_can_come_from_the_environment_and_the_flag_from_anywhere() {
    let ran = finish(naq().env("NAQ_OUTPUT", "json").args(["retry", "explain", "fixed:5s"])).ok();
    assert_eq!(ran.json()["strategy"], "fixed");
    let before = offline(&["-o", "json", "retry", "explain", "fixed:5s"]).ok().stdout;
    let after = offline(&["retry", "explain", "fixed:5s", "-o", "json"]).ok().stdout;
    assert_eq!(before, after);
}
