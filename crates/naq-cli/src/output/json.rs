//! JSON that is safe to print on a terminal: the same values, with control characters escaped.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::text::printable_json;

/// `value` as JSON: indented on a terminal, on one line elsewhere.
pub(super) fn text<T: Serialize>(value: &T) -> Result<String> {
    if io::stdout().is_terminal() {
        write(value, Safe(PrettyFormatter::new()))
    } else {
        line(value)
    }
}

/// `value` as JSON on one line.
pub(super) fn line<T: Serialize>(value: &T) -> Result<String> {
    write(value, Safe(CompactFormatter))
}

fn write<T: Serialize>(value: &T, formatter: impl Formatter) -> Result<String> {
    let mut out = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut out, formatter))?;
    Ok(String::from_utf8(out)?)
}

/// Uses the layout of `F`, and escapes control characters in strings and in raw values.
struct Safe<F>(F);

macro_rules! layout {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, w: &mut W, $($arg: $ty),*) -> io::Result<()> {
            self.0.$name(w, $($arg),*)
        })*
    };
}

impl<F: Formatter> Formatter for Safe<F> {
    layout! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        w: &mut W,
        text: &str,
    ) -> io::Result<()> {
        w.write_all(printable_json(text).as_bytes())
    }

    fn write_raw_fragment<W: ?Sized + Write>(&mut self, w: &mut W, text: &str) -> io::Result<()> {
        w.write_all(printable_json(text).as_bytes())
    }
}
