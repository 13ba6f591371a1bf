//! What the front's threads pay for a record before the writer sees it.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};

use crate::measure;

const TURNS: u32 = 200_000;

fn cost(name: &str, mut work: impl FnMut(u32)) {
    let before = measure::thread_cpu();
    for turn in 0..TURNS {
        work(turn);
    }
    let each: Duration = (measure::thread_cpu() - before) / TURNS;
    println!("| {name} | {:.2} |", each.as_nanos() as f64 / 1000.0);
}

/// Prints a table of µs of CPU for each operation.
pub fn report() {
    println!("| operation | µs CPU |\n|---|---|");
    let mut cun = *b"CUN-59FU36KR46";
    cost("SHA-256 of a CUN", |turn| {
        cun[4] = turn as u8;
        black_box(digest::digest(&digest::SHA256, &cun));
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let mut code = *b"RSSMRA80A01H501U";
    cost("HMAC-SHA-256 of a fiscal code, key kept", |turn| {
        code[0] = turn as u8;
        black_box(hmac::sign(&key, &code));
    });
    let sealing =
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[9; 32]).expect("32 bytes are a key"));
    cost("AES-256-GCM sealing of 16 bytes, key kept", |turn| {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&turn.to_le_bytes());
        let mut text = code;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let _ = black_box(
            sealing
                .seal_in_place_separate_tag(nonce, Aad::from(&cun), &mut text)
                .expect("a short text"),
        );
    });
    cost("AES-256-GCM key schedule", |turn| {
        black_box(LessSafeKey::new(
            UnboundKey::new(&AES_256_GCM, &[turn as u8; 32]).expect("32 bytes are a key"),
        ));
    });
}
