//! `#[derive(Job)]` does what an `impl Job` by hand does.
#![cfg(feature = "macros")]

use std::time::Duration;

use naq::prelude::*;
use naq::serde::de::DeserializeOwned;

#[derive(Serialize, Deserialize, Job)]
#[job(
    name = "email.send",
    output = Vec<String>,
    queue = "mail",
    retry = "exponential:2s,max_retries=4",
    timeout = "1m30s",
    record_ttl = "0s",
    expires_in = "10m",
    tag = "nightly",
    tag = "mail"
)]
struct SendEmail {
    to: String,
}

#[derive(Serialize, Deserialize, Job)]
#[job(name = "plain", crate = naq)]
struct Plain;

#[derive(Serialize, Deserialize, Job)]
#[serde(bound = "T: Serialize + DeserializeOwned")]
#[job(name = "generic")]
struct Generic<T: Serialize + DeserializeOwned + Send + 'static> {
    value: T,
}

fn output<J: Job>() -> &'static str {
    std::any::type_name::<J::Output>()
}

#[test]
fn each_option_is_that_of_the_job() {
    let by_hand = JobOptions::new()
        .queue("mail")
        .policy("exponential:2s,max_retries=4".parse().unwrap())
        .timeout(Duration::from_secs(90))
        .record_ttl(Duration::ZERO)
        .expires_in(Duration::from_secs(600))
        .tag("nightly")
        .tag("mail");
    assert_eq!(SendEmail::options(), by_hand);
    assert_eq!(SendEmail::NAME, "email.send");
    assert_eq!(output::<SendEmail>(), std::any::type_name::<Vec<String>>());
}

#[test]
fn a_job_with_only_a_name_has_the_defaults() {
    assert_eq!(Plain::options(), JobOptions::default());
    assert_eq!((Plain::NAME, output::<Plain>()), ("plain", "()"));
    assert_eq!(<Generic<u8> as Job>::NAME, "generic");
}
