//! FID∞ on the subsets that pytorch-fid and scikit-learn were given.

use approx::assert_relative_eq;
use ndarray::Axis;
use repsim::frechet::infinity::{POINTS, from_points, infinity};

use crate::support::{array, distance, listing, of_samples, vector};

#[test]
fn distances_and_line_are_those_of_the_stored_subsets() {
    let golden = &listing("values.json")["infinity"];
    let (sizes, indices) = (array("infinity.npz", "sizes"), array("infinity.npz", "indices"));
    let (real, fake) = (array("features.npz", "real"), array("features.npz", "fake"));
    let reference = of_samples(&real);
    let mut points = vec![];
    for (size, row) in sizes.iter().zip(indices.rows()) {
        let chosen: Vec<usize> = row.iter().filter(|i| **i >= 0.0).map(|i| *i as usize).collect();
        assert_eq!(chosen.len(), *size as usize);
        let subset = of_samples(&fake.select(Axis(0), &chosen));
        points.push((chosen.len(), distance(&reference, &subset).value));
    }
    assert_eq!(points.len(), POINTS);
    for ((_, found), wanted) in points.iter().zip(vector(&golden["fids"])) {
        assert_relative_eq!(*found, wanted, max_relative = 1e-12);
    }
    let line = from_points(points);
    let number = |name: &str| golden[name].as_f64().unwrap();
    assert_relative_eq!(line.value, number("fid_infinity"), max_relative = 1e-10);
    assert_relative_eq!(line.slope, number("slope"), max_relative = 1e-9);
    assert_relative_eq!(line.r_squared, number("r_squared"), max_relative = 1e-9);
}

/// Its own random subsets: the sizes of the goldens, with distances and a line of the same kind.
#[test]
fn random_subsets_have_the_same_sizes() {
    let golden = &listing("values.json")["infinity"];
    let (real, fake) = (array("features.npz", "real"), array("features.npz", "fake"));
    let reference = of_samples(&real);
    let found = infinity(&reference, fake.view(), 3).unwrap();
    let sizes: Vec<f64> = found.points.iter().map(|(n, _)| *n as f64).collect();
    assert_eq!(sizes, vector(&golden["sizes"]).to_vec());
    let all = distance(&reference, &of_samples(&fake)).value;
    assert_relative_eq!(found.points[POINTS - 1].1, all, max_relative = 1e-12);
    assert_eq!(from_points(found.points.clone()), found);
    assert_ne!(infinity(&reference, fake.view(), 4).unwrap().points, found.points);
}
