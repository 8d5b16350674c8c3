//! A level that is sent again, and one that GARM refuses.

use runnerctl::domain::pool::PoolChange;
use runnerctl::reconcile::watch::Incident;

use crate::apply::wire::Ambush;
use crate::support::scaling_loop::{Heard, LoopRig, policy, steady, wait};

#[tokio::test(start_paused = true)]
async fn a_level_that_garm_does_not_follow_is_sent_again_with_the_labels() {
    let rig = LoopRig::new(policy()).await;
    rig.memory.with(|it| it.knobs_mut().api_fail_rate = 1.0);
    let watch = rig.start(steady());
    wait(5).await;
    rig.jobs(12, 20);
    wait(31).await;
    assert_eq!(rig.levels(), [12], "the level is raised");
    rig.forget();
    wait(24).await;
    let writes = rig.writes();
    assert_eq!(writes.len(), 1, "{writes:?}");
    let body: serde_json::Value = serde_json::from_str(&writes[0].body).unwrap();
    assert_eq!(body["min_idle_runners"], 12);
    assert_eq!(body["tags"].as_array().unwrap().len(), 2, "{body}");
    // From now on at growing intervals: after 40 s, 80 s, …
    wait(125).await;
    let resent = watch.heard.deeds().iter().filter(|it| **it == "resend 12 done").count();
    assert_eq!(resent, 3, "{:?}", watch.heard.deeds());
    // GARM's entities are read sooner than after five minutes.
    assert!(rig.asked().contains(&"GET /organizations".to_owned()));
}

fn stalled(heard: &Heard) -> Vec<String> {
    let told = |it: &Incident| match it {
        Incident::NotFollowed { stall, .. } => Some(stall.sentence()),
        Incident::Followed(_) => Some("followed".into()),
        _ => None,
    };
    heard.incidents().iter().filter_map(told).collect()
}

/// GitHub answers 403 to every registration of a runner, and GARM's API does not show it.
#[tokio::test(start_paused = true)]
async fn a_level_that_garm_ignores_twice_is_reported_once_with_what_to_check() {
    let rig = LoopRig::new(policy()).await;
    let change = PoolChange { runner_group: Some("gpu".into()), ..PoolChange::default() };
    rig.change("default", change).await;
    rig.memory.with(|it| it.knobs_mut().api_fail_rate = 1.0);
    let watch = rig.start(steady());
    wait(5).await;
    rig.jobs(12, 20);
    // 30 s until the level is raised, and 20 s until it is sent again.
    wait(31 + 24).await;
    assert_eq!(stalled(&watch.heard), [""; 0], "once may be GARM's cache");
    wait(40).await;
    let told = stalled(&watch.heard);
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["12 runners that level 12 asks for", "runner group `gpu`", "rate limit:"] {
        assert!(told[0].contains(part), "{told:?}");
    }
    wait(600).await;
    assert_eq!(stalled(&watch.heard), told, "and is not repeated while it lasts");
    rig.memory.with(|it| it.knobs_mut().api_fail_rate = 0.0);
    wait(30).await;
    assert_eq!(stalled(&watch.heard)[1..], ["followed"]);
}

#[tokio::test(start_paused = true)]
async fn a_level_that_is_followed_or_finds_no_room_is_not_sent_again() {
    let rig = LoopRig::new(policy()).await;
    let watch = rig.start(steady());
    wait(5).await;
    rig.jobs(40, 300);
    wait(240).await;
    let deeds = watch.heard.deeds();
    assert!(deeds.iter().all(|it| !it.starts_with("resend")), "{deeds:?}");
}

/// `max_runners` is lowered by hand between our read and our PUT.
#[tokio::test(start_paused = true)]
async fn a_level_that_garm_refuses_is_fitted_to_the_pool_and_sent_once_more() {
    let rig = LoopRig::new(policy()).await;
    let id = rig.id("default");
    let client = std::sync::Arc::new(rig.memory.client());
    client.pools().await.unwrap();
    let is_put = |it: &runnerctl::garm::Request| it.method == runnerctl::garm::Method::Put;
    let lower = move || {
        let change = PoolChange { max_runners: Some(4), ..PoolChange::default() };
        let (client, id) = (std::sync::Arc::clone(&client), id.clone());
        // The simulated GARM answers at the first poll.
        let lowering = async move { client.update_pool(&id, &change).await };
        futures_util::FutureExt::now_or_never(lowering).unwrap().unwrap();
    };
    let door = Ambush::new(rig.door(), is_put, 0, lower);
    let watch = rig.start_through(door, steady());
    wait(5).await;
    rig.jobs(12, 20);
    wait(31).await;
    let refused = rig.writes().iter().filter(|it| it.status == 400).count();
    assert_eq!((refused, rig.level().await), (1, 4), "{:?}", rig.writes());
    assert_eq!(watch.heard.deeds()[0], "raise 0 4 done");
    assert!(!watch.heard.has(|it| matches!(it, Incident::ReadFailed { .. })));
}
