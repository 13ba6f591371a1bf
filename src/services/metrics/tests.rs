//! A failure means that a request would be counted as another service's.
use super::*;

#[test]
fn services_are_listed_in_the_order_of_their_variants() {
    for (index, service) in Service::ALL.into_iter().enumerate() {
        assert_eq!(service as usize, index);
    }
}
