//! The `NAQ_*` variables of the environment.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use naq_nats::{Auth, NatsConfig, Secret, Storage, Tls};

/// An environment variable with an invalid value. The error does not contain the value, which may be
/// a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct EnvError {
    variable: &'static str,
    reason: String,
}

fn invalid(variable: &'static str, reason: impl fmt::Display) -> EnvError {
    EnvError { variable, reason: reason.to_string() }
}

/// Looks up variables: those of the process, or those of a test.
pub(crate) struct Env<'a>(Box<Lookup<'a>>);

type Lookup<'a> = dyn Fn(&str) -> Option<String> + Send + Sync + 'a;

impl Env<'_> {
    pub(crate) fn process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// The value of a variable; `None` if it is not set or empty.
    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, EnvError> {
        match self.text(name).as_deref() {
            None | Some("false" | "0" | "no" | "off") => Ok(false),
            Some("true" | "1" | "yes" | "on") => Ok(true),
            Some(_) => Err(invalid(name, "use true or false")),
        }
    }

    /// A duration such as `90s` or `1h`. A number without a unit is in seconds.
    pub(crate) fn duration(&self, name: &'static str) -> Result<Option<Duration>, EnvError> {
        let read = |text: String| match text.parse() {
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
            Err(_) => humantime::parse_duration(&text).map_err(|_| {
                invalid(name, "write a duration, such as 30m or 1h, or a number of seconds")
            }),
        };
        self.text(name).map(read).transpose()
    }

    /// What is in the file that a variable names. The error does not contain it.
    pub(crate) fn file<T: FromStr<Err: fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, EnvError> {
        let Some(path) = self.path(name) else { return Ok(None) };
        let read = std::fs::read_to_string(&path);
        let text = read.map_err(|err| invalid(name, format!("{}: {err}", path.display())))?;
        text.parse().map(Some).map_err(|err| invalid(name, format!("{}: {err}", path.display())))
    }

    pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, EnvError> {
        self.text(name).map(|text| text.parse().map_err(|err| invalid(name, err))).transpose()
    }
}

/// Reads the settings from the `NAQ_*` variables. [`connect_from_env`](crate::connect_from_env) lists
/// the variables.
///
/// # Errors
/// [`EnvError`] names the invalid variable.
pub fn config_from_env() -> Result<NatsConfig, EnvError> {
    config(&Env::process())
}

pub(crate) fn config(env: &Env<'_>) -> Result<NatsConfig, EnvError> {
    let mut config = NatsConfig::default().auth(auth(env)?).tls(tls(env)?);
    if let Some(url) = env.text("NAQ_NATS_URL") {
        config.url = url;
    }
    if let Some(prefix) = env.text("NAQ_PREFIX") {
        config.prefix = prefix;
    }
    if let Some(prefix) = env.text("NAQ_NATS_INBOX_PREFIX") {
        config.inbox_prefix = prefix;
    }
    if let Some(replicas) = env.parsed("NAQ_REPLICAS")? {
        config.replicas = replicas;
    }
    config.storage = match env.text("NAQ_STORAGE").as_deref() {
        None | Some("file") => Storage::File,
        Some("memory") => Storage::Memory,
        Some(_) => return Err(invalid("NAQ_STORAGE", "use file or memory")),
    };
    Ok(config)
}

fn auth(env: &Env<'_>) -> Result<Auth, EnvError> {
    let secret = |name| env.text(name).map(Secret::new);
    let mut forms = Vec::new();
    match (env.text("NAQ_NATS_USER"), secret("NAQ_NATS_PASSWORD")) {
        (Some(user), Some(password)) => forms.push(Auth::UserPassword { user, password }),
        (Some(_), None) => return Err(invalid("NAQ_NATS_USER", "set NAQ_NATS_PASSWORD too")),
        (None, Some(_)) => return Err(invalid("NAQ_NATS_PASSWORD", "set NAQ_NATS_USER too")),
        (None, None) => {}
    }
    forms.extend(secret("NAQ_NATS_TOKEN").map(Auth::Token));
    match (env.path("NAQ_NATS_JWT"), env.path("NAQ_NATS_NKEY")) {
        (Some(jwt), Some(seed)) => forms.push(Auth::JwtFiles { jwt, seed }),
        (None, Some(seed)) => forms.push(Auth::NkeyFile(seed)),
        (Some(_), None) => {
            return Err(invalid("NAQ_NATS_JWT", "set NAQ_NATS_NKEY to its seed too"));
        }
        (None, None) => {}
    }
    forms.extend(env.path("NAQ_NATS_CREDS").map(Auth::CredsFile));
    if forms.len() > 1 {
        let text = "credentials are given in more than one form: keep one of user and password, \
                    token, nkey, JWT and nkey, creds";
        return Err(invalid("NAQ_NATS_*", text));
    }
    Ok(forms.pop().unwrap_or_default())
}

fn tls(env: &Env<'_>) -> Result<Tls, EnvError> {
    let first = env.flag("NAQ_NATS_TLS_FIRST")?;
    let (cert, key) = (env.path("NAQ_NATS_CERT"), env.path("NAQ_NATS_KEY"));
    if cert.is_some() != key.is_some() {
        return Err(invalid(
            "NAQ_NATS_CERT",
            "set both NAQ_NATS_CERT and NAQ_NATS_KEY, or neither",
        ));
    }
    let required = env.flag("NAQ_NATS_TLS")? || first;
    Ok(Tls { required, first, ca: env.path("NAQ_NATS_CA"), cert, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<NatsConfig, EnvError> {
        let find = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_owned());
        config(&Env(Box::new(find)))
    }

    #[test]
    fn without_variables_the_settings_are_the_defaults() {
        let config = read(&[("NAQ_NATS_URL", "")]).expect("defaults");
        assert_eq!(config.url, NatsConfig::default().url);
        assert_eq!(config.auth, Auth::None);
    }

    #[test]
    fn variables_set_the_address_and_the_user() {
        let config = read(&[
            ("NAQ_NATS_URL", "nats://broker:4222"),
            ("NAQ_NATS_USER", "ann"),
            ("NAQ_NATS_PASSWORD", "s3cret"),
            ("NAQ_PREFIX", "staging"),
            ("NAQ_NATS_TLS", "true"),
            ("NAQ_REPLICAS", "3"),
        ])
        .expect("settings");
        assert_eq!(
            (config.url.as_str(), config.prefix.as_str()),
            ("nats://broker:4222", "staging")
        );
        assert!(config.tls.required && !config.tls.first && config.replicas == 3);
        assert!(matches!(config.auth, Auth::UserPassword { user, .. } if user == "ann"));
    }

    #[test]
    fn a_duration_without_a_unit_is_in_seconds() {
        for (text, seconds) in [("90", 90), ("1h", 3600), ("0", 0), ("0s", 0)] {
            let env = Env(Box::new(|_| Some(text.to_owned())));
            let duration = env.duration("NAQ_DEFAULT_RESULT_TTL").expect(text);
            assert_eq!(duration, Some(Duration::from_secs(seconds)), "{text}");
        }
        let err = Env(Box::new(|_| Some("s3cret".into()))).duration("NAQ_DEFAULT_RESULT_TTL");
        let err = err.expect_err("no time").to_string();
        assert!(err.starts_with("NAQ_DEFAULT_RESULT_TTL") && !err.contains("s3cret"), "{err}");
    }

    #[test]
    fn an_invalid_variable_is_named_and_its_value_is_not_shown() {
        for (variables, named) in [
            (&[("NAQ_STORAGE", "s3cret")][..], "NAQ_STORAGE"),
            (&[("NAQ_NATS_TLS", "s3cret")], "NAQ_NATS_TLS"),
            (&[("NAQ_NATS_PASSWORD", "s3cret")], "NAQ_NATS_PASSWORD"),
            (&[("NAQ_NATS_TOKEN", "s3cret"), ("NAQ_NATS_CREDS", "f")], "NAQ_NATS_*"),
            (&[("NAQ_NATS_KEY", "f")], "NAQ_NATS_CERT"),
            (&[("NAQ_REPLICAS", "many")], "NAQ_REPLICAS"),
        ] {
            let err = read(variables).expect_err(named).to_string();
            assert!(err.starts_with(named) && !err.contains("s3cret"), "{err}");
        }
    }
}
