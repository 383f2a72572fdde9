//! [`LargeArgs`]: moves the arguments of a job into a blob, if what follows an attempt does not fit into a
//! message with them.

use bytes::Bytes;
use naq_core::transport::{ArgsMoved, BlobRef, Fact, FactKind, Stored};

use super::Settlement;

/// The arguments for a blob, and the settlement that names the blob.
#[derive(Debug)]
pub(crate) struct LargeArgs {
    pub(crate) blob: BlobRef,
    pub(crate) args: Bytes,
    pub(crate) settlement: Settlement,
}

impl LargeArgs {
    /// Takes the arguments out of a settlement whose next fact is larger than `max`. None if it is too
    /// large without them as well, or has none, and for the record of an end, which can do without.
    pub(crate) fn of(settlement: &Settlement, stored: &Stored, max: usize) -> Option<Self> {
        match settlement {
            Settlement::Store(fact) => {
                let job_waits = matches!(fact.kind, FactKind::Retry { .. } | FactKind::GiveBack);
                let (moved, fact) = move_args(fact, stored, BlobRef::new).filter(|_| job_waits)?;
                let settlement = Settlement::Store(fact);
                Self::that_fits(settlement, moved, max)
            }
            Settlement::StoreDeath(death) => {
                let (moved, letter) = move_args(death.letter(), stored, BlobRef::new)?;
                let record = death.record().map(|record| {
                    let moved = move_args(record, stored, |_| moved.blob.clone());
                    moved.map_or_else(|| record.clone(), |(_, record)| record)
                });
                let death = death.with_facts(record, letter);
                Self::that_fits(Settlement::StoreDeath(Box::new(death)), moved, max)
            }
            _ => None,
        }
    }

    fn that_fits(settlement: Settlement, moved: ArgsMoved, max: usize) -> Option<Self> {
        let size = settlement.next_fact()?.message.size();
        let ArgsMoved { blob, args, .. } = moved;
        (size <= max).then_some(Self { blob, args, settlement })
    }
}

fn move_args(
    fact: &Fact,
    stored: &Stored,
    blob: impl FnOnce(usize) -> BlobRef,
) -> Option<(ArgsMoved, Fact)> {
    let written = Stored { message: fact.message.clone(), ..stored.clone() };
    let moved = written.with_args_in(blob)?;
    let fact = Fact { message: moved.message.clone(), ..fact.clone() };
    Some((moved, fact))
}
