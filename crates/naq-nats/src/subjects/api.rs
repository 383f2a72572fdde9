//! The subjects of the JetStream API.

use super::{CONSUMER, UPTIME};

pub(crate) const ACCOUNT: &str = "$JS.API.INFO";
pub(crate) const STREAM_NAMES: &str = "$JS.API.STREAM.NAMES";

pub(crate) fn stream_info(stream: &str) -> String {
    format!("$JS.API.STREAM.INFO.{stream}")
}

pub(crate) fn stream_update(stream: &str) -> String {
    format!("$JS.API.STREAM.UPDATE.{stream}")
}

pub(crate) fn stream_create(stream: &str) -> String {
    format!("$JS.API.STREAM.CREATE.{stream}")
}

pub(crate) fn stream_purge(stream: &str) -> String {
    format!("$JS.API.STREAM.PURGE.{stream}")
}

pub(crate) fn message_delete(stream: &str) -> String {
    format!("$JS.API.STREAM.MSG.DELETE.{stream}")
}

pub(crate) fn message_get(stream: &str) -> String {
    format!("$JS.API.STREAM.MSG.GET.{stream}")
}

pub(crate) fn direct_get(stream: &str) -> String {
    format!("$JS.API.DIRECT.GET.{stream}")
}

/// The last message on one subject, which the request's subject names.
pub(crate) fn direct_get_last(stream: &str, subject: &str) -> String {
    format!("$JS.API.DIRECT.GET.{stream}.{subject}")
}

pub(crate) fn consumer_info(stream: &str) -> String {
    info_of_consumer(stream, CONSUMER)
}

pub(crate) fn info_of_consumer(stream: &str, name: &str) -> String {
    format!("$JS.API.CONSUMER.INFO.{stream}.{name}")
}

/// Whether a subject reads or makes an uptime consumer.
pub(crate) fn is_of_uptime(subject: &str) -> bool {
    let mut tokens = subject.split('.');
    let is_consumer = tokens.by_ref().take(3).eq(["$JS", "API", "CONSUMER"]);
    is_consumer && tokens.nth(2) == Some(UPTIME)
}

pub(crate) fn consumer_create(stream: &str, name: &str, filter: &str) -> String {
    format!("$JS.API.CONSUMER.CREATE.{stream}.{name}.{filter}")
}

pub(crate) fn consumer_pause(stream: &str) -> String {
    format!("$JS.API.CONSUMER.PAUSE.{stream}.{CONSUMER}")
}

pub(crate) fn pull(stream: &str) -> String {
    format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{CONSUMER}")
}
