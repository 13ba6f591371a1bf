//! What the parts of the model cost that every submission pays: `cargo bench -p sistema-ts-model`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sistema_ts_model::{
    Caller, CodiceFiscale, Cun, FirstSymbol, StructureId, Timestamp, check_symbol, parse_date,
};

fn codes(criterion: &mut Criterion) {
    criterion.bench_function("check_symbol", |bencher| {
        bencher.iter(|| check_symbol(black_box(b"59FU36KR4")));
    });
    criterion.bench_function("Cun::parse", |bencher| {
        bencher.iter(|| Cun::parse(black_box("CUN-9K2RAY8UUQ")))
    });
    for text in ["RSSMRA85T10A562S", "00743110157"] {
        criterion.bench_function(
            &format!("CodiceFiscale::parse, {} characters", text.len()),
            |bencher| {
                bencher.iter(|| CodiceFiscale::parse(black_box(text)));
            },
        );
    }
    criterion.bench_function("parse_date", |bencher| {
        bencher.iter(|| parse_date(black_box("2026-11-24")))
    });
    criterion.bench_function("StructureId::parse", |bencher| {
        bencher.iter(|| StructureId::parse(black_box("120-201-000123")));
    });
}

fn draws(criterion: &mut Criterion) {
    // The generator that `rand::rng()` has, without its thread-local.
    let mut rng = StdRng::seed_from_u64(1);
    criterion.bench_function("Cun::random, StdRng", |bencher| {
        bencher.iter(|| Cun::random(&mut rng))
    });
    let mut rng = rand::rng();
    criterion.bench_function("Cun::random, rand::rng()", |bencher| {
        bencher.iter(|| Cun::random(&mut rng))
    });
    criterion.bench_function("Cun::random_with_first, rand::rng()", |bencher| {
        let first = FirstSymbol::random(&mut rng);
        bencher.iter(|| Cun::random_with_first(black_box(first), &mut rng));
    });
    criterion.bench_function("Cun::to_text", |bencher| {
        bencher.iter_batched(
            || Cun::random(&mut rng),
            Cun::to_text,
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("Cun::digest", |bencher| {
        bencher.iter_batched(|| Cun::random(&mut rng), Cun::digest, BatchSize::SmallInput);
    });
}

fn texts(criterion: &mut Criterion) {
    let now = Timestamp::from_millis_clamped(1_795_500_151_123);
    criterion.bench_function("Timestamp::rome_text, same hour", |bencher| {
        bencher.iter(|| black_box(now).rome_text());
    });
    criterion.bench_function("Timestamp::rome_text, another hour each time", |bencher| {
        let mut hour = 0;
        bencher.iter(|| {
            hour = (hour + 1) % 1_000;
            black_box(now.plus_millis(hour * 3_600_000)).rome_text()
        });
    });
    criterion.bench_function("Timestamp::rome_day", |bencher| {
        bencher.iter(|| black_box(now).rome_day())
    });
    criterion.bench_function("Caller::to_key", |bencher| {
        let caller = StructureId::parse("120-201-000123").map(Caller::Structure);
        bencher.iter(|| black_box(&caller).as_ref().map(Caller::to_key).ok());
    });
}

criterion_group!(benches, codes, draws, texts);
criterion_main!(benches);
