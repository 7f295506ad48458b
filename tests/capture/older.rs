//! Archives of `torch.export` in the layout from before PyTorch 2.8.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};

use repsim::torchscript::{Answer, Model};
use serde::Deserialize;
use tch::Tensor;
use zip::write::SimpleFileOptions;

use crate::exported::{EXACT, path};
use crate::golden::execution;

#[derive(Deserialize)]
struct Golden {
    input: Vec<f64>,
    layers: BTreeMap<String, Vec<f64>>,
}

const VERSIONS: [&str; 2] = ["older_2_5", "older_2_6"];

#[test]
fn layers_are_what_hooks_saw() {
    for name in VERSIONS {
        let text = std::fs::read_to_string(path(&format!("{name}.json"))).unwrap();
        let golden: Golden = serde_json::from_str(&text).unwrap();
        let input = Tensor::from_slice(&golden.input).reshape([2, 3, 6, 6]);
        let mut model = Model::load(path(&format!("{name}.pt2")), false).unwrap();
        let layers = model.probe(&input).unwrap();
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["conv", "bn", "act", "rnn", "fc", "tied"]);
        // Of a weight with two names the program holds one.
        let parameters: Vec<u64> = layers.iter().map(|layer| layer.parameters).collect();
        assert_eq!(parameters, [108, 8, 0, 160, 0, 16]);
        model.prepare(&layers, &execution(false)).unwrap();
        let mut seen = 0;
        model
            .run(&input, &mut |place, output| {
                let expected = Tensor::from_slice(&golden.layers[names[place]]);
                let apart = (output.reshape([-1]) - expected).abs().max().double_value(&[]);
                assert!(apart < EXACT, "{name} {}: {apart:e}", names[place]);
                seen += 1;
                Ok(Answer::Keep)
            })
            .unwrap();
        assert_eq!(seen, 6);
    }
}

type Members = Vec<(String, Vec<u8>)>;

/// The error of an archive with members changed.
fn said(edit: impl FnOnce(&mut Members)) -> String {
    let mut archive = zip::ZipArchive::new(File::open(path("older_2_6.pt2")).unwrap()).unwrap();
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let mut members: Members = vec![];
    for name in names {
        let mut bytes = vec![];
        archive.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
        members.push((name, bytes));
    }
    edit(&mut members);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("changed.pt2");
    let mut writer = zip::ZipWriter::new(File::create(&file).unwrap());
    for (name, bytes) in members {
        let how = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file(name, how).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    writer.finish().unwrap();
    Model::load(&file, false).err().expect("it was loaded").to_string()
}

const WEIGHTS: &str = "serialized_state_dict.pt";

#[test]
fn damage_is_told() {
    let none = said(|members| members.retain(|(name, _)| name != WEIGHTS));
    assert!(none.contains("the weight conv.weight is missing"), "{none}");
    let constants = said(|members| members.retain(|(name, _)| !name.contains("constants")));
    assert!(constants.contains("the weight shift is missing"), "{constants}");
    let cut = said(|members| {
        let (_, bytes) = members.iter_mut().find(|(name, _)| name == WEIGHTS).unwrap();
        bytes.truncate(bytes.len() / 2);
    });
    assert!(cut.contains("damaged"), "{cut}");
    let garbage = said(|members| {
        let (_, bytes) = members.iter_mut().find(|(name, _)| name.ends_with("json")).unwrap();
        *bytes = b"{}".to_vec();
    });
    assert!(garbage.contains("serialized_exported_program.json cannot be read"), "{garbage}");
    let newer = said(|members| {
        let (_, bytes) = members.iter_mut().find(|(name, _)| name.ends_with("json")).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("\"major\": 8", "\"major\": 6").into_bytes();
    });
    assert!(newer.contains("its schema has version 6.2"), "{newer}");
}
