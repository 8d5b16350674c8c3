//! Text files, before they are parsed.

use super::diagnostic_code::Code;
use super::problem::{Location, Position, Problem};

/// The largest file that is read, in bytes.
pub const FILE_MAX: u64 = 4 * 1024 * 1024;

/// The largest total of all files of one run, in bytes.
pub const TOTAL_MAX: u64 = 32 * 1024 * 1024;

/// The text of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub path: String,
    /// Without a leading byte order mark.
    pub text: String,
    /// The name of the folder that a pool file is in, which may be that of a GARM.
    pub folder: Option<String>,
}

impl SourceFile {
    /// Decodes UTF-8, with or without a byte order mark. Errors name the first invalid byte, or
    /// UTF-16 if that is what the file is.
    pub fn decode(path: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Problem> {
        let path = path.into();
        if is_utf16(&bytes) {
            let message = "the file is UTF-16, but must be UTF-8";
            return Err(Problem::of_file(Code::NotText, path, message)
                .with_help("convert it with `iconv -f UTF-16 -t UTF-8`"));
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                let text = match text.strip_prefix('\u{feff}') {
                    Some(rest) => rest.to_owned(),
                    None => text,
                };
                Ok(Self { path, text, folder: None })
            }
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let bad = error.as_bytes()[at];
                let spot = spot_of(&String::from_utf8_lossy(&error.as_bytes()[..at]));
                let message = format!("byte 0x{bad:02x} is not UTF-8");
                let mut problem = Problem::of_file(Code::NotText, path.clone(), message)
                    .with_help("save the file as UTF-8");
                problem.place = Location { file: path, spot: Some(spot) };
                Err(problem)
            }
        }
    }
}

/// Detects a byte order mark of UTF-16, or a zero in exactly one of the first two bytes.
fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [0, b, ..] | [b, 0, ..] => *b != 0,
        _ => false,
    }
}

/// The position after `text`, which begins at line 1, column 1.
fn spot_of(text: &str) -> Position {
    let line_start = text.rfind('\n').map_or(0, |at| at + 1);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position {
        line: count(text.matches('\n').count() + 1),
        column: count(text[line_start..].trim_start_matches('\u{feff}').chars().count() + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<&str, &str>) {
        let seen = SourceFile::decode("a.yaml", bytes.to_vec())
            .map(|file| file.text)
            .map_err(|problem| format!("{}: {}", problem.place, problem.message));
        assert_eq!(seen.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn utf8_is_read_with_and_without_a_byte_order_mark() {
        check("é: 1\r\n".as_bytes(), Ok("é: 1\r\n"));
        check("\u{feff}a: 1".as_bytes(), Ok("a: 1"));
        check(b"", Ok(""));
    }

    #[test]
    fn other_encodings_are_reported_with_their_position() {
        let utf16 = Err("a.yaml: the file is UTF-16, but must be UTF-8");
        check(&[0xff, 0xfe, b'a', 0], utf16);
        check(&[0xfe, 0xff, 0, b'a'], utf16);
        check(&[b'a', 0, b':', 0], utf16);
        check(b"a: b\nc\xc3\xa9: \xe9\n", Err("a.yaml:2:5: byte 0xe9 is not UTF-8"));
        check(b"\xef\xbb\xbf\xff", Err("a.yaml:1:1: byte 0xff is not UTF-8"));
    }
}
