//! Dead letters: list, filter, read and purge them.

use naq_client::DeadFilter;
use naq_core::failure::ErrorKind;
use naq_core::names::TaskName;
use naq_core::retry::Rule;
use naq_core::transport::{Place, Stored};

use crate::Subject;
use crate::case::Case;

/// Makes one dead letter per name and kind. Returns once all are stored.
async fn kill(case: &Case<'_>, jobs: &[(&str, &str)]) {
    let mut sub = case.open().await;
    for (name, kind) in jobs {
        case.json(name, &format!(r#"{{"task":"task-{name}"}}"#)).await;
        let delivery = case.next_delivery(&mut sub).await;
        case.settle(&delivery, &case.dead(&delivery, kind)).await;
        case.expect_places(name, &[Place::Dead]).await;
    }
}

fn names(letters: &[Stored]) -> Vec<&str> {
    letters.iter().map(|letter| letter.key.id.as_str()).collect()
}

pub async fn dead_letters_come_in_pages_oldest_first(subject: &dyn Subject) {
    let case = Case::new(subject);
    let other = Case::new(subject);
    let all = ["a", "b", "c", "d", "e", "f", "g"];
    for name in all {
        kill(&case, &[(name, "Error")]).await;
        kill(&other, &[(name, "Error")]).await;
    }
    let mut pages = Vec::new();
    let mut from = 0;
    loop {
        let page = case.transport.dead_letters(Some(&case.queue), from, 3).await.unwrap();
        assert!(page.letters.len() <= 3);
        pages.extend(names(&page.letters).into_iter().map(str::to_owned));
        match page.next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(pages, all);
    assert_eq!(case.transport.queue_info(&case.queue).await.unwrap().unwrap().dead, 7);
    // Of all queues, which include the letters of other tests.
    let (mut seen, mut from) = (0, 0);
    loop {
        let page = case.transport.dead_letters(None, from, 100).await.unwrap();
        seen += page.letters.iter().filter(|l| l.key.queue == case.queue).count();
        match page.next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(seen, 7);
}

pub async fn an_empty_dead_letter_queue_is_an_empty_page(subject: &dyn Subject) {
    let case = Case::new(subject);
    case.open().await;
    let page = case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap();
    assert_eq!((page.letters.len(), page.next), (0, None));
}

pub async fn dead_letters_are_filtered_by_kind_task_and_id(subject: &dyn Subject) {
    let case = Case::new(subject);
    let jobs = [("a", "HTTPError.503"), ("b", "HTTPError"), ("c", "HTTPErrorX"), ("d", "Error")];
    kill(&case, &jobs).await;
    let pick = async |filter: DeadFilter| {
        let filter = DeadFilter { queue: Some(case.queue.clone()), ..filter };
        let page = case.client.dead_letters(&filter, 0, 100).await.unwrap();
        names(&page.letters).join(" ")
    };
    assert_eq!(pick(DeadFilter::default()).await, "a b c d");
    let error_kind = Some(ErrorKind::HTTP);
    assert_eq!(pick(DeadFilter { error_kind, ..DeadFilter::default() }).await, "a b");
    let task = Some(TaskName::new("task-c").unwrap());
    assert_eq!(pick(DeadFilter { task, ..DeadFilter::default() }).await, "c");
    let id = Some(case.key("d").id);
    assert_eq!(pick(DeadFilter { id, ..DeadFilter::default() }).await, "d");
}

pub async fn a_letter_says_why_and_keeps_the_body(subject: &dyn Subject) {
    let case = Case::new(subject);
    kill(&case, &[("a", "HTTPError.503")]).await;
    let stored = case.transport.locate(&case.key("a")).await.unwrap().remove(0);
    let letter = stored.dead_letter();
    assert_eq!(letter.task.as_ref().map(TaskName::as_str), Some("task-a"));
    assert_eq!(letter.error_kind.as_str(), "HTTPError.503");
    assert_eq!((letter.rule, letter.message.as_str()), (Rule::MaxRetries, "went wrong"));
    assert_eq!(&letter.body[..], br#"{"task":"task-a"}"#);
}

pub async fn a_purged_letter_is_gone(subject: &dyn Subject) {
    let case = Case::new(subject);
    kill(&case, &[("a", "Error"), ("b", "Error")]).await;
    let page = case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap();
    assert!(case.client.purge_dead(&page.letters[0]).await.unwrap());
    assert!(!case.client.purge_dead(&page.letters[0]).await.unwrap(), "it is gone already");
    let page = case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap();
    assert_eq!(names(&page.letters), ["b"]);
}

pub async fn a_purged_letter_frees_its_id(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for (one, other) in [("a", "b"), ("c", "d")] {
        for name in [one, other] {
            case.enqueue(name).await;
            let delivery = case.next_delivery(&mut sub).await;
            case.write(&case.death_record(&delivery, "Error")).await;
            case.settle(&delivery, &case.dead(&delivery, "Error")).await;
            case.expect_places(name, &[Place::Dead, Place::Record]).await;
            assert!(case.enqueue(name).await.is_duplicate(), "{name} is dead");
        }
        let letters = case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap().letters;
        let purged = letters.iter().find(|letter| letter.key == case.key(one)).unwrap();
        assert!(case.client.purge_dead(purged).await.unwrap());
        // One by one, and many at once.
        let again = match one {
            "a" => {
                [case.enqueue(one).await, case.enqueue(other).await].map(|job| job.is_duplicate())
            }
            _ => {
                let job = |name: &str| {
                    let job = case.client.enqueue_task("t", &()).unwrap();
                    job.queue(case.queue.as_str()).id(name).prepare()
                };
                let sent = case.client.enqueue_many([job("first"), job(one), job(other)]).await;
                let sent: Vec<_> =
                    sent.into_iter().map(|job| job.unwrap().is_duplicate()).collect();
                [sent[1], sent[2]]
            }
        };
        assert_eq!(again, [false, true], "{one} is free, {other} is not");
        assert!(case.enqueue(one).await.is_duplicate(), "it is there once");
        let mut left = if one == "a" { 1 } else { 2 };
        while left > 0 {
            case.complete(&case.next_delivery(&mut sub).await).await;
            left -= 1;
        }
    }
}

pub async fn a_removed_letter_leaves_the_letters_of_earlier_lives(subject: &dyn Subject) {
    let case = Case::new(subject);
    kill(&case, &[("a", "Error"), ("a", "HTTPError")]).await;
    let letters = case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap().letters;
    assert_eq!(letters.len(), 2);
    assert!(case.client.purge_dead(&letters[1]).await.unwrap());
    let left = case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap().letters;
    assert_eq!(left.iter().map(|l| l.seq).collect::<Vec<_>>(), [letters[0].seq]);
}
