//! The secret by which a recovery server knows its subscribers.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The size of a token: 192 bits are beyond guessing.
pub const TOKEN_BYTES: usize = 24;

/// A secret shared by a publisher and its subscribers, written as 48 hex digits. It is never
/// printed. Compare two of them in constant time, not with `==`, where it matters who asks.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Token([u8; TOKEN_BYTES]);

/// Why a text is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not as many characters as it takes.
    #[error("{found} characters, a token has 48 hex digits: `openssl rand -hex 24` makes one")]
    Length {
        /// How many characters there are.
        found: usize,
    },
    /// A character that is no hex digit.
    #[error("character {at} is no hex digit: `openssl rand -hex 24` makes a token")]
    Digit {
        /// Its place, from 1 on.
        at: usize,
    },
    /// All digits are 0, which says that there is no token.
    #[error("a token of zeros is no secret: `openssl rand -hex 24` makes one")]
    Zeros,
}

impl Token {
    /// No token.
    pub const NONE: Token = Token([0; TOKEN_BYTES]);

    /// The token of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; TOKEN_BYTES]) -> Token {
        Token(bytes)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Token, TokenError> {
        if text.len() != 2 * TOKEN_BYTES {
            return Err(TokenError::Length {
                found: text.chars().count(),
            });
        }
        let mut token = Token::NONE;
        for (at, digit) in text.chars().enumerate() {
            let value = digit.to_digit(16).ok_or(TokenError::Digit { at: at + 1 })?;
            let byte = &mut token.0[at / 2];
            *byte = *byte << 4 | value as u8;
        }
        if token == Token::NONE {
            return Err(TokenError::Zeros);
        }
        Ok(token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if *self == Token::NONE {
            "none"
        } else {
            "secret"
        };
        write!(formatter, "Token({what})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_48_hex_digits() {
        let text = "000102030405060708090a0b0c0d0e0f1011121314151617";
        let token: Token = text.parse().unwrap();
        assert_eq!(token, Token::new(std::array::from_fn(|at| at as u8)));
        let upper: Token = text.to_uppercase().parse().unwrap();
        assert_eq!(upper, token);
    }

    #[test]
    fn anything_else_is_refused() {
        let zeros = "0".repeat(48);
        assert_eq!(zeros.parse::<Token>(), Err(TokenError::Zeros));
        assert_eq!("".parse::<Token>(), Err(TokenError::Length { found: 0 }));
        let signed = format!("+{}", &zeros[1..]);
        assert_eq!(signed.parse::<Token>(), Err(TokenError::Digit { at: 1 }));
    }

    #[test]
    fn is_not_printed() {
        let shown = format!("{:?}", Token::new([0xab; TOKEN_BYTES]));
        assert_eq!(shown, "Token(secret)");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), long in "\\PC{48}", wide in "[é]{24}") {
            for text in [text, long, wide] {
                let _ = text.parse::<Token>();
            }
        }
    }
}
