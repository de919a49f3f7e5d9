//! Who may read what is written: nobody who may not read the source.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::models::tree;
use crate::{Place, ended, miniature, shell, text};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permitted");
}

#[test]
fn nobody_reads_what_is_written_who_may_not_read_the_source() {
    // The user's umask counts: what it removes is never given back.
    for (umask, private, copied) in
        [("022", 0o600, 0o644), ("022", 0o640, 0o755), ("077", 0o644, 0o644), ("022", 0o400, 0o440)]
    {
        let mask = u32::from_str_radix(umask, 8).expect("octal");
        let place = Place::new();
        let (m, file) = (place.at("m"), place.at("a.safetensors"));
        miniature::write_directory(&m);
        miniature::write_file(&file);
        fs::create_dir(m.join("sub")).expect("created");
        fs::write(m.join("sub/notes"), "theirs").expect("written");
        set_mode(&m.join("sub/notes"), copied);
        set_mode(&m.join("sub"), 0o750);
        let shards: Vec<_> = tree(&m).into_keys().filter(|name| name.ends_with("-of-00002.safetensors")).collect();
        // One private file is enough.
        set_mode(&m.join(&shards[0]), private);
        set_mode(&file, private);
        set_mode(&m, 0o700);
        let run = |verb: &str, input: &str, output: &str| {
            let script = r#"umask "$1"; shift; exec "$0" "$@""#;
            let (input, output) = (place.at(input), place.at(output));
            let arguments = [umask, verb, text(&input), "-o", text(&output)];
            ended(shell(script, &arguments)).fine();
        };
        run("compress", "m", "coded");
        run("decompress", "coded", "back");
        run("compress", "a.safetensors", "b.safetensors");
        run("decompress", "b.safetensors", "c.safetensors");
        for folder in ["coded", "back"].map(|name| place.at(name)) {
            for name in tree(&folder).into_keys() {
                let expected = match name.as_str() {
                    "sub/notes" => copied,
                    "tokenizer.json" | "generation_config.json" => 0o644,
                    _ => private,
                };
                assert_eq!(mode(&folder.join(&name)), expected & !mask, "{name} with umask {umask}");
            }
            assert_eq!((mode(&folder), mode(&folder.join("sub"))), (0o700, 0o750 & !mask));
        }
        for file in ["b.safetensors", "c.safetensors"] {
            assert_eq!(mode(&place.at(file)), private & !mask, "{file} with umask {umask}");
        }
    }
}
