//! Rules that are evaluated with a sequence of values over time.

use super::*;
use crate::scaling::testing::{at, secs};

fn name(pool: &str) -> PoolName {
    PoolName::new(pool).unwrap()
}

fn depth(values: &[(&str, u32)]) -> SeriesValues {
    let pools = values.iter().map(|(pool, value)| (name(pool), Some(f64::from(*value))));
    SeriesValues::from([(AlertSeries::QueueDepth, SeriesValue::Pools(pools.collect()))])
}

fn unknown() -> SeriesValues {
    SeriesValues::from([(AlertSeries::QueueDepth, SeriesValue::Unknown)])
}

fn fleet(series: AlertSeries, value: Option<f64>) -> SeriesValues {
    SeriesValues::from([(series, SeriesValue::Fleet(value))])
}

fn rule(name: &str, when: AlertSeries, bound: Threshold, lasting: u64) -> AlertRule {
    AlertRule { name: name.into(), when, bound, lasting: secs(lasting), notify: Vec::new() }
}

/// The transitions in short form: `+` or `-`, the rule and the pool.
fn short(turned: &[AlertTransition]) -> Vec<String> {
    let one = |it: &AlertTransition| {
        let sign = match it.status {
            AlertStatus::Firing { .. } => "+",
            AlertStatus::Resolved { .. } => "-",
        };
        let pool = it.pool.as_ref().map_or("", PoolName::as_str);
        format!("{sign}{} {pool}", it.rule).trim_end().to_owned()
    };
    turned.iter().map(one).collect()
}

/// Evaluates the built-in rule. Each step is a time in seconds, the values, and the expected
/// transitions.
#[track_caller]
fn check(steps: &[(i64, SeriesValues, &[&str])]) {
    let mut rules = AlertRules::new(&[]);
    for (second, readings, expected) in steps {
        assert_eq!(short(&rules.evaluate(readings, at(*second))), *expected, "second {second}");
    }
}

#[test]
fn a_level_that_garm_does_not_follow_fires_at_once_unless_a_rule_of_that_name_waits() {
    let stalled = |is_stalled: f64| {
        let pools = [(name("a"), Some(is_stalled))].into();
        SeriesValues::from([(AlertSeries::LevelNotFollowed, SeriesValue::Pools(pools))])
    };
    let mut rules = AlertRules::new(&[]);
    assert_eq!(short(&rules.evaluate(&stalled(0.0), at(0))), [""; 0]);
    assert_eq!(short(&rules.evaluate(&stalled(1.0), at(1))), ["+GarmNotFollowing a"]);
    assert_eq!(short(&rules.evaluate(&stalled(0.0), at(2))), ["-GarmNotFollowing a"]);
    let later = rule("GarmNotFollowing", AlertSeries::LevelNotFollowed, Threshold::Above(0), 60);
    let mut rules = AlertRules::new(&[later]);
    assert_eq!(short(&rules.evaluate(&stalled(1.0), at(0))), [""; 0]);
    assert_eq!(short(&rules.evaluate(&stalled(1.0), at(60))), ["+GarmNotFollowing a"]);
}

/// R6: `queue_depth` above 20 for more than 5 minutes.
#[test]
fn a_queue_above_20_for_5_minutes_fires_for_its_pool_and_notifies_all_receivers() {
    let mut rules = AlertRules::new(&[]);
    let readings = depth(&[("a", 21), ("b", 20)]);
    for second in 0..300 {
        assert_eq!(rules.evaluate(&readings, at(second)), []);
    }
    let mut expected = AlertTransition {
        rule: "QueueDepthHigh".into(),
        series: AlertSeries::QueueDepth,
        pool: Some(name("a")),
        status: AlertStatus::Firing { since: at(300) },
        value: 21.0,
        receivers: Vec::new(),
        summary: "`queue_depth` of pool `a` is 21, above 20 for 5m".into(),
        description: "`runnerctl status` says what each pool does and why; its `/decisions` has \
                      every input"
            .into(),
    };
    assert_eq!(rules.evaluate(&readings, at(300)), [expected.clone()]);
    assert_eq!(rules.firing().collect::<Vec<_>>(), [expected.clone()]);
    assert_eq!(rules.evaluate(&readings, at(301)), []);
    expected.status = AlertStatus::Resolved { since: at(300), at: at(420) };
    expected.value = 20.0;
    expected.summary = "`queue_depth` of pool `a` is 20, no longer above 20 after 2m".into();
    assert_eq!(rules.evaluate(&depth(&[("a", 20), ("b", 0)]), at(420)), [expected]);
    assert_eq!(rules.firing().count(), 0);
}

#[test]
fn the_condition_must_last_without_interruption() {
    check(&[
        (0, depth(&[("a", 30)]), &[]),
        (299, depth(&[("a", 20)]), &[]),
        (300, depth(&[("a", 30)]), &[]),
        (599, depth(&[("a", 30)]), &[]),
        (600, depth(&[("a", 30)]), &["+QueueDepthHigh a"]),
        (601, depth(&[("a", 0)]), &["-QueueDepthHigh a"]),
        (602, depth(&[("a", 30)]), &[]),
    ]);
}

#[test]
fn an_unknown_value_neither_starts_nor_ends_an_alert() {
    let gone = SeriesValues::from([(
        AlertSeries::QueueDepth,
        SeriesValue::Pools(BTreeMap::from([(name("a"), None), (name("b"), Some(f64::NAN))])),
    )]);
    check(&[
        (0, depth(&[("a", 30)]), &[]),
        (290, depth(&[("a", 30)]), &[]),
        (310, unknown(), &[]),
        (315, gone.clone(), &[]),
        (320, depth(&[("a", 30)]), &["+QueueDepthHigh a"]),
        (330, unknown(), &[]),
        (9_000, SeriesValues::new(), &[]),
        (9_001, gone, &[]),
        (9_002, depth(&[("a", 30)]), &[]),
        (9_003, depth(&[("a", 3)]), &["-QueueDepthHigh a"]),
    ]);
}

#[test]
fn a_short_unknown_period_is_bridged_and_a_long_one_restarts_the_condition() {
    check(&[
        (0, depth(&[("a", 30)]), &[]),
        (120, depth(&[("a", 30)]), &[]),
        (130, unknown(), &[]),
        (240, depth(&[("a", 30)]), &[]),
        (300, depth(&[("a", 30)]), &["+QueueDepthHigh a"]),
    ]);
    check(&[
        (0, depth(&[("a", 30)]), &[]),
        (120, unknown(), &[]),
        (200, SeriesValues::new(), &[]),
        (241, depth(&[("a", 30)]), &[]),
        (540, depth(&[("a", 30)]), &[]),
        (541, depth(&[("a", 30)]), &["+QueueDepthHigh a"]),
    ]);
}

#[test]
fn the_alert_of_a_removed_pool_ends() {
    check(&[
        (0, depth(&[("a", 30), ("b", 30)]), &[]),
        (100, depth(&[("a", 30), ("b", 30)]), &[]),
        (200, depth(&[("a", 30), ("b", 30)]), &[]),
        (300, depth(&[("a", 30), ("b", 30)]), &["+QueueDepthHigh a", "+QueueDepthHigh b"]),
        (301, depth(&[("b", 30)]), &["-QueueDepthHigh a"]),
        (302, depth(&[]), &["-QueueDepthHigh b"]),
    ]);
}

#[test]
fn a_clock_that_is_set_back_hardly_delays_an_alert() {
    check(&[
        (5_000, depth(&[("a", 30)]), &[]),
        (0, depth(&[("a", 30)]), &[]),
        (120, depth(&[("a", 30)]), &[]),
        (240, depth(&[("a", 30)]), &[]),
        (300, depth(&[("a", 30)]), &["+QueueDepthHigh a"]),
        (10, depth(&[("a", 0)]), &["-QueueDepthHigh a"]),
    ]);
}

#[test]
fn a_rule_of_the_same_name_replaces_the_built_in_one() {
    let own = AlertRule {
        notify: vec!["oncall".into()],
        ..rule("QueueDepthHigh", AlertSeries::QueueDepth, Threshold::Above(5), 0)
    };
    let mut rules = AlertRules::new(&[own]);
    let turned = rules.evaluate(&depth(&[("a", 6)]), at(0));
    assert_eq!(short(&turned), ["+QueueDepthHigh a"]);
    assert_eq!(turned[0].receivers, ["oncall"]);
    assert_eq!(turned[0].summary, "`queue_depth` of pool `a` is 6, above 5");
}

#[test]
fn rules_of_the_fleet_have_no_pool_and_may_have_a_lower_bound() {
    let expiry = AlertSeries::ClientCertExpiresInSeconds;
    let mut rules = AlertRules::new(&[
        rule("CertExpires", expiry, Threshold::Below(604_800), 0),
        rule("MtlsOff", AlertSeries::MtlsEnforced, Threshold::Below(1), 0),
    ]);
    assert_eq!(rules.evaluate(&fleet(expiry, None), at(0)), []);
    assert_eq!(rules.evaluate(&fleet(expiry, Some(604_800.0)), at(1)), []);
    let turned = rules.evaluate(&fleet(expiry, Some(604_799.6)), at(2));
    assert_eq!(short(&turned), ["+CertExpires"]);
    let summary = "`client_cert_expires_in_seconds` is 604800, below 604800";
    assert_eq!((turned[0].pool.as_ref(), turned[0].summary.as_str()), (None, summary));
    assert_eq!(
        short(&rules.evaluate(&fleet(AlertSeries::MtlsEnforced, Some(0.0)), at(3))),
        ["+MtlsOff"]
    );
    let firing: Vec<String> = rules.firing().map(|alert| alert.rule).collect();
    assert_eq!(firing, ["CertExpires", "MtlsOff"]);
}

#[test]
fn a_reload_keeps_firing_alerts_and_ends_those_without_a_rule() {
    let own = |bound| rule("Own", AlertSeries::QueueDepth, Threshold::Above(bound), 0);
    let other = rule("Other", AlertSeries::QueueDepth, Threshold::Above(1), 0);
    let mut rules = AlertRules::new(&[own(5), other.clone()]);
    assert_eq!(short(&rules.evaluate(&depth(&[("a", 10)]), at(0))), ["+Other a", "+Own a"]);
    // With the same bound and another `for`, the alert continues to fire.
    let longer = AlertRule { lasting: secs(600), ..own(5) };
    assert_eq!(short(&rules.reload(&[longer], at(1))), ["-Other a"]);
    assert_eq!(rules.evaluate(&depth(&[("a", 10)]), at(2)), []);
    assert_eq!(rules.firing().map(|alert| alert.status.since()).collect::<Vec<_>>(), [at(0)]);
    // With a bound that the value does not exceed, it ends.
    assert_eq!(rules.reload(&[own(10)], at(3)), []);
    assert_eq!(short(&rules.evaluate(&depth(&[("a", 10)]), at(4))), ["-Own a"]);
    // Another series under the same name.
    let mut rules = AlertRules::new(&[own(5)]);
    rules.evaluate(&depth(&[("a", 10)]), at(0));
    let moved = rule("Own", AlertSeries::UnservedJobs, Threshold::Above(5), 0);
    assert_eq!(short(&rules.reload(&[moved], at(1))), ["-Own a"]);
}

#[test]
fn a_reload_with_other_receivers_notifies_removed_and_added_ones() {
    let to = |receiver: &str| AlertRule {
        notify: vec![receiver.into()],
        ..rule("Own", AlertSeries::QueueDepth, Threshold::Above(5), 0)
    };
    let mut rules = AlertRules::new(&[to("day")]);
    rules.evaluate(&depth(&[("a", 10)]), at(0));
    let turned = rules.reload(&[to("night")], at(60));
    assert_eq!(short(&turned), ["-Own a", "+Own a"]);
    let told: Vec<&[String]> = turned.iter().map(|it| it.receivers.as_slice()).collect();
    assert_eq!(told, [["day"], ["night"]]);
    assert_eq!(turned[1].status, AlertStatus::Firing { since: at(0) });
    assert_eq!(rules.reload(&[to("night")], at(61)), []);
}

#[test]
fn every_series_has_advice() {
    for series in AlertSeries::ALL {
        assert!(series.advice().len() > 20, "{series:?}");
    }
}

#[test]
fn an_alert_that_another_process_has_sent_continues_or_ends_and_does_not_start_again() {
    let fired = |rule: &str, pool: Option<&str>| FiredAlert {
        rule: rule.into(),
        pool: pool.map(str::to_owned),
        since: at(-600),
    };
    let mut rules = AlertRules::new(&[]);
    let sent = [
        fired("QueueDepthHigh", Some("still")),
        fired("QueueDepthHigh", Some("over")),
        fired("QueueDepthHigh", Some("Not A Name")),
        fired("NoSuchRule", Some("still")),
        fired("AuditLogChanged", None),
    ];
    rules.take_over(&sent, at(0));
    let since = |rules: &AlertRules| -> Vec<_> {
        rules.firing().map(|alert| (alert.rule, alert.status.since())).collect()
    };
    assert_eq!(since(&rules).len(), 3);
    // The condition has not lasted for five minutes here, and that it fires is known all the same.
    let mut readings = depth(&[("still", 30), ("over", 3), ("new", 30)]);
    readings.extend(fleet(AlertSeries::AuditBreaks, None));
    let turned = rules.evaluate(&readings, at(1));
    assert_eq!(short(&turned), ["-QueueDepthHigh over"]);
    assert_eq!(turned[0].status, AlertStatus::Resolved { since: at(-600), at: at(1) });
    let firing =
        [("AuditLogChanged".to_owned(), at(-600)), ("QueueDepthHigh".to_owned(), at(-600))];
    assert_eq!(since(&rules), firing);
    assert_eq!(short(&rules.evaluate(&readings, at(301))), ["+QueueDepthHigh new"]);
}
