//! [`PolicyForm`]: a policy as a visitor types it, with an error at each invalid field.

use naq_core::retry::{PolicyBuilder, PolicyError};
use naq_core::{Delay, RetryPolicy, Strategy};

use crate::page_request::PageRequest;

/// The fields of the form, in order: name, label, example.
const FIELDS: [(&str, &str, &str); 10] = [
    ("delay", "Delay, or a list", "5s or 2s/5s/10s"),
    ("max_retries", "Retries", "3"),
    ("multiplier", "Multiplier (exponential)", "2"),
    ("increment", "Increment (linear)", "none"),
    ("max_delay", "Longest delay", "1d"),
    ("jitter", "Jitter", "none, full, equal, 0.2"),
    ("retry_for", "Retry for at most", "no limit"),
    ("retry_on", "Retry only on", "ConnectionError|TimeoutError"),
    ("ignore_on", "Never retry", "ValueError"),
    ("max_crashes", "Crashes", "3"),
];

/// The form, as text or field by field.
pub(super) struct PolicyForm {
    pub(super) strategies: Vec<(&'static str, bool)>,
    pub(super) fields: Vec<PolicyField>,
    pub(super) task: String,
    /// The policy as text. It replaces all fields.
    text: Option<String>,
    /// The error in the text.
    pub(super) text_error: Option<String>,
    /// An error that belongs to no single field.
    pub(super) error: Option<String>,
}

pub(super) struct PolicyField {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    pub(super) value: String,
    pub(super) error: Option<String>,
}

impl PolicyForm {
    pub(super) fn read(request: &PageRequest<'_>) -> Self {
        let get = |name: &str| request.get(name).map(str::trim).unwrap_or_default().to_owned();
        let field =
            |(name, label, hint)| PolicyField { name, label, hint, value: get(name), error: None };
        let strategy = get("strategy");
        Self {
            strategies: Strategy::ALL
                .iter()
                .map(|known| (known.as_str(), known.as_str() == strategy))
                .collect(),
            fields: FIELDS.into_iter().map(field).collect(),
            task: get("task"),
            text: Some(get("policy")).filter(|text| !text.is_empty()),
            text_error: None,
            error: None,
        }
    }

    /// The policy as text; empty if it was given by fields.
    pub(super) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// The policy; none, with an error in the form, if it is invalid. A policy that was given as text
    /// fills the fields.
    pub(super) fn policy(&mut self) -> Option<RetryPolicy> {
        if let Some(text) = &self.text {
            match text.parse() {
                Ok(policy) => {
                    self.fill(&policy);
                    return Some(policy);
                }
                Err(err) => {
                    self.text_error = Some(PolicyError::to_string(&err));
                    return None;
                }
            }
        }
        let built = self.build()?;
        match built.try_build() {
            Ok(policy) => {
                self.fill(&policy);
                Some(policy)
            }
            Err(err) => {
                self.set_error(err);
                None
            }
        }
    }

    /// Parses each field with the parser of the text form, whose errors say what is allowed.
    fn build(&mut self) -> Option<PolicyBuilder> {
        let chosen = self.strategies.iter().find(|(_, chosen)| *chosen);
        let strategy = chosen.map_or(Strategy::Fixed.as_str(), |(name, _)| name);
        let mut builder = RetryPolicy::builder().strategy(strategy.parse().ok()?);
        let mut has_error = false;
        for field in self.fields.iter_mut().filter(|field| !field.value.is_empty()) {
            match set(builder.clone(), strategy, field.name, &field.value) {
                Ok(set) => builder = set,
                Err(err) => {
                    field.error = Some(err.to_string());
                    has_error = true;
                }
            }
        }
        (!has_error).then_some(builder)
    }

    /// Shows the error at the field that it names.
    fn set_error(&mut self, err: PolicyError) {
        let key = match &err {
            PolicyError::Invalid { key, .. } | PolicyError::NoEffect { key, .. } => *key,
            _ => "",
        };
        match self.fields.iter_mut().find(|field| field.name == key) {
            Some(field) => field.error = Some(err.to_string()),
            None => self.error = Some(err.to_string()),
        }
    }

    /// Fills the fields from the policy.
    fn fill(&mut self, policy: &RetryPolicy) {
        let text = policy.to_string();
        let mut parts = text.split(',');
        let start = parts.next().unwrap_or_default();
        let (strategy, delay) = start.split_once(':').unwrap_or((start, ""));
        for (name, chosen) in &mut self.strategies {
            *chosen = *name == strategy;
        }
        let parts: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        for field in &mut self.fields {
            let given = parts.iter().find(|(name, _)| *name == field.name);
            field.value = match field.name {
                "delay" => delay.to_owned(),
                "max_retries" => policy.max_retries().to_string(),
                _ => given.map(|(_, value)| (*value).to_owned()).unwrap_or_default(),
            };
        }
        self.text = Some(text);
    }
}

/// The builder with this field set. The field is parsed alone, with a strategy that has it, so that an
/// error in another field does not make this field invalid.
fn set(
    builder: PolicyBuilder,
    strategy: &str,
    name: &str,
    value: &str,
) -> Result<PolicyBuilder, PolicyError> {
    if name == "delay" {
        return Ok(builder.delay(value.parse::<Delay>()?));
    }
    let strategy = match name {
        "multiplier" => "exponential",
        "increment" => "linear",
        _ => strategy,
    };
    let alone: RetryPolicy = format!("{strategy}:5s,{name}={value}").parse()?;
    Ok(match name {
        "max_retries" => builder.max_retries(alone.max_retries()),
        "multiplier" => builder.multiplier(alone.multiplier()),
        "increment" => match alone.increment() {
            Some(increment) => builder.increment(increment),
            None => builder,
        },
        "max_delay" => builder.max_delay(alone.max_delay()),
        "jitter" => builder.jitter(alone.jitter()),
        "retry_for" => match alone.retry_for() {
            Some(limit) => builder.retry_for(limit),
            None => builder,
        },
        "retry_on" => builder.retry_on(alone.retry_on().to_vec()),
        "ignore_on" => builder.ignore_on(alone.ignore_on().to_vec()),
        _ => builder.max_crashes(alone.max_crashes()),
    })
}
