//! The reference string by its τ·G2.
//!
//! The ceremony for BN254 (54 contributions and a random beacon) was published for all
//! powers up to 28 as `powersOfTau28_hez_final_*.ptau`. All of these files are made
//! from the same τ, hence share τ·G2: whatever passes the pairing check against this
//! point consists of powers of the ceremony's τ, wherever it was fetched.

use ff::PrimeField;
use halo2curves::bn256::{Fq, Fq2, G2Affine};
use sha2::{Digest, Sha256};

/// τ·G2 as `[x.c0, x.c1, y.c0, y.c1]`, each four 64-bit limbs, least significant first.
const CEREMONY_TAU_G2: [[u64; 4]; 4] = [
    [0xbc9f_7fee_8aae_f79e, 0x7169_89a6_996c_2535, 0x82c4_2152_a889_9027, 0x3044_1fd1_b5d3_3704],
    [0x35d8_443d_1938_e23d, 0x5f19_2cd1_20ca_f7e9, 0x9c9a_5b91_f865_97d3, 0x2618_6a2d_65ee_4d2f],
    [0x9778_f689_786b_1e48, 0x5863_19de_359a_b938, 0x5622_c340_573c_b277, 0x0547_9334_8f12_c0cf],
    [0xc6c4_0e22_d65b_3c02, 0xdbbb_6a85_7f57_8403, 0xfbc5_71ef_fb03_503a, 0x1970_ea81_dd69_92ad],
];

const FINGERPRINT_DOMAIN: &[u8] = b"verdict.srs.fingerprint.v1";

/// τ·G2 of the perpetual powers of tau.
pub fn ceremony_tau_g2() -> G2Affine {
    let [x0, x1, y0, y1] = CEREMONY_TAU_G2.map(Fq::from_raw);
    G2Affine { x: Fq2::new(x0, x1), y: Fq2::new(y0, y1) }
}

/// Fingerprint of a reference string: identifies its τ·G2.
pub fn fingerprint(tau_g2: &G2Affine) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(FINGERPRINT_DOMAIN);
    for coordinate in [tau_g2.x.c0, tau_g2.x.c1, tau_g2.y.c0, tau_g2.y.c1] {
        hasher.update(coordinate.to_repr());
    }
    hasher.finalize().into()
}
