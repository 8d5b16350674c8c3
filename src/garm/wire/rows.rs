//! Decodes a list row by row as its bytes arrive, so that neither the response nor its JSON tree is
//! ever in memory as a whole, and only a row that cannot be decoded is lost.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::row_splitter::{RawRow, RowSplitter};
use super::{DecodeError, not_json};
use crate::domain::text::count;
use crate::garm::budget::AnswerLimit;

/// Decodes a response as it arrives.
pub(in crate::garm) trait BodyReader: Send {
    type Output;

    /// Maximum size of a response, in bytes.
    fn max(&self) -> usize;

    /// Decodes the next bytes. An error is final.
    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError>;

    /// Whether the rest of the response is not needed.
    fn is_full(&self) -> bool {
        false
    }

    /// What was left out, for messages.
    fn remark(&self) -> Option<String> {
        None
    }

    /// Ends the response and returns the result.
    fn finish(self) -> Result<Self::Output, DecodeError>;
}

/// Largest document that is not a list, in bytes.
pub(in crate::garm) const DOCUMENT_MAX: usize = 2 << 20;

/// A small response that is decoded as a whole.
pub(in crate::garm) struct DocumentReader<F> {
    body: Vec<u8>,
    max: usize,
    read: F,
}

impl<F> DocumentReader<F> {
    pub(in crate::garm) fn new(read: F) -> Self {
        Self { body: Vec::new(), max: DOCUMENT_MAX, read }
    }

    /// A response of at most this many bytes.
    pub(in crate::garm) fn up_to(max: usize, read: F) -> Self {
        Self { max, ..Self::new(read) }
    }
}

impl<T, F: FnOnce(&[u8]) -> Result<T, DecodeError> + Send> BodyReader for DocumentReader<F> {
    type Output = T;

    fn max(&self) -> usize {
        self.max
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.body.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self) -> Result<T, DecodeError> {
        (self.read)(&self.body)
    }
}

/// What happens to rows beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// The list is an error: without all rows, actions could be wrong.
    Refused,
    /// The list ends at the limit.
    LeftOut,
}

/// A list whose rows have the JSON type `T`.
pub(in crate::garm) struct RowReader<T, U, F> {
    splitter: RowSplitter,
    pile: RowCollector<T, U, F>,
}

/// The rows decoded so far.
struct RowCollector<T, U, F> {
    make: F,
    bound: AnswerLimit,
    excess: Excess,
    is_vital: fn(&[u8]) -> bool,
    made: Vec<U>,
    /// Rows that arrived, and how many of them could not be decoded.
    seen: usize,
    odd: usize,
    /// Why the first of those could not be decoded.
    why: String,
    is_full: bool,
    shape: PhantomData<fn() -> T>,
}

impl<T, U, F> RowReader<T, U, F>
where
    T: DeserializeOwned,
    F: FnMut(T) -> Result<Option<U>, DecodeError>,
{
    /// A list of what `make` returns for its rows; it skips rows for which that is `None`.
    pub(super) fn new(bound: AnswerLimit, make: F) -> Self {
        Self::split(RowSplitter::list(), bound, make)
    }

    /// The same for the list under `key` of an object.
    pub(super) fn below(key: &'static str, bound: AnswerLimit, make: F) -> Self {
        Self::split(RowSplitter::below(key), bound, make)
    }

    fn split(splitter: RowSplitter, bound: AnswerLimit, make: F) -> Self {
        let pile = RowCollector {
            make,
            bound,
            excess: Excess::Refused,
            is_vital: |_| false,
            made: Vec::new(),
            seen: 0,
            odd: 0,
            why: String::new(),
            is_full: false,
            shape: PhantomData,
        };
        Self { splitter, pile }
    }

    /// Sets what happens to rows beyond the limit.
    pub(super) fn excess(mut self, excess: Excess) -> Self {
        self.pile.excess = excess;
        self
    }

    /// Sets which rows must not be skipped if they cannot be decoded.
    pub(super) fn vital(mut self, is_vital: fn(&[u8]) -> bool) -> Self {
        self.pile.is_vital = is_vital;
        self
    }

    /// The list, and what is around it.
    pub(super) fn parts(self) -> Result<(Vec<U>, Vec<u8>), DecodeError> {
        let Self { splitter, pile } = self;
        if pile.is_full {
            return Ok((pile.made, Vec::new()));
        }
        let head = splitter.finish()?;
        if pile.odd > 0 && pile.odd == pile.seen {
            return Err(DecodeError(pile.why));
        }
        let mut made = pile.made;
        made.shrink_to_fit();
        Ok((made, head))
    }
}

impl<T, U, F> BodyReader for RowReader<T, U, F>
where
    T: DeserializeOwned,
    U: Send,
    F: FnMut(T) -> Result<Option<U>, DecodeError> + Send,
{
    type Output = Vec<U>;

    fn max(&self) -> usize {
        match self.pile.excess {
            Excess::Refused => self.pile.bound.bytes,
            Excess::LeftOut => usize::MAX,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let pile = &mut self.pile;
        self.splitter.take(bytes, &mut |piece| pile.row(piece))?;
        if pile.excess == Excess::LeftOut && self.splitter.taken() > pile.bound.bytes {
            pile.is_full = true;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.pile.is_full
    }

    fn remark(&self) -> Option<String> {
        let pile = &self.pile;
        if pile.odd > 0 {
            let entries = count(pile.odd, "entry").replace("entrys", "entries");
            return Some(format!("left out {entries} that cannot be read: {}", pile.why));
        }
        pile.is_full.then(|| format!("only the first {} entries are read", pile.made.len()))
    }

    fn finish(self) -> Result<Vec<U>, DecodeError> {
        self.parts().map(|(rows, _)| rows)
    }
}

impl<T, U, F> RowCollector<T, U, F>
where
    T: DeserializeOwned,
    F: FnMut(T) -> Result<Option<U>, DecodeError>,
{
    fn row(&mut self, piece: RawRow<'_>) -> Result<(), DecodeError> {
        if self.is_full {
            return Ok(());
        }
        self.seen += 1;
        if self.seen > self.bound.rows {
            if self.excess == Excess::Refused {
                return Err(DecodeError(format!("more than {} entries", self.bound.rows)));
            }
            self.is_full = true;
            return Ok(());
        }
        let (row, why) = match piece {
            RawRow::Whole(row) => match decode_row::<T>(row) {
                Ok(wire) => {
                    self.made.extend((self.make)(wire)?);
                    return Ok(());
                }
                // After invalid JSON the boundaries of later rows are unreliable.
                Err(error) if error.classify() != Category::Data => {
                    return Err(DecodeError(format!(
                        "entry {} of the list: {}",
                        self.seen,
                        not_json(row, &error)
                    )));
                }
                Err(error) => (row, error.to_string()),
            },
            RawRow::TooDeep(row) => (row, "it is nested too deeply".to_owned()),
            RawRow::TooLong(row) => (row, "it is too long".to_owned()),
        };
        let name = name(row).map(|name| format!(" ({name})")).unwrap_or_default();
        let why = format!("entry {}{name} of the list cannot be read: {why}", self.seen);
        if (self.is_vital)(row) {
            return Err(DecodeError(why));
        }
        self.odd += 1;
        if self.odd == 1 {
            self.why = why;
        }
        Ok(())
    }
}

/// Decodes a row. UTF-8 is checked once for the whole row, which is quicker than in each string.
fn decode_row<T: DeserializeOwned>(row: &[u8]) -> serde_json::Result<T> {
    let text = std::str::from_utf8(row).map_err(serde::de::Error::custom)?;
    serde_json::from_str(text)
}

/// The id or name of a row that cannot be decoded, for messages.
fn name(row: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct RowName<'a> {
        #[serde(borrow)]
        id: Option<&'a serde_json::value::RawValue>,
        #[serde(borrow)]
        name: Option<&'a serde_json::value::RawValue>,
    }
    let named: RowName<'_> = serde_json::from_slice(row).ok()?;
    Some(named.id.or(named.name)?.get().to_owned())
}

/// A list inside an object, which `read` decodes.
pub(in crate::garm) struct EnvelopeReader<R, F> {
    pub(super) rows: R,
    pub(super) read: F,
}

impl<T, U, F, O, G> BodyReader for EnvelopeReader<RowReader<T, U, F>, G>
where
    T: DeserializeOwned,
    U: Send,
    F: FnMut(T) -> Result<Option<U>, DecodeError> + Send,
    G: FnOnce(&[u8], Vec<U>) -> Result<O, DecodeError> + Send,
{
    type Output = O;

    fn max(&self) -> usize {
        self.rows.max()
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.rows.take(bytes)
    }

    fn remark(&self) -> Option<String> {
        self.rows.remark()
    }

    fn finish(self) -> Result<O, DecodeError> {
        let (rows, head) = self.rows.parts()?;
        (self.read)(&head, rows)
    }
}

/// Decodes a list in memory, in which no row may be left out.
pub(super) fn list<T: DeserializeOwned + Send>(body: &[u8]) -> Result<Vec<T>, DecodeError> {
    let bound = AnswerLimit { rows: LIST_MAX, bytes: DOCUMENT_MAX };
    read(RowReader::new(bound, |row: T| Ok(Some(row))).vital(|_| true), body)
}

/// Maximum number of rows of a small list: providers, templates, credentials, endpoints.
const LIST_MAX: usize = 4_000;

/// Decodes a response in memory.
pub(super) fn read<R: BodyReader>(mut reader: R, body: &[u8]) -> Result<R::Output, DecodeError> {
    reader.take(body)?;
    reader.finish()
}
