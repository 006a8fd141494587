//! JSON as Python's `json.load` reads it. serde_json would lose digits of long integers and refuse NaN.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::PythonValue;

/// How deep arrays and objects may nest: as deep as serde_json goes, so that what is handed on can be read again.
const DEPTH_MAX: usize = 128;

/// What is wrong with a text that should be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidJson {
    /// Where, in bytes from 0.
    pub at: usize,
    /// What was expected there.
    pub what: &'static str,
}

impl fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for InvalidJson {}

pub(super) fn parse(text: &[u8]) -> Result<PythonValue, InvalidJson> {
    let mut parser = Parser::of(text)?;
    let value = parser.value(0)?;
    parser.end()?;
    Ok(value)
}

/// The members of a list, read one at a time: of a long one no more than one is in memory. Ends after the first error.
pub struct Members<'a> {
    parser: Parser<'a>,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Within,
    End,
}

/// A member of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    /// As it was read.
    pub value: PythonValue,
    /// As it was written, without the space around it.
    pub text: &'a str,
}

pub(super) fn members(text: &[u8]) -> Result<Option<Members<'_>>, InvalidJson> {
    let mut parser = Parser::of(text)?;
    Ok(parser.take(b'[').then_some(Members { parser, place: Place::Start }))
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, InvalidJson>;

    fn next(&mut self) -> Option<Self::Item> {
        let place = std::mem::replace(&mut self.place, Place::End);
        if place == Place::End {
            return None;
        }
        let next = self.parser.member(place).transpose();
        if let Some(Ok(_)) = next {
            self.place = Place::Within;
        }
        next
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    /// Stands before the value.
    fn of(text: &'a [u8]) -> Result<Self, InvalidJson> {
        let text = std::str::from_utf8(text).map_err(|cause| InvalidJson { at: cause.valid_up_to(), what: "not UTF-8" })?;
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut parser = Self { text, at: start };
        parser.skip_space();
        Ok(parser)
    }

    /// Sees that nothing comes after the value.
    fn end(&mut self) -> Result<(), InvalidJson> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.wrong("more text after the value")) }
    }

    /// The next member of the outermost list; `None` where that has ended.
    fn member(&mut self, place: Place) -> Result<Option<Member<'a>>, InvalidJson> {
        self.skip_space();
        if self.take(b']') {
            return self.end().map(|()| None);
        }
        if place == Place::Within {
            self.expect(b',', "neither `,` nor `]`")?;
            self.skip_space();
        }
        let start = self.at;
        let value = self.value(1)?;
        Ok(Some(Member { value, text: &self.text[start..self.at] }))
    }

    fn value(&mut self, depth: usize) -> Result<PythonValue, InvalidJson> {
        match self.peek() {
            Some(b'{' | b'[') if depth == DEPTH_MAX => Err(self.wrong("nested deeper than 128")),
            Some(b'{') => self.dict(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(PythonValue::Str(self.string()?.into())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(self.wrong("a value is missing")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<PythonValue, InvalidJson> {
        self.at += 1;
        self.skip_space();
        let mut values = Vec::new();
        if self.take(b']') {
            return Ok(PythonValue::List(values));
        }
        loop {
            self.skip_space();
            values.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b']') {
                values.shrink_to_fit();
                return Ok(PythonValue::List(values));
            }
            self.expect(b',', "neither `,` nor `]`")?;
        }
    }

    fn dict(&mut self, depth: usize) -> Result<PythonValue, InvalidJson> {
        self.at += 1;
        self.skip_space();
        let mut items = Vec::new();
        if self.take(b'}') {
            return Ok(PythonValue::Dict(items));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("no name in double quotes"));
            }
            let key = self.string()?.into_boxed_str();
            self.skip_space();
            self.expect(b':', "no `:`")?;
            self.skip_space();
            items.push((key, self.value(depth + 1)?));
            self.skip_space();
            if self.take(b'}') {
                return Ok(PythonValue::Dict(each_key_once(items)));
            }
            self.expect(b',', "neither `,` nor `}`")?;
        }
    }

    fn string(&mut self) -> Result<String, InvalidJson> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | ..0x20)).unwrap_or(rest.len());
            string.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => return Err(self.wrong("a control character in a string")),
                None => return Err(self.wrong("a string without end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, InvalidJson> {
        let start = self.at;
        self.at += 2;
        Ok(match self.text.as_bytes().get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.code()?;
                let is_pair = matches!(first, 0xd800..=0xdbff) && self.text[self.at..].starts_with("\\u");
                let mut units = vec![first];
                if is_pair {
                    self.at += 2;
                    units.push(self.code()?);
                }
                // Python takes half a pair; no UTF-8 answer could carry it.
                let char = char::decode_utf16(units).next().and_then(Result::ok);
                char.ok_or(InvalidJson { at: start, what: "half a surrogate pair" })?
            }
            _ => return Err(InvalidJson { at: start, what: "an unknown escape" }),
        })
    }

    fn code(&mut self) -> Result<u16, InvalidJson> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.wrong("not four hex digits"))?;
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<PythonValue, InvalidJson> {
        let start = self.at;
        let is_negative = self.take(b'-');
        if is_negative && self.take_word("Infinity") {
            return Ok(PythonValue::Float(f64::NEG_INFINITY));
        }
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.text.as_bytes()[self.at - whole] == b'0') {
            return Err(InvalidJson { at: start, what: "not a number" });
        }
        let mut is_float = false;
        if self.take(b'.') {
            is_float = true;
            if self.digits() == 0 {
                return Err(self.wrong("no digit after the point"));
            }
        }
        if self.take(b'e') || self.take(b'E') {
            is_float = true;
            let _signed = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(self.wrong("no digit in the exponent"));
            }
        }
        let text = &self.text[start..self.at];
        Ok(match text.parse::<i64>() {
            _ if is_float => PythonValue::Float(text.parse().expect("Rust reads every JSON number")),
            Ok(int) => PythonValue::Int(int),
            Err(_) => PythonValue::LongInt(text.into()),
        })
    }

    fn word(&mut self) -> Result<PythonValue, InvalidJson> {
        let words = [
            ("null", PythonValue::None),
            ("true", PythonValue::Bool(true)),
            ("false", PythonValue::Bool(false)),
            ("NaN", PythonValue::Float(f64::NAN)),
            ("Infinity", PythonValue::Float(f64::INFINITY)),
        ];
        let found = words.into_iter().find(|(word, _)| self.take_word(word));
        found.map(|(_, value)| value).ok_or_else(|| self.wrong("not a value"))
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        count
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.text[self.at..].starts_with(word);
        self.at += if is_there { word.len() } else { 0 };
        is_there
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), InvalidJson> {
        if self.take(byte) { Ok(()) } else { Err(self.wrong(what)) }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn wrong(&self, what: &'static str) -> InvalidJson {
        InvalidJson { at: self.at, what }
    }
}

/// As in a Python dict, a key keeps its first place and its last value.
fn each_key_once(mut items: Vec<(Box<str>, PythonValue)>) -> Vec<(Box<str>, PythonValue)> {
    let is_once = {
        let mut seen = HashSet::with_capacity(items.len());
        items.iter().all(|(key, _)| seen.insert(&**key))
    };
    if is_once {
        items.shrink_to_fit();
        return items;
    }
    let mut places = HashMap::<Box<str>, usize>::new();
    let mut once: Vec<(Box<str>, PythonValue)> = Vec::new();
    for (key, value) in items {
        match places.get(&key) {
            Some(&place) => once[place].1 = value,
            None => {
                places.insert(key.clone(), once.len());
                once.push((key, value));
            }
        }
    }
    once
}
