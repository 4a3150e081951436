//! Decompresses bodies as API Gateway does: the function gets the decompressed body, with the header of the request.
//!
//! API Gateway answers 415 to a body that does not have its `Content-Encoding`. Here this is 400, because the encoding is
//! supported and the body is wrong. An encoding that this gateway does not know goes to the function, which refuses it by
//! its name.

use super::request::{BodyError, MAX_BODY_BYTES};
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use std::io::Read;

/// Decompresses a body with `Content-Encoding: gzip`, to at most [`MAX_BODY_BYTES`]. Any other body is returned unchanged.
pub(super) fn decoded(headers: &HeaderMap, body: Vec<u8>) -> Result<Vec<u8>, BodyError> {
    if body.is_empty() || !is_gzip(headers) {
        return Ok(body);
    }
    let limit = MAX_BODY_BYTES as u64;
    let mut decoded = Vec::new();
    let mut bounded = MultiGzDecoder::new(body.as_slice()).take(limit + 1);
    bounded
        .read_to_end(&mut decoded)
        .map_err(BodyError::NotGzip)?;
    if decoded.len() > MAX_BODY_BYTES {
        return Err(BodyError::TooLarge);
    }
    Ok(decoded)
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let only = encodings.next().filter(|_| encodings.next().is_none());
    let name = only.and_then(|encoding| encoding.to_str().ok());
    name.is_some_and(|name| {
        let name = name.trim();
        // RFC 9110 gives both names the same meaning.
        name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(encodings: &[&'static str], body: Vec<u8>) -> Result<Vec<u8>, BodyError> {
        let mut headers = HeaderMap::new();
        for encoding in encodings {
            headers.append(header::CONTENT_ENCODING, encoding.parse().unwrap());
        }
        decoded(&headers, body)
    }

    #[test]
    fn only_one_gzip_encoding_is_decompressed() {
        for encodings in [&["gzip"][..], &["GZIP"], &[" x-gzip "]] {
            assert_eq!(decode(encodings, gzip(b"{}")).unwrap(), b"{}");
        }
        for encodings in [
            &[][..],
            &["identity"],
            &["br"],
            &["gzip, gzip"],
            &["gzip", "gzip"],
        ] {
            assert_eq!(
                decode(encodings, gzip(b"{}")).unwrap(),
                gzip(b"{}"),
                "{encodings:?}"
            );
        }
        assert_eq!(decode(&["gzip"], Vec::new()).unwrap(), b"");
        let two = [gzip(b"[1,"), gzip(b"2]")].concat();
        assert_eq!(decode(&["gzip"], two).unwrap(), b"[1,2]");
    }

    #[test]
    fn a_small_body_that_decompresses_to_much_is_too_large() {
        let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
        assert!(bomb.len() < 1024 * 1024);
        assert!(matches!(decode(&["gzip"], bomb), Err(BodyError::TooLarge)));
        let largest = gzip(&vec![b' '; MAX_BODY_BYTES]);
        assert_eq!(decode(&["gzip"], largest).unwrap().len(), MAX_BODY_BYTES);
    }

    #[test]
    fn a_body_that_is_not_gzip_or_is_cut_off_is_refused() {
        let whole = gzip(b"{\"user_id\": \"u\"}");
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let trailing = [whole.as_slice(), b"more"].concat();
        let cut = whole[..whole.len() - 1].to_vec();
        for body in [b"{}".to_vec(), damaged, trailing, cut] {
            assert!(matches!(
                decode(&["gzip"], body),
                Err(BodyError::NotGzip(_))
            ));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&["gzip"], bytes.clone());
            prop_assert_eq!(decode(&["gzip"], gzip(&bytes)).unwrap(), bytes);
        }
    }
}
