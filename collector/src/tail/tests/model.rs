//! Any rotations and reads in any order: each line once, in order.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Write(u64),
    /// Part of a record, the rest of which is written before the next step that is not a read.
    WritePart(usize),
    Read(usize),
    Rename,
    RenameLate,
    Unlink,
    Pack,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40_u64).prop_map(Step::Write),
        2 => (1..60_usize).prop_map(Step::WritePart),
        4 => prop_oneof![0..300_usize, Just(usize::MAX)].prop_map(Step::Read),
        1 => Just(Step::Rename),
        1 => Just(Step::RenameLate),
        1 => Just(Step::Unlink),
        1 => Just(Step::Pack),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn each_line_is_read_once_and_in_order(
        steps in prop::collection::vec(step(), 0..40),
        is_json in any::<bool>(),
        block_bytes in prop::sample::select(vec![1, 5000, 1 << 16]),
        held in prop::sample::select(vec![0, 1, 50]),
    ) {
        let format = if is_json { Format::JsonFile } else { Format::Cri };
        let mut scene = Scene::with(format, |settings| {
            (settings.block_bytes, settings.max_deleted_files) = (block_bytes, held);
        });
        let mut log = scene.open();
        let (mut seen, mut rotations, mut part) = (Vec::new(), 0, Vec::new());
        for step in steps {
            if !matches!(step, Step::Read(_)) {
                append(&scene.path(), &std::mem::take(&mut part));
            }
            match step {
                Step::Write(count) => scene.write(count),
                Step::WritePart(length) => {
                    let mut record = record(format, scene.written);
                    scene.written += 1;
                    part = record.split_off(length.min(record.len()));
                    append(&scene.path(), &record);
                }
                Step::Read(limit) => {
                    log.read(limit, &mut |entry| seen.push(number(entry.bytes))).unwrap();
                }
                Step::Rename => {
                    rename(&scene);
                    rotations += 1;
                    scene.await_rotations(rotations);
                }
                Step::RenameLate => {
                    fs::rename(scene.path(), scene.older("moving")).unwrap();
                    log.read(100, &mut |entry| seen.push(number(entry.bytes))).unwrap();
                    scene.write_to(&scene.older("moving"), 2);
                    shift(&scene);
                    fs::rename(scene.older("moving"), scene.older("1")).unwrap();
                    File::create(scene.path()).unwrap();
                    rotations += 1;
                    scene.await_rotations(rotations);
                }
                Step::Unlink if held == 50 => {
                    fs::remove_file(scene.path()).unwrap();
                    File::create(scene.path()).unwrap();
                    rotations += 1;
                    scene.await_rotations(rotations);
                }
                Step::Pack => {
                    // A copy is known by 64 bytes, which a file that was rotated for its size has.
                    if scene.older("1").metadata().is_ok_and(|file| file.len() >= 64) {
                        pack(&scene.older("1"));
                    }
                }
                Step::Reopen if held != 50 => {
                    let place = log.place();
                    drop(log);
                    log = scene.open();
                    // A place in an empty file says nothing once that file was packed.
                    let is_known = place.file.fingerprint.length_bytes > 0;
                    let sought = log.seek(&place);
                    prop_assert!(sought == Sought::Found || !is_known);
                    if sought == Sought::Lost {
                        return Ok(());
                    }
                }
                Step::Unlink | Step::Reopen => {}
            }
        }
        append(&scene.path(), &part);
        seen.extend(read(&mut log));
        prop_assert_eq!(seen, numbers(0..scene.written));
        prop_assert_eq!(log.take_lost(), Lost::NONE);
        prop_assert_eq!(scene.metric("tail_entries_total"), scene.written);
    }
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}
