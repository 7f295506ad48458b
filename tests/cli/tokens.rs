//! Maps, channels and stitches of networks that give tokens or have their channels last: goldens of
//! pytorch-grad-cam and PyTorch, default layers, and mistakes.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Array4, Axis, s};
use ndarray_npy::{NpzReader, read_npy, write_npy};
use serde_json::Value;

use crate::reports::assert_valid;
use crate::support::{done, path, repsim, words};
use crate::tolerances;

const LN: &str = "encoder.layers.encoder_layer_1.ln_1";
const DATA: &str = "--data {saliency/token_images.npy} --preprocess raw";

fn golden3(name: &str) -> Array3<f32> {
    let mut file = NpzReader::new(fs::File::open(path("saliency/tokens.npz")).unwrap()).unwrap();
    let cams: Array4<f32> = file.by_name(name).unwrap();
    cams.index_axis_move(Axis(0), 0)
}

fn golden2(name: &str) -> Array2<f32> {
    let mut file = NpzReader::new(fs::File::open(path("saliency/tokens.npz")).unwrap()).unwrap();
    file.by_name(name).unwrap()
}

/// The report of a line that has to succeed, and what was said beside it.
#[track_caller]
fn run(line: &str) -> (Value, String) {
    let run = done(line);
    let report = serde_json::from_str(&run.stdout).unwrap();
    (report, run.stderr)
}

#[track_caller]
fn fails(line: &str, parts: &[&str]) {
    let run = repsim(words(line));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}\n{}", run.stderr);
    let said: Vec<&str> = run.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(said.len(), 1, "{}", run.stderr);
    for part in parts {
        assert!(said[0].contains(part), "no '{part}' in {}", run.stderr);
    }
}

/// Behind the last block of a ViT the class token alone is read: the map is zero, and why is said.
#[test]
fn a_layer_behind_the_last_block_has_a_zero_map_with_a_reason() {
    let (report, _) = run(&format!(
        "saliency {{saliency/vit_scripted.pt}} {DATA} --limit 3 --layer encoder.layers.encoder_layer_1"
    ));
    let warnings = report["warnings"].as_array().unwrap().iter();
    let said: Vec<_> = warnings.filter(|w| w["code"] == "degenerate-map").collect();
    assert_eq!(said.len(), 1, "{}", report["warnings"]);
    assert!(said[0]["text"].as_str().unwrap().contains("the class token alone"), "{}", said[0]);
}

/// Images 16×24 of the same bytes, as the goldens have them.
fn wide(folder: &Path) -> PathBuf {
    let bytes: Array4<u8> = read_npy(path("saliency/token_images.npy")).unwrap();
    let flat: Vec<u8> = bytes.into_iter().take(13 * 16 * 24 * 3).collect();
    let file = folder.join("wide.npy");
    write_npy(&file, &Array4::from_shape_vec((13, 16, 24, 3), flat).unwrap()).unwrap();
    file
}

fn stored(file: &Path, name: &str) -> Array3<f32> {
    NpzReader::new(fs::File::open(file).unwrap()).unwrap().by_name(name).unwrap()
}

#[track_caller]
fn assert_maps(found: &Array3<f32>, raw: &Array3<f32>, what: &str) {
    let shown = found.slice(s![..raw.len_of(Axis(0)), .., ..]);
    assert_eq!(shown.shape(), raw.shape(), "{what}");
    let scale = raw.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    for (found, raw) in shown.iter().zip(raw) {
        let off = f64::from((found - raw.max(0.0)).abs());
        assert!(off <= tolerances::GOLDEN * f64::from(scale), "{what}: {found}, not {raw}");
    }
}

/// Behind the last block but the class token counts: its first norm is the last of all tokens.
#[test]
fn grad_cam_of_a_vision_transformer_is_at_the_norm_of_its_last_block() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["vit_scripted", "vit_traced"] {
        for optimize in ["", "--no-optimize"] {
            let maps = folder.path().join("maps.npz");
            let line = format!(
                "saliency {{saliency/{name}.pt}} {DATA} --limit 4 {optimize} --map-size layer --maps {}",
                maps.display()
            );
            let (report, said) = run(&line);
            assert_valid(&report, "saliency");
            let column = &report["results"]["columns"][0];
            assert_eq!(column["layer"], LN);
            let grid = serde_json::json!({"rows": 4, "columns": 4, "left_out": 1});
            assert_eq!(column["grid"], grid);
            assert!(said.contains(&format!("{LN} (4x4)")), "{said}");
            let golden = golden3(&format!("{name}.{LN}.cams"));
            assert_maps(&stored(&maps, "gradcam"), &golden, &format!("{name} {optimize}"));
        }
    }
}

#[test]
fn maps_of_channels_last_layers_are_those_of_their_grid() {
    let folder = tempfile::tempdir().unwrap();
    let maps = folder.path().join("maps.npz");
    for name in ["swin_scripted", "swin_traced"] {
        for (layer, side) in [("features.3.1.norm2", 4), ("features.1.0.norm1", 8)] {
            let line = format!(
                "saliency {{saliency/{name}.pt}} {DATA} --limit 4 --layer {layer} --map-size layer --maps {}",
                maps.display()
            );
            let (report, _) = run(&line);
            let column = &report["results"]["columns"][0];
            assert_eq!(
                (&column["grid"]["rows"], &column["grid"]["left_out"]),
                (&side.into(), &0.into())
            );
            let golden = golden3(&format!("{name}.{layer}.cams"));
            assert_maps(&stored(&maps, "gradcam"), &golden, &format!("{name} {layer}"));
        }
        let (report, said) = run(&format!("saliency {{saliency/{name}.pt}} {DATA} --limit 4"));
        assert_eq!(report["results"]["columns"][0]["grid"]["columns"], 4);
        assert!(said.contains("(4x4) (choose with --layers)"), "{said}");
        assert_eq!(report["results"]["degenerate"], 0);
    }
}

/// Tokens of an image that is not a square, without a class token.
#[test]
fn tokens_fold_to_the_proportions_of_the_image_or_to_the_grid_given() {
    let folder = tempfile::tempdir().unwrap();
    let maps = folder.path().join("maps.npz");
    let data = format!("--data {} --preprocess raw", wide(folder.path()).display());
    let line = format!(
        "saliency {{saliency/rows_scripted.pt}} {data} --map-size layer --maps {}",
        maps.display()
    );
    for grid in ["", "--grid 4x6"] {
        let (report, said) = run(&format!("{line} {grid}"));
        assert_eq!(report["results"]["columns"][0]["layer"], "norm");
        assert!(said.contains("norm (4x6)"), "{said}");
        let golden = golden3("rows_scripted.norm.cams");
        assert_maps(&stored(&maps, "gradcam"), &golden, grid);
    }
    let (report, _) = run(&format!("{line} --grid 3x8"));
    assert_eq!(stored(&maps, "gradcam").shape(), [13, 3, 8]);
    assert_eq!(report["settings"]["grid"], "3x8");
    let line = format!("{{saliency/rows_scripted.pt}} {data} --grid 5x5");
    for command in ["saliency", "maps", "saliency --layer norm", "maps --layer norm"] {
        fails(
            &format!("{command} {line}"),
            &["layer ", "gives 24 tokens of 8 features", "--grid 5x5 does not fit", "4x6, 3x8"],
        );
    }
}

/// Of each channel over all images and positions.
#[track_caller]
fn assert_facts(layer: &Value, name: &str) {
    let golden = golden2(&format!("{name}.facts"));
    let channels = layer["channels"].as_array().unwrap();
    assert_eq!(channels.len(), golden.ncols(), "{name}");
    for (fact, row) in ["mean", "std", "min", "max", "active"].iter().zip(golden.rows()) {
        for (channel, wanted) in channels.iter().zip(row) {
            let found = channel[fact].as_f64().unwrap();
            let near = tolerances::GOLDEN * f64::from(wanted.abs().max(1.0));
            assert!((found - f64::from(*wanted)).abs() <= near, "{name} {fact}: {found}, {wanted}");
        }
    }
}

#[test]
fn feature_maps_are_of_channels_wherever_they_are() {
    let cases = [
        ("vit_scripted", LN, 1),
        ("vit_traced", "encoder.layers.encoder_layer_0", 1),
        ("swin_scripted", "features.3", 0),
        ("swin_traced", "features.1.0.norm1", 0),
    ];
    for (name, layer, left_out) in cases {
        let (report, _) =
            run(&format!("maps {{saliency/{name}.pt}} {DATA} --rows 20 --layer {layer} --first 2"));
        assert_valid(&report, "maps");
        let found = &report["results"]["layers"][0];
        assert_eq!(found["grid"]["left_out"], left_out);
        assert_facts(found, &format!("{name}.{layer}"));
    }
    let (report, said) = run(&format!("maps {{saliency/vit_scripted.pt}} {DATA}"));
    assert_eq!(report["results"]["layers"][0]["layer"], LN);
    assert!(said.contains(LN), "{said}");
}

/// Tokens beside maps with their channels last.
#[test]
fn channels_match_across_layouts() {
    let (report, _) = run(&format!(
        "maps {{saliency/vit_scripted.pt}} --match {{saliency/swin_scripted.pt}} {DATA} --layer {LN} \
         --layer-b features.3"
    ));
    let matching = &report["results"]["layers"][0]["matching"];
    assert_eq!(matching["size"], serde_json::json!([4, 4]));
    let golden = golden2("match");
    let pairs = matching["best"]["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), golden.nrows());
    for pair in pairs {
        let place = |i: usize| pair[i].as_u64().unwrap() as usize;
        let row = golden.row(place(0));
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let found = pair[2].as_f64().unwrap();
        assert!((found - f64::from(most)).abs() <= tolerances::GOLDEN, "{pair}: {most}");
        assert!(f64::from(most - row[place(1)]) <= tolerances::GOLDEN, "{pair}");
    }
}

#[test]
fn channels_are_probed_wherever_they_are() {
    for (name, layer) in
        [("vit_traced", "encoder.layers.encoder_layer_0"), ("swin_scripted", "features.1")]
    {
        let (report, _) = run(&format!(
            "sensitivity {{saliency/{name}.pt}} {DATA} --layer {layer} --perturb none --batch-size 7"
        ));
        assert_valid(&report, "sensitivity");
        let golden = golden2(&format!("{name}.{layer}.probes"));
        let channels = report["results"]["layers"][0]["channels"].as_array().unwrap();
        assert_eq!(channels.len(), golden.ncols());
        let facts = ["gradient", "mean", "std", "drop_zero", "drop_mean"];
        for (fact, row) in facts.iter().zip(golden.rows()) {
            let largest = row.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
            for (channel, wanted) in channels.iter().zip(row) {
                let found = channel[fact].as_f64().unwrap();
                let off = (found - f64::from(*wanted)).abs();
                let near = tolerances::GOLDEN * f64::from(largest);
                assert!(off <= near, "{name} {fact}: {found}, not {wanted}");
            }
        }
    }
    let (report, said) =
        run(&format!("sensitivity {{saliency/vit_scripted.pt}} {DATA} --perturb none"));
    assert_eq!(report["results"]["layers"][0]["name"], LN);
    assert!(said.contains(LN), "{said}");
}

#[test]
fn a_network_of_any_layout_is_stitched_to_itself() {
    for (name, layers) in [
        ("vit_scripted", "encoder.layers.encoder_layer_0"),
        ("swin_traced", "features.1"),
        ("layouts_scripted", "last"),
        ("layouts_scripted", "tokens"),
        ("layouts_scripted", "sequence"),
    ] {
        let (report, _) = run(&format!(
            "stitch {{saliency/{name}.pt}} {DATA} --layers {layers} --fit-fraction 0.6 --ridge 0"
        ));
        assert_valid(&report, "stitch");
        let pair = &report["results"]["pairs"][0];
        assert_eq!(pair["agreement"], 1.0, "{name} {layers}");
        assert!(pair["kl"].as_f64().is_none_or(|kl| kl < 1e-6), "{name} {layers}: {pair}");
    }
}

#[test]
fn one_layout_is_stitched_to_another() {
    let (report, _) = run(&format!(
        "stitch {{saliency/layouts_scripted.pt}} {DATA} --layers first --layers last --fit identity"
    ));
    let pairs = report["results"]["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 4);
    assert!(pairs.iter().all(|pair| pair["agreement"] == 1.0), "{pairs:?}");
    let layers = report["inputs"]["models"][0]["layers"].as_array().unwrap();
    let axes: Vec<&Value> = layers.iter().map(|layer| &layer["channel_axis"]).collect();
    assert_eq!(axes, [1, 3]);
}

/// The second output alone depends on the decoder.
#[test]
fn the_default_layer_is_on_the_way_to_the_output() {
    let line = format!("saliency {{saliency/heads_scripted.pt}} {DATA} --output-index 0");
    let (report, said) = run(&line);
    assert_eq!(report["results"]["columns"][0]["layer"], "encoder");
    assert!(said.contains("heads_scripted.pt: encoder (8x8)"), "{said}");
    let parts = [
        "output 0 does not depend on layer decoder",
        "the last with a spatial map that it depends on is encoder",
    ];
    fails(&format!("{line} --layer decoder"), &parts);
    let line = format!("sensitivity {{saliency/heads_scripted.pt}} {DATA} --output-index 0");
    let (report, _) = run(&format!("{line} --perturb none"));
    assert_eq!(report["results"]["layers"][0]["name"], "encoder");
    fails(&format!("{line} --layer decoder"), &parts);
    let (report, _) = run(&format!("maps {{saliency/heads_scripted.pt}} {DATA} --layer decoder"));
    assert_eq!(report["results"]["layers"][0]["size"], serde_json::json!([8, 8]));
}

/// Behind the operator that stands for the whole block only the class token counts.
#[test]
fn attention_without_a_derivative_is_told() {
    let line = format!("{{saliency/fused_traced.pt}} {DATA}");
    let parts = ["_transformer_encoder_layer_fwd", "set_fastpath_enabled(False)"];
    fails(&format!("saliency {line}"), &parts);
    fails(&format!("saliency {line} --layer patches"), &parts);
    let (report, _) = run(&format!("maps {line}"));
    assert_eq!(report["results"]["layers"][0]["layer"], "block");
}

/// Maps have rows and columns; channels need none.
#[test]
fn channels_at_positions_in_a_row_have_no_map() {
    let line = format!("{{saliency/signal_scripted.pt}} {DATA} --layer line");
    for command in ["saliency", "maps"] {
        let parts = ["layer line", "gives 6 channels at 32 positions in a row", "--grid"];
        fails(&format!("{command} {line}"), &parts);
    }
    let (report, _) = run(&format!("maps {line} --grid 4x8"));
    assert_eq!(report["results"]["layers"][0]["size"], serde_json::json!([4, 8]));
    let (report, _) = run(&format!("sensitivity {line} --perturb none"));
    assert_eq!(report["results"]["layers"][0]["channels"].as_array().unwrap().len(), 6);
    let (report, _) = run(&format!(
        "stitch {{saliency/signal_scripted.pt}} {DATA} --layers line --ridge 0 --fit-fraction 0.6"
    ));
    assert_eq!(report["results"]["pairs"][0]["agreement"], 1.0);
    let (report, said) = run(&format!("saliency {{saliency/signal_scripted.pt}} {DATA}"));
    assert_eq!(report["results"]["columns"][0]["layer"], "stem");
    assert!(said.contains("stem (8x8)"), "{said}");
}

#[test]
fn a_grid_is_for_tokens() {
    let swin = format!("{{saliency/swin_scripted.pt}} {DATA} --layer features.3");
    fails(&format!("saliency {swin} --grid 2x8"), &["has 4x4 positions", "leave --grid out"]);
    fails(&format!("maps {swin} --grid 2x8"), &["has 4x4 positions", "leave --grid out"]);
    fails(&format!("maps {swin} --grid 4"), &["ROWSxCOLUMNS"]);
    let vit = format!("{{saliency/vit_scripted.pt}} {DATA}");
    let parts = ["17 tokens of 16 features (1 class token and 16 patches)", "4x4, 2x8, 1x16 fit"];
    fails(&format!("saliency {vit} --layer {LN} --grid 17x1"), &parts);
    fails(&format!("saliency {vit} --method gradient --grid 4x4"), &["--grid", "no method is one"]);
}

/// The page tells the grid that tokens were folded to, and what has no place in it.
#[test]
fn the_page_shows_the_grid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.json").display().to_string();
    for line in [
        format!("maps {{axes/vit_scripted.pt}} --layer {LN} {DATA}"),
        format!("saliency {{axes/vit_scripted.pt}} --method gradcam --layer {LN} {DATA} --limit 2"),
    ] {
        done(&format!("{line} -o {file}"));
        let page = done(&format!("report {file} -o -")).stdout;
        assert!(page.contains("4×4, 1 token in front left out"), "{line}");
    }
}
