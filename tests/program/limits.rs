//! Models of many files, where few may be open.

use std::fs;

use serde_json::json;

use crate::support::models::{Contents, assert_same_tree, weights};
use crate::{Place, ended, shell, text};

const SHARDS: usize = 300;

#[test]
fn a_model_of_many_shards_comes_back_where_few_files_may_be_open() {
    let place = Place::new();
    let (source, coded, back) = (place.at("m"), place.at("coded"), place.at("back"));
    fs::create_dir(&source).expect("created");
    let mut map = serde_json::Map::new();
    for number in 0..SHARDS {
        let name = format!("model-{:05}-of-{SHARDS:05}.safetensors", number + 1);
        // Two tensors far apart in order, so that no shard is finished before others are begun.
        let tensors = ["a", "z"].map(|letter| weights(&format!("{letter}.{number}.weight"), &[8, 8], number as u64));
        map.extend(tensors.iter().map(|tensor| (tensor.name.clone(), name.clone().into())));
        Contents { tensors: tensors.into(), ..Contents::default() }.write(&source.join(name), 0);
    }
    let index = json!({"metadata": {}, "weight_map": map}).to_string();
    fs::write(source.join("model.safetensors.index.json"), index).expect("written");
    // Only the soft limit: the program may raise it.
    let limited = r#"ulimit -S -n 64; exec "$0" "$@""#;
    for (verb, input, output) in [("compress", &source, &coded), ("decompress", &coded, &back)] {
        ended(shell(limited, &[verb, text(input), "-o", text(output)])).fine();
    }
    assert_same_tree(&source, &back);
    // The hard limit too: of the files written, only a few are open at a time, however many there
    // are.
    fs::remove_dir_all(&back).expect("removed");
    let limited = r#"ulimit -n 256; exec "$0" "$@""#;
    ended(shell(limited, &["decompress", text(&coded), "-o", text(&back)])).fine();
    assert_same_tree(&source, &back);
    // A limit that is too low ends in a clear message.
    let limited = r#"ulimit -n 8; exec "$0" "$@""#;
    ended(shell(limited, &["decompress", text(&coded), "-o", text(&place.at("none")), "-T", "1"]))
        .fails(2, &["ulimit -n"]);
    assert_eq!(place.names(), ["back", "coded", "m"]);
}
