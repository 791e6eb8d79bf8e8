//! Which instructions the kernels use: found at run time, overridable by a person. The kernels themselves are in
//! `simd`.

use crate::KernelError;

/// An instruction set the kernels were compiled for. All three give the same sums up to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isa {
    /// Whatever the compiler's baseline offers (SSE2 on x86-64, NEON on aarch64).
    Portable,
    /// AVX2 with fused multiply-add: x86-64 from 2013 on.
    Avx2,
    /// AVX-512 F with fused multiply-add: x86-64 servers from 2017 on.
    Avx512,
}

impl Isa {
    /// The environment variable that overrides [`Isa::best`]: `portable`, `avx2` or `avx512`.
    pub const ENV: &'static str = "LATENTSWEEP_ISA";

    /// The fastest set this processor supports, or the one that `LATENTSWEEP_ISA` names.
    ///
    /// # Errors
    /// [`KernelError::UnknownIsa`] and [`KernelError::UnsupportedIsa`] for an override that cannot be obeyed.
    pub fn best() -> Result<Self, KernelError> {
        match std::env::var(Self::ENV) {
            Ok(word) if !word.is_empty() => Self::parse(&word)?.checked(),
            _ => Ok(Self::detect()),
        }
    }

    /// The set called `word` (as [`Isa::name`] spells it, any case), whether this processor has it or not.
    ///
    /// # Errors
    /// [`KernelError::UnknownIsa`].
    pub fn parse(word: &str) -> Result<Self, KernelError> {
        let known = [Self::Portable, Self::Avx2, Self::Avx512];
        known
            .into_iter()
            .find(|isa| isa.name().eq_ignore_ascii_case(word))
            .ok_or_else(|| KernelError::UnknownIsa { found: word.to_owned() })
    }

    /// `portable`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this processor can run it.
    pub fn is_supported(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => std::is_x86_feature_detected!("avx512f") && Self::Avx2.is_supported(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Itself, when this processor has it.
    ///
    /// # Errors
    /// [`KernelError::UnsupportedIsa`].
    pub fn checked(self) -> Result<Self, KernelError> {
        if self.is_supported() { Ok(self) } else { Err(KernelError::UnsupportedIsa { name: self.name() }) }
    }

    fn detect() -> Self {
        [Self::Avx512, Self::Avx2].into_iter().find(|isa| isa.is_supported()).unwrap_or(Self::Portable)
    }
}
