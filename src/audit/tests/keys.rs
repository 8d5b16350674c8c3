//! Adding and changing keys, and checks with different sets of keys.

use secrecy::SecretString;

use super::*;

fn key(letter: &str) -> Key {
    Key::signing(SecretString::from(letter.repeat(KEY_MIN))).unwrap()
}

/// A log in several parts, each written with its own set of keys.
fn written(stretches: &[(&Keys, usize)]) -> String {
    let (mut text, mut head, mut signer) = (String::new(), Head::start(), Signer::Unsigned);
    for (keys, records) in stretches {
        let change = keys.succession(&signer, &head, &note()).unwrap();
        let change = change.map(|(entry, key)| (entry, Some(key)));
        let usual = (0..*records).map(|_| (entry(RecordKind::Event, ""), keys.signing()));
        for (entry, key) in change.into_iter().chain(usual) {
            let (line, next) = seal(&entry, &head, key);
            signer = keys.signer_after(&open(line.trim_end().as_bytes()).unwrap());
            text.push_str(&line);
            head = next;
        }
    }
    text
}

/// The line and the reason of the break that a check with these keys finds.
fn broken_with(text: &str, keys: &[&Key]) -> Option<(usize, String)> {
    let keys = Keys::checking(keys.iter().map(|key| (*key).clone()).collect());
    let criteria = CheckCriteria { keys: Some(&keys), ..CheckCriteria::default() };
    let report = verify(&[NamedFile { name: "log", bytes: text.as_bytes() }], criteria);
    report.broken.map(|found| (found.line, found.reason))
}

fn by(key: &Key) -> Keys {
    Keys::new(Some(key.clone()), vec![])
}

const FORGED: &str = "its HMAC is missing or made with another key";

#[test]
fn a_chain_made_without_the_key_does_not_verify() {
    let (ours, other) = (key("a"), key("b"));
    let signed = written(&[(&by(&ours), 2)]);
    let plain = written(&[(&Keys::default(), 2)]);
    let forged = Some((1, FORGED.to_owned()));
    assert_eq!(broken_with(&signed, &[&ours]), None);
    assert_eq!(broken_with(&signed, &[]), None);
    assert_eq!(broken_with(&plain, &[&ours]), forged);
    assert_eq!(broken_with(&signed, &[&other]), forged);
    let unsigned_end =
        format!("{signed}{}", seal(&entry(RecordKind::Event, ""), &head(&signed), None).0);
    assert_eq!(broken_with(&unsigned_end, &[&ours]), Some((3, FORGED.to_owned())));
}

fn head(text: &str) -> Head {
    check(text.as_bytes()).head.unwrap()
}

#[test]
fn an_added_key_covers_the_records_before_it() {
    let ours = key("a");
    let text = written(&[(&Keys::default(), 2), (&by(&ours), 2)]);
    assert_eq!(text.lines().count(), 5);
    assert_eq!(broken_with(&text, &[&ours]), None);
    // Here the record `audit key added` before the signed record is missing.
    let (line, _) =
        seal(&entry(RecordKind::Event, ""), &head(&written(&[(&Keys::default(), 2)])), Some(&ours));
    let silent = written(&[(&Keys::default(), 2)]) + &line;
    assert_eq!(broken_with(&silent, &[&ours]), Some((3, FORGED.to_owned())));
}

#[test]
fn a_change_of_keys_is_a_record_made_with_both() {
    let (old, new) = (key("a"), key("b"));
    let both = Keys::new(Some(new.clone()), vec![old.clone()]);
    let text = written(&[(&by(&old), 2), (&both, 2)]);
    let bond: serde_json::Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    assert_eq!(
        (&bond["act"], &bond["before"]["key"]),
        (&"audit key changed".into(), &old.id().to_string().into())
    );
    assert_eq!(broken_with(&text, &[&old, &new]), None);
    assert_eq!(broken_with(&text, &[&new, &old]), None);
    let without = |reason: &str| reason.to_owned();
    let unnamed = format!(
        "the key `{}` signs from here on, and it was not given: add it with `--key`",
        new.id()
    );
    assert_eq!(broken_with(&text, &[&old]), Some((3, unnamed)));
    assert_eq!(broken_with(&text, &[&new]), Some((1, without(FORGED))));
}

#[test]
fn only_the_holder_of_both_keys_can_change_them() {
    let (old, new, other) = (key("a"), key("b"), key("c"));
    let text = written(&[(&by(&old), 2)]);
    // With the old key alone, the new one can be named, but the consent of its holder cannot be
    // proven.
    let mut bond = note().event("audit key changed", "");
    bond.after = Some(json!({ "key": new.id().to_string(), "proof": "0".repeat(64) }));
    let forged = text.clone() + &seal(&bond, &head(&text), Some(&old)).0;
    let reason = broken_with(&forged, &[&old, &new]).unwrap().1;
    assert!(reason.starts_with("the key"), "{reason}");
    // The new key alone, with another old one.
    let both = Keys::new(Some(new.clone()), vec![other.clone()]);
    let taken = both.succession(&Signer::Known(other.id().clone()), &head(&text), &note());
    let (bond, _) = taken.unwrap().unwrap();
    let forged = text.clone() + &seal(&bond, &head(&text), Some(&other)).0;
    assert_eq!(broken_with(&forged, &[&old, &new, &other]), Some((3, FORGED.to_owned())));
}

#[test]
fn a_log_is_continued_only_with_its_key() {
    let (old, new) = (key("a"), key("b"));
    let at = Head { seq: 7, hash: "0".repeat(64) };
    let standoff =
        |keys: &Keys, signer: &Signer| keys.succession(signer, &at, &note()).unwrap_err();
    let known = Signer::Known(old.id().clone());
    assert_eq!(standoff(&Keys::default(), &Signer::Unknown(None)), KeyError::Unsigned);
    assert_eq!(standoff(&Keys::checking(vec![old.clone()]), &known), KeyError::Unsigned);
    assert_eq!(standoff(&by(&new), &Signer::Unknown(None)), KeyError::UnknownKey);
}

#[test]
fn a_short_key_cannot_sign() {
    let short = Key::signing(SecretString::from("a".repeat(KEY_MIN - 1))).unwrap_err();
    assert_eq!(
        short.to_string(),
        "the audit key has 31 bytes; it needs at least 32, so that it cannot be guessed"
    );
    assert_eq!(key("a").id().to_string().len(), 16);
    assert_ne!(key("a").id(), key("b").id());
}
