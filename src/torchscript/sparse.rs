//! Rows of numbers in the memory of those that are not zero.

use tch::{Device, Kind, Tensor};

use super::ffi::rows::RowsHandle;
use crate::error::{Error, Result};

/// Rows of float32 numbers on the CPU, kept exactly in the memory of those that are not zero and a bit a
/// number: what rectifiers give is half of it zeros. A row without zeros is kept as it is.
///
/// Read in slices of [`SparseRows::STEP`] columns.
pub struct SparseRows(RowsHandle);

impl SparseRows {
    /// Columns in a slice.
    pub const STEP: i64 = 1 << 12;

    /// For rows like these; `None` where they are of another type or elsewhere.
    pub fn like(rows: &Tensor) -> Option<Self> {
        let fits = rows.kind() == Kind::Float && rows.device() == Device::Cpu && rows.dim() == 2;
        fits.then(|| RowsHandle::new(rows.size()[1])).flatten().map(Self)
    }

    /// The memory that the rows take.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Appends rows.
    ///
    /// # Errors
    /// They are of another type or width than the first.
    pub fn push(&mut self, rows: &Tensor) -> Result<()> {
        self.0.push(&rows.contiguous()).map_err(|why| failed("keep rows", &why))
    }

    /// Writes the columns from `start` on, a multiple of [`SparseRows::STEP`], of the first rows, less their
    /// `centre` (1 × columns), into `out`: slices × rows × columns in a slice.
    ///
    /// # Errors
    /// There are no such rows or columns.
    pub fn read(&self, start: i64, centre: &Tensor, out: &Tensor) -> Result<()> {
        self.0.read(start, &centre.contiguous(), out).map_err(|why| failed("read rows", &why))
    }
}

fn failed(action: &str, why: &str) -> Error {
    let first = why.lines().next().unwrap_or("no reason given");
    Error::usage(
        format!("failed to {action}: {first}"),
        "use a smaller --memory, or --estimator minibatch",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_bit_for_bit() -> Result<()> {
        let width = 3 * SparseRows::STEP + 70;
        let all = Tensor::linspace(-1.0, 1.0, 5 * width, tch::kind::FLOAT_CPU).reshape([5, width]);
        let some = all.relu();
        let _ = some.narrow(0, 1, 1).fill_(0.0);
        some.narrow(0, 2, 1).copy_(&all.narrow(0, 0, 1));
        let _ = some.narrow(0, 3, 1).fill_(-0.0);
        let mut rows = SparseRows::like(&some).ok_or_else(|| failed("make rows", ""))?;
        rows.push(&some.narrow(0, 0, 2))?;
        rows.push(&some.narrow(0, 2, 3))?;
        assert!(rows.bytes() < 5 * 4 * width as u64);
        let centre = some.mean_dim([0i64].as_slice(), true, Kind::Float);
        for (start, slices, columns) in [(0, 3, SparseRows::STEP), (3 * SparseRows::STEP, 1, 70)] {
            let out = Tensor::full([slices, 5, columns], f64::NAN, tch::kind::FLOAT_CPU);
            let centre = centre.narrow(1, start, slices * columns);
            rows.read(start, &centre, &out)?;
            let expected = some.narrow(1, start, slices * columns) - centre;
            let expected = expected.unflatten(1, [slices, columns]).transpose(0, 1);
            assert!(out.equal(&expected));
        }
        let plain = Tensor::zeros_like(&centre);
        let out = Tensor::empty([1, 5, SparseRows::STEP], tch::kind::FLOAT_CPU);
        rows.read(0, &plain.narrow(1, 0, SparseRows::STEP), &out)?;
        let negative = out.get(0).get(3).reciprocal().max().double_value(&[]);
        assert_eq!(negative, f64::NEG_INFINITY);
        Ok(())
    }

    #[test]
    fn columns_that_are_not_there_are_refused() {
        let some = Tensor::ones([2, 10], tch::kind::FLOAT_CPU);
        let rows = SparseRows::like(&some);
        let out = Tensor::empty([1, 3, 10], tch::kind::FLOAT_CPU);
        assert!(rows.is_some_and(|r| r.read(0, &some.narrow(0, 0, 1), &out).is_err()));
        assert!(SparseRows::like(&some.to_kind(Kind::Double)).is_none());
    }
}
