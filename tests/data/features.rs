//! Stored representations.

use repsim::data::features::{load_chosen, load_features, open_set};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::support::{floats, npy, write, write_npz};

#[test]
fn arrays_come_in_the_order_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let arrays = [
        ("layer2", npy("<f4", false, &[2, 1, 2], &floats(&[1.0, 2.0, 3.0, 4.0]))),
        (
            "layer10",
            npy("<f8", false, &[2], &[0.5_f64.to_le_bytes(), 2_f64.to_le_bytes()].concat()),
        ),
        ("input", npy("|i1", false, &[2, 1], &[1, 255])),
    ];
    for compressed in [true, false] {
        write_npz(&path, &arrays, compressed);
        let found = load_features(&path).unwrap();
        let names: Vec<_> = found.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["layer2", "layer10", "input"]);
        assert_eq!(found[0].values.shape(), [2, 1, 2]);
        assert_eq!(found[1].values.shape(), [2, 1]);
        assert_eq!(found[1].values.as_slice(), Some([0.5, 2.0].as_slice()));
        assert_eq!(found[2].values.as_slice(), Some([1.0, -1.0].as_slice()));
    }
}

#[test]
fn one_array_is_named_after_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "fc.npy", &npy("<f2", false, &[2, 1], &[0, 0x3c, 0, 0x40]));
    let found = load_features(&path).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].values[[1, 0]]), ("fc", 2.0));
}

#[test]
fn tensors_come_in_the_order_of_their_elements() {
    let folder = tempfile::tempdir().unwrap();
    let (wide, narrow) = (floats(&[1.0, 2.0]), [0x80, 0x3f, 0x00, 0x40]);
    let tensors = [
        ("a", TensorView::new(Dtype::BF16, vec![2, 1], &narrow).unwrap()),
        ("b", TensorView::new(Dtype::F32, vec![2, 1], &wide).unwrap()),
    ];
    let path = write(folder.path(), "x.safetensors", &serialize(tensors, None).unwrap());
    let found = load_features(&path).unwrap();
    let names: Vec<_> = found.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(found[0].values, found[1].values);
}

#[test]
fn mistakes_name_the_array() {
    let folder = tempfile::tempdir().unwrap();
    let told = |arrays: &[(&str, Vec<u8>)]| {
        let path = folder.path().join("x.npz");
        write_npz(&path, arrays, false);
        load_features(&path).unwrap_err().to_string()
    };
    let complex = told(&[("z", npy("<c8", false, &[1, 1], &[0; 8]))]);
    assert!(complex.contains(r#"array "z" has elements of type <c8"#), "{complex}");
    let scalar = told(&[("z", npy("<f4", false, &[], &[0; 4]))]);
    assert!(scalar.contains(r#"array "z" of shape [] is a single number"#), "{scalar}");
    let empty = told(&[("z", npy("<f4", false, &[0, 3], &[]))]);
    assert!(empty.contains(r#"array "z" of shape [0, 3] is empty"#), "{empty}");
    let object = told(&[("z", npy("|O", false, &[1, 3], &[]))]);
    assert!(object.contains("Python objects"), "{object}");
    assert!(told(&[]).contains("it holds no arrays"));
    let path = write(folder.path(), "x.csv", b"1,2");
    let other = load_features(&path).unwrap_err().to_string();
    assert!(other.contains("give a .npy, .npz or .safetensors file"), "{other}");
}

#[test]
fn single_values_strings_and_objects_block_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let rows = || npy("<f4", false, &[2, 1], &floats(&[1.0, 2.0]));
    let epoch = || npy("<i8", false, &[], &3_i64.to_le_bytes());
    let names = || npy("<U1", false, &[2], b"a\0\0\0b\0\0\0");
    write_npz(&path, &[("epoch", epoch()), ("l1", rows()), ("names", names())], false);
    let found = load_features(&path).unwrap();
    assert_eq!(found.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["l1"]);
    let object = npy("|O", false, &[2], &[]);
    write_npz(&path, &[("ragged", object), ("l1", rows())], false);
    let of = |name: &'static str| {
        load_chosen(&path, &mut |names| Ok(vec![names.iter().position(|n| *n == name).unwrap()]))
    };
    assert_eq!(of("l1").unwrap()[0].values.len(), 2);
    assert!(of("ragged").unwrap_err().to_string().contains("Python objects"));
    assert!(load_features(&path).unwrap_err().to_string().contains("Python objects"));
}

#[test]
fn transposed_arrays_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let columns = floats(&[1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    let path = write(folder.path(), "x.npy", &npy("<f4", true, &[3, 2], &columns));
    let found = load_features(&path).unwrap();
    assert_eq!(found[0].values.as_slice(), Some([1.0, 2.0, 3.0, 4.0, 5.0, 6.0].as_slice()));
    assert!(found[0].single);
}

#[test]
fn a_set_has_features_and_classes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let rows = || npy("<f8", false, &[2, 1], &[1.0_f64, 2.0].map(f64::to_le_bytes).concat());
    let labels = |labels: [i64; 2]| npy("<i8", false, &[2], &labels.map(i64::to_le_bytes).concat());
    write_npz(&path, &[("a", rows()), ("b", rows()), ("labels", labels([1, 0]))], false);
    let set = open_set(&path, Some("b")).unwrap();
    assert_eq!((set.feature.name().as_str(), set.labels.unwrap()), ("b", Some(vec![1, 0])));
    assert!(open_set(&path, None).unwrap_err().to_string().contains("--layers NAME"));
    write_npz(&path, &[("a", rows()), ("labels", labels([1, -1]))], false);
    let told = open_set(&path, None).unwrap().labels.unwrap_err().to_string();
    assert!(told.contains("has -1 for sample 1"), "{told}");
    write_npz(&path, &[("images", npy("|u1", false, &[2, 3, 8, 8], &[0; 384]))], false);
    assert!(open_set(&path, None).unwrap().is_pictures);
}
