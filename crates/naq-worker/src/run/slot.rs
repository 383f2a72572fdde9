//! A slot: runs one attempt after the other.

use std::sync::Arc;

use crate::attempt::attempt;
use crate::engine::Engine;
use crate::report::Meters;

/// A slot in use. It is free again when this is dropped, also by a panic.
struct SlotInUse<'a>(&'a Engine);

impl<'a> SlotInUse<'a> {
    fn of(engine: &'a Engine) -> Self {
        engine.meters.iter().for_each(Meters::slot_taken);
        Self(engine)
    }
}

impl Drop for SlotInUse<'_> {
    fn drop(&mut self) {
        self.0.ready.done();
        self.0.meters.iter().for_each(Meters::slot_free);
    }
}

/// Takes jobs and runs them until the worker hands out no more.
pub(super) async fn run_slot(engine: Arc<Engine>) {
    while let Some(held) = engine.ready.next().await {
        let _in_use = SlotInUse::of(&engine);
        attempt(&engine, held).await;
    }
}
