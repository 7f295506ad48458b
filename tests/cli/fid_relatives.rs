//! The scores beside FID end to end: from images through a network, in shards, and what has no value.

use std::fs::File;

use ndarray::s;
use ndarray_npy::NpzWriter;
use repsim::analysis::{Fid, Job, Preprocessing, Shard, Silent, Spatial};
use repsim::data::Preset;
use repsim::frechet::Metric;
use repsim::frechet::inception::Settings;
use serde_json::{Value, json};

use crate::fid_support::{
    TINY, assert_close, fails, features, golden, number, rows, three_sets, warnings,
};
use crate::reports::assert_valid;
use crate::support::{path, picture, report};
use crate::tolerances::NETWORK;

/// Pictures of some numbers, those of even and of odd ones in a folder each.
fn pictures(numbers: std::ops::Range<u32>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in numbers {
        let class = folder.path().join(if i % 2 == 0 { "even" } else { "odd" });
        std::fs::create_dir_all(&class).unwrap();
        picture(i).save(class.join(format!("{i:03}.png"))).unwrap();
    }
    folder
}

#[test]
fn scores_of_images_are_those_of_the_network_in_one_run_and_in_shards() {
    let (reference, candidate, held_out) = (pictures(0..30), pictures(30..66), pictures(70..90));
    let mut fid = Fid::new(reference.path(), [candidate.path()]);
    fid.extraction.model = Some(path("tiny_resnet_scripted.pt"));
    fid.extraction.preprocessing =
        Preprocessing { preset: Some(Preset::Raw), ..Preprocessing::default() };
    fid.isc = Settings { splits: 3, shuffle: true };
    fid.metrics = Metric::ALL.to_vec();
    fid.held_out = Some(held_out.path().into());
    fid.spatial = Some(Spatial { layer: "layer3".into(), channels: 1 });
    let whole = fid.run(&Silent, &mut |_| Ok(())).unwrap();
    let (row, wanted) = (&whole.results.candidates[0], &golden("relatives")["network"]);
    for (column, of) in [("isc", "isc"), ("sfid", "sfid")] {
        let wanted = number(wanted, of);
        assert_close(row.value(column).unwrap(), wanted, NETWORK * wanted);
    }
    assert_close(row.value("isc_std").unwrap(), number(wanted, "isc_std"), NETWORK);
    assert_eq!(whole.settings.sfid_channels, Some(1));
    let classes: Vec<_> =
        row.classes.iter().map(|c| (c.class.as_str(), c.n_reference, c.n)).collect();
    assert_eq!(classes, [("even", 15, 18), ("odd", 15, 18)]);
    let mean = row.classes.iter().map(|c| c.fid.get().unwrap()).sum::<f64>() / 2.0;
    assert_close(row.value("class_fid").unwrap(), mean, NETWORK * mean);
    assert!(whole.results.reference.isc.is_some() && whole.results.reference.vendi.is_some());
    let shard = |index| fid.shard(Job::new(Shard { index, count: 2 }), &Silent);
    assert!(shard(0).unwrap_err().to_string().contains("sfid takes a run of its own"));
    fid.metrics.retain(|metric| *metric != Metric::Sfid);
    fid.spatial = None;
    let shard = |index| fid.shard(Job::new(Shard { index, count: 2 }), &Silent);
    let states = (0..2).map(|index| shard(index).unwrap()).collect();
    let merged = fid.merged(states, &Silent, &mut |_| Ok(())).unwrap();
    let without = |results: &repsim::report::fid::FidResults| {
        let mut value = serde_json::to_value(results).unwrap();
        value["candidates"][0].as_object_mut().unwrap().remove("sfid");
        value
    };
    assert_eq!(without(&merged.results), without(&whole.results));
}

#[test]
fn scores_of_stored_features() {
    let (folder, [real, fake, half]) = three_sets();
    let labelled = |name: &str, rows: usize| {
        let file = folder.path().join(format!("{name}.npz"));
        let mut archive = NpzWriter::new(File::create(&file).unwrap());
        archive.add_array("features", &features(name)).unwrap();
        let labels: Vec<i64> = (0..rows as i64).map(|i| i % 3).collect();
        archive.add_array("labels", &ndarray::Array1::from(labels)).unwrap();
        archive.finish().unwrap();
        file.display().to_string()
    };
    let (with_a, with_b) = (labelled("real", 300), labelled("fake", 260));
    let line = format!(
        "fid {with_a} {with_b} --metrics class-fid,cmmd,vendi,authpct,isc,ct --held-out {half}"
    );
    let found = report(&line);
    assert_valid(&found, "fid");
    let (row, wanted) = (&rows(&found)[0], golden("relatives"));
    assert_close(number(row, "cmmd"), number(&wanted["cmmd"], "as_they_are"), 1e-8);
    assert_close(number(row, "vendi"), number(&wanted["vendi"]["fake"], "score_X"), 1e-8);
    let vendi = number(&found["results"]["reference"], "vendi");
    assert_close(vendi, number(&wanted["vendi"]["real"], "score_X"), 1e-8);
    assert_close(number(row, "authpct"), number(&wanted["authpct"], "fake"), 1e-4);
    for (class, wanted) in
        row["classes"].as_array().unwrap().iter().zip(wanted["class_fid"].as_array().unwrap())
    {
        assert_close(number(class, "fid"), wanted.as_f64().unwrap(), 1e-8);
    }
    assert!(number(row, "ct") > 0.0, "{row}: a half of the training set lies in it");
    assert_eq!((&row["isc"], &row["nulls"][0]["metric"]), (&Value::Null, &json!("isc")));
    assert_eq!(warnings(&found), ["null-metric"]);
    let line = format!("fid {real} {fake} --metrics class-fid");
    let found = report(&line);
    let row = &rows(&found)[0];
    assert_eq!(row["class_fid"], Value::Null);
    assert!(row["nulls"][0]["reason"].as_str().unwrap().contains("have no classes"), "{row}");
    let far = folder.path().join("far.npy");
    ndarray_npy::write_npy(&far, &(features("fake").slice(s![..40, ..]).to_owned() + 1e3)).unwrap();
    let found = report(&format!("fid {real} {} --metrics cmmd", far.display()));
    assert_eq!(warnings(&found), ["kernel-saturated"]);
}

#[test]
fn what_scores_need_and_what_is_for_others() {
    let (_folder, [real, fake, half]) = three_sets();
    let line = |options: &str| format!("fid {real} {fake} {options}");
    fails(&line("--metrics ct"), &["--metrics ct needs --held-out", "leave ct out"]);
    fails(&line("--metrics sfid"), &["--metrics sfid needs --sfid-layer"]);
    fails(&line(&format!("--held-out {half}")), &["--held-out is for --metrics ct"]);
    fails(&line("--isc-splits 3"), &["--isc-splits is for --metrics isc", "add isc"]);
    fails(&line("--metrics sfid --sfid-layer layer3"), &["sfid takes a layer of a model"]);
    let images = pictures(0..12);
    let images = images.path().display();
    let of =
        |layer: &str| format!("fid {images} {images} {TINY} --metrics sfid --sfid-layer {layer}");
    fails(&of("layer2 --sfid-channels 900"), &["layer2 has shape", "no 900 channels"]);
    fails(&of("fc --sfid-channels 2"), &["fc has shape", "name a spatial layer"]);
    let found = report(&format!("fid {images} {images} {TINY} --metrics isc --isc-splits 13"));
    let reason = rows(&found)[0]["nulls"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("12 samples cannot be split into 13 parts"), "{reason}");
    let found = report(&format!("fid {images} {images} {TINY} --metrics isc --isc-splits 2"));
    assert!(warnings(&found).contains(&"small-splits"), "{:?}", warnings(&found));
}
