//! A reader of Python pickles that builds plain values and runs nothing.
//!
//! A pickle is a program of a stack machine, whose calls may run any code. Here calls of PyTorch's that
//! make tensors and containers are known ([`objects`]); every other class is a name and every other call
//! an opaque value. Protocols 0 to 5 are read. Source: Python's `Lib/pickletools.py`.

mod objects;
mod value;

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::sync::Arc;

pub(super) use objects::extent;
pub(super) use value::{Arena, Id, Value, View};

/// The most steps of a pickle: each makes one value at most.
const MOST_STEPS: u64 = 1 << 24;

/// The longest text that is kept, in bytes; names are shorter.
const LONGEST_TEXT: u64 = 1 << 12;

/// The longest line of the text opcodes.
const LONGEST_LINE: u64 = 1 << 16;

/// The most bytes of text in all.
const MOST_TEXT: u64 = 1 << 28;

/// The most tensors.
const MOST_TENSORS: usize = 1 << 20;

/// The most arguments of a call that are looked at.
const MOST_ARGUMENTS: usize = 16;

/// Reads one pickle; the input is left behind its end.
///
/// # Errors
/// It is cut short, no pickle, larger than any checkpoint's, or builds a tensor wrongly.
pub(super) fn read(input: &mut dyn BufRead, arena: &mut Arena) -> Result<Id, String> {
    let (stack, marks, memo) = (vec![], vec![], HashMap::new());
    let mut machine = Machine { input, arena, stack, marks, memo, text: 0, tensors: 0 };
    for _ in 0..MOST_STEPS {
        let opcode = machine.byte()?;
        if opcode == b'.' {
            return machine.pop();
        }
        machine.step(opcode)?;
    }
    Err(format!("its pickle has more than {MOST_STEPS} steps"))
}

struct Machine<'a> {
    input: &'a mut dyn BufRead,
    arena: &'a mut Arena,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    text: u64,
    tensors: usize,
}

type Done = Result<(), String>;

impl Machine<'_> {
    fn step(&mut self, opcode: u8) -> Done {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            0x80 => drop(self.bytes::<1>()?),
            0x95 => drop(self.bytes::<8>()?),
            b'N' | 0x88 | 0x89 | b'I' | b'L' | b'F' | b'G' | b'J' | b'K' | b'M' | 0x8a | 0x8b => {
                let value = self.number(opcode)?;
                self.push(value);
            }
            b'S' | b'V' | b'T' | b'U' | b'X' | b'B' | b'C' | 0x8c..=0x8e | 0x96 => {
                let value = self.string(opcode)?;
                self.push(value);
            }
            b']' | b'}' | b')' | 0x8f | b't' | b'l' | b'd' | 0x85..=0x87 | 0x91 => {
                let value = self.container(opcode)?;
                self.push(value);
            }
            b'a' | b'e' | b's' | b'u' | 0x90 => self.fill(opcode)?,
            b'0' | b'1' | b'2' => self.discard(opcode)?,
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.remember(opcode)?,
            b'c' | 0x93 | b'i' | b'o' | b'R' | 0x81 | 0x92 | b'b' | b'P' | b'Q' | 0x82..=0x84 => {
                self.object(opcode)?;
            }
            _ => return Err(format!("it is damaged: opcode {opcode:#04x} in its pickle")),
        }
        Ok(())
    }

    fn number(&mut self, opcode: u8) -> Result<Value, String> {
        Ok(match opcode {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(self.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.bytes()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(self.bytes()?).into()),
            0x8a => {
                let count = self.byte()?.into();
                self.long(count)?
            }
            0x8b => {
                let count = u32::from_le_bytes(self.bytes()?).into();
                self.long(count)?
            }
            b'G' => {
                self.bytes::<8>()?;
                Value::Float
            }
            b'F' => {
                self.line()?;
                Value::Float
            }
            _ => of_digits(&self.line()?),
        })
    }

    /// A signed number of so many bytes; one of more than 128 bits is opaque.
    fn long(&mut self, count: u64) -> Result<Value, String> {
        if count > 16 {
            self.skip(count)?;
            return Ok(Value::Opaque("int".into()));
        }
        let mut bytes = [0; 16];
        self.input.read_exact(&mut bytes[..count as usize]).map_err(|_| short())?;
        if count > 0 && bytes[count as usize - 1] >= 0x80 {
            bytes[count as usize..].fill(0xff);
        }
        Ok(Value::Int(i128::from_le_bytes(bytes)))
    }

    fn string(&mut self, opcode: u8) -> Result<Value, String> {
        let count = match opcode {
            b'S' | b'V' => {
                let line = self.line()?;
                let quotes: &[char] = if opcode == b'S' { &['\'', '"'] } else { &[] };
                return self.kept(line.trim_matches(quotes).as_bytes().to_vec());
            }
            b'U' | b'C' | 0x8c => self.byte()?.into(),
            b'T' | b'X' | b'B' => u32::from_le_bytes(self.bytes()?).into(),
            _ => u64::from_le_bytes(self.bytes()?),
        };
        let is_bytes = matches!(opcode, b'C' | b'B' | 0x8e | 0x96);
        if count > LONGEST_TEXT || is_bytes {
            self.skip(count)?;
            return Ok(Value::Opaque(if is_bytes { "bytes" } else { "str" }.into()));
        }
        let mut text = vec![0; count as usize];
        self.input.read_exact(&mut text).map_err(|_| short())?;
        self.kept(text)
    }

    fn count_text(&mut self, length: usize) -> Done {
        self.text += length as u64;
        match self.text > MOST_TEXT {
            true => Err(format!("its pickle has more than {MOST_TEXT} bytes of text")),
            false => Ok(()),
        }
    }

    fn kept(&mut self, text: Vec<u8>) -> Result<Value, String> {
        self.count_text(text.len())?;
        Ok(match String::from_utf8(text) {
            Ok(text) => Value::Text(text.into()),
            Err(_) => Value::Opaque("str".into()),
        })
    }

    fn container(&mut self, opcode: u8) -> Result<Value, String> {
        Ok(match opcode {
            b']' | 0x8f => Value::List(vec![]),
            b'}' => Value::Dict(vec![]),
            b')' => Value::Tuple(vec![]),
            0x85..=0x87 => {
                let first = self.stack.len().checked_sub(usize::from(opcode - 0x84));
                Value::Tuple(self.pop_from(first.ok_or_else(empty)?)?)
            }
            b't' => Value::Tuple(self.pop_to_mark()?),
            b'd' => Value::Dict(in_pairs(&self.pop_to_mark()?)),
            _ => Value::List(self.pop_to_mark()?),
        })
    }

    /// Adds elements to the container below them; one that is opaque takes them in unseen.
    fn fill(&mut self, opcode: u8) -> Done {
        let items = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_to_mark()?,
        };
        let target = *self.stack.last().ok_or_else(empty)?;
        match (self.arena.get_mut(target), opcode) {
            (Value::List(list), b'a' | b'e' | 0x90) => list.extend(items),
            (Value::Dict(dict), b's' | b'u') => dict.extend(in_pairs(&items)),
            _ => {}
        }
        Ok(())
    }

    fn discard(&mut self, opcode: u8) -> Done {
        match opcode {
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            _ => self.stack.push(*self.stack.last().ok_or_else(empty)?),
        }
        Ok(())
    }

    fn remember(&mut self, opcode: u8) -> Done {
        let number = match opcode {
            b'p' | b'g' => self.line()?.trim().parse().map_err(|_| damaged("a memo's number"))?,
            b'q' | b'h' => self.byte()?.into(),
            b'r' | b'j' => u32::from_le_bytes(self.bytes()?),
            _ => self.memo.len() as u32,
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let value =
                self.memo.get(&number).ok_or_else(|| damaged("a memo that was not made"))?;
            self.stack.push(*value);
        } else {
            self.memo.insert(number, *self.stack.last().ok_or_else(empty)?);
        }
        Ok(())
    }

    fn object(&mut self, opcode: u8) -> Done {
        let value = match opcode {
            b'b' => {
                self.pop()?;
                return Ok(());
            }
            b'c' => self.named_class()?,
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let words = (self.arena.text(module), self.arena.text(name));
                let (Some(module), Some(name)) = words else { return Err(damaged("a class")) };
                let class: Arc<str> = format!("{module}.{name}").into();
                self.count_text(class.len())?;
                Value::Class(class)
            }
            b'i' | b'o' | 0x92 => self.instance(opcode)?,
            b'R' | 0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.called(class, arguments)?
            }
            b'P' => Value::Opaque(self.line()?.into()),
            b'Q' => {
                let id = self.pop()?;
                objects::persistent(self.arena, id)?
            }
            _ => {
                self.skip([1, 2, 4][usize::from(opcode - 0x82)])?;
                Value::Opaque("copyreg extension".into())
            }
        };
        self.push(value);
        Ok(())
    }

    fn named_class(&mut self) -> Result<Value, String> {
        let (module, name) = (self.line()?, self.line()?);
        Ok(Value::Class(format!("{module}.{name}").into()))
    }

    /// An instance of a class; what it was made with is passed over.
    fn instance(&mut self, opcode: u8) -> Result<Value, String> {
        let class = match opcode {
            b'i' => {
                let class = self.named_class()?;
                self.pop_to_mark()?;
                self.arena.add(class)
            }
            b'o' => *self.pop_to_mark()?.first().ok_or_else(empty)?,
            _ => {
                self.pop()?;
                self.pop()?;
                self.pop()?
            }
        };
        Ok(Value::Opaque(self.arena.name_of(class)))
    }

    fn called(&mut self, class: Id, arguments: Id) -> Result<Value, String> {
        let arguments = self.arena.elements(arguments).unwrap_or_default();
        let arguments: Vec<Id> = arguments.iter().take(MOST_ARGUMENTS).copied().collect();
        let Value::Class(name) = self.arena.get(class) else {
            return Ok(Value::Opaque(self.arena.name_of(class)));
        };
        let name = name.clone();
        let made = objects::call(self.arena, &name, &arguments)?;
        self.tensors += usize::from(matches!(made, Value::Tensor(_)));
        match self.tensors > MOST_TENSORS {
            true => Err(format!("it has more than {MOST_TENSORS} tensors")),
            false => Ok(made),
        }
    }

    fn push(&mut self, value: Value) {
        let id = self.arena.add(value);
        self.stack.push(id);
    }

    /// Takes the topmost value, which no mark lies on.
    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > floor {
            true => self.stack.pop().ok_or_else(empty),
            false => Err(empty()),
        }
    }

    fn pop_from(&mut self, first: usize) -> Result<Vec<Id>, String> {
        match first >= self.marks.last().copied().unwrap_or(0) {
            true => Ok(self.stack.split_off(first)),
            false => Err(empty()),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or_else(empty)?;
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.bytes::<1>().map(|[byte]| byte)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(|_| short())?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = vec![];
        let mut input = (&mut *self.input).take(LONGEST_LINE);
        input.read_until(b'\n', &mut line).map_err(|_| short())?;
        match line.pop() {
            Some(b'\n') => Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()),
            _ => Err(short()),
        }
    }

    fn skip(&mut self, count: u64) -> Done {
        let mut input = (&mut *self.input).take(count);
        match std::io::copy(&mut input, &mut std::io::sink()) {
            Ok(skipped) if skipped == count => Ok(()),
            _ => Err(short()),
        }
    }
}

/// A number in decimal digits: `5`, `5L`, `01` for true.
fn of_digits(line: &str) -> Value {
    let digits = line.trim().trim_end_matches('L');
    match (line, digits.parse()) {
        ("00", _) => Value::Bool(false),
        ("01", _) => Value::Bool(true),
        (_, Ok(number)) => Value::Int(number),
        _ => Value::Opaque("int".into()),
    }
}

fn in_pairs(items: &[Id]) -> Vec<(Id, Id)> {
    items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

fn short() -> String {
    "it is cut short: its pickle does not end".to_owned()
}

fn empty() -> String {
    damaged("a value that is not there")
}

fn damaged(what: &str) -> String {
    format!("it is damaged: its pickle takes {what}")
}

#[cfg(test)]
mod tests;
