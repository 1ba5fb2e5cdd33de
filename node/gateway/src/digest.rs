//! Hashes that only have to be equal for equal bytes: FNV-1a. Nothing here keeps a secret.
//!
//! <http://www.isthe.com/chongo/tech/comp/fnv/>

/// 64 bits.
pub(crate) fn fnv64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// 128 bits over several parts, with a mark between them so that moving a byte from one to the next is noticed.
pub(crate) fn fnv128(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for part in parts {
        for byte in part.iter().chain(&[0xff, 0x00]) {
            hash =
                (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    hash.to_be_bytes()
}
