//! [`Contestants`]: NAQ and raw async-nats on one broker, each with its own prefix.

use std::fmt::Display;

use anyhow::{Context as _, Result};
use async_nats::jetstream;
use naq_core::transport::{JobKey, Place};
use naq_core::wire::{Nonce, WireMessage};
use naq_nats::{NatsConfig, NatsTransport};

use crate::console::Console;
use crate::contestant::{Contestant, JobShape, StartTimes, eventually};
use crate::naq::NaqContestant;
use crate::raw::RawContestant;
use crate::topology::{self, BenchStreams};

/// The size of each measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BenchPlan {
    pub(crate) jobs: usize,
    pub(crate) rounds: usize,
    pub(crate) concurrency: usize,
    /// Jobs in one measurement of latency.
    pub(crate) samples: usize,
    /// Jobs in one measurement of retries. Each fails once.
    pub(crate) retries: usize,
    /// How many jobs wait for their due time while new jobs are measured.
    pub(crate) waiting: usize,
    /// The broker's process, if the benchmark's caller started it.
    pub(crate) broker: Option<u32>,
    pub(crate) console: Console,
}

impl BenchPlan {
    /// Prints to stderr what the benchmark measures now.
    pub(crate) fn progress(&self, what: impl Display) {
        (self.console.note)(&format!("naq bench: {what}"));
    }
}

/// The two sides that are compared.
pub(crate) struct Contestants {
    pub(crate) naq: NaqContestant,
    pub(crate) raw: RawContestant,
    js: jetstream::Context,
    prefixes: [String; 2],
}

impl Contestants {
    /// Connects both sides and creates their streams. The prefix of `config` is not used.
    pub(crate) async fn open(config: NatsConfig, payload: usize) -> Result<Self> {
        // The prefixes have the same length, so that both sides send subjects of the same length.
        let mark = Nonce::random();
        let prefixes = [format!("bench-n-{mark}"), format!("bench-r-{mark}")];
        let [naq, raw] = &prefixes;
        let transport = NatsTransport::connect(config.clone().prefix(naq)).await?;
        let js = jetstream::new(transport.client());
        let streams = BenchStreams::new(&js, naq);
        let naq = NaqContestant::connect(config.clone().prefix(naq), streams, payload).await?;
        let copied = async {
            let (job, record) = samples(&naq).await?;
            topology::copy(&js, &prefixes[0], raw).await?;
            anyhow::Ok(RawContestant { config, streams: BenchStreams::new(&js, raw), job, record })
        };
        match copied.await {
            Ok(raw) => Ok(Self { naq, raw, js, prefixes }),
            Err(error) => {
                topology::remove(&js, &prefixes).await?;
                Err(error)
            }
        }
    }

    /// The connection settings, with the prefix of the NAQ side.
    pub(crate) fn config(&self) -> &NatsConfig {
        &self.naq.config
    }

    /// Removes all streams of both sides.
    pub(crate) async fn close(self) -> Result<()> {
        topology::remove(&self.js, &self.prefixes).await
    }
}

/// A job and its record as NAQ stores them. The raw side stores the same bytes.
async fn samples(naq: &NaqContestant) -> Result<(WireMessage, WireMessage)> {
    let handle = naq.client.enqueue(naq.probe(0)).await?;
    let key = JobKey::new(handle.queue().clone(), handle.id().clone());
    let job = stored(naq, &key, Place::Queue).await?;
    let worker = naq.work(1, JobShape::DEFAULT, StartTimes::new(1)).await?;
    let record = stored(naq, &key, Place::Record).await?;
    worker.stop().await?;
    naq.streams().purge().await?;
    Ok((job, record))
}

async fn stored(naq: &NaqContestant, key: &JobKey, place: Place) -> Result<WireMessage> {
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
