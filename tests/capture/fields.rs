//! Receptive fields that are followed through operators, against gradients of single units in PyTorch.

use std::fs::File;

use ndarray::{Array4, ArrayView4, s};
use ndarray_npy::NpzReader;
use repsim::patterns::{Fields, Window};
use repsim::torchscript::{Execution, Layer, Model};
use tch::{Device, Kind, Tensor};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/patterns/");
const SIDE: usize = 24;

fn input() -> Tensor {
    let side = SIDE as i64;
    let numbers = Tensor::arange(2 * 3 * side * side, (Kind::Double, Device::Cpu));
    ((numbers * 0.7).sin() + 2.0).reshape([2, 3, side, side])
}

/// The layers of a network in the goldens, each with its windows.
fn golden(net: &str) -> Vec<(String, Array4<i16>)> {
    let mut file = NpzReader::new(File::open(format!("{FOLDER}fields.npz")).unwrap()).unwrap();
    let names = file.names().unwrap();
    let prefix = format!("{net}.");
    let own = names.iter().filter(|name| name.starts_with(&prefix));
    own.map(|name| {
        let layer = name[prefix.len()..].trim_end_matches(".npy").to_owned();
        (layer, file.by_name(name).unwrap())
    })
    .collect()
}

/// A unit's window; those that depend on nothing are −1.
fn window(windows: &ArrayView4<'_, i16>, at: (usize, usize, usize)) -> Option<Window> {
    let [top, left, bottom, right] = [0, 1, 2, 3].map(|edge| windows[(at.0, at.1, at.2, edge)]);
    let [top, left, bottom, right] = [top, left, bottom, right].map(|e| usize::try_from(e).ok());
    Some(Window { top: top?, left: left?, bottom: bottom?, right: right? })
}

fn followed(model: &mut Model, layers: &[Layer]) -> Vec<Option<Fields>> {
    let found = model.follow_fields(&input(), &input().size(), layers).unwrap();
    let of = |bounds: &Tensor| {
        let size = bounds.size();
        let numbers = bounds.reshape([-1]).to_kind(Kind::Float);
        let numbers: Vec<f32> = Vec::try_from(numbers).unwrap();
        let shape = (4, size[1] as usize, size[2..].iter().product::<i64>() as usize);
        let array = ndarray::Array3::from_shape_vec(shape, numbers).unwrap();
        Fields::of_bounds((SIDE, SIDE), array.view())
    };
    found.iter().map(|found| of(&found.bounds)).collect()
}

fn chosen(model: &mut Model, names: &[&str]) -> Vec<Layer> {
    let all = model.probe(&input()).unwrap();
    let of = |name: &&str| all.iter().find(|layer| layer.name == *name).unwrap().clone();
    names.iter().map(of).collect()
}

#[track_caller]
fn check(archive: &str) {
    let net = archive.split('.').next().unwrap();
    let golden = golden(net);
    assert!(golden.len() > 2, "{net}");
    let mut model = Model::load(format!("{FOLDER}{archive}"), false).unwrap();
    let names: Vec<&str> = golden.iter().map(|(name, _)| name.as_str()).collect();
    let layers = chosen(&mut model, &names);
    for ((name, wanted), fields) in golden.iter().zip(followed(&mut model, &layers)) {
        let fields = fields.unwrap_or_else(|| panic!("{name} of {archive} is not known"));
        let (channels, rows, columns, _) = wanted.dim();
        assert_eq!(fields.by_channel(), channels > 1, "{name} of {archive}");
        for channel in 0..channels {
            for position in 0..rows * columns {
                let at = (channel, position / columns, position % columns);
                let place = format!("{at:?} of {name} of {archive}");
                assert_eq!(fields.of(channel, position), window(&wanted.view(), at), "{place}");
            }
        }
    }
}

#[test]
fn those_of_residual_blocks_are_the_gradients() {
    check("resnet.pt");
    check("resnet.pt2");
}

#[test]
fn those_of_convolutions_and_maxima_are_the_gradients() {
    check("vgg.pt");
}

#[test]
fn holes_strides_groups_and_padding_are_followed() {
    check("dilated.pt");
}

#[test]
fn enlarged_and_shuffled_maps_are_followed() {
    check("decoder.pt");
    check("decoder.pt2");
}

#[test]
fn channels_of_branches_keep_their_own() {
    check("branches.pt");
}

#[test]
fn constants_in_the_shape_of_maps_add_nothing() {
    check("biased.pt");
}

/// Rows of a table by numbers of the input, and numbers that leave the tensors.
#[test]
fn what_gradients_do_not_show_is_not_taken_for_known() {
    let mut model = Model::load(format!("{FOLDER}read.pt"), false).unwrap();
    let layers = chosen(&mut model, &["before", "looked", "scaled"]);
    let found = model.follow_fields(&input(), &input().size(), &layers).unwrap();
    assert!(found[0].unknown.is_empty());
    assert!(found[1].unknown.iter().any(|name| name == "aten::index"), "{:?}", found[1].unknown);
    assert!(
        found[2].unknown.iter().any(|name| name == "aten::_local_scalar_dense"),
        "{:?}",
        found[2].unknown
    );
    let known: Vec<bool> = followed(&mut model, &layers).iter().map(Option::is_some).collect();
    assert_eq!(known, [true, false, false]);
}

/// Operators of other libraries bear the names of libtorch's, and take other arguments.
#[test]
fn quantised_operators_are_not_taken_for_their_namesakes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/quantized/");
    let mut model = Model::load(format!("{folder}static.pt"), false).unwrap();
    let images = Tensor::rand([2, 2, 5, 5], (Kind::Float, Device::Cpu));
    let layers = model.probe(&images).unwrap();
    let found = model.follow_fields(&images, &images.size(), &layers).unwrap();
    let unknown = |name: &str| {
        let place = layers.iter().position(|layer| layer.name == name).unwrap();
        found[place].unknown.iter().any(|operator| operator.starts_with("quantized::"))
    };
    assert!(unknown("conv") && unknown("fc"));
}

/// Measured in the prepared network, with its maxima: of convolutions alone the same, else within.
#[test]
fn measured_fields_lie_within_those_that_are_followed() {
    for (net, name, same) in [("dilated", "last", true), ("vgg", "features.7", false)] {
        let mut model = Model::load(format!("{FOLDER}{net}.pt"), false).unwrap();
        let layers = chosen(&mut model, &[name]);
        let fields = followed(&mut model, &layers).remove(0).unwrap();
        model.prepare(&layers, &Execution::default()).unwrap();
        let positions: Vec<i64> = (0..layers[0].shape[2..].iter().product()).step_by(5).collect();
        let gradients = model.unit_gradients(&input(), 0, &positions).unwrap();
        assert!(gradients.len() > 3);
        for (position, gradient) in positions.iter().zip(gradients) {
            let flat: Vec<f64> = Vec::try_from(
                gradient.sum_dim_intlist([0i64, 1].as_slice(), false, Kind::Double).reshape([-1]),
            )
            .unwrap();
            let values = ndarray::Array2::from_shape_vec((SIDE, SIDE), flat).unwrap();
            let measured = Window::around(values.slice(s![.., ..])).unwrap();
            let exact = fields.of(0, *position as usize).unwrap();
            assert!(exact.holds(&measured), "{position} of {net}: {measured:?} in {exact:?}");
            assert!(!same || exact == measured, "{position} of {net}: {measured:?}, not {exact:?}");
        }
    }
}

/// What a recurrent network passes on is not known; attention passes on everything.
#[test]
fn what_is_not_known_is_said() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/saliency/");
    let mut model = Model::load(format!("{folder}vit_traced.pt"), false).unwrap();
    let images = Tensor::rand([2, 3, 16, 16], (Kind::Float, Device::Cpu));
    let layers = model.probe(&images).unwrap();
    let found = model.follow_fields(&images, &images.size(), &layers).unwrap();
    assert!(found.iter().all(|found| found.unknown.is_empty()));
    let last = layers.iter().rposition(|layer| layer.shape.len() == 3).unwrap();
    let ends: Vec<f64> =
        [1, 3].map(|bound| found[last].bounds.select(0, bound).min().double_value(&[])).to_vec();
    assert_eq!(ends, [15.0, 15.0], "{} does not see all of the image", layers[last].name);
}
