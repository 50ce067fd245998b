/// Runs loops over slices with the widest vectors of this machine: what is inlined into `work` is compiled once for
/// AVX-512, once for AVX2 and once for every machine of the target. For short closures: a long one is not inlined, and a
/// function of [`vectorised_fn`] is its place.
#[inline]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
        fn with_avx512<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        #[target_feature(enable = "avx2,fma")]
        fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if has_avx512() {
            // The machine has the instructions: it was asked.
            #[allow(unsafe_code, reason = "the instructions are checked for before")]
            return unsafe { with_avx512(work) };
        }
        if has_avx2() {
            // As above.
            #[allow(unsafe_code, reason = "the instructions are checked for before")]
            return unsafe { with_avx2(work) };
        }
    }
    work()
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Defines a function that runs with the widest vectors of this machine: its body is compiled once for AVX-512, once for AVX2
/// and once for every machine of the target.
macro_rules! vectorised_fn {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $of:ty),* $(,)?) $(-> $output:ty)? $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $of),*) $(-> $output)? {
            #[inline(always)]
            fn work($($argument: $of),*) $(-> $output)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
                fn with_avx512($($argument: $of),*) $(-> $output)? {
                    work($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn with_avx2($($argument: $of),*) $(-> $output)? {
                    work($($argument),*)
                }
                if $crate::kernels::has_avx512() {
                    // The machine has the instructions: it was asked.
                    #[allow(unsafe_code, reason = "the instructions are checked for before")]
                    return unsafe { with_avx512($($argument),*) };
                }
                if $crate::kernels::has_avx2() {
                    // As above.
                    #[allow(unsafe_code, reason = "the instructions are checked for before")]
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            work($($argument),*)
        }
    };
}
pub(crate) use vectorised_fn;
