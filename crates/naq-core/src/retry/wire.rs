//! The wire form of a policy: a map with durations in whole milliseconds, or the text form.

use std::fmt;
use std::time::Duration;

use serde::de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::backoff::millis;
use super::{Delay, Jitter, PolicyError, RetryPolicy, Strategy};
use crate::ErrorKind;

/// The map. A setting that has its default is `None` and is not written. Readers ignore unknown keys.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct PolicyMap {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<DelayMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<Strategy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    increment_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multiplier: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Option<Jitter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_on: Option<Vec<ErrorKind>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_on: Option<Vec<ErrorKind>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_for_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_crashes: Option<u32>,
}

impl From<&RetryPolicy> for PolicyMap {
    fn from(p: &RetryPolicy) -> Self {
        let given = RetryPolicy::default();
        let kinds = |kinds: &[ErrorKind]| (!kinds.is_empty()).then(|| kinds.to_vec());
        let default_max_delay = RetryPolicy::default_max_delay(&p.delay);
        Self {
            max_retries: (p.max_retries != given.max_retries).then_some(p.max_retries),
            delay_ms: (p.delay != given.delay).then(|| DelayMillis(p.delay.clone())),
            strategy: (p.strategy != given.strategy).then_some(p.strategy),
            increment_ms: p.increment.map(millis),
            multiplier: (p.multiplier != given.multiplier).then_some(p.multiplier),
            max_delay_ms: (p.max_delay != default_max_delay).then(|| millis(p.max_delay)),
            jitter: (p.jitter != given.jitter).then_some(p.jitter),
            retry_on: kinds(&p.retry_on),
            ignore_on: kinds(&p.ignore_on),
            retry_for_ms: p.retry_for.map(millis),
            max_crashes: (p.max_crashes != given.max_crashes).then_some(p.max_crashes),
        }
    }
}

impl TryFrom<PolicyMap> for RetryPolicy {
    type Error = PolicyError;

    fn try_from(map: PolicyMap) -> Result<Self, PolicyError> {
        let given = Self::default();
        let mut b = Self::builder()
            .strategy(map.strategy.unwrap_or(given.strategy))
            .max_retries(map.max_retries.unwrap_or(given.max_retries))
            .delay(map.delay_ms.map_or(given.delay, |delay| delay.0))
            .multiplier(map.multiplier.unwrap_or(given.multiplier))
            .jitter(map.jitter.unwrap_or(given.jitter))
            .retry_on(map.retry_on.unwrap_or_default())
            .ignore_on(map.ignore_on.unwrap_or_default())
            .max_crashes(map.max_crashes.unwrap_or(given.max_crashes));
        if let Some(ms) = map.increment_ms {
            b = b.increment(Duration::from_millis(ms));
        }
        if let Some(ms) = map.max_delay_ms {
            b = b.max_delay(Duration::from_millis(ms));
        }
        if let Some(ms) = map.retry_for_ms {
            b = b.retry_for(Duration::from_millis(ms));
        }
        b.try_build()
    }
}

impl Serialize for RetryPolicy {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        PolicyMap::from(self).serialize(s)
    }
}

impl<'de> Deserialize<'de> for RetryPolicy {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct PolicyVisitor;

        impl<'de> Visitor<'de> for PolicyVisitor {
            type Value = RetryPolicy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a retry policy, as a map or as text such as \"exponential:2s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RetryPolicy, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RetryPolicy, A::Error> {
                PolicyMap::deserialize(MapAccessDeserializer::new(map))?
                    .try_into()
                    .map_err(de::Error::custom)
            }
        }

        d.deserialize_any(PolicyVisitor)
    }
}

/// A delay in milliseconds: one number, or a list of numbers.
struct DelayMillis(Delay);

impl Serialize for DelayMillis {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Delay::Every(delay) => s.serialize_u64(millis(*delay)),
            Delay::List(list) => s.collect_seq(list.iter().copied().map(millis)),
        }
    }
}

impl<'de> Deserialize<'de> for DelayMillis {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct DelayVisitor;

        impl<'de> Visitor<'de> for DelayVisitor {
            type Value = DelayMillis;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("milliseconds as a whole number, or a list of them")
            }

            fn visit_u64<E: de::Error>(self, ms: u64) -> Result<DelayMillis, E> {
                Ok(DelayMillis(Delay::Every(Duration::from_millis(ms))))
            }

            fn visit_i64<E: de::Error>(self, ms: i64) -> Result<DelayMillis, E> {
                let ms = u64::try_from(ms)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(ms), &self))?;
                self.visit_u64(ms)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<DelayMillis, A::Error> {
                let mut list = Vec::new();
                while let Some(ms) = seq.next_element()? {
                    if list.len() == RetryPolicy::MAX_DELAYS {
                        return Err(de::Error::invalid_length(list.len() + 1, &self));
                    }
                    list.push(Duration::from_millis(ms));
                }
                Ok(DelayMillis(Delay::List(list)))
            }
        }

        d.deserialize_any(DelayVisitor)
    }
}

impl Serialize for Strategy {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// The name of the jitter, or the factor as a number.
impl Serialize for Jitter {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Factor(factor) => s.serialize_f64(*factor),
            named => s.collect_str(named),
        }
    }
}

impl<'de> Deserialize<'de> for Jitter {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct JitterVisitor;

        impl Visitor<'_> for JitterVisitor {
            type Value = Jitter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("none, full, equal, decorrelated, or a factor from 0 to 1")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Jitter, E> {
                text.parse().map_err(E::custom)
            }

            // The builder checks the range.
            fn visit_f64<E: de::Error>(self, factor: f64) -> Result<Jitter, E> {
                Ok(Jitter::Factor(factor))
            }

            fn visit_u64<E: de::Error>(self, factor: u64) -> Result<Jitter, E> {
                Ok(Jitter::Factor(factor as f64))
            }

            fn visit_i64<E: de::Error>(self, factor: i64) -> Result<Jitter, E> {
                Ok(Jitter::Factor(factor as f64))
            }
        }

        d.deserialize_any(JitterVisitor)
    }
}
