//! Alerts of several `watch`: one sends them, and the next leader sends none again.

use super::engines::Etcd;
use super::pair::{Pair, released};
use super::stores;
use crate::service::stage::{eventually, receiver};

const LEASE: &str = "runnerctl-sandbox";

#[tokio::test]
async fn one_process_pages_and_the_next_leader_sends_only_the_end() {
    let etcd = Etcd::start();
    let store = stores::etcd(LEASE, vec![etcd.url()]);
    store.swap(None, &released()).await.unwrap();
    let (url, told) = receiver();
    let mut pair = Pair::set(
        etcd.address,
        |_, address| format!("{{ etcd: {{ endpoints: [\"http://{address}\"] }} }}"),
        |_| {
            format!(
                "alerts:\n  - {{ name: QueueDepthHigh, when: queue_depth, above: 3, for: 1s }}\n\
                 receivers:\n  oncall: {{ webhook: {{ url: \"{url}\" }} }}\n"
            )
        },
    );
    let told = tokio::task::spawn_blocking(move || {
        pair.start_both();
        let jobs = pair.stage.queue_held(9);
        let messages = || told.lock().unwrap().len();
        eventually("the page", || (messages() == 1).then_some(()));
        // The next leader knows it from the record.
        let runtime = tokio::runtime::Handle::current();
        eventually("the alert in the record", || {
            let stored = runtime.block_on(store.read()).unwrap().unwrap();
            (!stored.record.notes.alerts.is_empty()).then_some(())
        });
        pair.signal(0, "-KILL");
        pair.until_leads(1);
        assert_eq!(messages(), 1, "the alert still fires, and no second message is sent");
        pair.stage.cancel(&jobs);
        eventually("its end", || (messages() == 2).then_some(()));
        let page = pair.stage.read("b.err");
        assert!(page.contains("leads in term 7: writes to GARM and sends alerts"), "{page}");
        // A run that ends by itself does not write beside a leader.
        let refused = pair.stage.run(&["watch", "--once", "--config", "a.yaml"]);
        assert_eq!(refused.status.code(), Some(6), "{refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("only the leader writes to GARM"), "{said}");
        told.lock().unwrap().clone()
    })
    .await
    .unwrap();
    assert!(told[0].contains("is 9, above 3"), "{}", told[0]);
    assert!(told[1].contains("no longer above 3"), "{}", told[1]);
}
