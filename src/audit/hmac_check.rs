//! Whether the records of a log are vouched for by HMACs, each made with the key that is due.

use super::chain::Record;
use super::keys::{Keys, Signer, Succession};
use super::report::Macs;

/// What is wrong with a record that nothing vouches for.
pub(super) const UNSIGNED: &str = "its HMAC is missing or made with another key";

/// The HMACs so far. `P` is a place in a file.
#[derive(Debug)]
pub(super) struct HmacCheck<'a, P> {
    /// Absent: HMACs are not checked.
    keys: Option<&'a Keys>,
    has_macs: bool,
    /// Who signs the next record; absent before the first one.
    due: Option<Signer>,
    /// The first record without an HMAC, as long as no signed one vouches for it.
    unsigned: Option<(P, u64)>,
    is_signed_by_others: bool,
}

impl<'a, P: Clone> HmacCheck<'a, P> {
    pub(super) fn new(keys: Option<&'a Keys>) -> Self {
        let keys = keys.filter(|it| !it.is_empty());
        Self { keys, has_macs: false, due: None, unsigned: None, is_signed_by_others: false }
    }

    /// Goes on behind a record that has been checked.
    pub(super) fn resume(&mut self, due: Signer) {
        self.due = Some(due);
    }

    /// Who signs the next record, as far as HMACs are checked.
    pub(super) fn due(&self) -> Option<&Signer> {
        self.due.as_ref()
    }

    /// The next record. Errors when its HMAC is not the one that is due.
    ///
    /// | due | signed by | |
    /// |---|---|---|
    /// | not known (the first record) | no key, or a known key | accepted |
    /// | no key | no key | accepted: a later record must vouch for it |
    /// | no key | a known key, the record begins the signing | accepted, with all before it |
    /// | a key | the same key | accepted |
    /// | | else | refused |
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
                "from here on the key `{id}` signs, and it was not named: add it with `--key`"
            ));
        }
        self.due = Some(next);
        Ok(())
    }

    /// Whether a key signs that is not at hand, as a record says that is vouched for.
    pub(super) fn is_signed_by_others(&self) -> bool {
        self.is_signed_by_others
    }

    /// The first record that nothing vouches for.
    pub(super) fn unsigned(&mut self) -> Option<(P, u64)> {
        self.unsigned.take()
    }

    /// What became of the HMACs.
    pub(super) fn macs(&self) -> Macs {
        match (self.has_macs, self.keys) {
            (false, _) => Macs::Absent,
            (true, None) => Macs::Unchecked,
            (true, Some(_)) => Macs::Checked,
        }
    }
}
