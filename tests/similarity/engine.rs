//! Short ways to run the engine on stored arrays.

use ndarray::{Array2, ArrayD};
use repsim::capture::cka::{Estimator, Outcome, Settings, compare};
use repsim::capture::stored::StoredFeed;
use repsim::capture::{Absence, Reduce, Silent};
use repsim::similarity::{Bias, Kernel, cka};

/// The kernels that properties are tested with.
pub const KERNELS: [Kernel; 2] = [Kernel::Linear, Kernel::Rbf { fraction: 0.5 }];

/// Both estimators of HSIC.
pub const BIASES: [Bias; 2] = [Bias::Unbiased, Bias::Biased];

/// All samples at once, linear, flattened, and memory enough.
pub fn settings() -> Settings {
    Settings {
        estimator: Estimator::Full,
        bias: Bias::Unbiased,
        kernel: Kernel::Linear,
        reduce: Reduce::Flatten,
        memory: 4 << 30,
    }
}

/// Every bias with every kernel, all samples at once.
pub fn full_settings() -> impl Iterator<Item = Settings> {
    let of = |bias| KERNELS.into_iter().map(move |kernel| Settings { bias, kernel, ..settings() });
    BIASES.into_iter().flat_map(of)
}

/// As [`full_settings`], over batches.
pub fn minibatch_settings() -> impl Iterator<Item = Settings> {
    full_settings().map(|s| Settings { estimator: Estimator::Minibatch, ..s })
}

/// Compares one list of layers with itself, or two.
pub fn run(subjects: &[Vec<ArrayD<f64>>], settings: &Settings, batch: usize) -> Outcome {
    let mut feed = StoredFeed::new(subjects, batch).unwrap();
    compare(&mut feed, settings, &mut Silent).unwrap()
}

/// The matrix of CKA of an outcome, `None` where it has none.
pub fn matrix(outcome: &Outcome) -> Array2<Option<f64>> {
    let usable = |layers: &Vec<Option<Absence>>| layers.iter().map(Option::is_none).collect();
    let sides: Vec<Vec<bool>> = outcome.absences.iter().map(usable).collect();
    let mut values = cka::matrix(&outcome.table, &sides[0], &sides[sides.len() - 1]);
    for &pair in &outcome.apart {
        values[pair] = None;
    }
    values
}

/// The matrix of CKA where every value is there.
#[track_caller]
pub fn values(outcome: &Outcome) -> Array2<f64> {
    matrix(outcome).map(|v| v.expect("a value is missing"))
}

/// CKA of two single layers.
pub fn pair(a: &Array2<f64>, b: &Array2<f64>, settings: &Settings, batch: usize) -> f64 {
    let subjects = [vec![a.clone().into_dyn()], vec![b.clone().into_dyn()]];
    values(&run(&subjects, settings, batch))[(0, 0)]
}

/// Asserts that two matrices are equal up to `tolerance`.
#[track_caller]
pub fn assert_near(found: &Array2<f64>, expected: &Array2<f64>, tolerance: f64, what: &str) {
    assert_eq!(found.dim(), expected.dim(), "{what}");
    for (place, wanted) in expected.indexed_iter() {
        let value = found[place];
        let near = (value - wanted).abs() <= tolerance;
        assert!(near, "{what}: {place:?} is {value}, not {wanted} (off by {:e})", value - wanted);
    }
}
