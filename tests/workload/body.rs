//! What workloads write: a function of seed and number alone, so that a test computes every byte again.

/// A line without its newline: its number, then 0 to 159 bytes of text, some of it outside ASCII.
pub(crate) fn line(seed: u64, number: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number;
    let words = next(&mut state) % 20;
    let mut line = format!("{seed}:{number:07}");
    for _ in 0..words {
        line.push_str(
            [" lorem", " ipsum", " dólar", " \"q\"", " \\", " 日本", " {}", "\t"]
                [next(&mut state) as usize % 8],
        );
    }
    line.into_bytes()
}

/// Lines 1 to `count`, each with its newline.
pub(crate) fn lines(seed: u64, count: u64) -> Vec<u8> {
    let mut text = Vec::new();
    for number in 1..=count {
        text.extend(line(seed, number));
        text.push(b'\n');
    }
    text
}

/// Lines of 1 upwards, cut so that the text is `length` bytes long and ends with a newline.
pub(crate) fn text(seed: u64, length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 256);
    for number in 1.. {
        if text.len() >= length {
            break;
        }
        text.extend(line(seed, number));
        text.push(b'\n');
    }
    text.truncate(length);
    if let Some(last) = text.last_mut() {
        *last = b'\n';
    }
    text
}

/// Every byte but the newline, in runs that no decoder takes for UTF-8; one carriage return before a newline.
pub(crate) fn binary() -> Vec<u8> {
    let all: Vec<u8> = (0..=255).filter(|&byte| byte != b'\n').collect();
    [&all[..], b"\n\0\0\0\n\xff\xfe\xc3\x28\ncarriage\r\n\r\n\n"].concat()
}

/// Line `number` of a flood: 99 bytes, so that with its newline it is one write of 100.
pub(crate) fn flood_line(number: u64) -> Vec<u8> {
    format!("{number:019} {}", "f".repeat(79)).into_bytes()
}

/// Line `number` of such as break readers: empty, of NULs and carriage returns, in other encodings, like a log's own entries,
/// at the edges of Docker's 16 KiB, or up to 200 KiB long.
pub(crate) fn odd(seed: u64, number: u64) -> Vec<u8> {
    const EDGE: usize = 16 << 10;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number;
    let choice = next(&mut state);
    let long = |length: usize| {
        // ASCII: the engine would cut a character at the edge in two.
        let text = format!("{number} {}", "long ".repeat(length / 5 + 1));
        text.into_bytes()[..length.max(8)].to_vec()
    };
    match choice % 3000 {
        0 => return long(next(&mut state) as usize % (200 << 10)),
        1..8 => return long(EDGE * (1 + next(&mut state) as usize % 4) - 2 + choice as usize % 5),
        _ => {}
    }
    let mut line = Vec::new();
    for _ in 0..next(&mut state) % 12 {
        let pieces: [&[u8]; 20] = [
            b"\0",
            b"\r",
            b"\0\0\0",
            b"word",
            b" ",
            b"\xff",
            b"\xc3",
            b"\xe2\x82",
            b"\xf0\x9f",
            b"\x80",
            "\u{fffd}".as_bytes(),
            "\u{2028}".as_bytes(),
            "日本".as_bytes(),
            b"<&>",
            b"\"\\",
            b"\\n",
            b"{\"log\":\"x\\n\",\"stream\":\"stdout\"}",
            b"\x1b[31m",
            b"\t",
            b"\x7f",
        ];
        line.extend_from_slice(pieces[next(&mut state) as usize % pieces.len()]);
    }
    line
}

/// `SplitMix64`.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
