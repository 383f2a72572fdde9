//! Both sides on one broker, under names of their own that are gone afterwards.

use std::fmt::Display;

use anyhow::{Context as _, Result};
use async_nats::jetstream;
use naq_core::transport::{JobKey, Place};
use naq_core::wire::WireMessage;
use naq_core::{Client, QueueName};
use naq_nats::{NatsConfig, NatsTransport};

use super::naq::Naq;
use super::raw::Raw;
use super::side::{Kind, Seen, Side};
use super::topology::{self, QUEUE, Streams};
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
        let mark = uuid();
        let prefixes = [format!("bench-n-{mark}"), format!("bench-r-{mark}")];
        let [naq, raw] = &prefixes;
        let transport = NatsTransport::connect(config.clone().prefix(naq)).await?;
        let js = jetstream::new(transport.client().clone());
        let naq = Naq::connect(config.clone().prefix(naq), Streams::new(&js, naq), payload).await?;
        match samples(&naq).await {
            Ok((job, record)) => {
                topology::copy(&js, &prefixes[0], raw).await?;
                let streams = Streams::new(&js, raw);
                let raw = Raw { config, streams, job, record };
                Ok(Self { naq, raw, js, prefixes })
            }
            Err(error) => {
                topology::remove(&js, &[&prefixes[0]]).await?;
                Err(error)
            }
        }
    }

    /// Removes all that was made.
    pub(super) async fn close(self) -> Result<()> {
        topology::remove(&self.js, &[&self.prefixes[0], &self.prefixes[1]]).await
    }
}
