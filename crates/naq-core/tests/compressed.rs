//! Compressed values: against the golden file, against lies about their size, and under encryption.
#![cfg(feature = "jobs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use naq_core::compress::{CompressError, Compression, MAX_IN_MESSAGE};
use naq_core::seal::{KeyRing, SealKind};
use naq_core::wire::DecodeError;
use naq_core::{Codec, Envelope, JobId, Payload, QueueName, TaskName, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

fn stored(codec: Codec, text: &str) -> Payload {
    Payload::encode(codec, text).unwrap()
}

/// A compressed value of these bytes.
fn of_bytes(bytes: &[u8]) -> Payload {
    stored(Codec::Json, &format!("naq:lz4:1:{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn job(args: &Payload) -> Envelope {
    let (queue, id) = (QueueName::new("mail").unwrap(), JobId::new("job-1").unwrap());
    let task = TaskName::new("email.send").unwrap();
    Envelope::new(queue, id, task, args.clone(), Timestamp::from_millis(1))
}

#[test]
fn compressed_values_are_those_of_the_golden_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/compressed.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let values = vectors["values"].as_array().unwrap();
    assert!(values.len() > 2);
    for case in values {
        let text = |name: &str| case[name].as_str().unwrap();
        let codec: Codec = text("codec").parse().unwrap();
        let plain = Payload::from_raw(codec, STANDARD.decode(text("plain")).unwrap().into());
        for carrier in [Codec::Json, Codec::MsgPack] {
            let value = stored(carrier, text("compressed"));
            assert!(value.is_compressed());
            assert_eq!(value.decompressed(MAX_IN_MESSAGE).unwrap(), plain, "{}", text("name"));
        }
    }
    for case in vectors["refused"].as_array().unwrap() {
        let value = stored(Codec::Json, case["compressed"].as_str().unwrap());
        assert!(value.is_compressed() && value.decompressed(MAX_IN_MESSAGE).is_err(), "{case}");
    }
}

#[test]
fn a_value_that_says_it_is_larger_than_its_place_allows_is_refused_before_it_takes_memory() {
    let plain = stored(Codec::Json, &"a".repeat(100_000));
    let value = Compression::Lz4.apply(&plain).unwrap();
    assert!(value.bytes().len() < 1_000);
    let size = plain.bytes().len();
    assert_eq!(value.decompressed(size).unwrap(), plain);
    let refused = value.decompressed(size - 1).unwrap_err();
    assert_eq!(refused, CompressError::TooLarge { size, max: size - 1 });
    // A size that no block of this length can have: four gibibytes in eight bytes, and a mebibyte.
    for size in [u32::MAX, 1 << 20] {
        let mut bytes = vec![b'J'];
        bytes.extend_from_slice(&size.to_be_bytes());
        bytes.extend_from_slice(&[0x1f; 8]);
        let broken = of_bytes(&bytes).decompressed(usize::MAX).unwrap_err();
        assert_eq!(broken, CompressError::Broken);
    }
    // A block that has more, or less, than it says.
    let text: String = serde_json::from_slice(value.bytes()).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(text.rsplit(':').next().unwrap()).unwrap();
    for other in [size - 1, size + 1, 0] {
        let mut lie = bytes.clone();
        lie[1..5].copy_from_slice(&u32::try_from(other).unwrap().to_be_bytes());
        assert_eq!(of_bytes(&lie).decompressed(usize::MAX).unwrap_err(), CompressError::Broken);
    }
}

#[test]
fn a_compressed_value_is_not_passed_on_as_if_it_were_plain() {
    let plain = stored(Codec::Json, &"a".repeat(10_000));
    let value = Compression::Lz4.apply(&plain).unwrap();
    assert_eq!(value.decode::<Value>(), Err(DecodeError::Compressed));
    assert_eq!(plain.decompressed(1).unwrap(), plain, "a plain value stays as it is");
}

#[test]
fn a_value_is_compressed_first_and_then_encrypted() {
    let ring: KeyRing = format!("k1 {}", KeyRing::generate_key()).parse().unwrap();
    let plain = stored(Codec::MsgPack, &"much ".repeat(2_000));
    let job = job(&plain);
    let small = Compression::Lz4.apply(&plain).unwrap();
    let sealed = ring.seal_of_job(&job, SealKind::Args, &small).unwrap();
    assert!(sealed.is_compressed() && sealed.bytes().len() < 300);
    assert_eq!(sealed.encrypted_with().as_deref(), Some("k1"));
    let opened = ring.open_of_job(&job, SealKind::Args, &sealed).unwrap();
    assert_eq!(opened.decompressed(MAX_IN_MESSAGE).unwrap(), plain);
    // Each on the other's place: what is encrypted is not compressed.
    assert_eq!(Compression::Lz4.apply(&sealed).unwrap(), sealed);
    let whole = ring.seal_of_job(&job, SealKind::Args, &plain).unwrap();
    assert!(!whole.is_compressed());
}

proptest! {
    #[test]
    fn any_value_comes_back_and_no_bytes_panic(
        text in "[ab]{0,9000}", bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        for codec in [Codec::Json, Codec::MsgPack] {
            let plain = stored(codec, &text);
            let value = Compression::Lz4.apply(&plain).unwrap();
            prop_assert_eq!(value.decompressed(MAX_IN_MESSAGE).unwrap(), plain);
        }
        let _ = of_bytes(&bytes).decompressed(MAX_IN_MESSAGE);
    }
}
