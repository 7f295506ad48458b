//! What is noticed of a set's features while they are measured.

use std::path::Path;

use ndarray::{Array1, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::analysis::session::duplicates;
use crate::capture::Averaged;
use crate::data::{Digest, copies, digest};
use crate::error::{Error, Result};
use crate::report::Warning;
use crate::stats::{Sum, packed};

/// Looks at every row of features that goes by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    averaged: Averaged,
    constant: f64,
    rows: usize,
    /// The first row, from which the others are counted.
    #[serde(with = "packed")]
    origin: Array1<f64>,
    #[serde(with = "packed")]
    sum: Array1<f64>,
    #[serde(with = "packed")]
    squares: Array1<f64>,
    /// Of stored rows alone.
    #[serde(skip)]
    digests: Vec<Digest>,
}

impl Watch {
    /// Whether what was seen are so many features.
    pub(super) fn is_of(&self, width: usize) -> bool {
        let width = if self.rows == 0 { 0 } else { width };
        [&self.origin, &self.sum, &self.squares].iter().all(|one| one.len() == width)
    }

    /// Takes in some rows, and what they are means of.
    pub(super) fn add(&mut self, rows: ArrayView2<'_, f64>, averaged: &Averaged, constant: f64) {
        self.averaged.merge(averaged);
        self.constant = constant;
        for row in rows.rows() {
            if self.rows == 0 {
                self.origin = row.to_owned();
                self.sum = Array1::zeros(row.len());
                self.squares = Array1::zeros(row.len());
            }
            let apart = &row - &self.origin;
            self.squares += &(&apart * &apart);
            self.sum += &apart;
            self.rows += 1;
        }
    }

    /// Takes in rows of which copies are to be found.
    pub(super) fn add_stored(&mut self, rows: ArrayView2<'_, f64>) {
        self.digests.extend(rows.rows().into_iter().map(|row| digest(&bytes(row))));
    }

    /// What there is to say of the rows of this array.
    pub(super) fn duplicates(self, name: &str, path: &Path) -> Option<Warning> {
        let copies = copies(self.digests);
        duplicates::of_set(copies.as_deref(), &format!("in array {name} of {}", path.display()))
    }

    /// Warns of channel means that are rounding.
    ///
    /// # Errors
    /// No other varies.
    pub(super) fn means(&self, what: &str, path: &Path) -> Result<Option<Warning>> {
        if self.rows < 2 {
            return Ok(None);
        }
        let scatter = &self.squares - &self.sum.mapv(|v| v * v / self.rows as f64);
        // What is the same to the last bit is constant, and no rounding.
        let varies = |channel: &usize| scatter[*channel] > 0.0;
        let all = self.averaged.rounding(scatter.view(), self.constant);
        let rounding = all.iter().copied().filter(varies).count();
        let why = "as behind an instance norm, where the mean over the positions is the same for every \
                   sample";
        let channels = scatter.len();
        match rounding {
            0 => Ok(None),
            _ if all.len() == channels => Err(Error::file(
                "take features from",
                path,
                format!("the means of all {channels} channels of {what} are rounding, {why}"),
                "use --reduce flatten, or name another layer with --layers",
            )),
            _ => {
                let text = format!(
                    "the means of {rounding} of {channels} channels of {what} are rounding, {why}: measures \
                     that scale each feature are noise there; use --reduce flatten or another layer"
                );
                Ok(Some(Warning::new("means-are-rounding", path.display(), text)))
            }
        }
    }
}

impl Sum for Watch {
    /// With rows about an origin o of sum s and sum of squares q, about another one, which lies d = o − o′ before it,
    /// they have s + n·d and q + 2·d·s + n·d².
    fn merge(&mut self, later: Self) {
        if self.rows == 0 || later.rows == 0 {
            if self.rows == 0 {
                *self = later;
            }
            return;
        }
        let (apart, count) = (&later.origin - &self.origin, later.rows as f64);
        self.squares += &(&later.squares + &(&apart * &(2.0 * &later.sum + &(count * &apart))));
        self.sum += &(&later.sum + &(count * &apart));
        self.rows += later.rows;
        self.averaged.merge(&later.averaged);
        self.constant = self.constant.max(later.constant);
        self.digests.extend(later.digests);
    }
}

fn bytes(row: ArrayView1<'_, f64>) -> Vec<u8> {
    row.iter().flat_map(|value| value.to_le_bytes()).collect()
}
