//! What a worker and a handler say to each other, as bytes. Nothing here does I/O.

mod answer;
mod failure;
mod lines;
mod request;

pub(crate) use self::answer::{Answer, Line, mixed, read_line};
pub(crate) use self::failure::{Classes, Then};
pub(crate) use self::lines::{Lines, MAX_LINE, TooLong};
pub(crate) use self::request::Request;
