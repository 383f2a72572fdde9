//! [`Options`]: what stands in `#[job(...)]`, checked.

use std::fmt::Display;
use std::time::Duration;

use naq_core::RetryPolicy;
use naq_core::names::{QueueName, TaskName};
use naq_core::retry::read_duration;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, LitStr, Path, Result, Type};

const KNOWN: &str = "name, output, queue, retry, timeout, record_ttl, expires_in, tag, and crate";

/// The options of a job's type. All texts are valid.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) output: Option<Type>,
    pub(crate) queue: Option<LitStr>,
    pub(crate) retry: Option<LitStr>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) record_ttl: Option<Duration>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) tags: Vec<LitStr>,
    pub(crate) crate_path: Option<Path>,
}

impl Options {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("job")) {
            attribute.parse_nested_meta(|meta| options.add(&meta))?;
        }
        Ok(options)
    }

    fn add(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match key.as_str() {
            "name" => once(meta, &mut self.name, text(meta, |name| TaskName::new(name))?),
            "queue" => once(meta, &mut self.queue, text(meta, |name| QueueName::new(name))?),
            "retry" => once(meta, &mut self.retry, text(meta, str::parse::<RetryPolicy>)?),
            "timeout" => once(meta, &mut self.timeout, not_zero(meta, duration(meta)?)?),
            "record_ttl" => once(meta, &mut self.record_ttl, duration(meta)?),
            "expires_in" => once(meta, &mut self.expires_in, not_zero(meta, duration(meta)?)?),
            "output" => once(meta, &mut self.output, meta.value()?.parse()?),
            "crate" => once(meta, &mut self.crate_path, meta.value()?.call(Path::parse_mod_style)?),
            "tag" => {
                self.tags.push(meta.value()?.parse()?);
                Ok(())
            }
            _ => Err(meta.error(format!("unknown option of a job; known are {KNOWN}"))),
        }
    }
}

fn once<T>(meta: &ParseNestedMeta<'_>, place: &mut Option<T>, value: T) -> Result<()> {
    match place.replace(value) {
        Some(_) => Err(meta.error("this option is given twice: give it once")),
        None => Ok(()),
    }
}

/// The text of the option, if `check` accepts it. The error points at the text.
fn text<T, E: Display>(
    meta: &ParseNestedMeta<'_>,
    check: impl FnOnce(&str) -> std::result::Result<T, E>,
) -> Result<LitStr> {
    let literal: LitStr = meta.value()?.parse()?;
    match check(&literal.value()) {
        Ok(_) => Ok(literal),
        Err(error) => Err(Error::new(literal.span(), error)),
    }
}

fn duration(meta: &ParseNestedMeta<'_>) -> Result<Duration> {
    let literal: LitStr = meta.value()?.parse()?;
    read_duration(&literal.value()).ok_or_else(|| {
        let text = literal.value();
        let allowed = "use a duration such as 500ms, 5s, 1m30s, 2h or 1d, at most 3650d";
        Error::new(literal.span(), format!("invalid duration {text:?}: {allowed}"))
    })
}

fn not_zero(meta: &ParseNestedMeta<'_>, duration: Duration) -> Result<Duration> {
    if duration.is_zero() {
        return Err(meta.error("zero is not allowed: leave the option out for no limit"));
    }
    Ok(duration)
}
