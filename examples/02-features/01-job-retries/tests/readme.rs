//! The README shows exactly what `naq retry` prints.

use std::process::Command;

#[test]
fn the_readme_shows_what_the_command_prints() {
    let readme = include_str!("../README.md");
    let mut shown = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for example in block.split("$ naq retry ").skip(1) {
            let (args, expected) = example.split_once('\n').expect("a command and its output");
            let naq = Command::new(env!("CARGO_BIN_EXE_worker"))
                .arg("retry")
                .args(args.split_whitespace())
                .output()
                .expect("it starts");
            assert_eq!(String::from_utf8_lossy(&naq.stdout), expected, "naq retry {args}");
            shown += 1;
        }
    }
    assert_eq!(shown, 6);
}
