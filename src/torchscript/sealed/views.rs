//! Tensors of a pickle of TorchScript: where they lie in their storages.

use super::pickle::{Value, damaged};

/// The elements of a storage, the bytes of one, and its key, of `('storage', class, key, device, elements)`.
pub(super) fn storage(value: &Value) -> Option<(u64, u64, String)> {
    let Value::Tuple(values) = value else { return None };
    let [Value::Text(kind), Value::Name(class), Value::Text(key), _, Value::Int(count)] = &**values
    else {
        return None;
    };
    let class = class.strip_prefix("torch.").filter(|_| &**kind == "storage")?;
    Some((u64::try_from(*count).ok()?, bytes(class), key.to_string()))
}

/// The bytes of an element of a storage, or more where the class is not known.
fn bytes(class: &str) -> u64 {
    match class.strip_suffix("Storage").unwrap_or_default() {
        "Byte" | "Char" | "Bool" | "QInt8" | "QUInt8" | "QUInt4x2" | "QUInt2x4" => 1,
        float if float.starts_with("Float8") => 1,
        "Half" | "BFloat16" | "Short" | "UInt16" => 2,
        "Float" | "Int" | "QInt32" | "ComplexHalf" | "UInt32" => 4,
        "Double" | "Long" | "ComplexFloat" | "UInt64" => 8,
        _ => 16,
    }
}

/// Holds a tensor, of `(storage, offset, sizes, strides, …)`, to its storage.
///
/// # Errors
/// It reaches beyond it, or is not written as PyTorch writes it.
pub(super) fn check(arguments: &Value) -> Result<(), String> {
    let Value::Tuple(arguments) = arguments else { return Err(damaged()) };
    let [Value::Storage(count), Value::Int(offset), sizes, strides, ..] = &**arguments else {
        return Err(damaged());
    };
    let (sizes, strides) = (numbers(sizes)?, numbers(strides)?);
    match extent(*offset, &sizes, &strides) {
        Some(extent) if extent <= u128::from(*count) => Ok(()),
        _ => Err(format!(
            "holds a tensor of shape {sizes:?} that reaches beyond its storage of {count} elements"
        )),
    }
}

/// Elements of the storage up to behind the last one of the tensor.
fn extent(offset: i64, sizes: &[i64], strides: &[i64]) -> Option<u128> {
    let numbers = || sizes.iter().chain(strides).chain([&offset]);
    if sizes.len() != strides.len() || numbers().any(|&n| n < 0) {
        return None;
    }
    if sizes.contains(&0) {
        return Some(0);
    }
    let steps =
        sizes.iter().zip(strides).map(|(&size, &stride)| (size as u128 - 1) * stride as u128);
    steps.into_iter().try_fold(offset as u128 + 1, u128::checked_add)
}

fn numbers(value: &Value) -> Result<Vec<i64>, String> {
    let number = |value: &Value| match value {
        Value::Int(number) => Ok(*number),
        _ => Err(damaged()),
    };
    match value {
        Value::Tuple(values) => values.iter().map(number).collect(),
        _ => Err(damaged()),
    }
}
