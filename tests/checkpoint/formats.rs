//! One set of tensors in every form.

use repsim::checkpoint::{Checkpoint, Format};

use crate::support::{Tensors, path, tensors};

fn opened(name: &str) -> Checkpoint {
    Checkpoint::open(&path(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn expected() -> Tensors {
    tensors(&mut opened("e9.safetensors"), ".")
}

/// The tensors of a file by their names without a prefix.
fn found(name: &str, key: &str, prefix: &str) -> Tensors {
    let all = tensors(&mut opened(name), key).into_iter();
    all.map(|(name, tensor)| (name.strip_prefix(prefix).unwrap().to_owned(), tensor)).collect()
}

#[test]
fn every_form_holds_the_same_tensors() {
    let expected = expected();
    assert_eq!(expected.len(), 38);
    let cases = [
        ("e9.pth", ".", "", Format::Zip),
        ("legacy.pth", ".", "", Format::Legacy),
        ("protocol4.bin", ".", "", Format::Zip),
        ("sharded", ".", "", Format::Sharded),
        ("sharded/model.safetensors.index.json", ".", "", Format::Sharded),
        ("compiled.pth", ".", "_orig_mod.module.", Format::Zip),
        ("views.pth", ".", "", Format::Zip),
        ("nested.ckpt", "state_dict", "module.", Format::Zip),
        ("nested_legacy.ckpt", "state_dict", "module.", Format::Legacy),
        ("two.pth", "ema", "", Format::Zip),
    ];
    for (name, key, prefix, format) in cases {
        assert_eq!(opened(name).format(), format, "{name}");
        assert_eq!(found(name, key, prefix), expected, "{name}");
    }
}

#[test]
fn files_are_told_by_content_and_not_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, other) in
        [("e9.pth", "x.safetensors"), ("e9.safetensors", "x"), ("legacy.pth", "x.zip")]
    {
        let copy = folder.path().join(other);
        std::fs::copy(path(name), &copy).unwrap();
        let mut opened = Checkpoint::open(&copy).unwrap();
        assert_eq!(tensors(&mut opened, "."), expected(), "{name}");
    }
}

#[test]
fn an_optimiser_and_options_are_passed_over() {
    for name in ["nested.ckpt", "nested_legacy.ckpt"] {
        let checkpoint = opened(name);
        let dicts = checkpoint.dicts();
        assert_eq!(dicts[0].shown_key(), "state_dict");
        assert_eq!(dicts.len(), 1, "{:?}", dicts.iter().map(|d| &d.key).collect::<Vec<_>>());
    }
}

#[test]
fn tensors_that_share_elements_are_read_each() {
    let both = tensors(&mut opened("tied_both.pth"), ".");
    assert_eq!(both["encoder.weight"], both["decoder.weight"]);
    let once = tensors(&mut opened("tied_once.safetensors"), ".");
    assert_eq!(both["encoder.weight"], once["encoder.weight"]);
    assert!(!once.contains_key("decoder.weight"));
}

#[test]
fn compressed_archives_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("packed.pth");
    crate::hostile::rewritten(
        &path("views.pth"),
        &packed,
        zip::CompressionMethod::Deflated,
        |_, b| b,
    );
    let mut opened = Checkpoint::open(&packed).unwrap();
    assert_eq!(tensors(&mut opened, "."), expected());
}
