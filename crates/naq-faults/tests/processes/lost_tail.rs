//! The broker comes back with an empty store while a worker runs a job: sequences come again.

use std::fs;

use naq_core::JobState;
use naq_faults::script::Script;
use naq_testing::NatsServer;

use crate::setup::{TIME_LIMIT, TestSetup};

#[tokio::test]
async fn jobs_enqueued_after_the_store_was_emptied_run_beside_those_that_were_lost() {
    let mut server = NatsServer::start().expect("a server");
    let setup = TestSetup::at(server.url(), "emptied").await;
    let mut worker = setup.worker("one", None);
    worker.wait_for_output("working on", TIME_LIMIT).await.expect("it starts");
    let old = setup.enqueue(Script::Slow { ms: 6_000 }, 0).await;
    setup.started(&old).await;
    server.kill().expect("killed");
    fs::remove_dir_all(server.store_path()).expect("removes");
    server.restart().expect("restarted");
    let new = setup.enqueue(Script::Slow { ms: 1 }, 0).await;
    assert_eq!(setup.end(&new).await.state, JobState::Completed);
    assert_eq!(setup.runs(&new).len(), 1);
    assert_eq!(setup.end(&old).await.state, JobState::Completed);
    assert_eq!(setup.runs(&old).len(), 1);
}
