//! The targets on random bytes: what `make test` does everywhere, and what shrinks a finding. `make fuzz` looks further.

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn encoding(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        portmanteau_fuzz::check_encoding(&bytes);
    }
}
