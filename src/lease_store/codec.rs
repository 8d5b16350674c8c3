//! The records as JSON.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fault;
use crate::domain::text::quote;
use crate::election::{FiredAlert, LeaseNotes, LeaseRecord, Member, MembersRecord, StoreFault};

#[derive(Serialize, Deserialize)]
struct RecordJson {
    holder: String,
    term: u64,
    number: u64,
    since: Timestamp,
    written_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audit_head: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    alerts: Vec<AlertJson>,
}

#[derive(Serialize, Deserialize)]
struct AlertJson {
    rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<String>,
    since: Timestamp,
}

pub(super) fn encode(record: &LeaseRecord) -> String {
    let alert = |fired: &FiredAlert| AlertJson {
        rule: fired.rule.clone(),
        pool: fired.pool.clone(),
        since: fired.since,
    };
    let json = RecordJson {
        holder: record.holder.clone(),
        term: record.term,
        number: record.number,
        since: record.since,
        written_at: record.written_at,
        audit_head: record.notes.audit_head.clone(),
        alerts: record.notes.alerts.iter().map(alert).collect(),
    };
    serde_json::to_string(&json).expect("texts, numbers and times can be written as JSON")
}

pub(super) fn decode(text: &str) -> Result<LeaseRecord, StoreFault> {
    let json: RecordJson = serde_json::from_str(text).map_err(|error| StoreFault {
        help: "give the lease another `name`, or delete what is stored under this one",
        ..fault(format!("the store has something else than a lease: {}", quote(&error.to_string())))
    })?;
    let alert =
        |json: AlertJson| FiredAlert { rule: json.rule, pool: json.pool, since: json.since };
    Ok(LeaseRecord {
        holder: json.holder,
        term: json.term,
        number: json.number,
        since: json.since,
        written_at: json.written_at,
        notes: LeaseNotes {
            audit_head: json.audit_head,
            alerts: json.alerts.into_iter().map(alert).collect(),
        },
    })
}

#[derive(Serialize, Deserialize)]
struct MembersJson {
    members: BTreeMap<String, MemberJson>,
}

#[derive(Serialize, Deserialize)]
struct MemberJson {
    group: String,
    beat: u64,
}

pub(super) fn encode_members(record: &MembersRecord) -> String {
    let member = |(id, member): (&String, &Member)| {
        (id.clone(), MemberJson { group: member.group.clone(), beat: member.beat })
    };
    let json = MembersJson { members: record.0.iter().map(member).collect() };
    serde_json::to_string(&json).expect("texts and numbers can be written as JSON")
}

pub(super) fn decode_members(text: &str) -> Result<MembersRecord, StoreFault> {
    let json: MembersJson = serde_json::from_str(text).map_err(|error| StoreFault {
        help: "give the lease another `name`, or delete what is stored under this one",
        ..fault(format!(
            "the store has something else than the members: {}",
            quote(&error.to_string())
        ))
    })?;
    let member =
        |(id, json): (String, MemberJson)| (id, Member { group: json.group, beat: json.beat });
    Ok(MembersRecord(json.members.into_iter().map(member).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_store_and_something_else_is_refused() {
        let at: Timestamp = "2026-01-02T03:04:05.000000006Z".parse().unwrap();
        let fired =
            FiredAlert { rule: "Queue \"high\"".into(), pool: Some("web".into()), since: at };
        let of_fleet = FiredAlert { pool: None, ..fired.clone() };
        let notes = LeaseNotes { audit_head: Some("7:ab".into()), alerts: vec![fired, of_fleet] };
        let full = LeaseRecord {
            holder: "host-a/1/ff".into(),
            term: u64::MAX,
            number: 12,
            since: at,
            written_at: at,
            notes,
        };
        let released =
            LeaseRecord { holder: String::new(), notes: LeaseNotes::default(), ..full.clone() };
        for record in [full, released] {
            assert_eq!(decode(&encode(&record)), Ok(record));
        }
        for other in ["", "{}", "[]", "\u{1b}[2J"] {
            let refused = decode(other).unwrap_err();
            assert!(refused.message.starts_with("the store has something else than a lease"));
            assert!(!refused.message.contains('\u{1b}'));
        }
    }

    #[test]
    fn members_survive_the_store_and_a_lease_is_refused() {
        let member = Member { group: "eu us".into(), beat: u64::MAX };
        let record = MembersRecord([("host-a:1:ff".to_owned(), member)].into());
        assert_eq!(decode_members(&encode_members(&record)), Ok(record));
        let refused = decode_members("{\"holder\":\"\"}").unwrap_err();
        assert!(refused.message.starts_with("the store has something else than the members"));
    }
}
