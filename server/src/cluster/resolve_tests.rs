//! Names are queried once, on a separate thread, and remembered within bounds. Test functions answer the queries, so
//! nothing here depends on a name server; only the name of this machine is resolved by the system.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use super::*;

fn home() -> Answer {
    Ok(Arc::new([IpAddr::from([127, 0, 0, 1])]))
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}

#[test]
fn a_number_is_its_own_address_and_nobody_is_asked() {
    run(async {
        let resolver = Resolver::default();
        assert_eq!(resolver.resolve("10.1.2.3").await, Ok(Arc::new([IpAddr::from([10, 1, 2, 3])]) as Arc<[IpAddr]>));
        assert_eq!(&*resolver.resolve("::1").await.expect("a number"), ["::1".parse::<IpAddr>().expect("a number")]);
        assert!(resolver.names.lock().is_empty());
    });
}

#[test]
fn the_system_knows_this_machine_by_name() {
    run(async {
        let found = Resolver::default().resolve("localhost").await.expect("every system has a localhost");
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
    });
}

#[test]
fn whoever_wants_the_same_name_waits_for_the_same_question_and_the_thread_goes_on() {
    run(async {
        let resolver = Resolver::default();
        let (answer, wait) = mpsc::channel::<()>();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let first = resolver.resolve_by("slow.example", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            wait.recv().expect("the test answers");
            home()
        });
        let second = resolver.resolve_by("slow.example", |_| panic!("asked already"));
        let meanwhile = async {
            // This runs on the same thread while the lookup is stuck.
            tokio::task::yield_now().await;
            answer.send(()).expect("the lookup waits");
        };
        let (first, second, ()) = tokio::join!(first, second, meanwhile);
        assert_eq!((first, second), (home(), home()));
        assert_eq!(resolver.resolve_by("slow.example", |_| panic!("known for a second")).await, home());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn questions_and_names_are_bounded() {
    run(async {
        let resolver = Resolver::default();
        let (answer, wait) = mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        let stuck: Vec<_> = (0..MAX_QUESTIONS)
            .map(|number| {
                let wait = wait.clone();
                resolver.look(&format!("n{number}"), move |_| {
                    let _ = wait.lock().map(|wait| wait.recv());
                    home()
                })
            })
            .collect();
        assert!(stuck.iter().all(Result::is_err));
        let refused = resolver.resolve_by("one.more", |_| panic!("there are enough")).await;
        assert_eq!(refused, Err("too many lookups at a time".into()));
        drop(answer);
        for answered in stuck {
            let mut answered = answered.expect_err("not known before");
            answered.wait_for(Option::is_some).await.expect("every question is answered");
        }
        for number in 0..MAX_NAMES * 2 {
            assert_eq!(resolver.resolve_by(&format!("m{number}"), |_| home()).await, home());
            assert!(resolver.names.lock().len() <= MAX_NAMES);
        }
    });
}

#[test]
fn a_name_that_goes_on_failing_is_reported_once() {
    run(async {
        let resolver = Resolver::default();
        let failed = || Err("no such name".into());
        assert!(!resolver.is_news("x"), "nobody asked for it");
        assert_eq!(resolver.resolve_by("x", move |_| failed()).await, failed());
        assert!(resolver.is_news("x"));
        for _ in 0..3 {
            assert!(!resolver.is_news("x"));
        }
    });
}
