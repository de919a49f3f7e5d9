//! Names that differ from the source's, or from those of shapes, by one common prefix.

use std::fs;

use serde_json::json;

use crate::makers::{Files, transformer};
use crate::support::models::{Contents, Tensor, weights};
use crate::{Place, df11, text};

/// The same tensors below a prefix.
fn below(prefix: &str, tensors: &[Tensor]) -> Vec<Tensor> {
    tensors.iter().map(|tensor| Tensor { name: format!("{prefix}{}", tensor.name), ..tensor.clone() }).collect()
}

/// A model whose shapes nothing but another model tells.
fn model() -> Vec<Tensor> {
    let mut tensors = transformer(2);
    tensors.push(weights("norm.weight", &[96], 7));
    tensors
}

#[test]
fn shapes_come_from_a_model_whose_names_have_another_prefix() {
    for (own, other) in [("model.diffusion_model.", ""), ("", "model.diffusion_model."), ("net.", "model.net.")] {
        let place = Place::new();
        let source = place.source(&Files::default().with_weights("model.safetensors", &below(own, &model())));
        let like = place.at("like");
        Files::default().with_weights("model.safetensors", &below(other, &model())).write(&like);
        let (coded, back) = (place.at("coded"), place.at("back"));
        df11(["compress", text(&source), "-o", text(&coded), "--code", "published"]).ends(0, &[]);
        let run = df11(["decompress", text(&coded), "--like", text(&like), "-o", text(&back)]).ends(0, &[]);
        assert!(!run.stderr.contains("flat"), "{own:?} {other:?}: {}", run.stderr);
        let mut found = Contents::read(&back.join("model.safetensors")).tensors;
        let mut expected = below(own, &model());
        found.sort_by(|one, other| one.name.cmp(&other.name));
        expected.sort_by(|one, other| one.name.cmp(&other.name));
        assert!(found == expected);
        df11(["verify", text(&coded), "--against", text(&like)]).ends(0, &["7 tensors bit for bit those of"]);
    }
}

#[test]
fn a_difference_under_another_prefix_is_found() {
    let place = Place::new();
    let source = place.source(&Files::default().with_weights("model.safetensors", &below("net.", &model())));
    let coded = place.at("coded");
    df11(["compress", text(&source), "-o", text(&coded)]).ends(0, &[]);
    let mut other = model();
    other[3].bytes[11] ^= 1;
    let like = place.at("like");
    Files::default().with_weights("model.safetensors", &other).write(&like);
    df11(["verify", text(&coded), "--against", text(&like)]).ends(1, &["FAILED: 1 error"]);
    fs::remove_dir_all(&like).expect("removed");
    Files::default().with_weights("model.safetensors", &other[1..]).write(&like);
    df11(["verify", text(&coded), "--against", text(&like)]).ends(1, &[]);
}

#[test]
fn names_that_differ_by_more_than_one_prefix_are_not_matched() {
    let place = Place::new();
    let source = place.source(&Files::default().with_weights("model.safetensors", &below("net.", &model())));
    let coded = place.at("coded");
    df11(["compress", text(&source), "-o", text(&coded)]).ends(0, &[]);
    let mut two = below("a.", &model()[..3]);
    two.extend(below("b.", &model()[3..]));
    let like = place.at("like");
    Files::default().with_json("x.json", &json!({})).with_weights("model.safetensors", &two).write(&like);
    df11(["verify", text(&coded), "--against", text(&like)]).ends(1, &["nothing in"]);
}
