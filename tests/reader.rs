//! A model opened for use gives every tensor as it was before the model was compressed, whoever wrote
//! the model, into memory of whoever asks.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use df11::core::{PartsMut, UnitView};
use df11::jobs::{CodeKind, CompressOptions, compress};
use df11::reader::{Matrix, OpenOptions, Tensor, UnitEntry};
use df11::{Error, Model, Work, bf16};
use support::library::backends;
use support::models::{Contents, llama, weights};
use support::{safetensors, vectors, with};
use tempfile::{TempDir, tempdir};

const FIXTURES: [&str; 3] = ["edge-long-codes", "llama-sharded", "llama-single-file"];

fn folder() -> TempDir {
    tempdir().expect("a temporary folder")
}

/// The small Llama, with raw tensors of several dtypes, in a file by itself.
fn source(work: &Path) -> PathBuf {
    let path = work.join("source.safetensors");
    // The strict reader of the tests knows no dtype of the future.
    let tensors = llama().into_iter().filter(|tensor| tensor.name != "from.the.future").collect();
    Contents { tensors, ..Contents::default() }.write(&path, 3);
    path
}

/// The same in a folder.
fn source_folder(work: &Path) -> PathBuf {
    let (file, folder) = (source(work), work.join("source"));
    fs::create_dir(&folder).expect("created");
    fs::rename(file, folder.join("model.safetensors")).expect("moved");
    folder
}

fn coded(source: &Path, work: &Path, options: &CompressOptions) -> PathBuf {
    let path = work.join(if options.single_file { "coded.safetensors" } else { "coded" });
    compress(source, &path, options, &()).expect("it is compressed");
    path
}

fn bytes_of(weights: &[bf16]) -> Vec<u8> {
    weights.iter().flat_map(|weight| weight.to_bits().to_le_bytes()).collect()
}

fn opened(path: &Path) -> Model {
    Model::open(path).unwrap_or_else(|error| panic!("{error}"))
}

/// Every tensor of the source is there, with its dtype, shape and data, by every backend; and no other.
#[track_caller]
fn gives_all_of(source: &Path, model: &Model, knows_shapes: bool) {
    let file = if source.is_dir() { safetensors::read_directory(source) } else { safetensors::read(source) };
    let expected = file.expect("a sound source").tensors;
    let found: Vec<Tensor> = model.tensors().collect();
    let names: Vec<_> = found.iter().map(Tensor::name).collect();
    assert_eq!(names, expected.keys().map(String::as_str).collect::<Vec<_>>());
    for (tensor, (name, expected)) in found.iter().zip(&expected) {
        assert_eq!(tensor.dtype().name(), expected.dtype, "{name}");
        assert_eq!(tensor.bytes(), expected.bytes.len() as u64, "{name}");
        if knows_shapes || !tensor.is_coded() {
            assert_eq!(tensor.shape(), Some(expected.shape.as_slice()), "{name}");
        }
        if tensor.is_coded() || tensor.dtype().is_bf16() {
            let matrix = model.matrix(name).unwrap_or_else(|error| panic!("{error}"));
            for backend in backends() {
                let mut weights = vec![bf16::NAN; matrix.weights() as usize];
                matrix.decode(&*backend, &mut weights).unwrap_or_else(|error| panic!("{error}"));
                assert!(bytes_of(&weights) == expected.bytes, "{name}, {}", backend.name());
            }
        } else {
            assert!(matches!(model.matrix(name), Err(Error::TensorUnfit { .. })), "{name}");
        }
        if !tensor.is_coded() {
            let mut bytes = vec![0; expected.bytes.len()];
            tensor.read_raw(0, &mut bytes).expect("it is read");
            assert!(bytes == expected.bytes, "{name}");
        }
    }
    assert_eq!(model.raw_tensors().count(), found.iter().filter(|tensor| !tensor.is_coded()).count());
    let coded: u64 = found.iter().filter(|tensor| tensor.is_coded()).map(|tensor| tensor.bytes() / 2).sum();
    assert_eq!(model.units().map(|unit| unit.weights()).sum::<u64>(), coded);
    let of_units: Vec<_> = model.units().flat_map(|unit| unit.matrices().collect::<Vec<Matrix>>()).collect();
    assert_eq!(of_units.len(), found.iter().filter(|tensor| tensor.is_coded()).count());
}

#[test]
fn published_models_give_every_tensor_of_their_sources() {
    for name in FIXTURES {
        let fixture = vectors("official").join(name);
        // Of a Llama the configuration tells the shapes.
        gives_all_of(&fixture.join("bf16"), &opened(&fixture.join("df11")), name == "llama-sharded");
    }
}

#[test]
fn our_models_of_every_form_give_every_tensor_of_their_sources() {
    let forms: [fn(&mut CompressOptions); 3] =
        [|_| {}, |options| options.single_file = true, |options| options.code = CodeKind::Published];
    for change in forms {
        let work = folder();
        let source = source(work.path());
        let mut options = CompressOptions::default();
        change(&mut options);
        let coded = coded(&source, work.path(), &options);
        gives_all_of(&source, &opened(&coded), options.code != CodeKind::Published);
    }
}

#[test]
fn models_of_bf16_give_every_tensor_too() {
    let work = folder();
    let source = source(work.path());
    let model = opened(&source);
    gives_all_of(&source, &model, true);
    assert_eq!(model.units().len(), 0);
    for name in FIXTURES {
        let fixture = vectors("official").join(name).join("bf16");
        gives_all_of(&fixture, &opened(&fixture), true);
    }
}

#[test]
fn shapes_that_a_model_does_not_hold_come_from_one_like_it() {
    let fixture = vectors("official").join("edge-long-codes");
    let model = opened(&fixture.join("df11"));
    assert!(model.tensors().any(|tensor| tensor.is_coded() && tensor.shape().is_none()));
    let mut options = OpenOptions::default();
    options.like = Some(fixture.join("bf16"));
    let model = Model::open_with(fixture.join("df11"), &options).expect("it opens");
    gives_all_of(&fixture.join("bf16"), &model, true);
}

/// A matrix of more than one row, in a unit with others before it.
fn matrix_inside(model: &Model) -> Matrix {
    let found = model.units().flat_map(|unit| unit.matrices().skip(1).collect::<Vec<_>>()).next();
    found.expect("a unit of several matrices")
}

#[test]
fn ranges_and_rows_are_those_of_the_matrix() {
    let work = folder();
    let source = source(work.path());
    let coded = coded(&source, work.path(), &CompressOptions::default());
    let models = [opened(&coded), opened(&source)];
    let name = matrix_inside(&models[0]).name().to_owned();
    for model in &models {
        let matrix = model.matrix(&name).expect("it is there");
        let Some(&[height, columns]) = matrix.shape() else { panic!("a matrix has two dimensions") };
        let (mut all, rows) = (vec![bf16::NAN; matrix.weights() as usize], [height - 1, 0, 0]);
        for backend in backends() {
            matrix.decode(&*backend, &mut all).expect("it decodes");
            let mut part = vec![bf16::NAN; 77];
            matrix.decode_range(&*backend, 5, &mut part).expect("it decodes");
            assert!(bytes_of(&part) == bytes_of(&all[5..82]));
            let mut found = vec![bf16::NAN; 3 * columns as usize];
            matrix.decode_rows(&*backend, &rows, &mut found).expect("they decode");
            let row = |row: u64| &all[(row * columns) as usize..][..columns as usize];
            assert!(bytes_of(&found) == bytes_of(&rows.map(row).concat()));

            let refused = |result: Result<(), Error>| assert!(matches!(result, Err(Error::TensorUnfit { .. })));
            refused(matrix.decode(&*backend, &mut part));
            refused(matrix.decode_range(&*backend, matrix.weights() - 76, &mut part));
            refused(matrix.decode_range(&*backend, u64::MAX, &mut part));
            refused(matrix.decode_rows(&*backend, &[height], &mut found[..columns as usize]));
            refused(matrix.decode_rows(&*backend, &rows, &mut part));
        }
    }
}

#[test]
fn a_unit_is_read_into_memory_of_the_callers() {
    let model = opened(&vectors("official").join("llama-sharded/df11"));
    for entry in model.units() {
        let read = entry.read().expect("it is read");
        let sizes = entry.sizes().expect("it is small");
        let mut arena = vec![0; entry.bytes() as usize];
        let (encoded_exponent, rest) = arena.split_at_mut(sizes.parts.encoded_exponent);
        let (sign_mantissa, rest) = rest.split_at_mut(sizes.parts.sign_mantissa);
        let (luts, rest) = rest.split_at_mut(sizes.parts.luts);
        let (gaps, rest) = rest.split_at_mut(sizes.parts.gaps);
        let (output_positions, split_positions) = rest.split_at_mut(sizes.parts.output_positions);
        let parts = PartsMut { encoded_exponent, sign_mantissa, luts, gaps, output_positions };
        entry.read_into(parts, split_positions).expect("it is read");
        let view = read.view();
        assert_eq!((&*split_positions, &*luts), (view.split_positions, view.luts));
        let unit = UnitView { encoded_exponent, sign_mantissa, luts, gaps, output_positions, split_positions };
        let mut weights = vec![bf16::NAN; entry.weights() as usize];
        df11::core::decode(&unit.validate().expect("it is sound"), &mut weights).expect("it decodes");
        let first = entry.matrices().next().expect("it has a matrix");
        let mut expected = vec![bf16::NAN; first.weights() as usize];
        first.decode(&df11::core::Plain, &mut expected).expect("it decodes");
        assert!(bytes_of(&weights[..expected.len()]) == bytes_of(&expected));

        let mut short = vec![0; sizes.parts.encoded_exponent - 1];
        let parts = PartsMut {
            encoded_exponent: &mut short,
            sign_mantissa: &mut [],
            luts: &mut [],
            gaps: &mut [],
            output_positions: &mut [],
        };
        assert!(matches!(entry.read_into(parts, &mut []), Err(Error::UnitDamaged { .. })));
    }
}

#[test]
fn what_is_found_outlives_the_model_and_serves_several_threads() {
    fn kept<T: Clone + Send + Sync + 'static>() {}
    kept::<Model>();
    kept::<Matrix>();
    kept::<UnitEntry>();
    let matrix = matrix_inside(&opened(&vectors("official").join("llama-sharded/df11")));
    let decode = |matrix: &Matrix| {
        let mut weights = vec![bf16::NAN; matrix.weights() as usize];
        matrix.decode(&df11::cpu::Level::best(), &mut weights).expect("it decodes");
        bytes_of(&weights)
    };
    let expected = decode(&matrix);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(decode(&matrix) == expected));
        }
    });
}

/// Bytes that this thread has read from files so far; `None` where the system does not count them.
fn bytes_read() -> Option<u64> {
    let counts = fs::read_to_string("/proc/thread-self/io").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
}

#[test]
fn one_expert_is_decoded_from_the_blocks_that_hold_it() {
    let work = folder();
    let (source, coded) = (work.path().join("source"), work.path().join("coded"));
    let (name, [experts, rows, columns]) = ("model.layers.0.mlp.experts.down_proj", [64, 256, 512]);
    let tensors = vec![weights(name, &[experts, rows, columns], 3), weights("lm_head.weight", &[256, 256], 4)];
    let expected = tensors[0].bytes.clone();
    Contents { tensors, ..Contents::default() }.write(&source, 0);
    compress(&source, &coded, &with!(CompressOptions::default(), all: true), &()).expect("it is compressed");
    let model = opened(&coded);
    let matrix = model.matrix(name).expect("a matrix");
    let unit = matrix.unit().expect("coded");
    let small =
        unit.sizes().map(|sizes| sizes.parts.gaps + sizes.parts.output_positions + sizes.parts.luts).expect("a unit");
    for backend in backends() {
        for expert in [0, 1, 30, 63] {
            let part = matrix.part(expert).expect("an expert");
            let mut found = vec![bf16::ZERO; part.weights() as usize];
            let before = bytes_read();
            part.decode(&*backend, &mut found).expect("decoded");
            let begin = expert as usize * size_of_val(&*found);
            assert!(bytes_of(&found) == expected[begin..][..size_of_val(&*found)], "{}: {expert}", backend.name());
            let Some(read) = before.and_then(|before| Some(bytes_read()? - before)) else {
                eprintln!("SKIPPED: this system does not count the bytes that a thread reads");
                continue;
            };
            // Coded it is smaller than BF16. It shares two blocks, of at most 32,768 weights each.
            let most = size_of_val(&*found) as u64 + small as u64 + 2 * 2 * 32_768 + 4096;
            assert!(read < most && read < unit.bytes() / 4, "{}: {read} bytes of {}", backend.name(), unit.bytes());
            println!("{}, expert {expert}: {read} of {} bytes, {small} in small arrays", backend.name(), unit.bytes());
        }
        // Rows from both ends and the middle, one twice.
        let part = matrix.part(7).expect("an expert");
        let rows = [255, 0, 128, 0];
        let mut found = vec![bf16::ZERO; rows.len() * columns as usize];
        part.decode_rows(&*backend, &rows, &mut found).expect("decoded");
        for (row, found) in rows.iter().zip(found.chunks(columns as usize)) {
            let begin = (7 * 256 + *row as usize) * size_of_val(found);
            assert!(bytes_of(found) == expected[begin..][..size_of_val(found)], "{}: row {row}", backend.name());
        }
    }
}

#[test]
fn a_loaded_unit_is_all_that_a_runtime_keeps() {
    let model = opened(&vectors("official").join("llama-sharded/df11"));
    let entry = model.units().find(|unit| unit.matrices().len() > 1).expect("there is one");
    let matrices: Vec<_> = entry.matrices().collect();
    for backend in backends() {
        let loaded = entry.load(&*backend).expect("it loads");
        for matrix in &matrices {
            let mut weights = vec![bf16::NAN; matrix.weights() as usize];
            loaded.decode_range(matrix.range().start, &mut weights, Work::ThisThread).expect("it decodes");
            let mut expected = weights.clone();
            matrix.decode(&df11::core::Plain, &mut expected).expect("it decodes");
            assert!(bytes_of(&weights) == bytes_of(&expected), "{}", matrix.name());
        }
    }
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let model = opened(&vectors("official").join("llama-sharded/df11"));
    let error = model.matrix("model.layers.99.weight").expect_err("there is none");
    assert!(matches!(&error, Error::NoSuchTensor { tensor, .. } if tensor == "model.layers.99.weight"), "{error}");
    let raw = model.raw_tensors().next().expect("it has norms");
    let bytes = raw.bytes();
    assert!(matches!(raw.read_raw(bytes, &mut [0]), Err(Error::TensorUnfit { .. })));
    assert!(matches!(raw.read_raw(u64::MAX, &mut [0; 2]), Err(Error::TensorUnfit { .. })));
    let coded = model.tensors().find(Tensor::is_coded).expect("it has units");
    assert!(matches!(coded.read_raw(0, &mut [0]), Err(Error::TensorUnfit { .. })));
}

#[test]
fn a_damaged_unit_is_named_with_its_file() {
    let work = folder();
    let source = source(work.path());
    let mut options = CompressOptions::default();
    options.single_file = true;
    let path = coded(&source, work.path(), &options);
    let model = opened(&path);
    let entry = model.units().next().expect("it has units");
    let stream = entry.name().to_owned() + ".output_positions";
    let mut contents = Contents::read(&path);
    contents.tensor(&stream).bytes[0] = 1;
    fs::write(&path, contents.to_bytes(0)).expect("written");
    let model = opened(&path);
    let error = model.units().next().expect("it has units").load(&df11::core::Plain).expect_err("it is damaged");
    assert!(
        matches!(&error, Error::UnitDamaged { unit, path: file, .. } if unit == entry.name() && *file == path),
        "{error}"
    );
}

#[test]
fn a_record_that_lies_is_refused_when_the_model_is_opened() {
    let work = folder();
    let source = source(work.path());
    let mut options = CompressOptions::default();
    options.single_file = true;
    let path = coded(&source, work.path(), &options);
    let mut contents = Contents::read(&path);
    let tensors = contents.metadata["df11.tensors"].as_str().expect("text").replacen("BF16", "F32", 1);
    contents.metadata.insert("df11.tensors".into(), tensors.into());
    fs::write(&path, contents.to_bytes(0)).expect("written");
    let error = Model::open(&path).expect_err("its checksum is another one");
    assert!(matches!(&error, Error::Record { .. }), "{error}");
}

/// One file of a DFloat11 directory is damaged. What is left is not taken for a BF16 model.
#[test]
fn a_damaged_directory_is_refused_with_the_name_of_the_file() {
    let work = folder();
    let source = source_folder(work.path());
    let path = coded(&source, work.path(), &CompressOptions::default());
    let unit = fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("listed").path());
    let unit =
        unit.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("model_layers_0")));
    let unit = unit.min().expect("a file of a unit");
    fs::write(&unit, b"not a safetensors file").expect("written");
    let error = Model::open(&path).expect_err("a file is damaged").to_string();
    assert!(error.contains("model_layers_0"), "{error}");
}

/// A file of the model is gone, or one of a published model is cut.
#[test]
fn a_part_of_a_model_is_not_the_model() {
    let work = folder();
    let source = source_folder(work.path());
    let path = coded(&source, work.path(), &CompressOptions::default());
    let unit = fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("listed").path());
    let mut files: Vec<_> = unit.filter(|path| path.extension().is_some_and(|end| end == "safetensors")).collect();
    files.sort();
    for file in files {
        let bytes = fs::read(&file).expect("read");
        fs::remove_file(&file).expect("removed");
        assert!(Model::open(&path).is_err(), "{}", file.display());
        fs::write(&file, bytes).expect("written");
    }
    opened(&path);
    let published = work.path().join("published");
    fs::create_dir(&published).expect("created");
    for entry in fs::read_dir(vectors("official").join("llama-sharded/df11")).expect("a folder") {
        let path = entry.expect("listed").path();
        fs::copy(&path, published.join(path.file_name().expect("a name"))).expect("copied");
    }
    let shard = published.join("model_layers_0.safetensors");
    let bytes = fs::read(&shard).expect("read");
    fs::write(&shard, &bytes[..bytes.len() - 1]).expect("written");
    assert!(Model::open(&published).is_err(), "a shard was cut");
    fs::write(&shard, &bytes).expect("written");
    fs::write(published.join("copy.safetensors"), &bytes).expect("written");
    assert!(Model::open(&published).is_err(), "a shard is there twice");
}

#[cfg(feature = "mmap")]
#[test]
fn a_mapped_unit_is_the_same_unit() {
    for name in FIXTURES {
        for entry in opened(&vectors("official").join(name).join("df11")).units() {
            // SAFETY: nobody writes to the vectors.
            let mapped = unsafe { entry.map() }.expect("it is mapped");
            let (mapped, read) = (mapped.view(), entry.read().expect("it is read"));
            let read = read.view();
            assert!(mapped.encoded_exponent == read.encoded_exponent && mapped.sign_mantissa == read.sign_mantissa);
            assert!(mapped.luts == read.luts && mapped.gaps == read.gaps);
            assert!(mapped.output_positions == read.output_positions && mapped.split_positions == read.split_positions);
        }
    }
}
