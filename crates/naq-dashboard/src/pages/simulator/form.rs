//! [`Form`]: a policy as a visitor writes it, with what is wrong at the field that is wrong.

use naq_core::retry::{PolicyBuilder, PolicyError};
use naq_core::{Delay, RetryPolicy, Strategy};

use crate::scene::Scene;

/// The fields of the form, in their order: name, label, what may stand there.
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

/// What was asked.
pub(super) struct Form {
    pub(super) strategies: Vec<(&'static str, bool)>,
    pub(super) fields: Vec<Field>,
    pub(super) task: String,
    /// A policy as text, which stands in for all fields.
    text: Option<String>,
    /// What is wrong with the text.
    pub(super) text_error: Option<String>,
    /// What is wrong with no one field.
    pub(super) error: Option<String>,
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    pub(super) value: String,
    pub(super) error: Option<String>,
}

impl Form {
    pub(super) fn read(scene: &Scene<'_>) -> Self {
        let get = |name: &str| scene.get(name).map(str::trim).unwrap_or_default().to_owned();
        let field =
            |(name, label, hint)| Field { name, label, hint, value: get(name), error: None };
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

    /// The text, as it was written.
    pub(super) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// The policy, or none and what is wrong where it is wrong. A policy that was given as text
    /// fills the fields in.
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
                self.blame(err);
                None
            }
        }
    }

    /// Each field by itself, through the reader of the text form: it says what is allowed.
    fn build(&mut self) -> Option<PolicyBuilder> {
        let chosen = self.strategies.iter().find(|(_, chosen)| *chosen);
        let strategy = chosen.map_or(Strategy::Fixed.as_str(), |(name, _)| name);
        let mut builder = RetryPolicy::builder().strategy(strategy.parse().ok()?);
        let mut wrong = false;
        for field in self.fields.iter_mut().filter(|field| !field.value.is_empty()) {
            match set(builder.clone(), strategy, field.name, &field.value) {
                Ok(set) => builder = set,
                Err(err) => {
                    field.error = Some(err.to_string());
                    wrong = true;
                }
            }
        }
        (!wrong).then_some(builder)
    }

    fn blame(&mut self, err: PolicyError) {
        let key = match &err {
            PolicyError::Invalid { key, .. } | PolicyError::NoEffect { key, .. } => *key,
            _ => "",
        };
        match self.fields.iter_mut().find(|field| field.name == key) {
            Some(field) => field.error = Some(err.to_string()),
            None => self.error = Some(err.to_string()),
        }
    }

    /// Shows the policy in the fields.
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

/// The builder with this field. What is read alone must not be refused for what another field says.
fn set(
    builder: PolicyBuilder,
    strategy: &str,
    name: &str,
    value: &str,
) -> Result<PolicyBuilder, PolicyError> {
    if name == "delay" {
        return Ok(builder.delay(value.parse::<Delay>()?));
    }
    let home = match name {
        "multiplier" => "exponential",
        "increment" => "linear",
        _ => strategy,
    };
    let alone: RetryPolicy = format!("{home}:5s,{name}={value}").parse()?;
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
