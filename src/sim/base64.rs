//! Base64, as far as GARM writes it.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64 with padding: `provider_fault`, a template's `data`.
pub(crate) fn standard(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4_u32 {
            if usize::try_from(place).unwrap_or(0) > chunk.len() {
                text.push('=');
            } else {
                let letter = (group >> (18 - 6 * place)) & 63;
                text.push(char::from(LETTERS[usize::try_from(letter).unwrap_or(0)]));
            }
        }
    }
    text
}

/// Base64 for URLs, without padding: the parts of a token.
pub(crate) fn url(bytes: &[u8]) -> String {
    standard(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_examples_hold() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let coded: Vec<_> = texts.iter().map(|it| standard(it.as_bytes())).collect();
        assert_eq!(coded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
        assert_eq!(url(&[0xfb, 0xff]), "-_8");
    }
}
