//! The key that encrypts the payload of a client key, and that SDKs decrypt it with.

use aes::Aes128;
use cbc::Encryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The bytes of a key, of a block and of an initialisation vector of AES-128.
const BYTES: usize = 16;

/// A key of AES-128. It is in every application that reads the payload, so it opens nothing: it keeps the rules of flags from
/// those who have the URL and not the application, such as caches, proxies, and readers of a copied URL.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DecryptionKey([u8; BYTES]);

impl DecryptionKey {
    /// A key from random bits.
    pub const fn from_bits(bits: [u8; BYTES]) -> Self {
        Self(bits)
    }

    /// Encrypts a text as GrowthBook's SDKs decrypt it: the initialisation vector and the result of AES-128-CBC, each as base64,
    /// with a dot between them.
    ///
    /// The vector is a hash of the key and the text. Two texts have two vectors, as with random ones, and it takes the key to predict
    /// one. The same text has the same result, so that the `ETag` of a payload changes with its content only.
    pub fn encrypt(&self, text: &str) -> String {
        let digest = Sha256::new()
            .chain_update(b"assay payload\0")
            .chain_update(self.0)
            .chain_update(text)
            .finalize();
        let mut vector = [0; BYTES];
        vector.copy_from_slice(&digest[..BYTES]);
        let encryptor = Encryptor::<Aes128>::new(&self.0.into(), &vector.into());
        let encrypted = encryptor.encrypt_padded_vec::<Pkcs7>(text.as_bytes());
        format!("{}.{}", BASE64.encode(&vector), BASE64.encode(&encrypted))
    }
}

/// Without the key, so that no log has it.
impl std::fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecryptionKey")
    }
}

/// As SDKs take it: base64.
impl std::fmt::Display for DecryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl From<DecryptionKey> for String {
    fn from(key: DecryptionKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for DecryptionKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = BASE64.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or("a decryption key is 16 bytes as base64")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cbc::cipher::BlockModeDecrypt;

    fn decrypt(key: &DecryptionKey, text: &str) -> String {
        let (vector, encrypted) = text.split_once('.').unwrap();
        let vector: [u8; BYTES] = BASE64
            .decode(vector.as_bytes())
            .unwrap()
            .try_into()
            .unwrap();
        let encrypted = BASE64.decode(encrypted.as_bytes()).unwrap();
        let decryptor = cbc::Decryptor::<Aes128>::new(&key.0.into(), &vector.into());
        let text = decryptor.decrypt_padded_vec::<Pkcs7>(&encrypted).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_text_has_one_encryption_and_another_text_another_vector() {
        let key = DecryptionKey::from_bits([7; BYTES]);
        for text in ["", "{}", "sixteen bytes...", "zoé 日本 😀"] {
            let encrypted = key.encrypt(text);
            assert_eq!(decrypt(&key, &encrypted), text);
            assert_eq!(key.encrypt(text), encrypted);
            let other = DecryptionKey::from_bits([8; BYTES]).encrypt(text);
            assert_ne!(other[..24], encrypted[..24]);
        }
        let (one, two) = (key.encrypt("{\"a\":1}"), key.encrypt("{\"a\":2}"));
        assert_ne!(one[..24], two[..24]);
    }

    #[test]
    fn a_key_has_one_text_and_is_in_no_log() {
        let key = DecryptionKey::from_bits([1; BYTES]);
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(text, "\"AQEBAQEBAQEBAQEBAQEBAQ==\"");
        let read: DecryptionKey = serde_json::from_str(&text).unwrap();
        assert_eq!((read, format!("{key:?}").as_str()), (key, "DecryptionKey"));
        for wrong in ["\"\"", "\"AQ==\"", "\"AQEBAQEBAQEBAQEBAQEBAQ\"", "7"] {
            assert!(serde_json::from_str::<DecryptionKey>(wrong).is_err());
        }
    }
}
