//! Arrays of float64 as bytes, for states that are written to files: eight a number, the last axis fastest, little
//! end first.

use std::fmt;
use std::marker::PhantomData;

use ndarray::{Array, Dimension, IntoDimension};
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserializer, Serialize, Serializer};

/// Bytes that are written as one string of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    fn of<'a>(numbers: impl Iterator<Item = &'a f64>) -> Self {
        Self(numbers.flat_map(|number| number.to_le_bytes()).collect())
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        self.0.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfBytes;
        impl Visitor<'_> for OfBytes {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes of float64")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }
        from.deserialize_byte_buf(OfBytes)
    }
}

/// Writes the lengths of the axes, and the numbers.
///
/// # Errors
/// What the format says.
pub fn serialize<S: Serializer, D: Dimension>(
    array: &Array<f64, D>,
    to: S,
) -> Result<S::Ok, S::Error> {
    pair(array.shape().to_vec(), Bytes::of(array.iter()), to)
}

fn pair<S: Serializer>(shape: impl Serialize, bytes: Bytes, to: S) -> Result<S::Ok, S::Error> {
    let mut pair = to.serialize_tuple(2)?;
    pair.serialize_element(&shape)?;
    pair.serialize_element(&bytes)?;
    pair.end()
}

/// Reads an array.
///
/// # Errors
/// What the format says; the numbers are not as many as the axes say.
pub fn deserialize<'de, F, D>(from: F) -> Result<Array<f64, D>, F::Error>
where
    F: Deserializer<'de>,
    D: Dimension,
{
    let (shape, bytes) = read_pair::<F, Vec<usize>>(from)?;
    let whole = Array::from_shape_vec(shape.into_dimension(), bytes.numbers().collect());
    let whole = whole.map_err(Error::custom)?;
    whole.into_dimensionality().map_err(Error::custom)
}

fn read_pair<'de, F, T>(from: F) -> Result<(T, Bytes), F::Error>
where
    F: Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    struct OfPair<T>(PhantomData<T>);
    impl<'de, T: serde::Deserialize<'de>> Visitor<'de> for OfPair<T> {
        type Value = (T, Bytes);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a shape and bytes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Self::Value, A::Error> {
            let lacks = || A::Error::custom("an array lacks its shape or its numbers");
            let shape = pair.next_element()?.ok_or_else(lacks)?;
            Ok((shape, pair.next_element()?.ok_or_else(lacks)?))
        }
    }
    from.deserialize_tuple(2, OfPair(PhantomData))
}

/// Square matrices of which only the lower triangle counts: it alone is written, row by row.
pub mod triangle {
    use ndarray::Array2;
    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    use super::{Bytes, pair, read_pair};

    /// Writes the order, and the numbers.
    ///
    /// # Errors
    /// What the format says.
    pub fn serialize<S: Serializer>(matrix: &Array2<f64>, to: S) -> Result<S::Ok, S::Error> {
        let rows = matrix.rows().into_iter().enumerate();
        let lower: Vec<f64> =
            rows.flat_map(|(i, row)| row.into_iter().take(i + 1)).copied().collect();
        pair(matrix.nrows(), Bytes::of(lower.iter()), to)
    }

    /// Reads a matrix, zero above its diagonal.
    ///
    /// # Errors
    /// What the format says; the numbers are not as many as the order says.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Array2<f64>, D::Error> {
        let (order, bytes) = read_pair::<D, usize>(from)?;
        let numbers = (order as u128 * (order as u128 + 1)) / 2;
        if numbers * 8 != bytes.0.len() as u128 {
            return Err(D::Error::custom("a triangle of numbers is incomplete"));
        }
        let mut numbers = bytes.numbers();
        let mut matrix = Array2::zeros((order, order));
        for (i, mut row) in matrix.rows_mut().into_iter().enumerate() {
            row.iter_mut().take(i + 1).zip(&mut numbers).for_each(|(to, number)| *to = number);
        }
        Ok(matrix)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use serde::Deserialize;

    use super::Bytes;

    #[derive(Deserialize)]
    struct Triangle(#[serde(with = "super::triangle")] Array2<f64>);

    #[test]
    fn triangles_are_of_as_many_numbers_as_they_say() {
        let read = |order: usize, numbers: usize| {
            let mut bytes = vec![];
            let _ = ciborium::into_writer(&(order, Bytes(vec![0; 8 * numbers])), &mut bytes);
            ciborium::from_reader::<Triangle, _>(&bytes[..]).ok().map(|read| read.0.dim())
        };
        assert_eq!((read(3, 6), read(0, 0)), (Some((3, 3)), Some((0, 0))));
        assert_eq!((read(3, 5), read(usize::MAX, 0), read(1 << 32, 0)), (None, None, None));
    }
}
