//! Crashes by evidence: each worker lists the attempts that it runs, and a redelivery counts as a crash
//! only when the worker that ran it is gone. Jobs with crashes run apart from each other.

mod apart_line;
mod apart_loop;
mod crash_check;
mod heard;
mod run_board;

pub(crate) use self::apart_line::ApartLine;
pub(crate) use self::apart_loop::apart_loop;
pub(crate) use self::crash_check::{Elsewhere, check_crashes, runs_elsewhere};
pub(crate) use self::run_board::RunBoard;
