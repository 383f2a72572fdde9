//! Jobs that wait for other jobs, and `naq workflow`.

use serde_json::json;

use crate::run::Broker;

#[test]
fn a_job_waits_for_another_and_the_drawing_shows_it() {
    let broker = Broker::start();
    broker.enqueue(&["greet", "--id", "a"]);
    broker.enqueue(&["greet", "--id", "b", "--depends-on", "a", "--queue", "default"]);
    broker.enqueue(&["refuse", "--id", "c", "--depends-on", "default/b", "--depends-on", "a"]);
    broker.enqueue(&["greet", "--id", "d", "--depends-on", "c", "--run-after-failure"]);
    broker.enqueue(&["greet", "--id", "e", "--depends-on", "c", "--allow-partial"]);
    let c = broker.json(&["job", "show", "c"]);
    assert_eq!(c["state"], "blocked");
    assert_eq!(c["waits_for"], json!(["default/b", "default/a"]));
    let words = broker.naq(&["job", "show", "c"]).ok().stdout;
    assert!(words.contains("waits for  default/b, default/a"), "{words}");
    let now = broker.naq(&["job", "retry-now", "c"]);
    assert!(now.code == 1 && now.stderr.contains("it waits for other jobs"), "{now:?}");

    let picture = broker.naq(&["workflow", "show", "c", "--ascii"]).ok().stdout;
    let lines: Vec<&str> = picture.lines().collect();
    assert_eq!(lines[0], "around job c");
    for part in [
        "`- . default/c  blocked  waits for default/b, default/a",
        "   |- . default/d  blocked  waits for default/c  if one fails",
        "   `- . default/e  blocked  waits for default/c  if one completes",
    ] {
        assert!(picture.contains(part), "{part}: {picture}");
    }

    let _worker = broker.worker(&[]);
    assert_eq!(broker.watch("d").code, 0);
    assert_eq!(broker.watch("e").code, 1);
    let states =
        ["a", "b", "c", "d", "e"].map(|id| broker.json(&["job", "show", id])["state"].clone());
    assert_eq!(states, ["completed", "completed", "dead", "completed", "cancelled"]);
    let e = broker.naq(&["job", "show", "e"]).ok().stdout;
    assert!(e.contains("job default/c, which it depends on, is dead"), "{e}");
}

#[test]
fn an_unknown_dependency_and_an_unknown_workflow_are_errors() {
    let broker = Broker::start();
    let gone = broker.naq(&["enqueue", "greet", "--depends-on", "gone"]);
    assert_eq!(gone.code, 3, "{gone:?}");
    assert!(gone.stderr.contains("no job default/gone to wait for"), "{gone:?}");
    let alone = broker.naq(&["enqueue", "greet", "--run-after-failure"]);
    assert_eq!(alone.code, 2, "{alone:?}");
    for args in [["workflow", "show", "gone"], ["workflow", "cancel", "gone"]] {
        assert_eq!(broker.naq(&args).code, 3, "{args:?}");
    }
    let none = broker.naq(&["workflow", "list"]).ok();
    assert!(none.stderr.contains("no workflows"), "{none:?}");
}
