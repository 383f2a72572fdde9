//! [`User`]: who may log in to a dashboard, and what they may do there.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use naq_core::QueueName;
use subtle::ConstantTimeEq;

/// The longest name and the longest password of a login, in bytes.
pub(crate) const MAX_LOGIN_BYTES: usize = 256;
/// How a hash begins.
const HASH: &str = "$argon2";
/// In place of a hash: the user comes through a proxy only.
const PROXY_ONLY: &str = "-";
/// In place of the queues: all of them.
const ALL_QUEUES: &str = "*";

/// What a user may do. A later one may do all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// See all pages, and change nothing.
    View,
    /// Also pause, resume, retry, requeue, cancel and drain.
    Operate,
    /// Also purge: remove jobs and dead letters for good.
    Admin,
}

/// A user of a dashboard: a name, a password, a role, and the queues to which the role applies. All users
/// see all queues.
///
/// Its text form is one line of a file of logins: `ann:$argon2id$...:operate:mail,billing`, with `*` for
/// all queues, and with `-` for the hash of a user who comes through a proxy only. `ann:secret` is a
/// password in plain text, with the role `admin` for all queues.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    password: Password,
    role: Role,
    queues: Option<BTreeSet<QueueName>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Password {
    /// In the PHC form.
    Hash(String),
    Plain(String),
    /// No password is right.
    None,
}

/// A user with an invalid part. The text of the line, which may contain a password, is not in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// A name that no login can have.
    #[error(
        "the name is empty, longer than {MAX_LOGIN_BYTES} bytes, or has a colon or a control character"
    )]
    Name,
    /// A password that no login can have.
    #[error("the password is empty or longer than {MAX_LOGIN_BYTES} bytes")]
    Password,
    /// A hash that cannot be read.
    #[error("the hash is not one of Argon2")]
    Hash,
    /// An unknown role.
    #[error("the role {0:?} is unknown: use view, operate or admin")]
    Role(String),
    /// A name that no queue can have.
    #[error("{0}")]
    Queue(String),
    /// A line of another form.
    #[error("the line is not of the form name:hash:role:queues")]
    Form,
}

impl User {
    /// A user with a hashed password, for all queues. It takes some 50 milliseconds.
    ///
    /// # Errors
    /// [`UserError`] for a name or a password that no login can have.
    pub fn new(name: &str, password: &str, role: Role) -> Result<Self, UserError> {
        let password = check_password(password)?;
        let salt = SaltString::generate(&mut OsRng);
        let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
        let hash = hash.map_err(|_| UserError::Hash)?.to_string();
        Self::of(name, Password::Hash(hash), role)
    }

    /// A user who comes through a proxy only, for all queues: no password is right.
    ///
    /// # Errors
    /// [`UserError::Name`] for a name that no login can have.
    pub fn without_password(name: &str, role: Role) -> Result<Self, UserError> {
        Self::of(name, Password::None, role)
    }

    /// A user with a password in plain text, who may do everything.
    pub(crate) fn plain(name: &str, password: &str) -> Result<Self, UserError> {
        let password = Password::Plain(check_password(password)?.to_owned());
        Self::of(name, password, Role::Admin)
    }

    fn of(name: &str, password: Password, role: Role) -> Result<Self, UserError> {
        let plain = |c: char| c != ':' && !c.is_control();
        match !name.is_empty() && name.len() <= MAX_LOGIN_BYTES && name.chars().all(plain) {
            true => Ok(Self { name: name.to_owned(), password, role, queues: None }),
            false => Err(UserError::Name),
        }
    }

    /// Limits the role to these queues. With none, the user may change nothing.
    #[must_use]
    pub fn queues(mut self, queues: impl IntoIterator<Item = QueueName>) -> Self {
        self.queues = Some(queues.into_iter().collect());
        self
    }

    /// The same user with the password hashed, if it was in plain text.
    ///
    /// # Errors
    /// [`UserError`], as [`User::new`].
    pub fn hashed(&self) -> Result<Self, UserError> {
        let Password::Plain(password) = &self.password else { return Ok(self.clone()) };
        Ok(Self { queues: self.queues.clone(), ..Self::new(&self.name, password, self.role)? })
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the user may do.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The queues to which the role applies; `None` for all.
    pub fn only_queues(&self) -> Option<&BTreeSet<QueueName>> {
        self.queues.as_ref()
    }

    /// Whether the password is in plain text.
    pub fn is_plain(&self) -> bool {
        matches!(self.password, Password::Plain(_))
    }

    /// Whether the user comes through a proxy only.
    pub fn has_no_password(&self) -> bool {
        self.password == Password::None
    }

    /// Whether the password is right. A hash takes some 50 milliseconds.
    pub(crate) fn is_password(&self, given: &str) -> bool {
        match &self.password {
            Password::Plain(password) => same(given, password),
            Password::Hash(hash) => PasswordHash::new(hash).is_ok_and(|hash| {
                Argon2::default().verify_password(given.as_bytes(), &hash).is_ok()
            }),
            Password::None => false,
        }
    }

    pub(crate) fn is_hashed(&self) -> bool {
        matches!(self.password, Password::Hash(_))
    }
}

fn check_password(password: &str) -> Result<&str, UserError> {
    let fits = !password.is_empty() && password.len() <= MAX_LOGIN_BYTES;
    fits.then_some(password).ok_or(UserError::Password)
}

/// Compares in full, so that the time that it takes reveals nothing.
pub(crate) fn same(given: &str, wanted: &str) -> bool {
    let padded = |text: &str| {
        let mut out = [0; MAX_LOGIN_BYTES];
        out.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        out
    };
    let lengths = (given.len() as u64).ct_eq(&(wanted.len() as u64));
    (padded(given).ct_eq(&padded(wanted)) & lengths).into()
}

impl FromStr for User {
    type Err = UserError;

    fn from_str(line: &str) -> Result<Self, UserError> {
        let (name, rest) = line.split_once(':').ok_or(UserError::Form)?;
        let parts: Vec<&str> = rest.split(':').collect();
        let is_hash = rest.starts_with(HASH);
        let (password, role, queues) = match parts.as_slice() {
            [hash, role, queues] if is_hash || *hash == PROXY_ONLY => (*hash, *role, *queues),
            _ if is_hash => return Err(UserError::Form),
            _ => return Self::plain(name, rest),
        };
        let password = match is_hash {
            true if PasswordHash::new(password).is_err() => return Err(UserError::Hash),
            true => Password::Hash(password.to_owned()),
            false => Password::None,
        };
        let user = Self::of(name, password, role.parse()?)?;
        if queues == ALL_QUEUES {
            return Ok(user);
        }
        let queue =
            |name: &str| QueueName::new(name).map_err(|err| UserError::Queue(err.to_string()));
        let names = queues.split(',').filter(|name| !name.is_empty());
        Ok(user.queues(names.map(queue).collect::<Result<Vec<_>, _>>()?))
    }
}

impl Display for User {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let password = match &self.password {
            Password::Plain(password) => return write!(f, "{}:{password}", self.name),
            Password::Hash(hash) => hash,
            Password::None => PROXY_ONLY,
        };
        write!(f, "{}:{password}:{}:{}", self.name, self.role, queue_words(self.queues.as_ref()))
    }
}

/// The queues with commas between them, or `*`.
fn queue_words(queues: Option<&BTreeSet<QueueName>>) -> String {
    queues.map_or_else(
        || ALL_QUEUES.to_owned(),
        |queues| queues.iter().map(QueueName::as_str).collect::<Vec<_>>().join(","),
    )
}

impl fmt::Debug for User {
    /// Without the password.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, role, queues, .. } = self;
        f.debug_struct("User")
            .field("name", name)
            .field("role", role)
            .field("queues", queues)
            .finish_non_exhaustive()
    }
}

impl Role {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, UserError> {
        let all = [Self::View, Self::Operate, Self::Admin];
        let found = all.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UserError::Role(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hashed_user_is_a_line_that_has_no_password_in_it() {
        let user = User::new("ann", "a:secret", Role::Operate).expect("a user");
        let user = user.queues([QueueName::new("mail").expect("a name")]);
        let line = user.to_string();
        assert!(line.starts_with("ann:$argon2id$") && line.ends_with(":operate:mail"), "{line}");
        assert!(!line.contains("secret") && !format!("{user:?}").contains("argon2"), "{line}");
        let read: User = line.parse().expect("the line");
        assert_eq!(read, user);
        assert!(read.is_password("a:secret"));
        assert!(!read.is_password("a:secreT") && !read.is_password(""));
    }

    #[test]
    fn a_password_in_plain_text_is_read_and_hashed_on_request() {
        let user: User = "bob:a:b".parse().expect("the line");
        assert!(user.is_plain() && user.is_password("a:b") && !user.is_password("a:b\0"));
        assert_eq!((user.role(), user.only_queues()), (Role::Admin, None));
        let hashed = user.hashed().expect("hashed");
        assert!(!hashed.is_plain() && hashed.is_password("a:b"));
        assert_eq!(hashed.role(), Role::Admin);
    }

    #[test]
    fn a_user_of_a_proxy_has_no_right_password() {
        let user: User = "eve:-:view:*".parse().expect("the line");
        assert!(user.has_no_password() && !user.is_password("-") && !user.is_password(""));
        assert_eq!(user.to_string(), "eve:-:view:*");
        let none: User = "eve:-:operate:".parse().expect("the line");
        assert_eq!(none.only_queues().map(BTreeSet::len), Some(0));
    }

    #[test]
    fn a_line_with_an_error_names_it_and_repeats_no_password() {
        let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        for (line, error) in [
            ("ann", UserError::Form),
            (":x", UserError::Name),
            ("ann:", UserError::Password),
            ("ann:$argon2id$x:view:*", UserError::Hash),
            (&*format!("ann:{hash}:root:*"), UserError::Role("root".into())),
            (&*format!("ann:{hash}"), UserError::Form),
        ] {
            assert_eq!(line.parse::<User>().expect_err(line), error);
        }
        let queue = format!("ann:{hash}:view:a b").parse::<User>().expect_err("no queue");
        assert!(matches!(queue, UserError::Queue(_)), "{queue}");
    }
}
