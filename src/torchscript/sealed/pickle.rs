//! How deeply the values of a pickle of TorchScript hold one another, what classes it names, and whether its
//! tensors lie within their records: checked without making any of them.
//!
//! The opcodes are those that `torch/csrc/jit/serialization/unpickler.cpp` reads.

use std::rc::Rc;

use super::depth;
use super::views;

/// The most steps of a pickle.
const MOST_STEPS: usize = 1 << 23;

/// The most values within each other.
const MOST_DEPTH: u64 = 2_000;

/// The longest name of a class or type.
const LONGEST_NAME: usize = 1 << 14;

/// The most values of a tuple that is looked into, and tuples within each other.
const MOST_VALUES: usize = 64;
const MOST_HEIGHT: u32 = 4;

/// The node that holds nothing.
const PLAIN: u32 = 0;

/// A value as far as it matters here.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Other,
    Int(i64),
    Text(Rc<str>),
    /// A class or function.
    Name(Rc<str>),
    Tuple(Rc<[Value]>),
    /// So many elements.
    Storage(u64),
}

/// A value, and its place among those that hold others.
#[derive(Debug, Clone)]
struct Item {
    node: u32,
    value: Value,
}

/// Looks at one pickle, whose records have the sizes that `size` tells by their keys; returns the classes and
/// functions of Python that it names.
///
/// # Errors
/// It is damaged, its values nest too deeply or hold themselves, or a tensor reaches beyond its record.
pub fn check(pickle: &[u8], size: &dyn Fn(&str) -> Option<u64>) -> Result<Vec<String>, String> {
    let mut machine = Machine {
        length: pickle.len(),
        rest: pickle,
        size,
        stack: vec![],
        marks: vec![],
        memo: vec![],
        nodes: 1,
        edges: vec![],
        names: vec![],
    };
    machine.run()?;
    let weights = vec![1; machine.nodes as usize];
    match depth::longest_without_cycles(&weights, &machine.edges) {
        Ok(depth) if depth <= MOST_DEPTH => {
            machine.names.sort();
            machine.names.dedup();
            Ok(machine.names)
        }
        Ok(_) => Err("holds values that nest too deeply".to_owned()),
        Err(depth::Cycle) => Err("holds values that hold themselves".to_owned()),
    }
}

struct Machine<'a> {
    /// Bytes of the pickle, more than it makes values.
    length: usize,
    rest: &'a [u8],
    size: &'a dyn Fn(&str) -> Option<u64>,
    stack: Vec<Item>,
    marks: Vec<usize>,
    memo: Vec<Item>,
    /// Values that hold others, and the plain one.
    nodes: u32,
    /// Which holds which.
    edges: Vec<(u32, u32)>,
    names: Vec<String>,
}

type Done = Result<(), String>;

impl Machine<'_> {
    fn run(&mut self) -> Done {
        for _ in 0..MOST_STEPS {
            match self.byte()? {
                b'.' => return Ok(()),
                opcode => self.step(opcode)?,
            }
        }
        Err(format!("has more than {MOST_STEPS} steps"))
    }

    fn step(&mut self, opcode: u8) -> Done {
        match opcode {
            0x80 => drop(self.byte()?),
            b'N' | 0x88 | 0x89 | b'K' | b'M' | b'J' | b'G' | 0x8a | b'X' => self.plain(opcode)?,
            b'(' => self.marks.push(self.stack.len()),
            b']' | b'}' => self.container(&[]),
            b')' => self.tuple(vec![]),
            b'l' | b'd' => {
                let items = self.pop_to_mark()?;
                self.container(&items);
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.tuple(items);
            }
            0x85..=0x87 => {
                let items = self.last(usize::from(opcode - 0x84))?;
                self.tuple(items);
            }
            b'a' | b's' => {
                let items = self.last(if opcode == b'a' { 1 } else { 2 })?;
                self.fill(&items)?;
            }
            b'e' | b'u' => {
                let items = self.pop_to_mark()?;
                self.fill(&items)?;
            }
            b'q' | b'r' | b'h' | b'j' => self.remember(opcode)?,
            b'c' => self.class()?,
            0x81 => drop(self.last(1)?),
            b'b' | b'R' => self.call()?,
            b'Q' => self.storage()?,
            _ => return Err(format!("is damaged (opcode {opcode:#04x})")),
        }
        Ok(())
    }

    fn plain(&mut self, opcode: u8) -> Done {
        let value = match opcode {
            b'K' => Value::Int(self.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.bytes()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(self.bytes()?).into()),
            0x8a => match self.byte()? {
                8 => Value::Int(i64::from_le_bytes(self.bytes()?)),
                _ => return Err(damaged()),
            },
            b'G' => {
                self.bytes::<8>()?;
                Value::Other
            }
            b'X' => self.text()?,
            _ => Value::Other,
        };
        self.stack.push(Item { node: PLAIN, value });
        Ok(())
    }

    fn text(&mut self) -> Result<Value, String> {
        let length = u32::from_le_bytes(self.bytes()?) as usize;
        let text = self.slice(length)?;
        Ok(match std::str::from_utf8(text) {
            Ok(text) if length < LONGEST_NAME => Value::Text(text.into()),
            _ => Value::Other,
        })
    }

    fn class(&mut self) -> Done {
        let name = format!("{}.{}", self.line()?, self.line()?);
        if name.len() > LONGEST_NAME {
            return Err(format!("names a class of {} letters", name.len()));
        }
        self.stack.push(Item { node: PLAIN, value: Value::Name(name.as_str().into()) });
        self.names.push(name);
        Ok(())
    }

    /// Puts what is called, or made of a state, in place of its arguments.
    fn call(&mut self) -> Done {
        let items = self.last(2)?;
        if let Value::Name(name) = &items[0].value {
            match &**name {
                "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_qtensor" => {
                    views::check(&items[1].value)?;
                }
                "torch.jit._pickle.restore_type_tag" => check_type(&items[1].value)?,
                _ => {}
            }
        }
        self.container(&items[1..]);
        Ok(())
    }

    fn storage(&mut self) -> Done {
        let items = self.last(1)?;
        let (count, bytes, key) = views::storage(&items[0].value).ok_or_else(damaged)?;
        let size = (self.size)(&key);
        let needed = count.checked_mul(bytes).ok_or_else(damaged)?;
        match size {
            Some(size) if needed <= size => {}
            None if count == 0 => {}
            None => return Err(format!("needs a record '{key}', which is missing")),
            Some(size) => {
                return Err(format!("takes {needed} bytes of record '{key}', which has {size}"));
            }
        }
        self.container(&items);
        if let Some(item) = self.stack.last_mut() {
            item.value = Value::Storage(count);
        }
        Ok(())
    }

    fn tuple(&mut self, items: Vec<Item>) {
        self.container(&items);
        let values: Vec<Value> = items.into_iter().map(|item| item.value).collect();
        let is_small =
            values.len() <= MOST_VALUES && values.iter().map(height).max() < Some(MOST_HEIGHT);
        if let Some(item) = self.stack.last_mut().filter(|_| is_small) {
            item.value = Value::Tuple(values.into());
        }
    }

    /// What holds these values.
    fn container(&mut self, items: &[Item]) {
        let node = self.nodes;
        self.nodes += 1;
        self.hold(node, items);
        self.stack.push(Item { node, value: Value::Other });
    }

    fn fill(&mut self, items: &[Item]) -> Done {
        match self.stack.last().ok_or_else(damaged)?.node {
            PLAIN => Err(damaged()),
            target => {
                self.hold(target, items);
                Ok(())
            }
        }
    }

    fn hold(&mut self, holder: u32, items: &[Item]) {
        let held = items.iter().filter(|item| item.node != PLAIN);
        self.edges.extend(held.map(|item| (holder, item.node)));
    }

    fn remember(&mut self, opcode: u8) -> Done {
        let place = match opcode {
            b'q' | b'h' => self.byte()?.into(),
            _ => u32::from_le_bytes(self.bytes()?) as usize,
        };
        if matches!(opcode, b'h' | b'j') {
            let item = self.memo.get(place).ok_or_else(damaged)?;
            self.stack.push(item.clone());
            return Ok(());
        }
        // libtorch makes room for all places up to this one.
        if place > self.length {
            return Err(damaged());
        }
        let item = self.stack.last().ok_or_else(damaged)?.clone();
        let empty = Item { node: PLAIN, value: Value::Other };
        self.memo.resize(self.memo.len().max(place + 1), empty);
        self.memo[place] = item;
        Ok(())
    }

    fn last(&mut self, count: usize) -> Result<Vec<Item>, String> {
        let first = self.stack.len().checked_sub(count).ok_or_else(damaged)?;
        Ok(self.stack.split_off(first))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Item>, String> {
        let mark = self.marks.pop().ok_or_else(damaged)?;
        match mark <= self.stack.len() {
            true => Ok(self.stack.split_off(mark)),
            false => Err(damaged()),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self.rest.iter().position(|&b| b == b'\n').ok_or_else(damaged)?;
        let line = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest = &self.rest[end + 1..];
        Ok(line)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.bytes().map(|[byte]| byte)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.slice(N)?.try_into().map_err(|_| damaged())
    }

    fn slice(&mut self, count: usize) -> Result<&[u8], String> {
        let bytes = self.rest.get(..count).ok_or("is cut short")?;
        self.rest = &self.rest[count..];
        Ok(bytes)
    }
}

fn height(value: &Value) -> u32 {
    match value {
        Value::Tuple(values) => 1 + values.iter().map(height).max().unwrap_or(0),
        _ => 0,
    }
}

/// The type of a list or dictionary, in words.
fn check_type(arguments: &Value) -> Done {
    match arguments {
        Value::Tuple(values) => match &**values {
            [_, Value::Text(_)] => Ok(()),
            _ => Err(damaged()),
        },
        _ => Err(damaged()),
    }
}

pub(super) fn damaged() -> String {
    "is damaged".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pickle: &[u8]) -> Result<Vec<String>, String> {
        check(pickle, &|key| (key == "0").then_some(24))
    }

    fn problem(pickle: &[u8]) -> String {
        told(pickle).err().unwrap_or_default()
    }

    #[test]
    fn values_that_nest_too_deeply_are_told() {
        let deep =
            |n: usize| [b"\x80\x02".as_slice(), &vec![b']'; n], &vec![b'a'; n - 1], b"."].concat();
        assert_eq!(told(&deep(1_000)), Ok(vec![]));
        assert!(problem(&deep(100_000)).contains("too deeply"));
        // The same, put together from the outside.
        let mut outside = b"\x80\x02]".to_vec();
        for place in 0..100_000_u32 {
            let place = place.to_le_bytes();
            outside.extend([b"]r".as_slice(), &place, b"aj", &place].concat());
        }
        outside.push(b'.');
        assert!(problem(&outside).contains("too deeply"));
        let tuples = [b"\x80\x02N".as_slice(), &[0x85; 100_000], b"."].concat();
        assert!(problem(&tuples).contains("too deeply"));
        assert!(problem(b"\x80\x02]q\x00h\x00a.").contains("themselves"));
    }

    #[test]
    fn classes_are_named() {
        let names = told(b"\x80\x02c__torch__.x\nA\n)\x81}b.");
        assert_eq!(names, Ok(vec!["__torch__.x.A".to_owned()]));
    }

    /// A tensor of 6 floats, and what comes of its offset, sizes and strides.
    fn tensor(count: u8, view: &[u8]) -> Result<Vec<String>, String> {
        let text = |text: &str| {
            [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
        };
        let storage = [
            b"(".as_slice(),
            &text("storage"),
            b"ctorch\nFloatStorage\n",
            &text("0"),
            &text("cpu"),
            b"K",
            &[count],
            b"tQ",
        ];
        let call = b"ctorch._utils\n_rebuild_tensor_v2\n(";
        told(&[b"\x80\x02".as_slice(), call, &storage.concat(), view, b"tR."].concat())
    }

    #[test]
    fn tensors_lie_within_their_records() {
        assert!(tensor(6, b"K\x00K\x02K\x03\x86K\x03K\x01\x86").is_ok());
        assert!(tensor(6, b"K\x00K\x00\x85K\x01\x85").is_ok());
        let wrong: [(u8, &[u8]); 6] = [
            (7, b"K\x00K\x06\x85K\x01\x85"),
            (6, b"K\x01K\x06\x85K\x01\x85"),
            (6, b"K\x00K\x02K\x03\x86K\x04K\x01\x86"),
            (6, b"K\x00J\xff\xff\xff\xff\x85K\x01\x85"),
            (6, b"J\xff\xff\xff\xffK\x01\x85K\x01\x85"),
            (6, b"K\x00K\x06\x85N"),
        ];
        for (count, view) in wrong {
            assert!(tensor(count, view).is_err(), "{view:?}");
        }
    }

    #[test]
    fn what_is_no_pickle_is_told() {
        let wrong: [&[u8]; 7] = [
            b"",
            b"\x80\x02",
            b"\x80\x02a.",
            b"\x80\x02X\xff\xff\xff\xff",
            b"\x80\x02t.",
            b"\x80\x02Na.",
            b"\x80\x02\xfe.",
        ];
        for pickle in wrong {
            assert!(told(pickle).is_err(), "{pickle:?}");
        }
    }
}
