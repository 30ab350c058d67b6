//! `make advisories`, run against stubs of `cargo`, `npm` and `pip-audit`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{file, root};

#[test]
fn every_lock_file_is_looked_up_even_after_a_finding() {
    let folder = std::env::temp_dir().join(format!("advisories-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder is made");
    for (program, status) in [("cargo", 1), ("npm", 0), ("pip-audit", 0)] {
        let stub = folder.join(program);
        fs::write(&stub, format!("#!/bin/sh\necho \"{program} $*\" >>\"$CALLS\"\nexit {status}\n")).expect("it is written");
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).expect("it is made a program");
    }
    let calls = folder.join("calls");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("there is a path"));
    let done = Command::new(root().join("scripts/advisories")).env("PATH", path).env("CALLS", &calls).output().expect("it starts");
    let made = fs::read_to_string(&calls).unwrap_or_default();
    fs::remove_dir_all(&folder).expect("the folder is there");
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let mut made: Vec<_> = made.lines().collect();
    made.sort_unstable();
    assert_eq!(
        made,
        [
            "cargo deny --locked --all-features check",
            "cargo deny --locked --manifest-path fuzz/Cargo.toml check advisories",
            "npm audit --prefix checks/sdk/node",
            "npm audit --prefix clients/typescript",
            "npm audit --prefix web/tests",
            "pip-audit --strict --requirement checks/sdk/python/requirements.txt",
            "pip-audit --strict --requirement scripts/rehearse/requirements.txt",
        ]
    );
    assert!(file("docs/pipeline/advisories.yml").contains("- run: make advisories\n"));
}
