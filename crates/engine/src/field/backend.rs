//! Which implementation of field arithmetic runs.

use crate::self_check;
use std::{fmt, sync::OnceLock};

/// Which implementation of field arithmetic runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// 64-bit limbs, any CPU.
    Portable,
    /// Four elements at a time with AVX2.
    Avx2,
    /// Eight elements at a time with AVX-512 IFMA.
    Ifma,
    /// [`Self::Ifma`] with its instructions in software: slow, for tests on any CPU.
    #[doc(hidden)]
    IfmaEmulated,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "64-bit words",
            Self::Avx2 => "AVX2",
            Self::Ifma => "AVX-512 IFMA",
            Self::IfmaEmulated => "AVX-512 IFMA in software",
        })
    }
}

impl Backend {
    /// Every implementation.
    #[doc(hidden)]
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Ifma, Self::IfmaEmulated];

    /// The fastest implementation this CPU can run.
    pub fn detect() -> Self {
        let fastest_first = [Self::Ifma, Self::Avx2];
        fastest_first.into_iter().find(|backend| backend.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this CPU can run it. The vector implementations must also agree with
    /// the portable one on a few values, tried once.
    pub fn is_available(self) -> bool {
        static AVX2: OnceLock<bool> = OnceLock::new();
        static IFMA: OnceLock<bool> = OnceLock::new();
        let tried = match self {
            Self::Portable | Self::IfmaEmulated => return true,
            Self::Avx2 => &AVX2,
            Self::Ifma => &IFMA,
        };
        self.has_features() && *tried.get_or_init(|| self_check::agrees_with_portable(self))
    }

    /// Whether the CPU has the instructions.
    #[inline]
    pub(crate) fn has_features(self) -> bool {
        match self {
            Self::Portable | Self::IfmaEmulated => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::arch::is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => {
                std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512ifma")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Ifma => false,
        }
    }

    /// See [`super::Lanes::SHIFT`].
    pub(crate) fn shift(self) -> u32 {
        match self {
            Self::Portable => 0,
            Self::Avx2 => 5,
            Self::Ifma | Self::IfmaEmulated => 4,
        }
    }

    /// Elements side by side, see [`super::Lanes::W`].
    pub(crate) fn lanes(self) -> usize {
        match self {
            Self::Portable => 1,
            Self::Avx2 => 4,
            Self::Ifma | Self::IfmaEmulated => 8,
        }
    }
}
