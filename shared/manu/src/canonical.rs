//! Canonical JSON: one spelling for all texts that mean the same document.
//!
//! Strings are written as RFC 8785 writes them, members are sorted, white space is dropped. Numbers stay as they are
//! written, which is where this leaves RFC 8785: reading them as `f64` would make one document of two whose long ids or
//! amounts differ in the last digit. For the same reason nothing else is dropped either: members of the same name are
//! all kept, in their order, and so is half of a surrogate pair, which a string of the sender may hold but no Rust
//! string can.

/// What [`canonicalize`] made.
pub(crate) struct Canonical {
    /// The canonical JSON.
    pub(crate) json: Vec<u8>,
    /// The canonical JSON of the member `id` of a top-level object; of the last one, if there are several.
    pub(crate) id: Option<Vec<u8>>,
}

/// The place of the first array or object that is nested too deep, in bytes from the start of the text.
#[derive(Debug)]
pub(crate) struct TooDeep {
    pub(crate) offset: usize,
}

/// Rewrites `json` in its canonical spelling.
///
/// The text must be one JSON value, which the caller has checked with `serde_json`. For any other text the result means
/// nothing, but there is one: this neither panics nor runs for ever.
///
/// # Errors
///
/// An array or object inside more than `max_depth - 1` others.
pub(crate) fn canonicalize(json: &str, max_depth: usize) -> Result<Canonical, TooDeep> {
    let mut writer = Writer { text: json.as_bytes(), at: 0, out: Vec::with_capacity(json.len()), id: None, max_depth };
    writer.value(1)?;
    Ok(Canonical { json: writer.out, id: writer.id })
}

struct Writer<'t> {
    text: &'t [u8],
    /// The next byte of `text` to read.
    at: usize,
    out: Vec<u8>,
    id: Option<Vec<u8>>,
    max_depth: usize,
}

impl Writer<'_> {
    /// The next byte that is not white space, not taken.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn value(&mut self, depth: usize) -> Result<(), TooDeep> {
        match self.peek() {
            Some(b'{' | b'[') if depth > self.max_depth => Err(TooDeep { offset: self.at }),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => {
                self.string();
                Ok(())
            }
            _ => {
                self.literal();
                Ok(())
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), TooDeep> {
        self.at += 1;
        self.out.push(b'[');
        loop {
            match self.peek() {
                Some(b']') | None => break,
                Some(b',') => {
                    self.at += 1;
                    self.out.push(b',');
                }
                Some(_) => self.value(depth + 1)?,
            }
        }
        self.at += 1;
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), TooDeep> {
        self.at += 1;
        self.out.push(b'{');
        let base = self.out.len();
        let mut members = Vec::new();
        loop {
            match self.peek() {
                Some(b'}') | None => break,
                Some(b',') => {
                    self.at += 1;
                    self.out.push(b',');
                }
                Some(_) => members.push(self.member(base, depth)?),
            }
        }
        self.at += 1;
        self.sort(base, &mut members);
        self.out.push(b'}');
        Ok(())
    }

    fn member(&mut self, base: usize, depth: usize) -> Result<Member, TooDeep> {
        let start = self.out.len();
        self.string();
        let colon = self.out.len();
        self.peek();
        self.at += 1;
        self.out.push(b':');
        self.value(depth + 1)?;
        if depth == 1 && self.out[start..colon] == *b"\"id\"" {
            self.id = Some(self.out[colon + 1..].to_vec());
        }
        Ok(Member { start: start - base, colon: colon - base, end: self.out.len() - base })
    }

    /// Puts the members of one object, which have just been written from `base` on, in the order of their names' bytes.
    /// Members of the same name keep their order.
    fn sort(&mut self, base: usize, members: &mut [Member]) {
        let written = &self.out[base..];
        if members.is_sorted_by_key(|member| member.name(written)) {
            return;
        }
        let written = self.out.split_off(base);
        members.sort_by_key(|member| member.name(&written));
        for (index, member) in members.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(&written[member.start..member.end]);
        }
    }

    fn string(&mut self) {
        self.at += 1;
        self.out.push(b'"');
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
            self.out.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match rest.get(plain) {
                Some(b'\\') => self.escape(),
                _ => break,
            }
        }
        self.at += 1;
        self.out.push(b'"');
    }

    /// Reads one escape sequence, or the two of a surrogate pair, and writes the character as RFC 8785 does.
    fn escape(&mut self) {
        let kind = self.text.get(self.at + 1).copied().unwrap_or_default();
        self.at += 2;
        let character = match kind {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex4();
                match self.surrogate_pair(unit).or(char::from_u32(unit)) {
                    Some(character) => character,
                    None => {
                        self.out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                        return;
                    }
                }
            }
            other => char::from(other),
        };
        match character {
            '"' => self.out.extend_from_slice(b"\\\""),
            '\\' => self.out.extend_from_slice(b"\\\\"),
            '\u{8}' => self.out.extend_from_slice(b"\\b"),
            '\u{c}' => self.out.extend_from_slice(b"\\f"),
            '\n' => self.out.extend_from_slice(b"\\n"),
            '\r' => self.out.extend_from_slice(b"\\r"),
            '\t' => self.out.extend_from_slice(b"\\t"),
            '\0'..' ' => self.out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes()),
            _ => self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }

    /// The character of the pair that `high` begins and the next escape sequence ends, which is then taken; `None`, with
    /// nothing taken, if they are no pair.
    fn surrogate_pair(&mut self, high: u32) -> Option<char> {
        if !(0xd800..0xdc00).contains(&high) || !self.text.get(self.at..)?.starts_with(b"\\u") {
            return None;
        }
        let before = self.at;
        self.at += 2;
        let low = self.hex4();
        if !(0xdc00..0xe000).contains(&low) {
            self.at = before;
            return None;
        }
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    /// Takes the four hexadecimal digits of an escape sequence.
    fn hex4(&mut self) -> u32 {
        let digits = self.text.get(self.at..self.at + 4).unwrap_or_default();
        self.at += 4;
        digits.iter().filter_map(|digit| char::from(*digit).to_digit(16)).fold(0, |value, digit| value << 4 | digit)
    }

    /// Copies a number, `true`, `false` or `null` as it is written.
    fn literal(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_end = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
        // At least one byte is taken, so that no text whatever can make the loops above stand still.
        let length = rest.iter().skip(1).position(is_end).map_or(rest.len(), |position| position + 1);
        self.out.extend_from_slice(&rest[..length]);
        self.at += length;
    }
}

/// Where a member of an object has been written, in bytes from the first member on.
struct Member {
    start: usize,
    colon: usize,
    end: usize,
}

impl Member {
    /// The name's canonical spelling without the quotes.
    fn name<'w>(&self, written: &'w [u8]) -> &'w [u8] {
        &written[self.start + 1..self.colon - 1]
    }
}
