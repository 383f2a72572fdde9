//! [`Asked`]: the fields of a form, where a name may come more than once.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use super::ActionError;

/// Names and values, as they were sent.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Asked(Vec<(String, String)>);

impl Asked {
    /// The first value of this name, if it is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().filter(|(field, _)| field == name);
        named.map(|(_, value)| value.trim()).find(|value| !value.is_empty())
    }

    /// The value of this name as it was sent, also when it is empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The values of this name that are not empty.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(field, _)| field == name);
        named.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The same, read.
    pub(super) fn read<T: FromStr<Err: Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, ActionError> {
        let read =
            |text: &str| text.parse().map_err(|err: T::Err| ActionError::bad(err.to_string()));
        self.get(name).map(read).transpose()
    }

    /// The same, where it cannot be left out.
    pub(super) fn need<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, ActionError> {
        self.read(name)?.ok_or_else(|| ActionError::bad(format!("the field {name} is empty")))
    }

    /// A duration as `10m`.
    pub(super) fn span(&self, name: &str) -> Result<Option<Duration>, ActionError> {
        let read = |text: &str| {
            humantime::parse_duration(text).map_err(|_| {
                ActionError::bad(format!(
                    "{text:?} is no span of time: use one like 90s, 10m or 2h"
                ))
            })
        };
        self.get(name).map(read).transpose()
    }

    /// Why, for the record.
    pub(super) fn reason(&self) -> &str {
        self.get("reason").unwrap_or_default()
    }

    /// The page that the form was on, or `other`: a path below the prefix, and no other site.
    pub(super) fn back(&self, prefix: &str, other: &str) -> String {
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

    fn back(path: &str, prefix: &str) -> String {
        Asked(vec![("back".into(), path.into())]).back(prefix, "/batches")
    }

    #[test]
    fn the_way_back_leads_to_no_other_site() {
        assert_eq!(back("/dead?queue=mail", ""), "/dead?queue=mail");
        assert_eq!(back("/naq/dead", "/naq"), "/naq/dead");
        for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", "", "dead"] {
            assert_eq!(back(elsewhere, ""), "/batches", "{elsewhere}");
        }
        for elsewhere in ["/other", "/naqother/x", "//naq/x"] {
            assert_eq!(back(elsewhere, "/naq"), "/naq/batches", "{elsewhere}");
        }
    }
}
