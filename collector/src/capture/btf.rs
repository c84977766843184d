//! The kernel's type information: just enough of it to find a field's offset, an enum's value, a function.
//!
//! Format: Documentation/bpf/btf.rst. The crates that load BPF keep their parsers to themselves, and those that offer one
//! are under the GPL.

use std::collections::HashMap;

const MAGIC: u16 = 0xeb9f;
const KIND_POINTER: u32 = 2;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_FUNCTION: u32 = 12;
/// Anonymous members nest a few levels deep; a malformed file might nest for ever.
const MAX_DEPTH: usize = 16;

/// Why a file is not type information.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// Not BTF at all, or of the other byte order.
    #[error("no BTF of this machine's byte order")]
    Magic,
    /// It ends in the middle of something.
    #[error("cut short")]
    Short,
    /// A kind of type that is newer than this parser.
    #[error("unknown kind {0} of type")]
    Kind(u32),
}

/// All types of a kernel, by id, and its structs and functions by name.
pub(super) struct Btf<'a> {
    types: Vec<Type<'a>>,
    structs: HashMap<&'a [u8], u32>,
    /// By name, the id of the type with their parameters.
    functions: HashMap<&'a [u8], u32>,
    strings: &'a [u8],
}

#[derive(Clone, Copy)]
struct Type<'a> {
    name: u32,
    info: u32,
    /// The type that this one refers to; a struct's size.
    target: u32,
    /// What follows the fixed part.
    tail: &'a [u8],
}

impl Type<'_> {
    const fn kind(&self) -> u32 {
        self.info >> 24 & 0x1f
    }
}

impl<'a> Btf<'a> {
    /// Indexes the types of a file.
    pub(super) fn parse(data: &'a [u8]) -> Result<Self, BtfError> {
        if data.get(..2) != Some(&MAGIC.to_ne_bytes()) {
            return Err(BtfError::Magic);
        }
        let header_bytes = word(data, 4)?;
        let section = |offset: u32, length: u32| {
            let start = header_bytes as usize + offset as usize;
            data.get(start..start.saturating_add(length as usize)).ok_or(BtfError::Short)
        };
        let mut rest = section(word(data, 8)?, word(data, 12)?)?;
        let strings = section(word(data, 16)?, word(data, 20)?)?;
        // Type 0 is `void` and is not in the file.
        let mut btf = Self {
            types: vec![Type { name: 0, info: 0, target: 0, tail: &[] }],
            structs: HashMap::new(),
            functions: HashMap::new(),
            strings,
        };
        while !rest.is_empty() {
            let (name, info) = (word(rest, 0)?, word(rest, 4)?);
            let mut entry = Type { name, info, target: word(rest, 8)?, tail: &[] };
            let end = 12 + tail_bytes(entry.kind(), info & 0xffff)?;
            entry.tail = rest.get(12..end).ok_or(BtfError::Short)?;
            match entry.kind() {
                KIND_STRUCT => {
                    btf.structs.entry(btf.string(name)).or_insert(btf.types.len() as u32);
                }
                KIND_FUNCTION => {
                    btf.functions.insert(btf.string(name), entry.target);
                }
                _ => {}
            }
            btf.types.push(entry);
            rest = &rest[end..];
        }
        Ok(btf)
    }

    /// Offset in bytes of a field, looked for in anonymous members too. `path` may name nested fields by dots.
    pub(super) fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        let mut id = *self.structs.get(structure.as_bytes())?;
        let mut bits = 0;
        for field in path.split('.') {
            let (offset, target) = self.member(id, field.as_bytes(), 0)?;
            bits += offset;
            id = target;
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// The value of this name in the first enum that has one.
    pub(super) fn enumerator(&self, name: &str) -> Option<u32> {
        let enums = self.types.iter().filter(|entry| entry.kind() == KIND_ENUM);
        let mut values = enums.flat_map(|entry| entry.tail.chunks_exact(8));
        let value = values
            .find(|value| word(value, 0).is_ok_and(|at| self.string(at) == name.as_bytes()))?;
        word(value, 4).ok()
    }

    /// Whether there is a struct of this name.
    pub(super) fn has_struct(&self, name: &str) -> bool {
        self.structs.contains_key(name.as_bytes())
    }

    /// Whether there is a function of this name.
    pub(super) fn has_function(&self, name: &str) -> bool {
        self.functions.contains_key(name.as_bytes())
    }

    /// Whether a function has exactly these parameters: each a pointer to the struct of this name, or anything for none.
    pub(super) fn takes(&self, function: &str, parameters: &[&str]) -> bool {
        let prototype = self.functions.get(function.as_bytes());
        let Some(prototype) = prototype.and_then(|&id| self.types.get(id as usize)) else {
            return false;
        };
        let found = prototype.tail.chunks_exact(8);
        found.len() == parameters.len()
            && found.zip(parameters).all(|(found, name)| {
                name.is_empty()
                    || word(found, 4).ok().and_then(|id| self.pointee(id)) == Some(name.as_bytes())
            })
    }

    /// The name of the struct that a pointer leads to.
    fn pointee(&self, id: u32) -> Option<&'a [u8]> {
        let pointer = self.types.get(id as usize).filter(|entry| entry.kind() == KIND_POINTER)?;
        let mut target = self.types.get(pointer.target as usize)?;
        for _ in 0..MAX_DEPTH {
            match target.kind() {
                KIND_STRUCT => return Some(self.string(target.name)),
                // A qualifier.
                9..=11 => target = self.types.get(target.target as usize)?,
                _ => return None,
            }
        }
        None
    }

    /// Offset in bits, and type, of a member.
    fn member(&self, id: u32, field: &[u8], depth: usize) -> Option<(u32, u32)> {
        let structure = self.types.get(id as usize)?;
        if depth > MAX_DEPTH {
            return None;
        }
        if !matches!(structure.kind(), KIND_STRUCT | KIND_UNION) {
            // A typedef or qualifier of a struct.
            return match structure.kind() {
                8..=11 | 18 => self.member(structure.target, field, depth + 1),
                _ => None,
            };
        }
        // With the kind flag, the upper 8 bits are the size of a bit field.
        let mask = if structure.info >> 31 == 1 { 0x00ff_ffff } else { u32::MAX };
        for member in structure.tail.chunks_exact(12) {
            let (name, target) = (word(member, 0).ok()?, word(member, 4).ok()?);
            let offset = word(member, 8).ok()? & mask;
            if name == 0 {
                if let Some((inner, target)) = self.member(target, field, depth + 1) {
                    return Some((offset + inner, target));
                }
            } else if self.string(name) == field {
                return Some((offset, target));
            }
        }
        None
    }

    fn string(&self, offset: u32) -> &'a [u8] {
        let text = self.strings.get(offset as usize..).unwrap_or_default();
        &text[..memchr::memchr(0, text).unwrap_or(text.len())]
    }
}

fn word(data: &[u8], at: usize) -> Result<u32, BtfError> {
    let bytes = data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_ne_bytes).ok_or(BtfError::Short)
}

/// Bytes that follow the fixed part of a type.
fn tail_bytes(kind: u32, members: u32) -> Result<usize, BtfError> {
    let members = members as usize;
    Ok(match kind {
        2 | 7..=12 | 16 | 18 => 0, // pointer, forward, typedef, qualifiers, function, float, type tag
        1 | 14 | 17 => 4,          // integer, variable, declaration tag
        3 => 12,                   // array
        KIND_STRUCT | KIND_UNION | 15 | 19 => members * 12, // data section, 64-bit enum
        KIND_ENUM | 13 => members * 8, // function prototype
        kind => return Err(BtfError::Kind(kind)),
    })
}

#[cfg(test)]
mod tests {
    use super::{Btf, BtfError, KIND_FUNCTION, KIND_POINTER};

    /// `struct s { int a; union { int b; struct { int c, d; } } ; const struct t e; }`, `struct t { int f, g; }`,
    /// `enum { H, I }`, `u(const struct t *, int)`
    fn sample() -> Vec<u8> {
        let strings = b"\0s\0a\0b\0c\0d\0e\0t\0f\0g\0int\0H\0I\0u\0";
        let at = |name: &[u8]| {
            let mut key = name.to_vec();
            key.push(0);
            strings.windows(key.len()).position(|w| w == key).unwrap() as u32
        };
        let (structure, union) = (4 << 24, 5 << 24);
        let mut words = vec![at(b"int"), 1 << 24, 4, 32];
        words.extend([0, structure | 2, 8, at(b"c"), 1, 0, at(b"d"), 1, 32]); // 2
        words.extend([0, union | 2, 8, at(b"b"), 1, 0, 0, 2, 0]); // 3
        words.extend([at(b"t"), structure | 2, 8, at(b"f"), 1, 0, at(b"g"), 1, 32]); // 4
        words.extend([0, 10 << 24, 4]); // 5: const t
        let s = [at(b"s"), structure | 3, 20, at(b"a"), 1, 0, 0, 3, 32, at(b"e"), 5, 96];
        words.extend(s);
        words.extend([0, 6 << 24 | 2, 4, at(b"H"), 0, at(b"I"), 1]); // 7: enum
        words.extend([at(b"u"), KIND_FUNCTION << 24, 9]); // 8
        words.extend([0, 13 << 24 | 2, 1, 0, 10, 0, 1]); // 9
        words.extend([0, KIND_POINTER << 24, 5]); // 10
        let mut data = vec![0x9f, 0xeb, 1, 0];
        let types = words.len() as u32 * 4;
        for word in [24, 0, types, types, strings.len() as u32].into_iter().chain(words) {
            data.extend(word.to_le_bytes());
        }
        data.extend(strings);
        data
    }

    #[test]
    fn finds_plain_anonymous_and_nested_fields() {
        let data = sample();
        let btf = Btf::parse(&data).unwrap();
        let offset = |path| btf.offset("s", path);
        assert_eq!([offset("a"), offset("b"), offset("c")], [Some(0), Some(4), Some(4)]);
        assert_eq!([offset("d"), offset("e"), offset("e.g")], [Some(8), Some(12), Some(16)]);
        assert_eq!([offset("x"), offset("a.b"), btf.offset("u", "a")], [None; 3]);
    }

    #[test]
    fn finds_values_of_enums() {
        let data = sample();
        let btf = Btf::parse(&data).unwrap();
        assert_eq!(
            ["H", "I", "a", ""].map(|name| btf.enumerator(name)),
            [Some(0), Some(1), None, None]
        );
    }

    #[test]
    fn finds_structs_and_functions() {
        let data = sample();
        let btf = Btf::parse(&data).unwrap();
        assert_eq!(["s", "u", "int"].map(|name| btf.has_struct(name)), [true, false, false]);
        assert_eq!(["s", "u", "int"].map(|name| btf.has_function(name)), [false, true, false]);
        let takes = |parameters: &[&str]| btf.takes("u", parameters);
        assert_eq!([takes(&["t", ""]), takes(&["", ""])], [true; 2]);
        assert_eq!([takes(&["s", ""]), takes(&["t", "t"]), takes(&["t"]), takes(&[])], [false; 4]);
        assert!(!btf.takes("s", &[]));
    }

    #[test]
    fn refuses_what_is_cut_short_or_foreign() {
        let data = sample();
        for end in 0..data.len() {
            assert!(Btf::parse(&data[..end]).is_err(), "{end}");
        }
        assert_eq!(Btf::parse(b"\x7fELF").err(), Some(BtfError::Magic));
    }
}
