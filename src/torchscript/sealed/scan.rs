//! One pass over the text of a record of code.

use super::code::Definition;

/// The longest name, in characters.
const LONGEST_NAME: usize = 2_000;

/// The most lines without code behind each other.
const MOST_EMPTY_LINES: usize = 5_000;

/// What stands between a pair of brackets, or on a line outside of all of them.
#[derive(Default)]
struct Level {
    /// Tokens since the last comma.
    chain: u64,
    /// What closes it; 0 outside of brackets.
    close: u8,
    /// A comma does not end the body of a lambda's parameters.
    lambda: bool,
}

/// The lines of one indentation.
struct Indent {
    width: usize,
    /// `elif`s since the last `if`: each is a block in the one before.
    elifs: u64,
}

/// A token that has a meaning for the depth.
enum Token<'a> {
    Name(&'a [u8]),
    /// A string's value.
    Text(Vec<u8>),
    Mark(u8),
}

pub(super) struct Scan<'a> {
    qualifier: &'a str,
    text: &'a [u8],
    at: usize,
    levels: Vec<Level>,
    /// The sum of the chains.
    chains: u64,
    indents: Vec<Indent>,
    /// Whether the line's indentation is still to be read.
    starts_line: bool,
    empty_lines: usize,
    /// Tokens that may still come.
    left: &'a mut usize,
    /// Whether the last token of this line was `class` or `def` at the outermost indentation.
    defines: bool,
    /// A dotted name that began with `__torch__`, and whether a dot came last.
    dotted: Option<(String, bool)>,
    /// Strings behind each other are one.
    string: Vec<u8>,
    found: Vec<Definition>,
}

type Done = Result<(), String>;

impl<'a> Scan<'a> {
    pub fn new(qualifier: &'a str, text: &'a [u8], left: &'a mut usize) -> Self {
        Self {
            qualifier,
            text,
            at: 0,
            levels: vec![Level::default()],
            chains: 0,
            indents: vec![],
            starts_line: true,
            empty_lines: 0,
            left,
            defines: false,
            dotted: None,
            string: vec![],
            found: vec![],
        }
    }

    /// The definitions of the record, in their order.
    ///
    /// # Errors
    /// It is not code as `torch.jit.save` writes it.
    pub fn run(mut self) -> Result<Vec<Definition>, String> {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\n' => self.end_line()?,
                _ if is_blank(byte) => self.at += 1,
                b'#' if !self.text[self.at..].starts_with(b"# type:") => self.skip_comment(),
                _ => self.content(byte)?,
            }
        }
        self.end_names();
        match self.levels.len() {
            1 => Ok(self.found),
            _ => Err("ends within brackets".to_owned()),
        }
    }

    fn skip_comment(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
    }

    fn end_line(&mut self) -> Done {
        self.at += 1;
        self.empty_lines += 1;
        if self.empty_lines > MOST_EMPTY_LINES {
            return Err(format!("has more than {MOST_EMPTY_LINES} empty lines behind each other"));
        }
        if self.levels.len() == 1 {
            self.end_names();
            self.end_chain();
            self.levels[0].lambda = false;
            self.starts_line = true;
        }
        Ok(())
    }

    fn content(&mut self, byte: u8) -> Done {
        self.empty_lines = 0;
        if std::mem::take(&mut self.starts_line) {
            self.begin_line()?;
        }
        if byte == b'\\' && self.text.get(self.at + 1) == Some(&b'\n') {
            self.at += 2;
            return Ok(());
        }
        *self.left = self.left.checked_sub(1).ok_or("has more words than any model's")?;
        let token = self.token(byte)?;
        self.follow_names(&token);
        self.count(&token)
    }

    /// Takes in the indentation of a line.
    fn begin_line(&mut self) -> Done {
        let before = self.text[..self.at].iter().rev().take_while(|b| **b != b'\n').count();
        if self.indents.last().is_none_or(|indent| indent.width < before) {
            self.indents.push(Indent { width: before, elifs: 0 });
        }
        while self.indents.last().is_some_and(|indent| indent.width > before) {
            self.indents.pop();
        }
        let first = name_at(&self.text[self.at..]);
        let top = self.indents.last_mut().filter(|indent| indent.width == before);
        let top = top.ok_or("has a line whose indentation fits no other")?;
        match first {
            b"elif" => top.elifs += 1,
            b"else" => {}
            _ => top.elifs = 0,
        }
        self.defines = self.indents.len() == 1 && matches!(first, b"class" | b"def");
        let blocks = self.blocks();
        if let Some(definition) = self.found.last_mut() {
            definition.blocks = definition.blocks.max(blocks);
        }
        Ok(())
    }

    fn blocks(&self) -> u64 {
        let elifs: u64 = self.indents.iter().map(|indent| indent.elifs).sum();
        elifs + self.indents.len() as u64 - 1
    }

    fn token(&mut self, byte: u8) -> Result<Token<'a>, String> {
        let rest = &self.text[self.at..];
        if byte == b'\'' || byte == b'"' {
            let (text, length) = string_at(rest).ok_or("has a string without an end")?;
            self.at += length;
            return Ok(Token::Text(text));
        }
        let length = match byte {
            b'0'..=b'9' => rest.iter().take_while(|b| b.is_ascii_digit()).count(),
            _ => name_at(rest).len(),
        };
        if length > LONGEST_NAME {
            return Err(format!("has a name or number of {length} characters"));
        }
        self.at += length.max(1);
        Ok(match byte {
            b'0'..=b'9' => Token::Mark(b'0'),
            _ if length > 0 => Token::Name(&rest[..length]),
            _ => Token::Mark(byte),
        })
    }

    /// Counts a token into the depth of the definition.
    fn count(&mut self, token: &Token) -> Done {
        let level = self.levels.last_mut().ok_or("ends a bracket twice")?;
        match *token {
            Token::Name(b"lambda") => level.lambda = true,
            Token::Mark(b',') if !level.lambda => self.end_chain(),
            Token::Mark(open @ (b'(' | b'[' | b'{')) => {
                let close = if open == b'(' { b')' } else { open + 2 };
                self.levels.push(Level { close, ..Level::default() });
            }
            Token::Mark(close @ (b')' | b']' | b'}')) => {
                if level.close != close {
                    return Err("ends a bracket that it did not begin".to_owned());
                }
                self.end_chain();
                self.levels.pop();
            }
            _ => {}
        }
        self.chains += 1;
        if let Some(level) = self.levels.last_mut() {
            level.chain += 1;
        }
        let depth = self.chains;
        if let Some(definition) = self.found.last_mut() {
            definition.depth = definition.depth.max(depth);
        }
        Ok(())
    }

    fn end_chain(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            self.chains -= std::mem::take(&mut level.chain);
        }
    }

    /// Puts dotted names and strings together, and begins a definition.
    fn follow_names(&mut self, token: &Token) {
        match (token, &mut self.dotted) {
            (Token::Text(text), _) => {
                self.end_dotted();
                self.string.extend(text);
                return;
            }
            (Token::Mark(b'.'), Some((_, ends_in_dot @ false))) => *ends_in_dot = true,
            (Token::Name(name), Some((dotted, ends_in_dot @ true))) => {
                *ends_in_dot = false;
                dotted.push('.');
                dotted.push_str(&lower(name));
            }
            _ => self.end_names(),
        }
        self.end_string();
        let Token::Name(name) = token else { return };
        if self.dotted.is_none() && *name == b"__torch__" {
            self.dotted = Some((lower(name), false));
        }
        if self.defines && !matches!(*name, b"class" | b"def") {
            self.defines = false;
            let name = format!("{}.{}", self.qualifier.to_ascii_lowercase(), lower(name));
            self.found.push(Definition { name, depth: 0, blocks: 0, uses: vec![] });
        }
    }

    fn end_names(&mut self) {
        self.end_dotted();
        self.end_string();
    }

    fn end_dotted(&mut self) {
        if let Some((name, _)) = self.dotted.take() {
            self.uses(name);
        }
    }

    /// A string may be the name of a type.
    fn end_string(&mut self) {
        let text = std::mem::take(&mut self.string);
        if text.starts_with(b"__torch__") && text.len() < LONGEST_NAME {
            self.uses(lower(&text).replace('/', "."));
        }
    }

    fn uses(&mut self, name: String) {
        if let Some(definition) = self.found.last_mut() {
            definition.uses.push(name);
        }
    }
}

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// The name that a text begins with, maybe none.
fn name_at(text: &[u8]) -> &[u8] {
    let is_first = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    match text.first() {
        Some(first) if is_first(first) => {
            let end = text.iter().position(|b| !is_first(b) && !b.is_ascii_digit());
            &text[..end.unwrap_or(text.len())]
        }
        _ => &[],
    }
}

/// The value of the string that a text begins with, and its length with the quotes; `None` where it does not
/// end.
fn string_at(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let quote = text[0];
    let quotes = if text.starts_with(&[quote; 3]) { 3 } else { 1 };
    let end = [quote; 3];
    let (mut at, mut value) = (quotes, vec![]);
    while !text.get(at..)?.starts_with(&end[..quotes]) {
        match *text.get(at)? {
            b'\n' if quotes == 1 => return None,
            b'\\' => {
                let (byte, length) = escaped(&text[at + 1..]);
                value.push(byte);
                at += 1 + length;
            }
            byte => {
                value.push(byte);
                at += 1;
            }
        }
    }
    Some((value, at + quotes))
}

/// What stands behind a backslash: the byte, and how many characters. Those of a number may end in the quote
/// only where the number has ended.
fn escaped(text: &[u8]) -> (u8, usize) {
    let octal = text.iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
    let hexadecimal = text.iter().skip(1).take(2).take_while(|b| b.is_ascii_hexdigit()).count();
    let number = |digits: &[u8], radix: u32| {
        let digit = |b: &u8| char::from(*b).to_digit(radix).unwrap_or(0);
        digits.iter().fold(0, |sum, b| sum * radix + digit(b)) as u8
    };
    match text.first() {
        Some(b'x') if hexadecimal > 0 => (number(&text[1..1 + hexadecimal], 16), 1 + hexadecimal),
        Some(_) if octal > 0 => (number(&text[..octal], 8), octal),
        Some(&byte) => (byte, 1),
        None => (b'\\', 1),
    }
}
