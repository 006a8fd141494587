//! What Python's `repr` writes of single values.

use std::fmt::Write;

/// `repr` of a `str`: in single quotes unless it has some and no double ones; what cannot be seen is escaped.
///
/// Source: CPython, `unicode_repr` in Objects/unicodeobject.c.
///
/// ```
/// use cache_api::python_value::str_repr;
///
/// assert_eq!(str_repr("Devil's"), r#""Devil's""#);
/// assert_eq!(str_repr("a\tb\u{200b}é"), r"'a\tb\u200bé'");
/// ```
pub fn str_repr(text: &str) -> String {
    let quote = quote_for(text.contains('\''), text.contains('"'));
    let mut repr = String::with_capacity(text.len() + 2);
    repr.push(quote);
    for char in text.chars() {
        match char {
            '\\' => repr.push_str(r"\\"),
            '\t' => repr.push_str(r"\t"),
            '\n' => repr.push_str(r"\n"),
            '\r' => repr.push_str(r"\r"),
            char if char == quote => repr.extend(['\\', char]),
            ' '..='~' => repr.push(char),
            char if is_printable(char) => repr.push(char),
            char => push_code(&mut repr, char.into()),
        }
    }
    repr.push(quote);
    repr
}

/// `repr` of `bytes`.
///
/// ```
/// use cache_api::python_value::bytes_repr;
///
/// assert_eq!(bytes_repr(b"a\xff\n"), r"b'a\xff\n'");
/// ```
pub fn bytes_repr(bytes: &[u8]) -> String {
    let quote = quote_for(bytes.contains(&b'\''), bytes.contains(&b'"'));
    let mut repr = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\\' => repr.push_str(r"\\"),
            b'\t' => repr.push_str(r"\t"),
            b'\n' => repr.push_str(r"\n"),
            b'\r' => repr.push_str(r"\r"),
            byte if char::from(byte) == quote => repr.extend(['\\', quote]),
            b' '..=b'~' => repr.push(byte.into()),
            byte => push_code(&mut repr, byte.into()),
        }
    }
    repr.push(quote);
    repr
}

/// `repr` of a `float`: the fewest digits that read back as the same, with an exponent below 1e-4 and from 1e16.
///
/// ```
/// use cache_api::python_value::float_repr;
///
/// assert_eq!([1e22, 1e-5, 0.1, -0.0, 1e15].map(float_repr), ["1e+22", "1e-05", "0.1", "-0.0", "1000000000000000.0"]);
/// ```
pub fn float_repr(float: f64) -> String {
    shortest(float, format!("{float:e}"))
}

/// `str` of a numpy `float32`: as [`float_repr`], with the digits that tell apart 32-bit floats.
pub fn narrow_float_repr(float: f32) -> String {
    shortest(float.into(), format!("{float:e}"))
}

fn shortest(float: f64, scientific: String) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    let sign = if float.is_sign_negative() { "-" } else { "" };
    if float.is_infinite() {
        return format!("{sign}inf");
    }
    let (mantissa, exponent) = scientific.split_once('e').expect("Rust writes an exponent where it is asked to");
    let exponent: i32 = exponent.parse().expect("Rust writes an exponent in decimal digits");
    let digits = mantissa.trim_start_matches('-').replace('.', "");
    let body = match usize::try_from(exponent) {
        Ok(exponent) if exponent < 16 => match digits.split_at_checked(exponent + 1) {
            Some((whole, fraction)) => format!("{whole}.{}", if fraction.is_empty() { "0" } else { fraction }),
            None => format!("{digits:0<width$}.0", width = exponent + 1),
        },
        Err(_) if exponent >= -4 => {
            format!("0.{}{digits}", "0".repeat(usize::try_from(-exponent - 1).expect("a negative exponent")))
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{first}{point}{rest}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
    };
    format!("{sign}{body}")
}

fn quote_for(has_single: bool, has_double: bool) -> char {
    if has_single && !has_double { '"' } else { '\'' }
}

fn push_code(repr: &mut String, code: u32) {
    let written = match code {
        0..=0xff => write!(repr, "\\x{code:02x}"),
        0x100..=0xffff => write!(repr, "\\u{code:04x}"),
        _ => write!(repr, "\\U{code:08x}"),
    };
    written.expect("a string takes what is written");
}

/// Whether Python calls it printable: no control, format, surrogate, private, unassigned or separator character.
fn is_printable(char: char) -> bool {
    // The standard library escapes the same categories when it writes for debugging, and keeps that table to itself. It
    // also escapes a combining character, but only as the first of a text.
    let mut text = [b'.', 0, 0, 0, 0];
    let length = 1 + char.encode_utf8(&mut text[1..]).len();
    let text = std::str::from_utf8(&text[..length]).expect("a dot and a character");
    text.escape_debug().nth(1) == Some(char)
}
