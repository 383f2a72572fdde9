//! `naq dlq requeue --drip`: a batch, which can be watched, undone, and gone on with.

use anyhow::Result;
use naq_client::{BatchAction, BatchItem, BatchOrder, BatchScope, Client, Preview};

use super::RequeueArgs;
use super::select::{Selection, find};
use crate::commands::batch;
use crate::exit::{Exit, Problem};
use crate::output::Output;
use crate::who::who;

pub(super) async fn requeue(args: &RequeueArgs, client: &Client, out: Output) -> Result<Exit> {
    let scope = scope(&args.selection, client).await?;
    let preview = client.preview_batch(&scope).await?;
    if args.confirm.dry_run || (preview.count == 0 && preview.exact) {
        out.one(&preview, || format!("would requeue {}", preview.words))?;
        return Ok(Exit::Ok);
    }
    if !args.confirm.yes {
        ask(&preview, out)?;
    }
    let action = BatchAction::RequeueDead { per_second: args.drip.map(super::Rate::per_second) };
    let order = BatchOrder::new(action, scope, who()).reason(&args.reason);
    let started = client.start_batch(order).await?;
    batch::run(&started.id, client, out).await
}

/// Nothing is lost by a requeue, so it is asked about only where somebody is.
fn ask(preview: &Preview, out: Output) -> Result<()> {
    match out.confirm(&format!("requeue {}?", preview.words))? {
        Some(false) => Err(Problem::new(Exit::Failed, "not done: the answer was no").into()),
        Some(true) | None => Ok(()),
    }
}

async fn scope(selection: &Selection, client: &Client) -> Result<BatchScope> {
    let filter = selection.filter.to_dead_filter();
    if selection.ids.is_empty() {
        return Ok(BatchScope::Dead(filter));
    }
    // All are looked up before the first is touched: a wrong id changes nothing.
    let mut items = Vec::with_capacity(selection.ids.len());
    for id in &selection.ids {
        let letter = find(client, id, filter.queue.as_ref()).await?;
        items.push(BatchItem::from(&letter));
    }
    Ok(BatchScope::Letters(items))
}
