//! What a pickle holds, as plain values.

use std::sync::Arc;

use super::super::dtype::Dtype;

/// The place of a value among all of a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::checkpoint) struct Id(u32);

/// A value. Containers hold places, so that one value may stand in several, or in itself; what may be
/// copied often is shared.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::checkpoint) enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float,
    Text(Arc<str>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function, by module and name: nothing is looked up.
    Class(Arc<str>),
    Storage(Arc<Storage>),
    Tensor(Arc<View>),
    /// Anything else, by the name of its class.
    Opaque(Arc<str>),
}

/// A run of elements that tensors look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::checkpoint) struct Storage {
    /// Its name in the file.
    pub key: Arc<str>,
    /// What its elements are; bytes where they are not typed.
    pub dtype: Dtype,
    /// Its elements.
    pub count: u64,
    /// The first of them that counts: old files keep parts of storages.
    pub base: u64,
}

/// A tensor: the elements of a storage that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::checkpoint) struct View {
    pub storage: Arc<Storage>,
    pub dtype: Dtype,
    /// The first element, in elements of its own type.
    pub offset: u64,
    pub shape: Vec<i64>,
    /// Elements from one to the next along each axis.
    pub strides: Vec<i64>,
    /// Elements from the first to behind the last.
    pub extent: u64,
}

impl View {
    /// The first byte of its elements within the storage, and that behind the last; `None` where that is
    /// no number of 64 bits.
    pub fn bytes(&self) -> Option<(u64, u64)> {
        let size = self.dtype.size();
        let base = self.storage.base.checked_mul(self.storage.dtype.size())?;
        let start = base.checked_add(self.offset.checked_mul(size)?)?;
        Some((start, start.checked_add(self.extent.checked_mul(size)?)?))
    }
}

/// All values of a pickle.
#[derive(Debug, Default)]
pub(in crate::checkpoint) struct Arena {
    values: Vec<Value>,
}

impl Arena {
    pub fn add(&mut self, value: Value) -> Id {
        // The reader makes no more than a value for each of a limited number of opcodes.
        let id = Id(self.values.len() as u32);
        self.values.push(value);
        id
    }

    pub fn get(&self, id: Id) -> &Value {
        &self.values[id.0 as usize]
    }

    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }

    pub fn get_mut(&mut self, id: Id) -> &mut Value {
        &mut self.values[id.0 as usize]
    }

    /// The elements of a tuple or list.
    pub fn elements(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(elements) | Value::List(elements) => Some(elements),
            _ => None,
        }
    }

    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn int(&self, id: Id) -> Option<i128> {
        match self.get(id) {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The name of a class, or that of a value's class.
    pub fn class_of(&self, id: Id) -> &str {
        match self.get(id) {
            Value::None => "None",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float => "float",
            Value::Text(_) => "str",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Dict(_) => "dict",
            Value::Storage(_) => "storage",
            Value::Tensor(_) => "tensor",
            Value::Class(class) | Value::Opaque(class) => class,
        }
    }

    /// The same, to be kept.
    pub fn name_of(&self, id: Id) -> Arc<str> {
        match self.get(id) {
            Value::Class(class) | Value::Opaque(class) => class.clone(),
            _ => self.class_of(id).into(),
        }
    }
}
