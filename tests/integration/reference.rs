//! What is generated is up to date.

use std::path::Path;

use crate::cli::writetap;

#[test]
fn the_generated_files_are_what_would_be_generated() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let run = writetap().args(["reference", "check"]).arg(deploy).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn the_annotated_example_is_valid() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/writetap.yaml");
    let run = writetap().arg("validate").arg(example).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
