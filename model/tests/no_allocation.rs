//! What every submission pays for does not touch the heap.
//! A failure is an allocation by one of these calls, seen by an allocator that counts.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use sistema_ts_model::{
    Caller, CardDigits, Clock, CodiceFiscale, Cun, DateWindow, FirstSymbol, MobileNumber, Otp,
    PinCode, RequestKey, StructureId, SystemClock, TransactionId, check_symbol, parse_date,
};

/// The system's allocator, counting for each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator; the counter is a plain number that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: what the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: what the caller promised us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(call: impl FnOnce() -> T) -> usize {
    let before = ALLOCATIONS.get();
    let value = black_box(call());
    let after = ALLOCATIONS.get();
    drop(value);
    after - before
}

#[test]
fn the_hot_path_does_not_allocate() {
    // The thread's generator is made at its first use.
    let mut rng = rand::rng();
    let first = FirstSymbol::random(&mut rng);
    let cun = Cun::random(&mut rng);
    let now = SystemClock.now();

    assert_eq!(allocations(|| check_symbol(black_box(b"59FU36KR4"))), 0);
    assert_eq!(allocations(|| Cun::random(&mut rng)), 0);
    assert_eq!(allocations(|| Cun::random_with_first(first, &mut rng)), 0);
    assert_eq!(
        allocations(|| (cun.to_text(), cun.digest(), cun.number())),
        0
    );
    assert_eq!(allocations(|| Cun::parse("CUN-9K2RAY8UUQ")), 0);
    assert_eq!(allocations(|| Otp::parse("9K2RAY8UUQ")), 0);
    assert_eq!(allocations(|| CodiceFiscale::parse("RSSMRA85T10A562S")), 0);
    assert_eq!(allocations(|| CodiceFiscale::parse("rssmra85t10a562s")), 0);
    assert_eq!(allocations(|| CardDigits::parse("00123456")), 0);
    assert_eq!(allocations(|| PinCode::parse("0012345678")), 0);
    assert_eq!(allocations(|| MobileNumber::parse("+393331234567")), 0);
    assert_eq!(allocations(|| RequestKey::parse("invio 2026-11-24/1")), 0);
    let structure = || StructureId::parse("120-201-000123");
    assert_eq!(allocations(structure), 0);
    assert_eq!(
        allocations(|| structure().map(|id| Caller::Structure(id).to_key())),
        0
    );
    assert_eq!(allocations(|| Caller::from_key("S120-201-000123")), 0);
    assert_eq!(allocations(|| parse_date("2026-11-24+01:00")), 0);
    let window = DateWindow {
        today: now.rome_day(),
    };
    assert_eq!(allocations(|| window.check(now.rome_day())), 0);
    assert_eq!(allocations(|| now.rome_text()), 0);
    assert_eq!(allocations(TransactionId::random), 0);

    // And an allocation would be seen.
    assert_eq!(allocations(|| cun.to_string()), 1);
}
