//! Reading rules.

use serde_json_path::JsonPath;

use super::{Movement, Operator, Path, Rule, RuleError, Selector, Subject};

/// How deep brackets and parentheses of a JSON path may nest: its parser calls itself for each.
const DEEPEST: usize = 32;

/// Reads a rule.
pub(super) fn rule(text: &str) -> Result<Rule, RuleError> {
    let mut cursor = Cursor { text, at: 0 };
    let movement = cursor.movement();
    let subject = match movement {
        None => cursor.subject()?,
        Some(_) if cursor.take("(") => {
            let subject = cursor.subject()?;
            cursor.expect(")")?;
            subject
        }
        Some(_) => Subject::Main,
    };
    let operator = cursor.operator()?;
    let number = cursor.number()?;
    if movement.is_some() {
        cursor.word("against", "'against baseline'")?;
        cursor.word("baseline", "'baseline'")?;
    }
    cursor.end()?;
    Ok(Rule { subject, movement, operator, number })
}

/// Reads a selector that stands alone.
pub(super) fn selector(text: &str) -> Result<Selector, RuleError> {
    let mut cursor = Cursor { text, at: 0 };
    let selector = cursor.selector()?;
    cursor.end()?;
    Ok(selector)
}

/// A place in a text.
struct Cursor<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes a sign if it is next.
    fn take(&mut self, sign: &str) -> bool {
        self.skip_blanks();
        let there = self.rest().starts_with(sign);
        self.at += if there { sign.len() } else { 0 };
        there
    }

    fn expect(&mut self, sign: &str) -> Result<(), RuleError> {
        match self.take(sign) {
            true => Ok(()),
            false => Err(self.error(self.at, format!("expected {sign}"))),
        }
    }

    /// The letters, digits, underscores and hyphens that are next.
    fn name(&mut self) -> &'a str {
        self.skip_blanks();
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')))
            .unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn word(&mut self, wanted: &str, shown: &str) -> Result<(), RuleError> {
        self.skip_blanks();
        let start = self.at;
        match self.name() == wanted {
            true => Ok(()),
            false => Err(self.error(start, format!("expected {shown}"))),
        }
    }

    /// `drop`, `rise` or `change`; the cursor stays where there is none.
    fn movement(&mut self) -> Option<Movement> {
        let start = self.at;
        let name = self.name();
        let found = Movement::ALL.iter().find(|(text, _)| *text == name).map(|(_, m)| *m);
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn subject(&mut self) -> Result<Subject, RuleError> {
        self.skip_blanks();
        if self.rest().starts_with('$') {
            return self.path().map(Subject::Path);
        }
        let start = self.at;
        if self.name() == "diagonal" {
            return Ok(Subject::Diagonal);
        }
        self.at = start;
        self.selector().map(Subject::Selector)
    }

    fn selector(&mut self) -> Result<Selector, RuleError> {
        self.skip_blanks();
        let start = self.at;
        let name = self.name();
        if name.is_empty() {
            let problem = "expected a measure such as cka, diagonal, or a JSON path from $";
            return Err(self.error(start, problem.to_owned()));
        }
        if self.take("(") {
            let problem = format!(
                "there is no function '{name}': a rule has drop(…), rise(…) or change(…) of a value against \
                 baseline, and holds every value that it names, such as diagonal >= 0.9"
            );
            return Err(self.error(start, problem));
        }
        let bracket = self.at;
        let mut globs = vec![];
        if self.take("[") {
            globs.push(self.string()?);
            while self.take(",") {
                globs.push(self.string()?);
            }
            match self.take("]") {
                true => {}
                false => return Err(self.error(self.at, "expected ] or ,".to_owned())),
            }
        }
        let known = super::super::measures::of(name).is_some();
        let place = if known { bracket } else { start };
        Selector::new(name, &globs).map_err(|problem| self.error(place, problem))
    }

    /// A text between quotation marks, in which `\"` and `\\` stand for `"` and `\`.
    fn string(&mut self) -> Result<String, RuleError> {
        self.skip_blanks();
        let start = self.at;
        if !self.take("\"") {
            let problem = "expected a name between quotation marks, \"layer4\"";
            return Err(self.error(start, problem.to_owned()));
        }
        let mut text = String::new();
        let mut letters = self.rest().char_indices().peekable();
        while let Some((i, letter)) = letters.next() {
            let escaped = letters.next_if(|(_, next)| letter == '\\' && matches!(next, '"' | '\\'));
            match (letter, escaped) {
                (_, Some((_, next))) => text.push(next),
                ('"', None) => {
                    self.at += i + 1;
                    return Ok(text);
                }
                (other, None) => text.push(other),
            }
        }
        Err(self.error(start, "the name is not closed by a quotation mark".to_owned()))
    }

    /// Everything up to an operator, or a parenthesis that closes, outside of brackets and quotes.
    fn path(&mut self) -> Result<Path, RuleError> {
        let (start, rest) = (self.at, self.rest());
        let (mut depth, mut quote, mut escaped) = (0usize, None, false);
        let mut end = rest.len();
        for (i, letter) in rest.char_indices() {
            match (quote, letter) {
                _ if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(open), _) if open == letter => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(letter),
                (None, '[' | '(') if depth == DEEPEST => {
                    let problem = format!("its parentheses nest deeper than {DEEPEST}");
                    return Err(self.error(start + i, problem));
                }
                (None, '[' | '(') => depth += 1,
                (None, ']' | ')') if depth > 0 => depth -= 1,
                (None, '>' | '<' | '=' | '!' | ')') if depth == 0 => {
                    end = i;
                    break;
                }
                _ => {}
            }
        }
        let path = rest[..end].trim_end();
        self.at += path.len();
        let query = JsonPath::parse(path).map_err(|e| {
            let place = start + path.len().min(e.position());
            self.error(place, format!("this is not a JSON path: {}", e.message()))
        })?;
        Ok(Path { text: path.to_owned(), query })
    }

    fn operator(&mut self) -> Result<Operator, RuleError> {
        let found = Operator::ALL.iter().find(|(text, _)| self.take(text));
        found
            .map(|(_, operator)| *operator)
            .ok_or_else(|| self.error(self.at, "expected >=, <=, >, <, == or !=".to_owned()))
    }

    fn number(&mut self) -> Result<f64, RuleError> {
        self.skip_blanks();
        let (start, rest) = (self.at, self.rest());
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let number = rest[..end].parse::<f64>().ok().filter(|n| n.is_finite());
        self.at += end;
        number.ok_or_else(|| self.error(start, "expected a number".to_owned()))
    }

    fn end(&mut self) -> Result<(), RuleError> {
        self.skip_blanks();
        match self.rest().is_empty() {
            true => Ok(()),
            false => Err(self.error(self.at, "expected nothing more".to_owned())),
        }
    }

    /// An error at a byte, which may lie within a character.
    fn error(&self, byte: usize, problem: String) -> RuleError {
        let before = self.text.char_indices().take_while(|(i, _)| *i < byte).count();
        RuleError { rule: self.text.to_owned(), column: before + 1, problem }
    }
}
