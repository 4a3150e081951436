//! The `Idempotency-Key` of a creation. What is created is named by bits that follow from the key, so a repeat finds what
//! the first request created. No second record is needed, which could be lost or expire.

use super::Request;
use super::caller::Caller;
use super::problem::Problem;
use crate::clock;
use sha2::{Digest, Sha256};

const HEADER: &str = "idempotency-key";
/// The longest key, in bytes.
const MAX_BYTES: usize = 255;

/// The key of a request; none without the header.
pub fn key(request: &Request) -> Option<&[u8]> {
    request.headers().get(HEADER).map(|key| key.as_bytes())
}

/// Bits that name what is created: they follow from the token and the key, or are random without a key. `kind` is
/// different for each kind of creation: empty for experiments, and else a zero byte, which no header contains, and a name.
///
/// # Errors
/// 400 for a malformed or repeated key.
pub fn bits(request: &Request, caller: &Caller, kind: &[u8]) -> Result<[u8; 16], Problem> {
    if request.headers().get_all(HEADER).iter().count() > 1 {
        let detail = "The request has more than one `Idempotency-Key`. Send one of them.";
        return Err(Problem::malformed("bad_idempotency_key", detail));
    }
    let Some(key) = key(request) else {
        return Ok(clock::random_bits()?);
    };
    if key.is_empty() || key.len() > MAX_BYTES {
        return Err(Problem::malformed(
            "bad_idempotency_key",
            "An `Idempotency-Key` has 1 to 255 bytes.",
        ));
    }
    let digest = Sha256::new()
        .chain_update(&caller.token_id)
        .chain_update([0])
        .chain_update(key)
        .chain_update(kind)
        .finalize();
    let mut bits = [0; 16];
    bits.copy_from_slice(&digest[..16]);
    Ok(bits)
}

/// 409: the key was used with another body.
pub fn reused(detail: &str) -> Problem {
    Problem::conflict("idempotency_key_reused", detail, Vec::new())
}
