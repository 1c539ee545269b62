//! What stands in one cell.

use tickcast_wire::{NANOS_PER_UNIT, Side, TradingState, UNDEFINED_PRICE};

/// Digits after the point of a price.
const PRICE_DIGITS: usize = 9;

pub(super) const STATES: [(&str, u8); 4] = [
    ("halted", TradingState::Halted as u8),
    ("quote_only", TradingState::QuoteOnly as u8),
    ("paused", TradingState::Paused as u8),
    ("trading", TradingState::Trading as u8),
];

pub(super) const SIDES: [(&str, u8); 3] = [
    ("none", Side::None as u8),
    ("buy", Side::Buy as u8),
    ("sell", Side::Sell as u8),
];

/// Appends a price with all its digits; nothing for an undefined one.
pub(super) fn put_price(cell: &mut Vec<u8>, price: i64) {
    if price == UNDEFINED_PRICE {
        return;
    }
    if price < 0 {
        cell.push(b'-');
    }
    let price = price.unsigned_abs();
    put_number(cell, price / NANOS_PER_UNIT as u64);
    // A 1 in front keeps the zeros behind the point, and gives its place to the point.
    let point = cell.len();
    put_number(cell, NANOS_PER_UNIT as u64 + price % NANOS_PER_UNIT as u64);
    cell[point] = b'.';
}

/// The price in a cell; `None` when it is none, or has more than nine digits after the point.
pub(super) fn price(cell: &[u8]) -> Option<i64> {
    if cell.is_empty() {
        return Some(UNDEFINED_PRICE);
    }
    let (is_negative, digits) = match cell.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, cell),
    };
    let (units, fraction) = match digits.iter().position(|&byte| byte == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &b"0"[..]),
    };
    if fraction.is_empty() || fraction.len() > PRICE_DIGITS {
        return None;
    }
    let scale = 10i128.pow((PRICE_DIGITS - fraction.len()) as u32);
    let nanos = i128::from(number(units)?) * i128::from(NANOS_PER_UNIT)
        + i128::from(number(fraction)?) * scale;
    i64::try_from(if is_negative { -nanos } else { nanos }).ok()
}

/// A whole number of decimal digits.
pub(super) fn number(cell: &[u8]) -> Option<u64> {
    if cell.is_empty() || !cell.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(cell).ok()?.parse().ok()
}

/// Appends the name of a code, or its number when it has none.
pub(super) fn put_code(cell: &mut Vec<u8>, names: &[(&str, u8)], code: u8) {
    match names.iter().find(|entry| entry.1 == code) {
        Some((name, _)) => cell.extend_from_slice(name.as_bytes()),
        None => put_number(cell, code.into()),
    }
}

/// The code with this name or number.
pub(super) fn code(cell: &[u8], names: &[(&str, u8)]) -> Option<u8> {
    match names.iter().find(|entry| entry.0.as_bytes() == cell) {
        Some(&(_, code)) => Some(code),
        None => number(cell)?.try_into().ok(),
    }
}

/// Appends `bytes` as text without its padding; in hexadecimal after `0x` when that would not be
/// printable, or not come back the same.
pub(super) fn put_bytes(cell: &mut Vec<u8>, bytes: &[u8], pad: u8) {
    let len = bytes
        .iter()
        .rposition(|&byte| byte != pad)
        .map_or(0, |last| last + 1);
    let text = &bytes[..len];
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"');
    if text.iter().all(is_plain) && !text.starts_with(b"0x") {
        cell.extend_from_slice(text);
    } else {
        cell.extend_from_slice(b"0x");
        put_hex(cell, bytes);
    }
}

/// The bytes in a cell, padded to their size.
pub(super) fn bytes<const N: usize>(cell: &[u8], pad: u8) -> Option<[u8; N]> {
    if let Some(digits) = cell.strip_prefix(b"0x") {
        return hex(digits);
    }
    let mut bytes = [pad; N];
    bytes.get_mut(..cell.len())?.copy_from_slice(cell);
    Some(bytes)
}

/// Appends two digits a byte.
pub(super) fn put_hex(cell: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        cell.extend_from_slice(&[DIGITS[high], DIGITS[low]]);
    }
}

/// The bytes that exactly these digits mean.
pub(super) fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(high)? * 16 + digit(low)?) as u8;
    }
    Some(bytes)
}

/// Appends a whole number.
#[inline]
pub(super) fn put_number(cell: &mut Vec<u8>, number: u64) {
    cell.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price_cell(price: i64) -> String {
        let mut cell = Vec::new();
        put_price(&mut cell, price);
        String::from_utf8(cell).unwrap()
    }

    #[test]
    fn prices_are_exact_decimals() {
        assert_eq!(price_cell(148_910_000_000), "148.910000000");
        assert_eq!(price_cell(-1), "-0.000000001");
        assert_eq!(price_cell(i64::MIN), "-9223372036.854775808");
        assert_eq!(price_cell(UNDEFINED_PRICE), "");
        assert_eq!(price(b"148.91"), Some(148_910_000_000));
        assert_eq!(price(b"7"), Some(7_000_000_000));
        for bad in [
            "1.",
            ".5",
            "1.0000000001",
            "-",
            "1e3",
            "+1",
            " 1",
            "9223372037",
            "1.-5",
        ] {
            assert_eq!(price(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn bytes_are_text_where_text_comes_back_the_same() {
        let cell = |bytes: &[u8]| {
            let mut cell = Vec::new();
            put_bytes(&mut cell, bytes, b' ');
            String::from_utf8(cell).unwrap()
        };
        assert_eq!(cell(b"T1  "), "T1");
        assert_eq!(cell(b"    "), "");
        assert_eq!(cell(b"T 1 "), "0x54203120");
        assert_eq!(cell(b"a,b "), "0x612c6220");
        assert_eq!(cell(b"0x1 "), "0x30783120");
        assert_eq!(bytes::<4>(b"T1", b' '), Some(*b"T1  "));
        assert_eq!(bytes::<4>(b"12345", b' '), None);
        assert_eq!(bytes::<4>(b"0x5420", b' '), None);
    }

    proptest! {
        #[test]
        fn every_price_comes_back(value: i64) {
            prop_assert_eq!(price(price_cell(value).as_bytes()), Some(value));
        }

        #[test]
        fn all_bytes_come_back(value: [u8; 7], pad in prop::sample::select(vec![0, b' '])) {
            let mut cell = Vec::new();
            put_bytes(&mut cell, &value, pad);
            prop_assert_eq!(bytes(&cell, pad), Some(value));
        }
    }
}
