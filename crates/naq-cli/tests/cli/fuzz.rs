//! A short fuzz run; `just fuzz` makes a long one.

use std::process::Command;

use crate::run::{finish, own_binary};

#[test]
fn no_stored_message_ends_a_process_and_each_has_an_end() {
    let fuzz = own_binary().with_file_name("fuzz");
    let ran = finish(Command::new(fuzz).args(["--messages", "3000", "--seed", "11"])).ok();
    assert!(
        ran.stdout.contains("3000 messages") && ran.stdout.contains("no process ended"),
        "{ran:?}"
    );
}
