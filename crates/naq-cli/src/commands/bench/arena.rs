//! Both sides on one broker, under names of their own that are gone afterwards.

use std::fmt::Display;

use anyhow::{Context as _, Result};
use async_nats::jetstream;
use naq_core::transport::{JobKey, Place};
use naq_core::wire::{Nonce, WireMessage};
use naq_nats::{NatsConfig, NatsTransport};

use super::naq::Naq;
use super::raw::Raw;
use super::side::{Kind, Seen, Side, eventually};
use super::topology::{self, Streams};
use crate::output::Output;

/// How much is done of everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) jobs: usize,
    pub(super) rounds: usize,
    pub(super) concurrency: usize,
    /// Jobs of one measurement of latency.
    pub(super) samples: usize,
    /// Jobs that fail once.
    pub(super) retries: usize,
    /// Jobs that wait beside fresh ones.
    pub(super) waiting: usize,
    /// The broker's process, if it is our own.
    pub(super) broker: Option<u32>,
    pub(super) out: Output,
}

impl Plan {
    /// Says on stderr what goes on.
    pub(super) fn progress(&self, what: impl Display) {
        // Nobody reads, then; the measurement goes on.
        let _ = self.out.note(format_args!("naq bench: {what}"));
    }
}

/// The two sides.
pub(super) struct Arena {
    pub(super) naq: Naq,
    pub(super) raw: Raw,
    js: jetstream::Context,
    prefixes: [String; 2],
}

impl Arena {
    /// Connects both sides and makes their streams. `config` says where, and how to be let in; its
    /// prefix is not used.
    pub(super) async fn open(config: NatsConfig, payload: usize) -> Result<Self> {
        // Of the same length, so that both sides send subjects of the same length.
        let mark = Nonce::random();
        let prefixes = [format!("bench-n-{mark}"), format!("bench-r-{mark}")];
        let [naq, raw] = &prefixes;
        let transport = NatsTransport::connect(config.clone().prefix(naq)).await?;
        let js = jetstream::new(transport.client().clone());
        let streams = Streams::new(&js, naq);
        let naq = Naq::connect(config.clone().prefix(naq), streams, payload).await?;
        let copied = async {
            let (job, record) = samples(&naq).await?;
            topology::copy(&js, &prefixes[0], raw).await?;
            anyhow::Ok(Raw { config, streams: Streams::new(&js, raw), job, record })
        };
        match copied.await {
            Ok(raw) => Ok(Self { naq, raw, js, prefixes }),
            Err(error) => {
                topology::remove(&js, &prefixes).await?;
                Err(error)
            }
        }
    }

    /// The broker, and how to be let in, with NAQ's prefix.
    pub(super) fn config(&self) -> &NatsConfig {
        &self.naq.config
    }

    /// Removes all that was made.
    pub(super) async fn close(self) -> Result<()> {
        topology::remove(&self.js, &self.prefixes).await
    }
}

/// A job and its record, as NAQ stores them: what the raw side stores too.
async fn samples(naq: &Naq) -> Result<(WireMessage, WireMessage)> {
    let handle = naq.client.enqueue(naq.probe(0)).await?;
    let key = JobKey { queue: handle.queue().clone(), id: handle.id().clone() };
    let job = stored(naq, &key, Place::Queue).await?;
    let worker = naq.work(1, Kind::USUAL, Seen::new(1)).await?;
    let record = stored(naq, &key, Place::Record).await?;
    worker.stop().await?;
    naq.streams().purge().await?;
    Ok((job, record))
}

async fn stored(naq: &Naq, key: &JobKey, place: Place) -> Result<WireMessage> {
    let mut found = None;
    let what = || format!("the message of {key} in the broker");
    eventually(what, async || {
        let messages = naq.client.transport().locate(key).await?;
        found = messages.into_iter().find(|stored| stored.place == place);
        Ok(found.is_some())
    })
    .await?;
    found.map(|stored| stored.message).with_context(what)
}
