//! Checks that each record of a log is signed with the right key, or covered by a later signature.

use super::chain::Record;
use super::keys::{Keys, Signer, Succession};
use super::report::HmacStatus;

/// The reason of a break at a record that no signature covers.
pub(super) const UNSIGNED: &str = "its HMAC is missing or made with another key";

/// The state of the check after the records so far. `P` is a position in a file.
#[derive(Debug)]
pub(super) struct HmacCheck<'a, P> {
    /// Absent if HMACs are not checked.
    keys: Option<&'a Keys>,
    has_macs: bool,
    /// The signer of the next record; absent before the first one.
    due: Option<Signer>,
    /// The place and number of the first record without an HMAC, until a signed record follows.
    unsigned: Option<(P, u64)>,
    is_signed_by_others: bool,
}

impl<'a, P: Clone> HmacCheck<'a, P> {
    pub(super) fn new(keys: Option<&'a Keys>) -> Self {
        let keys = keys.filter(|keys| !keys.is_empty());
        Self { keys, has_macs: false, due: None, unsigned: None, is_signed_by_others: false }
    }

    /// Sets the signer of the next record, to continue an earlier check.
    pub(super) fn resume(&mut self, due: Signer) {
        self.due = Some(due);
    }

    /// The signer of the next record; absent before the first one, and if HMACs are not checked.
    pub(super) fn due(&self) -> Option<&Signer> {
        self.due.as_ref()
    }

    /// Checks the next record. Errors if it is not signed with the right key.
    ///
    /// | expected signer | signer | result |
    /// |---|---|---|
    /// | unknown (the first record) | no key, or a known key | accepted |
    /// | no key | no key | accepted; a later signed record must cover it |
    /// | no key | a known key, and the record begins the signing | accepted, with all before it |
    /// | a key | the same key | accepted |
    /// | | any other | refused |
    pub(super) fn take(&mut self, record: &Record<'_>, place: &P) -> Result<(), String> {
        self.has_macs |= record.signed.is_some();
        let Some(keys) = self.keys else { return Ok(()) };
        let signer = keys.signer(record);
        let begins = Succession::of(record) == Some(Succession::Begins);
        let is_due = match (&self.due, &signer) {
            (_, Signer::Unknown(_)) | (Some(Signer::Unknown(_)), _) => false,
            (None, Signer::Unsigned | Signer::Known(_)) => true,
            (Some(Signer::Unsigned), Signer::Unsigned) => true,
            (Some(Signer::Unsigned), Signer::Known(_)) => begins,
            (Some(Signer::Known(due)), Signer::Known(id)) => due == id,
            (Some(Signer::Known(_)), Signer::Unsigned) => false,
        };
        if !is_due {
            return Err(UNSIGNED.to_owned());
        }
        match signer {
            Signer::Unsigned if self.unsigned.is_none() => {
                self.unsigned = Some((place.clone(), record.head.seq));
            }
            Signer::Unsigned | Signer::Unknown(_) => {}
            Signer::Known(_) => self.unsigned = None,
        }
        let next = keys.signer_after(record);
        if let Signer::Unknown(id) = &next {
            self.is_signed_by_others = true;
            let id = id.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(format!(
                "the key `{id}` signs from here on, and it was not given: add it with `--key`"
            ));
        }
        self.due = Some(next);
        Ok(())
    }

    /// Whether a signed record has changed to a key that was not given.
    pub(super) fn is_signed_by_others(&self) -> bool {
        self.is_signed_by_others
    }

    /// Takes the first record that no signature covers.
    pub(super) fn unsigned(&mut self) -> Option<(P, u64)> {
        self.unsigned.take()
    }

    /// Whether the log has HMACs, and whether they were checked.
    pub(super) fn macs(&self) -> HmacStatus {
        match (self.has_macs, self.keys) {
            (false, _) => HmacStatus::Absent,
            (true, None) => HmacStatus::Unchecked,
            (true, Some(_)) => HmacStatus::Checked,
        }
    }
}
