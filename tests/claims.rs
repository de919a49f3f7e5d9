//! What a header or a config.json claims is judged before memory is taken for it, before data is
//! read, and in time that grows with the bytes that claim it. Files here are sparse: their length
//! is a claim too.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use df11::core::{Error as Fault, Plain};
use df11::jobs::{
    DecompressOptions, EstimateOptions, InspectOptions, PatternDict, VerifyOptions, decompress, estimate, inspect,
    verify,
};
use df11::{Error, Model};
use serde_json::{Map, Value, json};
use support::models::{Contents, llama};
use support::random::Random;
use support::with;
use tempfile::tempdir;

const TERABYTE: u64 = 1 << 40;

/// The arrays of a unit: their names, and sizes that fit each other.
const ARRAYS: [(&str, u64); 6] = [
    ("encoded_exponent", 1),
    ("sign_mantissa", 1),
    ("luts", 512),
    ("gaps", 320),
    ("output_positions", 8),
    ("split_positions", 0),
];

/// Tensors of a header: names, dtypes, shapes and bytes.
type Tensors = Vec<(String, String, Vec<u64>, u64)>;

/// Adds a unit with these sizes. Its arrays are zeros.
fn add_unit(tensors: &mut Tensors, unit: &str, sizes: [u64; 6]) {
    for ((leaf, _), bytes) in ARRAYS.into_iter().zip(sizes) {
        let (dtype, shape) = match leaf {
            "luts" => ("U8", vec![bytes / 256, 256]),
            "split_positions" => ("I64", vec![bytes / 8]),
            _ => ("U8", vec![bytes]),
        };
        tensors.push((format!("{unit}.{leaf}"), dtype.to_owned(), shape, bytes));
    }
}

/// Writes a header and lets the file be as long as it claims. Returns `false` if the file system
/// has no such files.
fn write_sparse(path: &Path, tensors: &Tensors, metadata: &Map<String, Value>) -> bool {
    let (mut header, mut end) = (Map::new(), 0_u64);
    for (name, dtype, shape, bytes) in tensors {
        let begin = end;
        end += bytes;
        header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}));
    }
    if !metadata.is_empty() {
        header.insert("__metadata__".into(), metadata.clone().into());
    }
    let json = Value::Object(header).to_string();
    let mut file = File::create(path).expect("created");
    file.write_all(&[&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat()).expect("written");
    let is_long = file.set_len(8 + json.len() as u64 + end).is_ok();
    if !is_long {
        eprintln!("SKIPPED: no file of {end} bytes at {}", path.display());
    }
    is_long
}

fn config(pattern_dict: &Value) -> String {
    let geometry =
        json!({"version": "0.5.0", "threads_per_block": [512], "bytes_per_thread": 8, "pattern_dict": pattern_dict});
    json!({ "dfloat11_config": geometry }).to_string()
}

#[test]
fn arrays_of_terabytes_are_refused_by_their_header() {
    let work = tempdir().expect("a folder");
    let path = work.path().join("m.safetensors");
    for (index, (leaf, size)) in ARRAYS.into_iter().enumerate() {
        let mut sizes = ARRAYS.map(|(_, size)| size);
        sizes[index] = size + TERABYTE;
        let mut tensors = Vec::new();
        add_unit(&mut tensors, "w", sizes);
        if !write_sparse(&path, &tensors, &Map::new()) {
            return;
        }
        let began = Instant::now();
        if leaf == "split_positions" {
            let named =
                |error: &Error| matches!(error, Error::TensorUnfit { tensor, .. } if tensor == "w.split_positions");
            assert!(named(&Model::open(&path).expect_err("a trillion matrices")));
        } else {
            let unit = Model::open(&path).expect("it opens").units().next().expect("a unit");
            let by_size = |error: Error| match (leaf, error) {
                ("sign_mantissa", Error::UnitDamaged { fault: Fault::TooManyWeights { .. }, .. })
                | ("encoded_exponent", Error::UnitDamaged { fault: Fault::StreamTooLong { .. }, .. })
                | ("luts", Error::UnitDamaged { fault: Fault::TablesSize { .. }, .. })
                | ("gaps", Error::UnitDamaged { fault: Fault::GapsSize { .. }, .. })
                | ("output_positions", Error::UnitDamaged { fault: Fault::OutputPositionsSize { .. }, .. }) => {}
                (leaf, error) => panic!("{leaf}: {error}"),
            };
            by_size(unit.sizes().expect_err(leaf));
            by_size(unit.read().expect_err(leaf));
            by_size(unit.load(&Plain).map(drop).expect_err(leaf));
            #[cfg(feature = "mmap")]
            // SAFETY: nobody writes to the file.
            by_size(unsafe { unit.map() }.map(drop).expect_err(leaf));
        }
        let refused = |error: Error| assert!(error.is_failed_check(), "{leaf}: {error}");
        match verify(&path, &VerifyOptions::default(), &()) {
            Ok(report) => refused(report.failures.into_iter().next().expect("a failure")),
            Err(error) => refused(error),
        }
        refused(inspect(&path, &InspectOptions::default(), &()).map(drop).expect_err(leaf));
        let out = work.path().join("out");
        refused(decompress(&path, &out, &DecompressOptions::default(), &()).map(drop).expect_err(leaf));
        assert!(began.elapsed() < Duration::from_secs(10), "{leaf}: {:?}", began.elapsed());
    }
}

/// Each file is as long as a file can be. Only few file systems have such files.
#[test]
fn sizes_that_no_sum_holds_are_no_panic() {
    let shared = Path::new("/dev/shm");
    let work = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempdir() };
    let Ok(work) = work else { return eprintln!("SKIPPED: no folder in memory") };
    let most = i64::MAX as u64 - (1 << 20);
    for (index, leaf) in ["encoded_exponent", "sign_mantissa", "gaps"].into_iter().enumerate() {
        let mut tensors = vec![(format!("w.{leaf}"), "U8".to_owned(), vec![most], most)];
        if index == 0 {
            let mut all = Vec::new();
            add_unit(&mut all, "w", ARRAYS.map(|(_, size)| size));
            all.retain(|(name, ..)| {
                ["luts", "output_positions", "split_positions"].iter().any(|leaf| name.ends_with(leaf))
            });
            tensors.extend(all);
        }
        if !write_sparse(&work.path().join(format!("{index}.safetensors")), &tensors, &Map::new()) {
            return;
        }
    }
    let unit = Model::open(work.path()).expect("it opens").units().next().expect("a unit");
    assert_eq!((unit.bytes(), unit.weights()), (u64::MAX, most));
    assert!(matches!(unit.read(), Err(Error::UnitDamaged { fault: Fault::TooManyWeights { .. }, .. })));
    assert!(inspect(work.path(), &InspectOptions::default(), &()).is_err());
    assert!(verify(work.path(), &VerifyOptions::default(), &()).is_ok_and(|report| report.failures.len() == 1));
    let out = work.path().join("out");
    assert!(decompress(work.path(), &out, &DecompressOptions::default(), &()).is_err());
}

#[test]
fn names_by_patterns_cost_no_units_times_attributes() {
    let work = tempdir().expect("a folder");
    let (path, config_path) = (work.path().join("model.safetensors"), work.path().join("config.json"));
    let open = || {
        let began = Instant::now();
        let model = Model::open(work.path());
        // Takes a twentieth of a second. It took 30 when each unit got all names.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        model
    };
    let attributes: Vec<String> = (0..60_000).map(|index| index.to_string()).collect();
    fs::write(&config_path, config(&json!({ ".*": attributes }))).expect("written");
    let mut tensors = Vec::new();
    (0..3000).for_each(|unit| add_unit(&mut tensors, &unit.to_string(), ARRAYS.map(|(_, size)| size)));
    assert!(write_sparse(&path, &tensors, &Map::new()));
    let error = open().expect("it opens").matrix("0.0.weight").expect_err("no unit has as many matrices");
    assert!(error.to_string().contains("lists 60000"), "{error}");

    // The units do have as many, of no weights each, in a sparse file.
    tensors.clear();
    let sizes = [1, 1, 512, 320, 8, 8 * 59_999];
    (0..3000).for_each(|unit| add_unit(&mut tensors, &unit.to_string(), sizes));
    if write_sparse(&path, &tensors, &Map::new()) {
        let error = open().expect_err("more names than a header holds");
        assert!(matches!(error, Error::Pattern { pattern: None, .. }), "{error}");
    }
}

#[test]
fn a_tensor_both_coded_and_raw_is_named_with_its_one_file() {
    let work = tempdir().expect("a folder");
    let path = work.path().join("m.safetensors");
    let mut tensors = vec![("w.weight".to_owned(), "BF16".to_owned(), vec![1], 2)];
    add_unit(&mut tensors, "w", ARRAYS.map(|(_, size)| size));
    assert!(write_sparse(&path, &tensors, &Map::new()));
    let message = Model::open(&path).expect_err("it is there twice").to_string();
    assert!(message.contains("`w.weight` is twice in ") && !message.contains("both"), "{message}");
    // In two files, both are named.
    let raw = tensors.remove(0);
    fs::remove_file(&path).expect("removed");
    assert!(write_sparse(&work.path().join("unit.safetensors"), &tensors, &Map::new()));
    assert!(write_sparse(&work.path().join("raw.safetensors"), &vec![raw], &Map::new()));
    let message = Model::open(work.path()).expect_err("it is there twice").to_string();
    assert!(message.contains("unit.safetensors and ") && message.contains("raw.safetensors"), "{message}");
}

#[test]
fn patterns_that_would_match_for_hours_are_refused_in_a_sentence() {
    let work = tempdir().expect("a folder");
    let (path, patterns) = (work.path().join("model.safetensors"), work.path().join("patterns.json"));
    let tensor = |index| (format!("{index}.{}.weight", "ab".repeat(60)), "BF16".to_owned(), vec![1], 2);
    let tensors: Tensors = (0..20_000).map(tensor).collect();
    assert!(write_sparse(&path, &tensors, &Map::new()));
    let dictionary: Map<String, Value> = (0..3000).map(|i| (format!("[^.]*.(?:a|b)*{i}"), json!([]))).collect();
    fs::write(&patterns, Value::Object(dictionary).to_string()).expect("written");
    let options =
        with!(EstimateOptions::default(), pattern_dict: Some(PatternDict::read(&patterns).expect("patterns")));
    let began = Instant::now();
    let error = estimate(&path, &options).expect_err("too much work");
    // Takes two seconds. It took minutes with an engine that is only linear in each name.
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(error.to_string().contains("would take too long to match them with the paths of 40000"), "{error}");
}

/// A model of a few units and raw tensors whose sizes, names, records and patterns are drawn from
/// numbers and texts that break things.
fn write_hostile(folder: &Path, random: &mut Random) {
    const SIZES: [u64; 14] = [0, 1, 2, 7, 8, 255, 256, 320, 512, 640, 4096, 4097, TERABYTE, 3 * TERABYTE];
    const NAMES: [&str; 8] = ["w", "l.0", "l.1", "", ".", "a.b", "w.w", "model.layers.7"];
    const SHAPES: [u64; 6] = [0, 1, 3, 1 << 32, u64::MAX, 1 << 63];
    const DTYPES: [&str; 5] = ["BF16", "F32", "U8", "I64", "X"];
    let mut draw = |texts: &[&str]| texts[random.below(texts.len() as u64) as usize].to_owned();
    let names: Vec<String> = (0..6).map(|_| draw(&NAMES)).collect();
    let dtypes: Vec<String> = (0..6).map(|_| draw(&DTYPES)).collect();
    let mut number = |of: &[u64]| of[random.below(of.len() as u64) as usize];
    let mut tensors = Vec::new();
    for name in &names[..1 + number(&[0, 1, 2]) as usize] {
        let mut sizes = ARRAYS.map(|(_, size)| size);
        for _ in 0..number(&[0, 0, 0, 1, 2]) {
            sizes[number(&[0, 1, 2, 3, 4, 5]) as usize] = number(&SIZES);
        }
        sizes[2] = sizes[2].next_multiple_of(256);
        sizes[5] = sizes[5].next_multiple_of(8);
        add_unit(&mut tensors, name, sizes);
        if number(&[0, 0, 0, 1]) == 1 {
            tensors.swap_remove(number(&[0, 1, 2, 3, 4, 5]) as usize);
        }
    }
    for (name, dtype) in names[3..].iter().zip(&dtypes) {
        let name = if number(&[0, 1]) == 1 { format!("{name}.weight") } else { name.clone() };
        let bytes = if dtype == "X" { 5 } else { 16 };
        let width = if dtype == "U8" {
            1
        } else if dtype == "BF16" {
            2
        } else if dtype == "F32" {
            4
        } else {
            8
        };
        tensors.push((name, dtype.clone(), vec![bytes / width], bytes));
    }
    tensors.sort();
    tensors.dedup_by(|a, b| a.0 == b.0);
    let mut metadata = Map::new();
    if number(&[0, 0, 0, 0, 1]) == 1 {
        for key in ["df11.version", "df11.units", "df11.tensors", "df11.files", "df11.data", "df11.checksum"] {
            let values = ["2", "{}", "[]", "{\"w\":[]}", "0000000000000000", "{\"w\":[\"w.weight\"]}"];
            metadata.insert(key.into(), values[number(&[0, 1, 2, 3, 4, 5]) as usize].into());
        }
    }
    let patterns = [
        json!({".*": []}),
        json!({"w|.*l": [], ".*": ["x"]}),
        json!({"w": ["a", "b"], "l\\.\\d+": []}),
        json!({"": ["", "."], "(": []}),
        json!({"(?:.*.*)*": [0]}),
        json!(["w"]),
    ];
    let mut config: Value =
        serde_json::from_str(&config(&patterns[number(&[0, 1, 2, 3, 4, 5]) as usize])).expect("JSON");
    for (field, value) in [
        ("model_type", json!("llama")),
        ("hidden_size", json!(number(&SHAPES))),
        ("num_attention_heads", json!(number(&SHAPES))),
        ("num_key_value_heads", json!(number(&SHAPES))),
        ("head_dim", json!(number(&SHAPES))),
        ("vocab_size", json!(number(&SHAPES))),
        ("intermediate_size", json!(number(&SHAPES))),
    ] {
        if number(&[0, 1, 1]) == 1 {
            config[field] = value;
        }
    }
    fs::write(folder.join("config.json"), config.to_string()).expect("written");
    if number(&[0, 0, 0, 1]) == 1 {
        let other = tensors.split_off(tensors.len() / 2);
        write_sparse(&folder.join("other.safetensors"), &other, &Map::new());
    }
    write_sparse(&folder.join("model.safetensors"), &tensors, &metadata);
}

/// Opens it, and asks for everything that costs no more than a little.
fn ask(folder: &Path) -> Result<(), Error> {
    let model = Model::open(folder)?;
    for tensor in model.tensors() {
        let _ = (tensor.shape(), tensor.dtype(), tensor.bytes(), tensor.is_coded());
        let _ = tensor.read_raw(u64::MAX, &mut [0]).and(tensor.read_raw(0, &mut [0]));
        if let Ok(matrix) = tensor.into_matrix() {
            let weights = &mut [df11::bf16::ZERO; 3];
            let _ = matrix.decode_range(&Plain, 0, &mut weights[..1]);
            let _ = matrix.decode_rows(&Plain, &[0, u64::MAX, 0], weights);
        }
    }
    for unit in model.units() {
        let _ = (unit.bytes(), unit.weights(), unit.matrices().len(), unit.sizes(), unit.load(&Plain).map(drop));
    }
    Ok(())
}

/// The environment may ask for more: `DF11_HOSTILE_MODELS`.
#[test]
fn no_header_and_no_config_makes_the_reader_panic_or_wait() {
    let models = std::env::var("DF11_HOSTILE_MODELS").map_or(300, |models| models.parse().expect("a number"));
    let (mut opened, mut refused, mut longest) = (0, 0, Duration::ZERO);
    for seed in 0..models {
        let work = tempdir().expect("a folder");
        let folder = work.path().join("m");
        fs::create_dir(&folder).expect("created");
        write_hostile(&folder, &mut Random::new(seed));
        let began = Instant::now();
        match ask(&folder) {
            Ok(()) => opened += 1,
            Err(_) => refused += 1,
        }
        let _ = verify(&folder, &VerifyOptions::default(), &());
        let _ = inspect(&folder, &InspectOptions::default(), &());
        let _ = decompress(&folder, &work.path().join("out"), &DecompressOptions::default(), &());
        longest = longest.max(began.elapsed());
        // Takes a few milliseconds.
        assert!(began.elapsed() < Duration::from_secs(10), "model {seed}: {:?}", began.elapsed());
    }
    println!("{opened} opened, {refused} refused, the longest took {longest:?}");
    assert!(opened > models / 10 && refused > models / 10, "{opened} opened, {refused} refused");
}

/// The figures of a sound model are not what is refused above.
#[test]
fn a_sound_model_is_asked_for_everything() {
    let work = tempdir().expect("a folder");
    let (source, coded) = (work.path().join("source"), work.path().join("coded"));
    fs::create_dir(&source).expect("created");
    Contents { tensors: llama(), ..Contents::default() }.write(&source.join("model.safetensors"), 0);
    df11::jobs::compress(&source, &coded, &Default::default(), &()).expect("it is compressed");
    ask(&coded).expect("it opens");
}
