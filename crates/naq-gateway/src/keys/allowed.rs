//! [`Allowed`]: which names a key may use.

use std::fmt;
use std::str::FromStr;

/// Which queues or tasks a key may use. As text: `*` for all, or names with commas between them; a name
/// that ends in `*` allows all names with this beginning.
///
/// ```
/// use naq_gateway::Allowed;
///
/// let tasks: Allowed = "email.*,report".parse()?;
/// assert!(tasks.has("email.send") && tasks.has("report") && !tasks.has("reports"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Allowed {
    /// Every name. The default.
    #[default]
    All,
    /// These names and beginnings.
    Only(Vec<String>),
}

impl Allowed {
    /// Whether this name may be used.
    pub fn has(&self, name: &str) -> bool {
        let Self::Only(list) = self else { return true };
        list.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => allowed == name,
        })
    }
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::All);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
        let fits = |name: &str| {
            let name = name.strip_suffix('*').unwrap_or(name);
            !name.is_empty() && name.len() <= 128 && name.chars().all(plain)
        };
        match text.split(',').all(fits) {
            true => Ok(Self::Only(text.split(',').map(str::to_owned).collect())),
            false => Err("use names with commas between them, such as mail,report; `email.*` for \
                          a beginning, `*` for all"
                .to_owned()),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Only(list) => f.write_str(&list.join(",")),
        }
    }
}
