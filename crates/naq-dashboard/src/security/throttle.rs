//! [`LoginThrottle`]: makes it slow to guess passwords.
//!
//! A wrong login is answered late. After many wrong ones within a minute from one peer or for one name, no
//! login from there or with that name is checked that was not right before: so a visitor who has logged in
//! can go on while another one guesses.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use argon2::password_hash::rand_core::{OsRng, RngCore};
use axum::http::StatusCode;
use naq_core::Timestamp;
use naq_core::sync::lock;
use sha2::{Digest, Sha256};

use super::request_refusal::RequestRefusal;
use crate::user::User;

/// How late a wrong login is answered.
pub(super) const DELAY: Duration = Duration::from_secs(1);
/// How many wrong logins are checked within a [`WINDOW`], for each peer and for each name.
const MAX_WRONG: usize = 20;
/// How many are checked within a [`WINDOW`] in all. Each may take 50 milliseconds of a core.
const MAX_WRONG_IN_ALL: usize = 1_000;
const WINDOW: Duration = Duration::from_secs(60);
/// How long a login that was right needs no check after its last use.
const TRUSTED: Duration = Duration::from_secs(60 * 60);
/// The most logins that are remembered as right.
const MAX_RIGHT: usize = 1024;

/// The logins of the last minute, and those that were right.
#[derive(Debug)]
pub(super) struct LoginThrottle {
    /// Makes the digests of no use outside this process.
    salt: [u8; 32],
    state: Mutex<ThrottleState>,
}

type LoginDigest = [u8; 32];

/// A login that is to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    digest: LoginDigest,
    /// The name, if the header has one.
    pub(super) name: Option<String>,
    pub(super) peer: Option<IpAddr>,
}

#[derive(Debug, Default)]
struct ThrottleState {
    /// Logins that were not right, or are not known to be, within the last [`WINDOW`].
    wrong: VecDeque<(Timestamp, Guess)>,
    /// The logins that were right, and when each was last used.
    right: HashMap<LoginDigest, (User, Timestamp)>,
    /// All refused logins.
    refused: u64,
}

impl ThrottleState {
    /// The user of a login that was right within the last hour.
    fn right(&mut self, guess: &Guess, now: Timestamp) -> Option<User> {
        let (user, used) = self.right.get_mut(&guess.digest)?;
        (now.since(*used) < TRUSTED).then(|| {
            *used = now;
            user.clone()
        })
    }

    /// Counts the login as wrong until it is known to be right. False if it must not be checked.
    fn begin(&mut self, guess: &Guess, now: Timestamp) -> bool {
        self.wrong.retain(|(at, _)| now.since(*at) < WINDOW);
        let count = |same: &dyn Fn(&Guess) -> bool| {
            self.wrong.iter().filter(|(_, other)| same(other)).count()
        };
        // Without a name it is no guess at a password.
        let of_name = match &guess.name {
            Some(_) => count(&|other| other.name == guess.name),
            None => 0,
        };
        let was_right = self.right.contains_key(&guess.digest);
        let few = count(&|other| other.peer == guess.peer) < MAX_WRONG
            && of_name < MAX_WRONG
            && self.wrong.len() < MAX_WRONG_IN_ALL;
        let is_checked = few || was_right;
        if is_checked {
            self.wrong.push_back((now, guess.clone()));
        }
        is_checked
    }

    fn on_right(&mut self, guess: Guess, user: User, now: Timestamp) {
        if let Some(at) = self.wrong.iter().position(|(_, other)| *other == guess) {
            self.wrong.remove(at);
        }
        if self.right.len() >= MAX_RIGHT {
            self.right.retain(|_, (_, used)| now.since(*used) < TRUSTED);
        }
        if self.right.len() < MAX_RIGHT || self.right.contains_key(&guess.digest) {
            self.right.insert(guess.digest, (user, now));
        }
    }
}

impl Default for LoginThrottle {
    fn default() -> Self {
        let mut salt = [0; 32];
        OsRng.fill_bytes(&mut salt);
        Self { salt, state: Mutex::default() }
    }
}

impl LoginThrottle {
    /// How many logins were refused since the start.
    pub(super) fn refused(&self) -> u64 {
        lock(&self.state).refused
    }

    /// The login that a header has.
    pub(super) fn guess(&self, header: &str, name: Option<String>, peer: Option<IpAddr>) -> Guess {
        Guess { digest: self.digest(header), name, peer: peer.map(network) }
    }

    /// The user of a login that was right within the last hour: it needs no check.
    pub(super) fn right(&self, guess: &Guess, now: Timestamp) -> Option<User> {
        lock(&self.state).right(guess, now)
    }

    /// Before a check of the login.
    pub(super) fn begin(&self, guess: &Guess, now: Timestamp) -> Result<(), RequestRefusal> {
        let mut state = lock(&self.state);
        if state.begin(guess, now) {
            return Ok(());
        }
        state.refused += 1;
        let peer = guess.peer;
        tracing::warn!(?peer, "a login was refused unchecked: too many wrong ones within a minute");
        Err(RequestRefusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong logins: wait a minute, then log in again",
        ))
    }

    pub(super) fn on_right(&self, guess: Guess, user: User, now: Timestamp) {
        lock(&self.state).on_right(guess, user, now);
    }

    pub(super) fn on_wrong(&self) {
        lock(&self.state).refused += 1;
    }

    /// Forgets that this login was right. False if it was not.
    pub(super) fn forget(&self, header: &str) -> bool {
        let digest = self.digest(header);
        lock(&self.state).right.remove(&digest).is_some()
    }

    fn digest(&self, header: &str) -> LoginDigest {
        Sha256::new().chain_update(self.salt).chain_update(header).finalize().into()
    }
}

/// The address, or the network of an IPv6 address: one machine has all addresses of a /64.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn ann() -> User {
        User::plain("ann", "sesame").expect("a user")
    }

    fn guess(n: u8, name: &str, peer: &str) -> Guess {
        let peer = Some(network(peer.parse().expect("an address")));
        Guess { digest: [n; 32], name: Some(name.into()), peer }
    }

    #[test]
    fn after_many_wrong_logins_only_those_that_were_right_are_checked() {
        let mut state = ThrottleState::default();
        let right = guess(1, "ann", "10.0.0.1");
        assert!(state.begin(&right, at(0)));
        state.on_right(right.clone(), ann(), at(0));
        assert!(state.wrong.is_empty(), "a right login counts for nothing");
        for _ in 0..MAX_WRONG {
            assert!(state.begin(&guess(2, "ann", "10.0.0.1"), at(10)));
        }
        assert!(!state.begin(&guess(2, "ann", "10.0.0.1"), at(11)));
        assert!(state.right(&right, at(11)).is_some() && state.begin(&right, at(11)));
        assert!(state.begin(&guess(2, "ann", "10.0.0.1"), at(71)), "a minute later");
    }

    #[test]
    fn a_peer_and_a_name_are_counted_each_on_its_own() {
        let mut state = ThrottleState::default();
        for n in 0..MAX_WRONG {
            assert!(state.begin(&guess(2, &format!("name{n}"), "10.0.0.1"), at(0)));
        }
        assert!(!state.begin(&guess(2, "bob", "10.0.0.1"), at(1)), "the peer guesses");
        assert!(state.begin(&guess(2, "bob", "10.0.0.2"), at(1)), "another peer does not");
        for n in 1..MAX_WRONG {
            assert!(state.begin(&guess(2, "bob", &format!("10.0.1.{n}")), at(2)));
        }
        assert!(!state.begin(&guess(2, "bob", "10.0.2.1"), at(3)), "many peers guess at one name");
        assert!(state.begin(&guess(2, "ann", "10.0.2.1"), at(3)));
    }

    #[test]
    fn the_addresses_of_one_network_are_one_peer() {
        assert_eq!(guess(1, "ann", "2001:db8::1"), guess(1, "ann", "2001:db8::ffff"));
        assert_ne!(guess(1, "ann", "2001:db8::1"), guess(1, "ann", "2001:db8:0:1::1"));
        assert_eq!(guess(1, "ann", "::ffff:10.0.0.1"), guess(1, "ann", "10.0.0.1"));
    }

    #[test]
    fn a_login_is_trusted_for_an_hour_after_its_last_use() {
        let mut state = ThrottleState::default();
        let right = guess(1, "ann", "10.0.0.1");
        state.on_right(right.clone(), ann(), at(0));
        assert!(state.right(&right, at(3599)).is_some());
        assert!(state.right(&right, at(3599 + 3599)).is_some());
        assert!(state.right(&right, at(3 * 3600)).is_none());
    }
}
