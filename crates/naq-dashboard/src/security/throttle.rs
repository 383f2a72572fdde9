//! [`LoginThrottle`]: makes it slow to guess passwords.
//!
//! A wrong login is answered late. After many wrong ones within a minute, no login is checked that was
//! not right before: so a visitor who has logged in can go on while another one guesses.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use naq_core::Timestamp;
use naq_core::sync::lock;

use super::login;
use super::request_refusal::{RequestRefusal, single};

/// How late a wrong login is answered.
pub(super) const DELAY: Duration = Duration::from_secs(1);
/// How many wrong logins are checked within a [`WINDOW`].
const MAX_WRONG: usize = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// How long a login that was right is checked in any case.
const TRUSTED: Duration = Duration::from_secs(60 * 60);
/// The most logins that are remembered as right. There are no more than there are logins.
const MAX_RIGHT: usize = 1024;

/// The logins of the last minute.
#[derive(Debug, Default)]
pub(crate) struct LoginThrottle {
    hash: RandomState,
    state: Mutex<ThrottleState>,
}

#[derive(Debug, Default)]
struct ThrottleState {
    /// When wrong logins were given, within the last [`WINDOW`].
    wrong: VecDeque<Timestamp>,
    /// By the hash of the header, when a login was last right.
    right: HashMap<u64, Timestamp>,
    /// All refused logins.
    refused: u64,
}

impl ThrottleState {
    /// Whether this login is checked at all.
    fn is_checked(&mut self, given: u64, now: Timestamp) -> bool {
        self.wrong.retain(|at| now.since(*at) < WINDOW);
        let trusted = self.right.get(&given).is_some_and(|at| now.since(*at) < TRUSTED);
        trusted || self.wrong.len() < MAX_WRONG
    }

    fn on_checked(&mut self, given: u64, is_right: bool, now: Timestamp) {
        if is_right {
            if self.right.len() >= MAX_RIGHT {
                self.right.retain(|_, at| now.since(*at) < TRUSTED);
            }
            if self.right.len() < MAX_RIGHT || self.right.contains_key(&given) {
                self.right.insert(given, now);
            }
        } else {
            self.wrong.push_back(now);
        }
    }
}

impl LoginThrottle {
    /// How many logins were refused since the start.
    pub(crate) fn refused(&self) -> u64 {
        lock(&self.state).refused
    }

    /// The login of the request; `local` if the dashboard has no logins.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        logins: &[(String, String)],
        now: Timestamp,
    ) -> Result<String, RequestRefusal> {
        let given = single(headers, header::AUTHORIZATION.as_str());
        let Some(given) = given.filter(|_| !logins.is_empty()) else {
            // Without credentials: the browser asks for them.
            return login::check(headers, logins);
        };
        let hash = self.hash.hash_one(given);
        let mut state = lock(&self.state);
        if !state.is_checked(hash, now) {
            state.refused += 1;
            tracing::warn!("a login was refused unchecked: too many wrong ones within a minute");
            return Err(RequestRefusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too many wrong logins: wait a minute, then log in again",
            ));
        }
        let answer = login::check(headers, logins);
        state.on_checked(hash, answer.is_ok(), now);
        if answer.is_err() {
            state.refused += 1;
            let name = login::name(given).unwrap_or_default();
            let known = logins.iter().any(|(login, _)| *login == name);
            // A password may have been typed into the field of the name.
            let name = if known { name } else { "(unknown)".to_owned() };
            tracing::warn!(login = %name, "a wrong login was refused");
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn after_many_wrong_logins_only_those_that_were_right_are_checked() {
        let mut state = ThrottleState::default();
        assert!(state.is_checked(1, at(0)));
        state.on_checked(1, true, at(0));
        for _ in 0..MAX_WRONG {
            assert!(state.is_checked(2, at(10)));
            state.on_checked(2, false, at(10));
        }
        assert!(!state.is_checked(2, at(11)) && !state.is_checked(3, at(11)));
        assert!(state.is_checked(1, at(11)), "it was right before");
        assert!(state.is_checked(2, at(70)), "a minute later");
    }

    #[test]
    fn a_login_is_trusted_for_an_hour_only() {
        let mut state = ThrottleState::default();
        state.on_checked(1, true, at(0));
        for _ in 0..MAX_WRONG {
            state.on_checked(2, false, at(3599));
        }
        assert!(state.is_checked(1, at(3599)));
        assert!(!state.is_checked(1, at(3601)));
    }
}
