//! `df11 NAME` starts `df11-NAME`, from where its user put it, and from nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::{Place, df11, ended, program, text};

/// A program that prints its arguments and ends with code 7.
fn write_program(folder: &Path, name: &str, mode: u32) {
    fs::create_dir_all(folder).expect("a folder");
    let file = folder.join(name);
    fs::write(&file, "#!/bin/sh\necho \"got $*\"\nexit 7\n").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn a_program_in_path_is_started_with_all_its_arguments() {
    let place = Place::new();
    write_program(&place.at("bin"), "df11-say", 0o755);
    let path = format!("{}:/usr/bin:/bin", text(&place.at("bin")));
    let run = ended(program().args(["say", "--loud", "a b"]).env("PATH", path).output().expect("starts"));
    assert_eq!((run.code, run.stdout.as_str()), (7, "got --loud a b\n"), "{}", run.stderr);
}

#[test]
fn neither_the_current_folder_nor_a_relative_one_is_searched() {
    let place = Place::new();
    write_program(&place.at("bin"), "df11-say", 0o755);
    write_program(&place.at("."), "df11-say", 0o755);
    for path in ["bin:/usr/bin:/bin", ".:/usr/bin:/bin", ":/usr/bin:/bin"] {
        let mut command = program();
        command.args(["say", "hello"]).env("PATH", path).current_dir(place.at("."));
        let run = ended(command.output().expect("starts"));
        run.fails(2, &["unrecognized subcommand 'say'"]);
    }
}

#[test]
fn own_verbs_win_and_other_names_are_not_looked_for() {
    let place = Place::new();
    for name in ["df11-verify", "df11-Say", "df11-a.b", "df11-no"] {
        write_program(&place.at("bin"), name, if name == "df11-no" { 0o644 } else { 0o755 });
    }
    let path = format!("{}:/usr/bin:/bin", text(&place.at("bin")));
    for name in ["verify", "Say", "a.b", "../bin/df11-Say", "no"] {
        let run = ended(program().arg(name).env("PATH", &path).output().expect("starts"));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{name}");
    }
}

#[test]
fn typos_are_still_recognised_and_what_is_not_installed_is_named() {
    df11(["compres", "model"]).fails(2, &["compress"]);
    for name in ["generate", "embed"] {
        let run = ended(program().args([name, "m"]).env("PATH", "/usr/bin:/bin").output().expect("starts"));
        run.fails(2, &[&format!("df11-{name}"), "cargo install --path candle/df11-generate"]);
    }
}
