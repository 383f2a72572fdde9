//! [`FormFields`]: the fields of a form, where a name may come more than once.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use super::ActionError;

/// Names and values, as the browser sent them.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// The first value of this name that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().filter(|(field, _)| field == name);
        named.map(|(_, value)| value.trim()).find(|value| !value.is_empty())
    }

    /// The first value of this name as it was sent; it may be empty.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// All values of this name that are not empty.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(field, _)| field == name);
        named.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The value of an optional field, parsed.
    pub(super) fn read<T: FromStr<Err: Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, ActionError> {
        let parse = |text: &str| {
            text.parse().map_err(|err: T::Err| ActionError::bad_request(err.to_string()))
        };
        self.get(name).map(parse).transpose()
    }

    /// The value of a required field, parsed.
    pub(super) fn required<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, ActionError> {
        let missing = || ActionError::bad_request(format!("the field {name} is empty"));
        self.read(name)?.ok_or_else(missing)
    }

    /// A duration such as `10m`.
    pub(super) fn span(&self, name: &str) -> Result<Option<Duration>, ActionError> {
        let parse = |text: &str| {
            humantime::parse_duration(text).map_err(|_| {
                ActionError::bad_request(format!(
                    "{text:?} is not a duration: use one such as 90s, 10m or 2h"
                ))
            })
        };
        self.get(name).map(parse).transpose()
    }

    /// The reason for the audit log.
    pub(super) fn reason(&self) -> &str {
        self.get("reason").unwrap_or_default()
    }

    /// The page that the form was on, or `other`. Always a path below the prefix, so that a form
    /// cannot lead to another site.
    pub(super) fn return_path(&self, prefix: &str, other: &str) -> String {
        let below = |path: &&str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
                && !path.starts_with("//")
                && !path.contains('\\')
        };
        self.get("back").filter(below).map_or_else(|| format!("{prefix}{other}"), str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn return_path(path: &str, prefix: &str) -> String {
        FormFields(vec![("back".into(), path.into())]).return_path(prefix, "/batches")
    }

    #[test]
    fn the_return_path_leads_to_no_other_site() {
        assert_eq!(return_path("/dead?queue=mail", ""), "/dead?queue=mail");
        assert_eq!(return_path("/naq/dead", "/naq"), "/naq/dead");
        for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", "", "dead"] {
            assert_eq!(return_path(elsewhere, ""), "/batches", "{elsewhere}");
        }
        for elsewhere in ["/other", "/naqother/x", "//naq/x"] {
            assert_eq!(return_path(elsewhere, "/naq"), "/naq/batches", "{elsewhere}");
        }
    }
}
